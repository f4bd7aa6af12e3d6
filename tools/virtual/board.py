"""The virtual board: a real MicroPython on a real littlefs, whose `machine` is wired to the world.

`Board` is the chip with its power switch, reset button, USB console, pins and wires. The interpreter runs in a process
of its own (`child`), whose only way out is a link (`run`); its requests are served here.
"""

import os
import struct
import time
from collections.abc import Callable

from tools.virtual.bus import I2CBus, SPIBus
from tools.virtual.clockwork import Rtc, Watchdog
from tools.virtual.console import Console
from tools.virtual.flash import FILE_BLOCKS, ROM_BLOCKS, Flash
from tools.virtual.pins import Pins
from tools.virtual.run import Run
from tools.virtual.uart import Uart
from tools.virtual.world import Timer, World

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5

_U32 = struct.Struct("<I")
_I64 = struct.Struct("<q")
_WRITE_US_PER_PAGE = 700  # typical page program and block erase of the flash on these modules
_ERASE_US = 45_000
_ENODEV = 19


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
        self.rtc = Rtc(world)
        self.watchdog = Watchdog(world, lambda: self._reset(WDT_RESET))
        self.terminal = Console(world)
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
        self._run: Run | None = None
        self._start_due: object | None = None  # stands for a start that waits for its turn
        self._sleep: Timer | None = None
        self._booted_us = 0
        self.pins.on_irq = lambda pin: self._run.pin_interrupt(pin) if self._run else None
        # What the program asks of a Bluetooth radio, as (value, tail), and what ends with a run. radio.py sets both.
        self.on_radio: Callable[[int, bytes], tuple[int, bytes]] = lambda operation, payload: (-_ENODEV, b"")
        self.on_radio_off: Callable[[], None] = lambda: None
        world.boards.append(self)

    # The outside of the board

    @property
    def alive(self) -> bool:
        """Whether it is powered and runs (a deep sleep does not)."""
        return self._run is not None or self._start_due is not None

    @property
    def waiting(self) -> bool:
        """Whether it waits for time or input, or is off."""
        return self._run is None or self._run.waiting or self.terminal.idle

    @property
    def at_prompt(self) -> bool:
        """Whether boot.py and main.py have ended and the REPL waits for input."""
        return self._run is not None and self.terminal.idle

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

    def radio_event(self, data: bytes) -> None:
        """Something that the radio reports to the program."""
        if self._run is not None:
            self._run.radio_event(data)

    def uart(self, number: int) -> Uart:
        """UART 1 or 2: `connect` an End of a Wire to it."""
        if number not in self._uarts:
            self._uarts[number] = Uart()
            self._uarts[number].on_bytes = lambda: self._run.wake() if self._run else None
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
        self.rtc.lose_power()
        self._start(PWRON_RESET, False)

    def power_cut(self) -> None:
        """Nothing of the program runs any more from this instant. Pins are released; RTC and its memory are lost."""
        self._stop()
        self._release()
        if self._sleep is not None:
            self._sleep.cancel()
            self._sleep = None

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
        self._start_due = due = object()
        self.world.resume(lambda: self._spawn(raw) if self._start_due is due else None)

    def _spawn(self, raw: bool) -> None:
        self._start_due = None
        if self.reset_cause != SOFT_RESET:
            self._booted_us = self.world.now_us
        self._run = Run(
            self.world, self._heap, self.flash, self._uarts, self._serve, self.terminal.printed, self._on_ended
        )
        self.terminal.attach(self._run, raw)

    def _stop(self) -> int:
        self._start_due = None
        run, self._run = self._run, None
        if run is None:
            return 0
        status = run.end()
        self.on_radio_off()
        self.terminal.detach()
        return status

    def _release(self) -> None:
        self.pins.release_all()
        self._close_uarts()
        self.watchdog.stop()

    def _close_uarts(self) -> None:
        for uart in self._uarts.values():
            uart.open(0, 0)

    def _reset(self, cause: int, sleep_ms: int = 0) -> None:
        """A reset of the chip that keeps its power: RTC and RTC memory live on."""
        self._stop()
        self._release()
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

    def _on_ended(self) -> None:
        # The REPL ends by itself for a soft reset; any other end of the interpreter is a panic of the chip.
        heard = self._run is not None and self._run.heard
        status = self._stop()
        if not heard:
            raise RuntimeError(f"the interpreter did not come up: {self.console_log[-500:]}")
        if status < 0:
            self.terminal.show(b"\r\nthe interpreter died of signal %d\r\n" % -status)
            self._reset(HARD_RESET)
        else:
            self._soft_reset()

    def silent(self) -> None:
        """The program computes without a sign of life: time must pass for it, or its watchdog would never bite."""
        due_us = self.watchdog.due_us
        if due_us is not None and self._run is not None and time.monotonic() - self._run.heard_s > self._hang_s:
            self.world.advance_to(due_us)

    # What the program asks of its chip

    def _serve(self, kind: int, argument: int, payload: bytes) -> None:
        self._REQUESTS[kind](self, argument, payload)

    def _answer(self, value: int = 0, tail: bytes = b"") -> None:
        if self._run is not None:
            self._run.answer(value, tail)

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
        return run is self._run

    def _on_uart_open(self, argument: int, payload: bytes) -> None:
        self.uart(argument).open(*struct.unpack("<II", payload))

    def _on_rtc_memory(self, argument: int, payload: bytes) -> None:
        self.rtc.memory = payload

    def _on_reset(self, argument: int, payload: bytes) -> None:
        if argument == SOFT_RESET:
            self._soft_reset()
        else:
            self._reset(argument, _I64.unpack(payload)[0])

    def _on_repl(self, argument: int, payload: bytes) -> None:
        self.terminal.repl_begins()
        self._answer()

    def _on_keyboard(self, argument: int, payload: bytes) -> None:
        self.terminal.heed_interrupt(bool(argument))
        self._answer()

    def _on_i2c(self, argument: int, payload: bytes) -> None:
        self._answer(*self.i2c(payload[0], payload[1]).transfer(payload))

    def _on_spi(self, argument: int, payload: bytes) -> None:
        self._answer(*self.spi(payload[0], payload[1], payload[2]).transfer(payload))

    _REQUESTS: dict[int, Callable[["Board", int, bytes], None]] = {
        ord("h"): _on_hello,
        ord("p"): lambda self, pin, payload: self.pins.set(pin, payload[0], payload[1]),
        ord("r"): lambda self, pin, payload: self._answer(self.pins.level(pin) or 0),
        ord("i"): lambda self, pin, payload: self.pins.arm(pin, payload[0]),
        ord("o"): _on_uart_open,
        ord("u"): lambda self, number, payload: self.uart(number).send(payload),
        ord("d"): lambda self, argument, payload: self.watchdog.start(_U32.unpack(payload)[0] * 1000),
        ord("f"): lambda self, argument, payload: self.watchdog.feed(),
        ord("c"): lambda self, argument, payload: self._answer(self.rtc.now_us),
        ord("C"): lambda self, argument, payload: self.rtc.set(_I64.unpack(payload)[0]),
        ord("m"): lambda self, argument, payload: self._answer(0, self.rtc.memory),
        ord("M"): _on_rtc_memory,
        ord("n"): lambda self, argument, payload: self._answer(0, self._entropy(_U32.unpack(payload)[0])),
        ord("P"): _on_program,
        ord("E"): _on_erase,
        ord("x"): _on_reset,
        ord("l"): _on_repl,
        ord("k"): _on_keyboard,
        ord("I"): _on_i2c,
        ord("S"): _on_spi,
        ord("b"): lambda self, operation, payload: self._answer(*self.on_radio(operation, payload)),
    }
