"""UTC times as text and as whole milliseconds since 1970, and the civil calendar in between. Integers only.

Days are counted in years that begin on 1 March, so that a leap day is the last of its year; 400 years are always
146,097 days. Years 1970 to 9999: what comes before has no CWT form, and what comes after has no such text.
"""

LAST_MS = 253402300799999  # 9999-12-31T23:59:59.999Z
_DAY_S = 86400
_EPOCH = 719468  # days from 0000-03-01 to 1970-01-01


def days(year, month, day):
    """Days since 1970-01-01 of a proleptic Gregorian date; `month` 1..12, `day` 1 or more, year 0 or later."""
    if month <= 2:
        year -= 1
    century_years = year % 400
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year // 400 * 146097 + century_years * 365 + century_years // 4 - century_years // 100 + day_of_year - _EPOCH


def civil(day_number):
    """Days since 1970-01-01 -> (year, month, day)."""
    day_number += _EPOCH
    cycle, rest = day_number // 146097, day_number % 146097
    year = (rest - rest // 1460 + rest // 36524 - rest // 146096) // 365
    day_of_year = rest - (365 * year + year // 4 - year // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    return year + 400 * cycle + (1 if month <= 2 else 0), month, day


def month_days(year, month):
    """Days in a month."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def weekday(seconds):
    """Day of the week of a count of seconds since 1970 (local or UTC, as the count is): 0 Monday .. 6 Sunday."""
    return (seconds // _DAY_S + 3) % 7  # 1970-01-01 was a Thursday


_date, _date_s = b"", 0  # the last date that was read, as text and in seconds: a ticket's times share one or two


def _date_seconds(text):
    """`YYYY-MM-DD` as bytes -> seconds since 1970 at its beginning; None if it is not that."""
    digits = text.replace(b"-", b"")
    if text[4] != 0x2D or text[7] != 0x2D or len(digits) != 8 or not digits.isdigit():
        return None
    date = int(digits)
    year, month, day = date // 10000, date // 100 % 100, date % 100
    if year < 1970 or not 1 <= month <= 12 or not 1 <= day <= month_days(year, month):
        return None
    return days(year, month, day) * _DAY_S


def parse(text):
    """`YYYY-MM-DDTHH:MM:SSZ`, or with `.mmm` before the Z, as str or bytes -> ms since 1970; None if it is not that."""
    return read(text.encode() if type(text) is str else text)


def read(text):
    """As `parse`, of bytes."""
    size = len(text)
    if size != 20 and size != 24:
        return None
    # T::Z and the point
    if (
        text[10] != 0x54
        or text[13] != 0x3A
        or text[16] != 0x3A
        or text[-1] != 0x5A
        or (size == 24 and text[19] != 0x2E)
    ):
        return None
    # Of digits alone: `int` would take signs, spaces and underscores. Fewer, if separators stood where digits should.
    digits = text[11:19].replace(b":", b"")
    if len(digits) != 6 or not digits.isdigit():
        return None
    global _date, _date_s
    date = text[:10]
    if date != _date:
        seconds = _date_seconds(date)
        if seconds is None:
            return None
        _date, _date_s = date, seconds
    clock, millis = int(digits), 0
    hour, minute, second = clock // 10000, clock // 100 % 100, clock % 100
    if hour > 23 or minute > 59 or second > 59:
        return None
    if size == 24:
        digits = text[20:23]
        if not digits.isdigit():
            return None
        millis = int(digits)
    return (_date_s + hour * 3600 + minute * 60 + second) * 1000 + millis
