"""A PN532 at wire level: the frames of UM0701-02 section 6.2, the link to the host, and its high speed UART.

`Pn532(world, end)` answers on a wire's end; `serve()` brings one out on a pseudo-terminal in real time. The I2C
and SPI framing is in `pn532_bus`. Cards go into `chip.field`. `chip.faults` is the one place where a test makes
things go wrong: it is asked at every frame that crosses the link or the air.
"""

import inspect
import queue
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from .pn532_commands import DATA_LIMIT, Commands, SyntaxFault
from .pn532_faults import FAULTS, Fault, Point
from .pn532_rf import FOREVER, Steps
from .rf import Card
from .world import BITS_PER_BYTE, End, Pty, Timer, Wire, World

ACK = b"\x00\x00\xff\x00\xff\x00"
NACK = b"\x00\x00\xff\xff\x00\x00"
ERROR = b"\x00\x00\xff\x01\xff\x7f\x81\x00"
ACK_US, PROCESS_US = 200, 400  # from a frame's last byte to its ACK; from the ACK to the start of work
WAKE_US, BOOT_US = 300, 2_000
RESET_BAUD = 115200

T = TypeVar("T")


def frame(data: bytes) -> bytes:
    """An information frame around `data`, which begins with D4 or D5: extended from 256 bytes on."""
    size = len(data)
    if size > 255:
        length = size.to_bytes(2, "big")
        head = b"\xff\xff" + length + bytes((-sum(length) & 0xFF,))
    else:
        head = bytes((size, -size & 0xFF))
    return b"\x00\x00\xff" + head + data + bytes((-sum(data) & 0xFF, 0))


class FrameParser:
    """Finds frames in bytes: any preamble, any postamble. What has a wrong length or checksum is passed over.

    `feed(byte)` returns None, or the raw frame from 00 FF to its checksum with what it is: "ack", "nack" or "data".
    """

    def __init__(self):
        self.clear()

    def clear(self) -> None:
        self.raw = bytearray()

    def feed(self, byte: int) -> tuple[str, bytes, bytes] | None:
        """(kind, data, raw) once a frame is whole."""
        raw = self.raw
        raw.append(byte)
        if len(raw) < 3:
            if raw[0] or (len(raw) == 2 and byte not in (0x00, 0xFF)):
                raw.clear()
            elif raw == b"\x00\x00":
                del raw[0]
            return None
        if len(raw) == 4 and raw[2:4] in (b"\x00\xff", b"\xff\x00"):
            return self._whole("ack" if raw[2] == 0 else "nack", b"")
        start, size = 4, raw[2]
        if raw[2:4] == b"\xff\xff":
            if len(raw) < 7:
                return None
            start, size = 7, raw[4] << 8 | raw[5]
            wrong = len(raw) == 7 and sum(raw[4:7]) & 0xFF
        else:
            wrong = len(raw) == 4 and sum(raw[2:4]) & 0xFF
        if wrong or size > DATA_LIMIT:
            raw.clear()
        elif len(raw) == start + size + 1 and len(raw) > 4:
            if sum(raw[start:]) & 0xFF:
                raw.clear()
            else:
                return self._whole("data", bytes(raw[start:-1]))
        return None

    def _whole(self, kind: str, data: bytes) -> tuple[str, bytes, bytes]:
        raw = bytes(self.raw)
        self.raw.clear()
        return kind, data, raw


