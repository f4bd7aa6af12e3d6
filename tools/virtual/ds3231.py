"""A DS3231 at register level on the virtual board's I2C (Maxim 19-5170, rev 10): a clock chip with its own battery."""

import errno

from tools.problem import Problem
from tools.units import instant_ms, wire_time
from tools.virtual.world import World

_CONTROL, _STATUS, _REGISTERS = 0x0E, 0x0F, 0x13
_STOP_ON_BATTERY = _STOPPED = 0x80
_CLEARED_BY_ZERO_ONLY = 0x83  # of the status register: the flags OSF, A2F and A1F


class Ds3231:
    """Off until `power(True)`. `battery`: whether one is in it; `drift_ppm`: its error; `there`: whether it answers.

    With neither supply it forgets all, and its flag says at the next start that the oscillator has stopped.
    """

    ADDRESS = 0x68

    def __init__(self, world: World):
        self._world = world
        self._battery = True
        self._powered = False
        self.drift_ppm = 0
        self.there = True
        self._forget()

    def power(self, on: bool) -> None:
        """The main supply, from which the chip can be talked to."""
        self._powered = on
        if not on and self._control & _STOP_ON_BATTERY:
            self._stop()
        self._supply()

    @property
    def battery(self) -> bool:
        return self._battery

    @battery.setter
    def battery(self, there: bool) -> None:
        self._battery = there
        self._supply()

    def _supply(self) -> None:
        if not self._powered and not self._battery:
            self._forget()

    def _forget(self) -> None:
        self._at = 0
        self._ram = bytearray(_REGISTERS)
        self._control, self._status = 0x1C, 0x88
        self._set(bytes((0, 0, 0, 1, 1, 1, 0)))

    def _stop(self) -> None:
        self._status |= _STOPPED
        self._ram[:7] = self._now()
        self._base = None

    def _set(self, fields: bytes) -> None:
        """The seven time registers as written; what is no time stands still in them."""
        self._ram[:7] = fields
        second, minute, hour, _, day, month, year = (f"{value:02x}" for value in fields)
        try:
            shown_ms = instant_ms(f"20{year}-{month}-{day}T{hour}:{minute}:{second}Z")
            self._base: tuple[int, int] | None = (self._world.now_us, shown_ms)
        except Problem:
            self._base = None

    @property
    def shown_ms(self) -> int | None:
        """Unix time in ms that it shows; None while it shows none."""
        if self._base is None:
            return None
        since_us, shown_ms = self._base
        passed_us = self._world.now_us - since_us
        return shown_ms + (passed_us + passed_us * self.drift_ppm // 1_000_000) // 1000

    def _now(self) -> bytes:
        shown_ms = self.shown_ms
        if shown_ms is None:
            return bytes(self._ram[:7])
        text = wire_time(shown_ms // 1000 * 1000)  # 20YY-MM-DDTHH:MM:SSZ
        digits = text[17:19], text[14:16], text[11:13], "01", text[8:10], text[5:7], text[2:4]
        fields = bytearray(bytes.fromhex("".join(digits)))
        fields[3] = (shown_ms // 86_400_000 + 3) % 7 + 1
        return bytes(fields)

    def write(self, data: bytes) -> int:
        self._answer()
        if not data:
            return 0
        self._at = data[0]
        fields = bytearray(self._now())
        for value in data[1:]:
            if self._at < 7:
                fields[self._at] = value
            elif self._at == _CONTROL:
                self._control = value
            elif self._at == _STATUS:
                self._status = value & ~_CLEARED_BY_ZERO_ONLY | self._status & value & _CLEARED_BY_ZERO_ONLY
            else:
                self._ram[self._at % _REGISTERS] = value
            self._at = (self._at + 1) % _REGISTERS
        if data[0] < 7 and len(data) > 1:
            self._set(bytes(fields))
        return 0

    def read(self, size: int) -> tuple[bytes, int]:
        self._answer()
        registers = bytearray(self._ram)
        registers[:7] = self._now()
        registers[_CONTROL], registers[_STATUS] = self._control, self._status
        given = bytes(registers[(self._at + i) % _REGISTERS] for i in range(size))
        self._at = (self._at + size) % _REGISTERS
        return given, 0

    def _answer(self) -> None:
        if not self.there or not self._powered:
            raise OSError(errno.ENODEV, "no device acknowledges")
