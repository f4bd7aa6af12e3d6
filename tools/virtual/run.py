"""One run of a virtual board's interpreter, from a reset to the next: its process and the link to it.

The link's bytes are described in device/virtual_link.py.
"""

import os
import struct
import time
from collections.abc import Callable

from tools.virtual.child import Child
from tools.virtual.flash import Flash
from tools.virtual.uart import Uart
from tools.virtual.world import Timer, World

_HEAD = struct.Struct("<HBBq")
_ANSWER = struct.Struct("<HBBqq")
_EVENT = struct.Struct("<BBH")
_I64 = struct.Struct("<q")
_EVENT_UART, _EVENT_PIN, _EVENT_RADIO = 1, 2, 3
_INTERRUPT, _REAL = 1, 2
_WAIT, _SETTLE = ord("w"), ord("s")
_GRACE_S = 0.3  # how long an interrupted program may compute before it is interrupted by force


class Run:
    """`serve(kind, argument, payload)` is called for each request that is not a wait; `printed(data)` for what comes
    to the console, and `ended()` when the interpreter has ended by itself."""

    def __init__(
        self,
        world: World,
        heap: str,
        flash: Flash,
        uarts: dict[int, Uart],
        serve: Callable[[int, int, bytes], None],
        printed: Callable[[bytes], None],
        ended: Callable[[], None],
    ):
        self.over = False
        self.heard = False  # whether the interpreter has said anything over the link
        self.heard_s = time.monotonic()
        self.child = Child(heap, flash)
        self._world = world
        self._uarts = uarts
        self._serve = serve
        self._printed = printed
        self._ended = ended
        self._received = b""
        self._serving = False
        self._waits: Timer | None = None
        self._events: list[bytes] = []
        self._interrupted = False
        world.add_reader(self.child.link, self.take_requests)
        world.add_reader(self.child.console_out, self._on_console)

    @property
    def waiting(self) -> bool:
        """Whether the program waits for time or input."""
        return self._waits is not None

    def end(self) -> int:
        """Kills the interpreter, if it has not ended; returns its exit status."""
        self.over = True
        status = self.child.kill()
        self.drain()
        self._world.remove_reader(self.child.link)
        self._world.remove_reader(self.child.console_out)
        self.child.close()
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None
        return status

    # Console out

    def drain(self) -> bool:
        """Hands on what was printed so far; False at the end of the interpreter."""
        while True:
            try:
                data = os.read(self.child.console_out, 1 << 16)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._printed(data)

    def _on_console(self) -> None:
        if not self.drain():
            self._ended()

    # Link

    def take_requests(self) -> None:
        """Serves what the program has asked so far, each request at the program's own time."""
        if self._serving or self.over:  # what is due while one request is served may look for more
            return
        self._serving = True
        try:
            self._received += self.child.receive()
            while not self.over and (request := self._next_request()):
                kind, argument, time_us, payload = request
                self._world.advance_to(time_us)
                if self.over:  # what was due until then has ended this run
                    return
                self.heard, self.heard_s = True, time.monotonic()
                if kind == _WAIT:
                    self._wait(_I64.unpack(payload)[0])
                elif kind == _SETTLE:
                    self.child.send(payload)
                else:
                    self._serve(kind, argument, payload)
        finally:
            self._serving = False

    def _next_request(self) -> tuple[int, int, int, bytes] | None:
        if len(self._received) < _HEAD.size:
            return None
        length, kind, argument, time_us = _HEAD.unpack_from(self._received)
        end = _HEAD.size + length
        if len(self._received) < end:
            return None
        payload, self._received = self._received[_HEAD.size : end], self._received[end:]
        return kind, argument, time_us, payload

    def answer(self, value: int = 0, tail: bytes = b"", flags: int = 0) -> None:
        if not self.over:
            flags |= _REAL if self._world.pace == "real" else 0
            self.heard_s = time.monotonic()
            self.child.send(_ANSWER.pack(len(tail), flags, 0, self._world.now_us, value) + tail)

    def _wait(self, until_us: int) -> None:
        now_us = self._world.now_us
        pending = self._events or self._interrupted or any(uart.pending for uart in self._uarts.values())
        if until_us <= now_us or pending:
            self._answer_wait()
        else:
            self._waits = self._world.call_later(until_us - now_us, self.wake)

    def wake(self) -> None:
        """Something came in, or time has come: a wait under way ends."""
        waits = self._waits
        if waits is not None:
            self._world.resume(lambda: self._answer_wait() if self._waits is waits else None)

    def _answer_wait(self) -> None:
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None
        for number, uart in self._uarts.items():
            data = uart.take()
            if data:
                self._events.append(_EVENT.pack(_EVENT_UART, number, len(data)) + data)
        tail = b"".join(self._events)
        self._events.clear()
        flags = _INTERRUPT if self._interrupted else 0
        self._interrupted = False
        self.answer(0, tail, flags)

    def pin_interrupt(self, pin: int) -> None:
        self._events.append(_EVENT.pack(_EVENT_PIN, pin, 0))
        self.wake()

    def radio_event(self, data: bytes) -> None:
        self._events.append(_EVENT.pack(_EVENT_RADIO, 0, len(data)) + data)
        self.wake()

    def keyboard_interrupt(self) -> None:
        """Ctrl-C: raised in the program's wait, or if it does not come to one soon, by a signal wherever it is."""
        self._interrupted = True
        self.wake()
        self._force_at(time.monotonic() + _GRACE_S)

    def _force_at(self, at_s: float) -> None:
        def look() -> None:
            if self.over or not self._interrupted:
                return
            if time.monotonic() < at_s:
                self._force_at(at_s)
            else:
                self._interrupted = False
                self.child.interrupt()

        self._world.call_later(20_000, look)
