"""Reaches a board with mpremote: the same way for a board on a cable and for a virtual one.

`Port` is the path of a serial port, or a virtual board that lives in this process.
"""

import hashlib
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import serial

from tools import ROOT
from tools.problem import Problem
from tools.virtual.board import HARD_RESET, Board
from tools.virtual.flash import FILE_BLOCKS
from tools.virtual.wired import Wired
from tools.virtual.world import Stalled, World

RADIO_HEAP = "120wK"  # of a virtual board whose site may have Bluetooth: 96wK hold everything else
VIRTUAL = ROOT / ".virtual"
MAINTENANCE_FLAG = "/maintenance"
CALL_LIMIT_S = 180
_GREETING_LIMIT_S = 30  # the first call writes one file; a port with no MicroPython behind it is silent for ever
_FREEING = 24  # pieces of 16 bytes, more than the longest answer of a host

# names of mpy-cross's -march by the number in sys.implementation._mpy (MicroPython, py/persistentcode.h)
ARCHITECTURES = (
    "bytecode", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa", "xtensawin",
    "rv32imc", "rv64imc",
)  # fmt: skip

# how sys.implementation._machine ends, longer names first
_CHIPS = ("ESP32S2", "ESP32S3", "ESP32C2", "ESP32C3", "ESP32C5", "ESP32C6", "ESP32H2", "ESP32P4", "ESP32")

_NO_ANSWER = "reset it and try again; if no MicroPython is on it, or another board is on this port, flash it first"
# what mpremote says -> what there is to do about it
_REMEDIES = {
    "failed to access": "it is gone, or another program has it: plug it in, end `log` and terminals, and try again",
    "could not enter raw repl": f"nothing there speaks as MicroPython does: {_NO_ANSWER}",
    "ImportError: no module named": "the board has no firmware, or a damaged one: deploy it first",
    "NotReady: ": "the reader is not ready for work: `python -m tools doctor` says why",
}

Port = str | Board
Report = Callable[[int, int, str], None]  # done, in all, name of what comes next

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


def mpremote(
    port: Port, *arguments: str, on_line: Callable[[str], None] = lambda line: None, limit_s: float = CALL_LIMIT_S
) -> str:
    """Runs the real mpremote on a board and returns what it printed; raises Problem if it fails or takes too long."""
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
        start = max(printed.rfind(b"\n"), printed.rfind(b"\r")) + 1  # mpremote begins its lines of progress with \r
        printed.extend(data)
        for line in re.split(rb"[\r\n]", printed[start:])[:-1]:
            on_line(line.decode(errors="replace").rstrip())

    try:
        if isinstance(port, Board):
            _pump(port, process, take, limit_s)
        else:
            _follow(port, process, take, limit_s)
    except BaseException:
        process.kill()
        process.wait()
        with suppress(Stalled):
            free(port)
        raise
    text = printed.decode(errors="replace").replace("\r\n", "\n")
    if process.returncode:
        last = next((line for line in reversed(text.splitlines()) if line.strip()), "without a word")
        remedy = next((told for word, told in _REMEDIES.items() if word in last), "")
        raise Problem(f"{path}: {remedy}" if remedy else f"mpremote failed on {path}: {last}")
    return text


def free(port: Port) -> None:
    """Makes a board listen that lost its host in the middle of copying: it waits for it, deaf to one Ctrl-C.

    mpremote's code on the board takes what comes for the host's answer, byte by byte, until that is whole or clearly
    wrong; then it heeds Ctrl-C again. A port that is gone by then is left alone.
    """
    if isinstance(port, Board):
        if port.alive:
            pace, port.world.pace = port.world.pace, "real"
            for _ in range(_FREEING):
                port.type(b"\x03" * 16)
                port.world.run(0.02)
            port.world.pace = pace
        return
    with suppress(OSError), serial.Serial(port, 115200, timeout=0.02, write_timeout=1) as line:
        for _ in range(_FREEING):
            line.write(b"\x03" * 16)
            line.read(4096)


