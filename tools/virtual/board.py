"""The virtual board: a real MicroPython on a real littlefs, whose `machine` is wired to the world.

`Board` is the chip with its power switch, reset button, USB console, pins and wires; the interpreter runs in a
process of its own (`child`), whose only way out is the link served here (its protocol: device/virtual_link.py).
"""

import os
import struct
import time
from collections.abc import Callable

from tools.virtual.bus import I2CBus, SPIBus
from tools.virtual.child import Child
from tools.virtual.console import Console
from tools.virtual.flash import FILE_BLOCKS, ROM_BLOCKS, Flash
from tools.virtual.pins import Pins
from tools.virtual.uart import Uart
from tools.virtual.world import Timer, World

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5

_HEAD = struct.Struct("<HBBq")
_ANSWER = struct.Struct("<HBBqq")
_EVENT = struct.Struct("<BBH")
_U32 = struct.Struct("<I")
_I64 = struct.Struct("<q")
_EVENT_UART, _EVENT_PIN = 1, 2
_INTERRUPT, _REAL = 1, 2

_WRITE_US_PER_PAGE = 700  # typical page program and block erase of the flash on these modules
_ERASE_US = 45_000
_GRACE_S = 0.3  # how long an interrupted program may compute before it is interrupted by force


class Board:
    """A board that is off until `power_on`.

    `heap`: as `-X heapsize`; `96wK` holds what 96 KB hold on a 32-bit board. `entropy(count)` makes what
    `os.urandom` gives; `ticks_start_ms` is where the tick counter begins at each reset, a little before its wrap;
    `hang_s` is how long on the wall a program may compute without a sign of life before, with virtual pace, time
    goes on to its watchdog's end.
    """

    def __init__(
        self,
        world: World,
        flash_path: str | os.PathLike[str],
        *,
        heap: str = "96wK",
        flash_blocks: int = FILE_BLOCKS,
        rom_blocks: int = ROM_BLOCKS,
        unique_id: bytes = b"\x24\x0a\xc4\x00\x00\x01",
        entropy: Callable[[int], bytes] = os.urandom,
        ticks_start_ms: int = (1 << 30) - 20_000,
        hang_s: float = 5.0,
    ):
        self.world = world
        self.flash = Flash(flash_path, flash_blocks, rom_blocks)
        self.pins = Pins(world)
        self.terminal = Console(world)
        self.rtc_drift_ppm = 0
        self.reset_cause = 0
        self.resets: list[tuple[int, int]] = []  # (time_us, cause) of each start
        self._heap = heap
        self._unique_id = unique_id
        self._entropy = entropy
        self._ticks_start_ms = ticks_start_ms
        self._hang_s = hang_s
        self._uarts: dict[int, Uart] = {}
        self._i2c: dict[tuple[int, int], I2CBus] = {}
        self._spi: dict[tuple[int, int, int], SPIBus] = {}
        self._child: Child | None = None
        self._starting = False
        self._serving = False
        self._heard = False  # whether this run of the interpreter has said anything
        self._heard_s = 0.0
        self._run = 0  # counts runs of the interpreter, so that what belongs to an ended one is known
        self._reset_state()
        self.pins.on_irq = self._on_irq
        self.terminal.on_input = self._on_typed
        world.boards.append(self)

    def _reset_state(self) -> None:
        self._received = b""
        self._wait: tuple[int, Timer] | None = None  # (argument, timer) of a wait under way
        self._events: list[bytes] = []
        self._idle = False
        self._interrupted = False
        self._heeds_interrupt = True
        self._wdt: Timer | None = None
        self._wdt_us = 0
        self._rtc_base: tuple[int, int] = (0, 0)  # (world µs, RTC µs since 2000) when it was last set
        self._rtc_memory = b""
        self._sleep: Timer | None = None
        self._booted_us = 0

    # The outside of the board

    @property
    def alive(self) -> bool:
        """Whether it is powered and runs (a deep sleep does not)."""
        return self._child is not None or self._starting

    @property
    def waiting(self) -> bool:
        return self._child is None or self._wait is not None or self._idle

    @property
    def at_prompt(self) -> bool:
        """Whether boot.py and main.py have ended and the REPL waits for input."""
        return self._child is not None and self._idle

    @property
    def console(self) -> str:
        """Path of the pty at the other end of the USB cable, for mpremote. Needs pace "real"."""
        return self.terminal.path

    @property
    def console_log(self) -> str:
        """What was printed so far (its last 8 MB)."""
        return self.terminal.text

    def type(self, data: bytes) -> None:
        """Types at the console without a pty; works with either pace."""
        self.terminal.type(data)

    def uart(self, number: int) -> Uart:
        """UART 1 or 2: `connect` an End of a Wire to it."""
        if number not in self._uarts:
            self._uarts[number] = Uart()
            self._uarts[number].on_bytes = self._wake
        return self._uarts[number]

    def i2c(self, scl: int, sda: int) -> I2CBus:
        """The bus on two pins: put devices into its `devices` by address."""
        return self._i2c.setdefault((scl, sda), I2CBus())

    def spi(self, sck: int, mosi: int, miso: int) -> SPIBus:
        """The bus on three pins: `attach` devices to it by chip select pin."""
        if (sck, mosi, miso) not in self._spi:
            self._spi[sck, mosi, miso] = SPIBus(self.pins)
        return self._spi[sck, mosi, miso]

    def drive(self, pin: int, level: int | None) -> None:
        """Drives a pin from outside; None lets go of it."""
        self.pins.drive(pin, level)

    def cut_at_write(self, number: int, keep_bytes: int | None = None) -> None:
        """Arms a power cut; see Flash.cut_at_write."""
        self.flash.cut_at_write(number, keep_bytes)

    def cut_at_erase(self, number: int) -> None:
        """Arms a power cut; see Flash.cut_at_erase."""
        self.flash.cut_at_erase(number)

    # Power and resets

    def power_on(self) -> None:
        if self.alive or self._sleep is not None:
            raise RuntimeError("the board is on")
        self._rtc_base = (self.world.now_us, 0)
        self._start(PWRON_RESET, False)

    def power_cut(self) -> None:
        """Nothing of the program runs any more from this instant. Pins are released; RTC and its memory are lost."""
        self._stop()
        self.pins.release_all()
        self._close_uarts()
        if self._wdt is not None:
            self._wdt.cancel()
        if self._sleep is not None:
            self._sleep.cancel()
        self._reset_state()

    def press_reset(self) -> None:
        """The EN button: to the chip it is a power-on, and the RTC is lost too."""
        self.power_cut()
        self.power_on()

    def close(self) -> None:
        """Power off, for good."""
        self.power_cut()
        self.terminal.close()
        self.flash.close()
        self.world.boards.remove(self)

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, cause: int, raw: bool) -> None:
        self.reset_cause = cause
        self.resets.append((self.world.now_us, cause))
        self._starting = True
        self._run += 1
        run = self._run
        self.world.resume(self, lambda: self._spawn(run, raw))

    def _spawn(self, run: int, raw: bool) -> None:
        if run != self._run:
            return
        self._starting = False
        if self.reset_cause != SOFT_RESET:
            self._booted_us = self.world.now_us
        self._heard = False
        self._heard_s = time.monotonic()
        self._child = child = Child(self._heap, self.flash)
        self.terminal.tracker.restart(raw)
        self.world.add_reader(child.link, self._on_link)
        self.world.add_reader(child.console_out, self._on_printed)

    def _stop(self) -> int:
        self._run += 1
        self._starting = False
        child, self._child = self._child, None
        if child is None:
            return 0
        status = child.kill()
        self._drain(child)
        self.world.remove_reader(child.link)
        self.world.remove_reader(child.console_out)
        child.close()
        if self._wait is not None:
            self._wait[1].cancel()
        self._wait = None
        self._received = b""
        self._events.clear()
        self._idle = self._interrupted = False
        self._heeds_interrupt = self.terminal.cooked = True
        return status

    def _close_uarts(self) -> None:
        for uart in self._uarts.values():
            uart.open(0, 0)

    def _reset(self, cause: int, sleep_ms: int = 0) -> None:
        """A reset of the chip that keeps its power: RTC and RTC memory live on."""
        self._stop()
        self.pins.release_all()
        self._close_uarts()
        self._stop_watchdog()
        if cause != DEEPSLEEP_RESET:
            self._start(cause, False)
        elif sleep_ms:
            self._sleep = self.world.call_later(sleep_ms * 1000, self._wake_up)

    def _wake_up(self) -> None:
        self._sleep = None
        self._start(DEEPSLEEP_RESET, False)

    def _soft_reset(self) -> None:
        """Ends the program and starts the interpreter anew; pins and watchdog stay as they are."""
        raw = self.terminal.tracker.raw
        self._stop()
        self.pins.disarm_all()
        self._close_uarts()
        self.terminal.show(b"MPY: soft reboot\r\n")
        self._start(SOFT_RESET, raw)

    # Watchdog

    def _feed(self) -> None:
        if self._wdt is not None:
            self._wdt.cancel()
        self._wdt = self.world.call_later(self._wdt_us, self._bite)

    def _stop_watchdog(self) -> None:
        if self._wdt is not None:
            self._wdt.cancel()
            self._wdt = None

    def _bite(self) -> None:
        self._wdt = None
        self._reset(WDT_RESET)

    def silent(self) -> None:
        """The program computes without a sign of life: time must pass for it, or its watchdog would never bite."""
        if self._wdt is not None and time.monotonic() - self._heard_s > self._hang_s:
            self.world.advance_to(self._wdt.due_us)

    # RTC

    def _rtc_us(self) -> int:
        at_us, rtc_us = self._rtc_base
        passed_us = self.world.now_us - at_us
        return rtc_us + passed_us + passed_us * self.rtc_drift_ppm // 1_000_000

    # Console

    def _on_printed(self) -> None:
        child = self._child
        if child is not None and not self._drain(child):
            heard = self._heard
            status = self._stop()
            if not heard:
                raise RuntimeError(f"the interpreter did not come up: {self.console_log[-500:]}")
            # The REPL ends by itself for a soft reset; any other end of the interpreter is a panic of the chip.
            if status < 0:
                self.terminal.show(b"\r\nthe interpreter died of signal %d\r\n" % -status)
                self._reset(HARD_RESET)
            else:
                self._soft_reset()

    def _drain(self, child: Child) -> bool:
        """Takes in what was printed; False at its end."""
        while True:
            try:
                data = os.read(child.console_out, 1 << 16)
            except BlockingIOError:
                return True
            if not data:
                return False
            self.terminal.printed(data)
            if not self._running(child) and self.terminal.shows_prompt:
                self._idle = True

    def _running(self, child: Child) -> bool:
        """Whether a program runs rather than the REPL reads."""
        tracker = self.terminal.tracker
        return not tracker.in_repl or (tracker.executing_raw if tracker.raw else not child.reads_line)

    def _on_typed(self) -> None:
        if self._child is None or not self.terminal.typed:
            return
        if self._wait is None:
            self._on_link()  # it may just have said whether it heeds Ctrl-C
        child = self._child
        if child is None:
            return
        typed, tracker = self.terminal.typed, self.terminal.tracker
        forward = bytearray()
        while typed and len(forward) < 1024:
            byte = typed.popleft()
            if byte == 3 and self._heeds_interrupt and self._running(child):
                self._interrupt()
                continue
            if byte in (b"\x01\x02\x04" if tracker.raw else b"\r\n\x01\x02\x03\x04\x05"):
                self._idle = False  # the REPL will say something and prompt again
            forward.append(byte)
            tracker.typed(byte, not self._heeds_interrupt)
        if forward:
            try:
                sent = os.write(child.console_in, forward)
            except BlockingIOError:
                sent = 0
            if sent < len(forward):
                typed.extendleft(reversed(forward[sent:]))
            self._wake()  # a program may wait for console and other inputs at once
        if typed:
            self.world.call_later(500, self._on_typed)

    def _interrupt(self) -> None:
        self._interrupted = True
        run = self._run
        if self._wait is not None:
            self._wake()
        else:
            end_s = time.monotonic() + _GRACE_S

            def force() -> None:
                if run != self._run or not self._interrupted or self._child is None:
                    return
                if time.monotonic() < end_s:
                    self.world.call_later(20_000, force)
                    return
                self._interrupted = False
                self._child.interrupt()

            self.world.call_later(20_000, force)

    # The link

    def _on_irq(self, pin: int) -> None:
        self._events.append(_EVENT.pack(_EVENT_PIN, pin, 0))
        self._wake()

    def _wake(self) -> None:
        """Something came in: a wait under way ends."""
        if self._wait is None:
            return
        wait = self._wait
        self.world.resume(self, lambda: self._answer_wait() if self._wait is wait else None)

    def _answer_wait(self) -> None:
        if self._wait is not None:
            self._wait[1].cancel()
            self._wait = None
        for number, uart in self._uarts.items():
            data = uart.take()
            if data:
                self._events.append(_EVENT.pack(_EVENT_UART, number, len(data)) + data)
        tail = b"".join(self._events)
        self._events.clear()
        flags = _INTERRUPT if self._interrupted else 0
        self._interrupted = False
        self._answer(0, tail, flags)

    def _answer(self, value: int = 0, tail: bytes = b"", flags: int = 0) -> None:
        if self._child is not None:
            if self.world.pace == "real":
                flags |= _REAL
            self._heard_s = time.monotonic()
            self._child.send(_ANSWER.pack(len(tail), flags, 0, self.world.now_us, value) + tail)

    def _on_link(self) -> None:
        child = self._child
        if child is None or self._serving:  # what is due while one request is served may look for more
            return
        self._serving = True
        try:
            self._received += child.receive()
            run = self._run
            while run == self._run and (request := self._next_request()):
                kind, argument, time_us, payload = request
                self.world.advance_to(time_us)
                if run == self._run:  # else what was due until then has ended this run
                    self._heard = True
                    self._heard_s = time.monotonic()
                    self._REQUESTS[kind](self, argument, payload)
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

    def _on_wait(self, argument: int, payload: bytes) -> None:
        (until_us,) = _I64.unpack(payload)
        now_us = self.world.now_us
        pending = self._events or self._interrupted or any(uart.pending for uart in self._uarts.values())
        if until_us <= now_us or pending:
            self._answer_wait()
            return
        # A waiting board must have a wait before it can be woken: the timer's call comes later than this line.
        self._wait = (argument, self.world.call_later(until_us - now_us, self._wake))

    def _on_hello(self, argument: int, payload: bytes) -> None:
        boot_files = 1 if self.terminal.tracker.raw else 2
        head = struct.pack(
            "<BHHqqB6s",
            boot_files,
            self.flash.blocks,
            self.flash.rom_blocks,
            self._ticks_start_ms,
            self._booted_us,
            self.reset_cause,
            self._unique_id,
        )
        self._answer(0, head + str(self.flash.path.resolve()).encode())

    def _on_program(self, argument: int, payload: bytes) -> None:
        if self._spend(_WRITE_US_PER_PAGE):
            self.flash.program(_U32.unpack_from(payload)[0], payload[4:], self.power_cut)
            self._answer()

    def _on_erase(self, argument: int, payload: bytes) -> None:
        if self._spend(_ERASE_US):
            self.flash.erase(_U32.unpack(payload)[0], self.power_cut)
            self._answer()

    def _spend(self, us: int) -> bool:
        """Lets the time of a flash operation pass; False if the program did not live to see its end."""
        run = self._run
        self.world.advance_to(self.world.now_us + us)
        return run == self._run

    def _on_uart_open(self, argument: int, payload: bytes) -> None:
        self.uart(argument).open(*struct.unpack("<II", payload))

    def _on_watchdog(self, argument: int, payload: bytes) -> None:
        self._wdt_us = _U32.unpack(payload)[0] * 1000
        self._feed()

    def _on_rtc_set(self, argument: int, payload: bytes) -> None:
        self._rtc_base = (self.world.now_us, _I64.unpack(payload)[0])

    def _on_rtc_memory(self, argument: int, payload: bytes) -> None:
        self._rtc_memory = payload

    def _on_reset(self, argument: int, payload: bytes) -> None:
        if argument == SOFT_RESET:
            self._soft_reset()
        else:
            self._reset(argument, _I64.unpack(payload)[0])

    def _on_repl(self, argument: int, payload: bytes) -> None:
        tracker = self.terminal.tracker
        if self._child is None:
            return
        self._drain(self._child)
        if tracker.raw:  # the interpreter begins with the friendly REPL, whatever was before
            self.terminal.swallow_until_raw()
            os.write(self._child.console_in, b"\x01")
        tracker.prompt()
        self._answer()

    def _on_keyboard(self, argument: int, payload: bytes) -> None:
        if self._child is not None:
            self._drain(self._child)
        self._heeds_interrupt = self.terminal.cooked = bool(argument)
        self._answer()

    def _on_settle(self, argument: int, payload: bytes) -> None:
        if self._child is not None:
            self._child.send(payload)

    def _on_i2c(self, argument: int, payload: bytes) -> None:
        self._answer(*self.i2c(payload[0], payload[1]).transfer(payload))

    def _on_spi(self, argument: int, payload: bytes) -> None:
        self._answer(0, self.spi(payload[0], payload[1], payload[2]).transfer(payload))

    _REQUESTS: dict[int, Callable[["Board", int, bytes], None]] = {
        ord("w"): _on_wait,
        ord("h"): _on_hello,
        ord("p"): lambda self, pin, payload: self.pins.set(pin, payload[0], payload[1]),
        ord("r"): lambda self, pin, payload: self._answer(self.pins.level(pin) or 0),
        ord("i"): lambda self, pin, payload: self.pins.arm(pin, payload[0]),
        ord("o"): _on_uart_open,
        ord("u"): lambda self, number, payload: self.uart(number).send(payload),
        ord("d"): _on_watchdog,
        ord("f"): lambda self, argument, payload: self._feed(),
        ord("c"): lambda self, argument, payload: self._answer(self._rtc_us()),
        ord("C"): _on_rtc_set,
        ord("m"): lambda self, argument, payload: self._answer(0, self._rtc_memory),
        ord("M"): _on_rtc_memory,
        ord("n"): lambda self, argument, payload: self._answer(0, self._entropy(_U32.unpack(payload)[0])),
        ord("P"): _on_program,
        ord("E"): _on_erase,
        ord("x"): _on_reset,
        ord("l"): _on_repl,
        ord("k"): _on_keyboard,
        ord("s"): _on_settle,
        ord("I"): _on_i2c,
        ord("S"): _on_spi,
    }
