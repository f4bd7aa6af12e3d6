"""Stands in for `time`: the ESP32's, whose ticks wrap at 2**30 and whose epoch is 2000."""

import virtual_link as _link
from micropython import const

_PERIOD = const(1 << 30)
_DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)
_start_ms = 0
_booted_us = 0


def ticks_ms():
    _link.refresh()
    return (_start_ms + (_link.now() - _booted_us) // 1000) % _PERIOD


def ticks_us():
    _link.refresh()
    return (_start_ms * 1000 + _link.now() - _booted_us) % _PERIOD


ticks_cpu = ticks_us


def ticks_diff(end, start):
    return ((end - start + _PERIOD // 2) % _PERIOD) - _PERIOD // 2


def ticks_add(ticks, delta):
    if not -_PERIOD // 2 < delta < _PERIOD // 2:
        raise OverflowError("ticks interval overflow")
    return (ticks + delta) % _PERIOD


def sleep_us(us):
    _link.sleep_us(us if us > 0 else 0)


def sleep_ms(ms):
    _link.sleep_us(ms * 1000 if ms > 0 else 0)


def sleep(seconds):
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    _link.sleep_us(int(seconds * 1000000))


def time():
    return _link.ask(0x63)[0] // 1000000


def time_ns():
    return _link.ask(0x63)[0] * 1000


def _is_leap(year):
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def gmtime(seconds=None):
    days, rest = divmod(time() if seconds is None else int(seconds), 86400)
    weekday = (days + 5) % 7  # 1 January 2000 was a Saturday
    year = 2000
    while days < 0:
        year -= 1
        days += 366 if _is_leap(year) else 365
    while days >= (366 if _is_leap(year) else 365):
        days -= 366 if _is_leap(year) else 365
        year += 1
    yearday = days + 1
    month = 12
    while days < _DAYS_BEFORE[month - 1] + (_is_leap(year) and month > 2):
        month -= 1
    day = days - _DAYS_BEFORE[month - 1] - (_is_leap(year) and month > 2) + 1
    return (year, month, day, rest // 3600, rest // 60 % 60, rest % 60, weekday, yearday)


localtime = gmtime


def mktime(parts):
    if not 8 <= len(parts) <= 9:
        raise TypeError("mktime needs a tuple of length 8 or 9")
    year, month, day, hour, minute, second = parts[:6]
    year += (month - 1) // 12
    month = (month - 1) % 12 + 1
    before = year - 1
    days = 365 * (year - 2000) + before // 4 - before // 100 + before // 400 - 484
    days += _DAYS_BEFORE[month - 1] + (_is_leap(year) and month > 2) + day - 1
    return days * 86400 + hour * 3600 + minute * 60 + second