def _follow(path: str, process: "subprocess.Popen[bytes]", take: Callable[[bytes], None], limit_s: float) -> None:
    assert process.stdout is not None
    end = time.monotonic() + limit_s
    while select.select([process.stdout], [], [], max(0, end - time.monotonic()))[0]:
        data = os.read(process.stdout.fileno(), 4096)
        if not data:
            process.wait()
            return
        take(data)
    raise Problem(f"{path}: the board does not answer: {_NO_ANSWER}")


def _pump(board: Board, process: "subprocess.Popen[bytes]", take: Callable[[bytes], None], limit_s: float) -> None:
    # The virtual board lives in this process: its world must go on, by the wall clock, while mpremote talks to it.
    world = board.world
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
        world.run_until(lambda: bool(ended) or not board.alive, wall_limit_s=limit_s)
        if not ended:
            raise Problem("the virtual board went dark")
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


def execute_and_reset(port: Port, code: str, limit_s: float = CALL_LIMIT_S) -> str:
    """As `execute`, after which the board starts anew."""
    resets = _resets(port)
    printed = mpremote(port, "exec", code, "+", "reset", limit_s=limit_s)
    _await_reset(port, resets)
    return printed


def reset(port: Port) -> None:
    """Resets the board and waits for it to come up."""
    resets = _resets(port)
    mpremote(port, "reset")
    _await_reset(port, resets)


def _resets(port: Port) -> int:
    return len(port.resets) if isinstance(port, Board) else 0


def _await_reset(port: Port, resets: int) -> None:
    if isinstance(port, Board):
        pace, port.world.pace = port.world.pace, "real"
        port.world.run_until(lambda: HARD_RESET in [cause for _, cause in port.resets[resets:]], wall_limit_s=10)
        port.world.pace = pace
    else:
        time.sleep(1.5)  # the boot ROM, the flash, and with USB of its own the port's coming back


@contextmanager
def maintenance(port: Port, march: str | None = None, chip: str | None = None, brief: bool = False) -> Iterator[bool]:
    """Keeps the board in maintenance, with no watchdog armed, until the block has ended well.

    The flag file is written first and the board reset; it is removed last and the board reset again; if `brief`, for
    work that cannot be half done, also when the block was interrupted. Gives whether the board has a ROMFS partition.
    Raises Problem, before anything is touched, if its native code is not `march` or its chip not `chip` (ESP32S3; not
    asked of a virtual board, whose chip is the host's).
    """
    has_rom = begin_maintenance(port, march, chip)
    try:
        yield has_rom
    except BaseException:
        if brief:
            with suppress(Problem):
                end_maintenance(port)
        raise
    end_maintenance(port)


def begin_maintenance(port: Port, march: str | None = None, chip: str | None = None) -> bool:
    """The first half of `maintenance`, for what takes more than one command."""
    number = -1 if march is None else ARCHITECTURES.index(march)
    code = f"""import sys, vfs
there = getattr(sys.implementation, "_mpy", 0) >> 10 & 15
machine = getattr(sys.implementation, "_machine", "").upper().replace("-", "").split(" WITH ")[-1]
chip = ([name for name in {_CHIPS!r} if machine.startswith(name)] or [machine])[0]
if {number} not in (-1, there):
    raise RuntimeError("native", there)
if {chip!r} not in (None, chip):
    raise RuntimeError("chip", chip)
open({MAINTENANCE_FLAG!r}, "w").close()
print("romfs", hasattr(vfs, "rom_ioctl") and vfs.rom_ioctl(1) > 0)"""
    resets = _resets(port)
    try:
        printed = mpremote(port, "exec", code, "+", "reset", limit_s=_GREETING_LIMIT_S)
    except Problem as problem:
        if wrong := re.search(r"RuntimeError: \('(native|chip)', '?([^')]*)'?\)", str(problem)):
            raise Problem(f"{_told(wrong[1], wrong[2], march, chip)}: it is another board than you named") from None
        raise
    _await_reset(port, resets)
    return "romfs True" in printed


