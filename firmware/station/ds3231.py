"""DS3231: a clock chip with a battery of its own, on I2C (Maxim 19-5170, rev 10).

Registers 00-06 are the time in BCD, 0E is control (bit 7: stop when on battery), 0F status (bit 7, OSF: the oscillator
has stopped at some time, so the time means nothing; it stays set until it is written 0).
"""

from micropython import const

from station.clock import unix_ms
from ticket.times import civil, month_days

_ADDRESS = const(0x68)
_CONTROL = const(0x0E)
_STATUS = const(0x0F)
_STOPPED = const(0x80)
_LOWEST = b"\x00\x00\x00\x01\x01\x01\x00"  # of second, minute, hour, weekday, day, month and year
_HIGHEST = bytes((59, 59, 23, 7, 31, 12, 99))


def _bcd(value):
    return value // 10 << 4 | value % 10


class Ds3231:
    """i2c: of `machine`'s API. Both calls raise OSError when the chip does not answer."""

    def __init__(self, i2c):
        self._i2c = i2c

    def read(self):
        """Unix time in ms; None if the oscillator has ever stopped since it was set, or if this is no time.

        One transfer: the chip holds its registers still for so long. Whole seconds: up to one behind.
        """
        data = self._i2c.readfrom_mem(_ADDRESS, 0, 16)
        if data[_STATUS] & _STOPPED:
            return None
        fields = []
        for at in range(7):
            value = (data[at] >> 4) * 10 + (data[at] & 15)
            # Also what a hanging bus reads as, a 12 hour clock (bit 6 of the hour) and the next century (of the month).
            if data[at] & 15 > 9 or not _LOWEST[at] <= value <= _HIGHEST[at]:
                return None
            fields.append(value)
        second, minute, hour, _, day, month, year = fields
        if day > month_days(2000 + year, month):
            return None
        return unix_ms((2000 + year, month, day, 0, hour, minute, second, 0))

    def write(self, time_ms):
        """Sets the chip, and lets it run on its battery. Its flag is cleared last: a chip that was not believed is not
        until all is written. Meanwhile it is told to stop on its battery, so that a cut raises the flag."""
        seconds = time_ms // 1000
        day_number, second = seconds // 86_400, seconds % 86_400
        year, month, day = civil(day_number)
        fields = (second % 60, second // 60 % 60, second // 3600, (day_number + 3) % 7 + 1, day, month, year - 2000)
        self._i2c.writeto_mem(_ADDRESS, _CONTROL, b"\x9c")
        self._i2c.writeto_mem(_ADDRESS, 0, bytes(_bcd(value) for value in fields))
        self._i2c.writeto_mem(_ADDRESS, _CONTROL, b"\x1c")
        self._i2c.writeto_mem(_ADDRESS, _STATUS, b"\x00")
