"""Times as tickets write them. Runs on MicroPython too, where tests make tickets."""

from ticket import times

_DAY_S = 86400


def text(time_ms):
    """Milliseconds since 1970, 0 to `times.LAST_MS` -> what `times.parse` takes, with a fraction only where needed."""
    seconds, millis = time_ms // 1000, time_ms % 1000
    year, month, day = times.civil(seconds // _DAY_S)
    seconds %= _DAY_S
    hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    fraction = f".{millis:03d}" if millis else ""
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}{fraction}Z"