class Chip(Commands):
    """The PN532 between its host link and the air. A port hands bytes to `receive` and sends what `send` gives it."""

    def __init__(self, world: World):
        self.send: Callable[[bytes], None] = lambda data: None
        self._parser = FrameParser()
        self._timer: Timer | None = None
        self._steps: Steps | None = None
        self._waits_for_cards = False
        self._points = 0
        self._faults: Callable[[Point], Fault | None] | None = None
        self._late: list[Timer] = []
        self.code = 0
        self.in_reset = self.silent = False
        self.commands = 0
        super().__init__(world)
        self.field.on_change.append(self._cards_changed)
        self.reset()

    # --- power ---

    def reset(self) -> None:
        """Power-on, a pulse on the reset pin or a brown-out: everything is forgotten, the chip sleeps in LowVbat."""
        self._abort()
        for timer in self._late:
            timer.cancel()
        self._late.clear()
        self.forget()
        self._last = b""
        self._parser.clear()
        self.silent = False
        self.asleep = True
        self.booted_us = self.world.now_us + BOOT_US

    def reset_pin(self, level: int) -> None:
        """RSTPD_N: low holds the chip in reset, high lets it boot."""
        self.in_reset = not level
        self.reset()

    @property
    def deaf(self) -> bool:
        return self.in_reset or self.silent or self.world.now_us < self.booted_us

    # --- faults ---

    @property
    def faults(self) -> Callable[[Point], Fault | None] | None:
        return self._faults

    @faults.setter
    def faults(self, hook: Callable[[Point], Fault | None] | None) -> None:
        self._faults = hook
        self._points = 0

    def _fault(self, where: str, data: bytes) -> Fault | None:
        """Asks the hook, and does what befalls the chip as a whole."""
        if self._faults is None:
            return None
        point = Point(self._points, where, self.code, bytes(data))
        self._points += 1
        fault = self._faults(point)
        if fault is not None:
            if fault.kind not in FAULTS:
                raise ValueError(f"no such fault: {fault.kind}")
            if fault.kind == "remove":
                self.field.take()
            elif fault.kind == "reset":
                self.reset()
            elif fault.kind == "silent":
                self._abort()
                self.silent = True
        return fault

    def rf_fault(self, where: str, data: bytes) -> tuple[bytes | None, int]:
        fault = self._fault(where, data)
        if fault is None:
            return data, 0
        if fault.kind in ("drop", "nack", "error", "reset", "silent"):
            return None, 0
        return fault.mangled(data), (fault.amount or 1_000_000) if fault.kind == "delay" else 0

    def _later(self, delay_us: int, call: Callable[[], None]) -> None:
        self._late = [timer for timer in self._late if timer.call is not None]
        self._late.append(self.world.call_later(delay_us, call))

    def _emit(self, where: str, data: bytes) -> None:
        fault = self._fault(where, data)
        kind = fault.kind if fault else ""
        if kind in ("drop", "silent", "reset"):
            return
        if fault and kind in ("truncate", "corrupt"):
            data = fault.mangled(data)
        if kind in ("nack", "error"):
            data = NACK if kind == "nack" else ERROR
        if fault and kind == "delay":
            self._later(fault.amount or 1_000_000, lambda: self.send(data))
            return
        self.send(data)
        if kind == "duplicate":
            self.send(data)

    # --- frames from the host ---

    def receive(self, data: bytes) -> None:
        """Bytes from an awake link."""
        for byte in data:
            found = self._parser.feed(byte)
            if found is not None and not self._mishap(*found):
                self._handle(found[0], found[1])

    def _mishap(self, kind: str, data: bytes, raw: bytes) -> bool:
        """Whether a fault took the place of this command."""
        if kind != "data":
            return False
        self.code = data[1] if len(data) > 1 else 0
        fault = self._fault("command", raw)
        if fault is None or fault.kind == "remove":
            return False
        if fault.kind in ("truncate", "corrupt"):
            for byte in fault.mangled(raw):  # the parser is left as such bytes leave it
                self._parser.feed(byte)
        elif fault.kind == "duplicate":
            self._handle(kind, data)
            self._later(ACK_US // 2, lambda: self._handle(kind, data))
        elif fault.kind == "delay":
            self._later(fault.amount or 1_000_000, lambda: self._handle(kind, data))
        elif fault.kind in ("nack", "error"):
            self.send(NACK if fault.kind == "nack" else ERROR)
        return True

    def _handle(self, kind: str, data: bytes) -> None:
        if kind == "nack":
            if self._last and self._steps is None:
                self._after(ACK_US, lambda: self._emit("response", self._last))
        elif kind == "ack":
            self._abort()
            if self.next_baud is not None:
                self.baud_changed(self.next_baud)
                self.next_baud = None
        else:
            self._abort()
            self.next_baud = None
            self._after(ACK_US, lambda: self._begin(data))

    def baud_changed(self, baud: int) -> None:
        """The host has confirmed a new serial speed. Only the high speed UART has one."""

    def _after(self, delay_us: int, call: Callable[[], None]) -> None:
        self._timer = self.world.call_later(delay_us, call)

    def _abort(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        steps, self._steps = self._steps, None
        if (
            steps is not None and inspect.getgeneratorstate(steps) != inspect.GEN_RUNNING
        ):  # one that runs is closed when it next waits
            steps.close()
        self._waits_for_cards = False

    def _begin(self, data: bytes) -> None:
        self._timer = None
        self.commands += 1
        self._emit("ack", ACK)
        if self.deaf or self.asleep:
            return
        if len(data) < 2 or data[0] != 0xD4:
            self._after(PROCESS_US, lambda: self._respond(ERROR))
            return
        self.code = data[1]
        self._steps = self.execute(data[1], data[2:])
        self._after(PROCESS_US, self._step)

    def _step(self) -> None:
        self._timer = None
        self._waits_for_cards = False
        steps = self._steps
        if steps is None:
            return
        try:
            delay_us = next(steps)
        except StopIteration as stop:
            if self._steps is steps:
                self._respond(frame(bytes((0xD5, self.code + 1)) + stop.value))
        except SyntaxFault:
            self._respond(ERROR)
        else:
            if self._steps is not steps:
                steps.close()  # a fault ended the command from within
            elif delay_us == FOREVER:
                self._waits_for_cards = True
            else:
                self._after(delay_us, self._step)

    def _cards_changed(self) -> None:
        if self._waits_for_cards:
            self._waits_for_cards = False
            self._after(0, self._step)

    def _respond(self, response: bytes) -> None:
        self._steps = None
        self._last = response
        self._emit("response", response)
        if self.going_down:
            self.going_down = False
            self._carrier(False)
            self.asleep = True


class Pn532(Chip):
    """A PN532 on its high speed UART, at the far end of `end`'s wire."""

    def __init__(self, world: World, end: End):
        self._end = end
        self._edges = 0
        self._awake_us = self._heard_us = 0
        super().__init__(world)
        self.send = end.write
        end.on_data = self._on_data

    def reset(self) -> None:
        super().reset()
        self._edges = 0
        self.baud_changed(RESET_BAUD)

    def baud_changed(self, baud: int) -> None:
        self._end.wire.baud = baud

    def _on_data(self, data: bytes) -> None:
        """Bytes of one write, the last of which has just been clocked out. Five rising edges wake a sleeping chip;
        what comes before it is awake is lost (UM0701-02, 6.2.3 and 7.2.11)."""
        if self.deaf:
            return
        byte_us = BITS_PER_BYTE * 1_000_000 // self._end.wire.baud
        # in real time two writes may be delivered late and at once; on the wire they followed each other
        first_us = max(self.world.now_us - (len(data) - 1) * byte_us, self._heard_us + byte_us)
        self._heard_us = first_us + (len(data) - 1) * byte_us
        for index, byte in enumerate(data):
            at_us = first_us + index * byte_us
            if self.asleep and self.wake_sources & 0x10:
                levels = byte << 1 | 0x200  # start bit, eight bits from the lowest, stop bit
                self._edges += (levels & ~(levels << 1) & 0x3FE).bit_count()
                if self._edges >= 5:
                    self.asleep, self._edges, self._awake_us = False, 0, at_us + WAKE_US
                    self._parser.clear()
            elif not self.asleep and at_us >= self._awake_us and not self.deaf:
                self.receive(bytes((byte,)))


class Served:
    """A virtual PN532 on a pseudo-terminal, in real time, in a thread of its own. Use as a context manager.

    `path` is the terminal. Everything else belongs to the thread: `do(call)` runs `call(chip)` there and
    returns what it returns.
    """

    def __init__(self, cards: Iterable[Card] = ()):
        self.world = World("real")
        wire = Wire(self.world, RESET_BAUD)
        self.chip = Pn532(self.world, wire.end("pn532"))
        self._pty = Pty(self.world, wire.end("host"))
        self.path = self._pty.path
        for card in cards:
            self.chip.field.put(card)
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._running = True
        self.fault: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while self._running:
                self.world.step(0.01)
                while not self._calls.empty():
                    self._calls.get()()
        except Exception as fault:  # noqa: BLE001  (kept for the owner, who raises it in `close`)
            self.fault = fault

    def do(self, call: Callable[[Chip], T]) -> T:
        answer: queue.SimpleQueue[T] = queue.SimpleQueue()
        self._calls.put(lambda: answer.put(call(self.chip)))
        return answer.get(timeout=10)

    def close(self) -> None:
        """Ends the thread; raises what it died of, if it did."""
        self._running = False
        self._thread.join()
        self._pty.close()
        if self.fault is not None:
            raise self.fault

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def serve(cards: Iterable[Card] = ()) -> Served:
    """Brings a virtual PN532 with these cards out on a pseudo-terminal, for software that knows nothing of it."""
    return Served(cards)
