"""The virtual board's console: what a USB cable to the chip shows, with the port's own REPL behind it.

Keeps track of what the REPL does with what it is sent: whether a Ctrl-C is a character to it or an interrupt,
and whether it is in raw mode, which a soft reset keeps. Programs' line feeds go out as CR LF, save while the
program has switched Ctrl-C off (mpremote's mount does so around its binary exchange).
"""

import os
import re
import tty
from collections import deque

from tools.virtual.run import Run
from tools.virtual.world import World

_RAW_BANNER = b"raw REPL; CTRL-B to exit\r\n"
_LONE_LF = re.compile(rb"(?<!\r)\n")
_LOG_LIMIT = 8 << 20
_OUT_LIMIT = 1 << 16
_AHEAD_LIMIT = 4096


class ReplTracker:
    """Follows the raw REPL's dialogue (MicroPython reference, "Raw mode" and "Raw-paste mode")."""

    def __init__(self) -> None:
        self.raw = False
        self.restart(False)

    def restart(self, raw: bool) -> None:
        """A new run of the interpreter; in the program until `prompt`."""
        self.raw = raw
        self.in_repl = False
        self._line = b""
        self._pasting = False
        self._ends_due = 0  # EOT characters still to come from a running program
        self._ahead = bytearray()  # typed while a program ran: the REPL's, once it has ended

    def prompt(self) -> None:
        """boot.py and main.py have ended, the REPL reads."""
        self.in_repl = True
        self._replay()

    def _replay(self) -> None:
        ahead, self._ahead = self._ahead, bytearray()
        for byte in ahead:
            self.typed(byte)

    @property
    def executing_raw(self) -> bool:
        return self._ends_due > 0 and not self._pasting

    def typed(self, byte: int, to_program: bool = False) -> None:
        """One byte goes to the interpreter; `to_program` if a running program surely takes it."""
        if self._pasting:
            if byte in (3, 4):
                self._pasting = False
            return
        if self._ends_due or not self.in_repl:
            if not to_program and len(self._ahead) < _AHEAD_LIMIT:
                self._ahead.append(byte)
            return
        if not self.raw:
            self.raw = byte == 1
            self._line = b""
        elif byte == 1:
            if self._line == b"\x05A":
                self._pasting = True
                self._ends_due = 3
            self._line = b""
        elif byte == 2:
            self.raw = False
        elif byte == 3:
            self._line = b""
        elif byte == 4:
            self._ends_due = 2 if self._line else 0
            self._line = b""
        elif len(self._line) < 3:
            self._line += bytes([byte])

    def printed(self, data: bytes) -> None:
        if self._ends_due:
            self._ends_due = max(0, self._ends_due - data.count(4))
            if not self._ends_due:
                self._replay()