def _told(what: str, there: str, march: str | None, chip: str | None) -> str:
    if what == "chip":
        return f"the board's chip is an {there}, not an {chip}"
    name = ARCHITECTURES[int(there)] if int(there) < len(ARCHITECTURES) else there
    return f"the board's native code is {name}, not {march}"


def end_maintenance(port: Port) -> None:
    resets = _resets(port)
    mpremote(port, "fs", "rm", f":{MAINTENANCE_FLAG}", "+", "reset")
    _await_reset(port, resets)


def push(port: Port, files: Mapping[str, bytes], progress: Report = lambda done, total, name: None) -> list[str]:
    """Copies files to the board by their path there, making folders; what the board has already is not copied.

    Every file is read back there and compared by SHA-256. Returns the paths that were copied.
    """
    return install(port, files, progress)[0]


def install(
    port: Port, files: Mapping[str, bytes], progress: Report, *, remove_stale: bool = False, before: str = ""
) -> tuple[list[str], str]:
    """As `push`, and runs the code `before` on the board in the same call; returns what was printed as well.

    `remove_stale` removes program files (outside /lib) that are not among `files`; they count as changed.
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
        code = f"{before}\n{_INSTALL}\ninstall({remove_stale})"
        printed = mpremote(port, "mount", name, "exec", code, on_line=on_line)
    if damaged:
        raise Problem(
            f"{damaged[0]} arrived damaged: deploy again; if that does not help, the board's flash is failing"
        )
    if "installed" not in printed.split("\n"):
        raise Problem("the board stopped in the middle of copying: deploy again")
    progress(len(paths), len(paths), "")
    return touched, printed


def pull(port: Port, path: str) -> bytes:
    """The content of one file of the board."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "file"
        mpremote(port, "fs", "cp", f":{path}", str(target))
        return target.read_bytes()


def virtual_flash(site: Path | None) -> Path:
    """The flash image of a site's virtual board, or of the one without a site; kept from call to call."""
    name = hashlib.sha256(str(site.resolve()).encode()).hexdigest()[:16] if site else "flash"
    VIRTUAL.mkdir(exist_ok=True)
    return VIRTUAL / f"{name}-{FILE_BLOCKS}.lfs"  # one that was laid out otherwise is another


@contextmanager
def opened(port: str) -> Iterator[Port]:
    """The board at a port. `virtual` is a virtual board with its flash in .virtual/, wired up and switched on for the
    while; `virtual:DIR` is another, the one that `tap` and `sim` keep for the site in DIR, wired as that site says."""
    kind, _, site = port.partition(":")
    if kind != "virtual":
        path = Path(port)
        if not path.is_char_device():
            what = f"{path} is no port" if path.exists() else f"there is no port {path}"
            raise Problem(f"{what}: `python -m tools devices` shows those that are there")
        if not os.access(path, os.R_OK | os.W_OK):
            raise Problem(f"{path} may not be opened by you: join the group that owns it (dialout), and log in again")
        yield port
        return
    from tools.site.directory import CONFIG, Site  # half of what starting takes; a cable needs none of it

    if site and not (Path(site) / CONFIG).is_file():
        raise Problem(
            f"there is no site {site}: `virtual:DIR` is the virtual board that `tap` keeps for the site in DIR"
        )
    here = Site.load(site) if site else None
    flash = virtual_flash(here.folder if here else None)
    wired = Wired(World("real"), flash, RADIO_HEAP, here.bus if here else "hsu")
    with ExitStack() as stack:
        stack.callback(wired.close)
        if here and "ble" in here.content:
            from tools.virtual.radio import Air, Radio  # takes a second to load

            Radio(wired.board, stack.enter_context(Air(wired.world)))
        wired.switch_on()
        yield wired.board