class Console:
    """`log` keeps what was printed; `path` is a pty for mpremote and people, made when first asked for."""

    def __init__(self, world: World):
        self._world = world
        self.log = bytearray()
        self.tracker = ReplTracker()
        self.idle = False  # whether the REPL waits for input
        self._run: Run | None = None
        self._typed: deque[int] = deque()
        self._heeds_interrupt = True
        self._swallow: bytes | None = None
        self._ends_in_cr = False
        self._master = self._slave = -1
        self._path: str | None = None
        self._out = bytearray()
        self._text, self._text_of = "", 0

    @property
    def path(self) -> str:
        if self._path is None:
            self._master, self._slave = os.openpty()  # the slave stays open, so that programs may come and go
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self._path = os.ttyname(self._slave)
            self._world.add_reader(self._master, self._read)
        return self._path

    def close(self) -> None:
        if self._path is not None:
            self._world.remove_reader(self._master)
            os.close(self._master)
            os.close(self._slave)
            self._path = None

    def _read(self) -> None:
        self.type(os.read(self._master, 4096))

    def type(self, data: bytes) -> None:
        """As if typed at the terminal."""
        self._typed.extend(data)
        self._forward()

    def attach(self, run: Run, raw: bool) -> None:
        """A run of the interpreter begins; `raw` if its REPL goes to raw mode by itself."""
        self._run = run
        self.tracker.restart(raw)

    def detach(self) -> None:
        self._run = None
        self.idle = False
        self._heeds_interrupt = True

    def repl_begins(self) -> None:
        """boot.py and main.py have ended."""
        if self._run is None:
            return
        self._run.drain()
        if self.tracker.raw:  # the interpreter begins with the friendly REPL, whose greeting nobody sees
            self._swallow = b""
            os.write(self._run.child.console_in, b"\x01")
        self.tracker.prompt()

    def heed_interrupt(self, heeds: bool) -> None:
        """Whether Ctrl-C interrupts; while it does not, the program's bytes go out as they are."""
        if self._run is not None:
            self._run.drain()
        self._heeds_interrupt = heeds

    def _running(self, run: Run) -> bool:
        """Whether a program runs rather than the REPL reads."""
        tracker = self.tracker
        return not tracker.in_repl or (tracker.executing_raw if tracker.raw else not run.child.reads_line)

    def _forward(self) -> None:
        """Hands to the interpreter what was typed; Ctrl-C while a program runs is an interrupt."""
        if self._run is not None and not self._run.waiting:
            self._run.take_requests()  # it may just have said whether it heeds Ctrl-C
        run = self._run
        if run is None or not self._typed:
            return
        forward = bytearray()
        while self._typed and len(forward) < 1024:
            byte = self._typed.popleft()
            if byte == 3 and self._heeds_interrupt and self._running(run):
                run.keyboard_interrupt()
                continue
            if byte in (b"\x01\x02\x04" if self.tracker.raw else b"\r\n\x01\x02\x03\x04\x05"):
                self.idle = False  # the REPL will say something and prompt again
            forward.append(byte)
            self.tracker.typed(byte, not self._heeds_interrupt)
        if forward:
            try:
                sent = os.write(run.child.console_in, forward)
            except BlockingIOError:
                sent = 0
            self._typed.extendleft(reversed(forward[sent:]))
            run.wake()  # a program may wait for console and other inputs at once
        if self._typed:
            self._world.call_later(500, self._forward)

    @property
    def text(self) -> str:
        """The log as text; decoded anew only when something was added."""
        if self._text_of != len(self.log):
            self._text, self._text_of = self.log.decode(errors="replace"), len(self.log)
        return self._text

    @property
    def shows_prompt(self) -> bool:
        """Whether the last that was printed is a prompt."""
        return self.log.endswith(b">" if self.tracker.raw else (b">>> ", b"... ", b"=== "))

    def printed(self, data: bytes) -> None:
        """What the interpreter wrote."""
        self.tracker.printed(data)
        if self._swallow is not None:
            self._swallow += data
            at = self._swallow.find(_RAW_BANNER)
            if at < 0:
                return
            data = self._swallow[at:]
            self._swallow = None
        self.show(data)
        if self._run is not None and self.shows_prompt and not self._running(self._run):
            self.idle = True

    def show(self, data: bytes) -> None:
        if self._heeds_interrupt:
            ends_in_cr, self._ends_in_cr = self._ends_in_cr, data.endswith(b"\r")
            start = 1 if ends_in_cr and data.startswith(b"\n") else 0
            data = data[:start] + _LONE_LF.sub(b"\r\n", data[start:])
        self.log += data
        if len(self.log) > _LOG_LIMIT:
            del self.log[: len(self.log) - _LOG_LIMIT]
            self._text_of = -1
        if self._path is not None:
            waiting = bool(self._out)
            self._out += data
            del self._out[: max(0, len(self._out) - _OUT_LIMIT)]  # nobody reads at the other end
            if not waiting:
                self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        try:
            del self._out[: os.write(self._master, self._out)]
        except BlockingIOError:
            pass
        if self._out:
            self._world.when_writable(self._master, self._write)
