"""Instants and durations as people write them on a command line and in site.toml."""

import re
from datetime import UTC, datetime, timedelta

from ticket import times
from tools.portable import time_text
from tools.problem import Problem, shown

DAY_S = 86_400
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": DAY_S, "w": 7 * DAY_S}
_DURATION = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def duration_s(text: str, what: str = "a duration") -> int:
    """Seconds in `90m`, `24h`, `7d` … (s, m, h, d, w); raises Problem for anything else."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise Problem(f"{what}: {shown(text)} is no duration; write a number and one of s, m, h, d, w, for example 24h")
    return int(match[1]) * _SECONDS[match[2]]


def instant_ms(text: str, what: str = "a time", now_ms: int | None = None) -> int:
    """Milliseconds since 1970 of `2026-11-22T12:00:00Z`, of `now`, or of `+2h` and `-1d` from now.

    A time without a zone is UTC; one with an offset is converted. Raises Problem for anything else.
    """
    text = text.strip()
    base_ms = epoch_ms() if now_ms is None else now_ms
    if text == "now":
        return base_ms
    if text[:1] in "+-" and _DURATION.fullmatch(text[1:]):
        sign = -1 if text[0] == "-" else 1
        return base_ms + sign * 1000 * duration_s(text[1:], what)
    try:
        when = datetime.fromisoformat(text)
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Problem(f"{what}: {shown(text)} is no time; write UTC as 2026-11-22T12:00:00Z, or +2h, or -1d") from None
    if when < _EPOCH:
        raise Problem(f"{what}: {shown(text)} is before 1970, where this clock begins")
    return (when - _EPOCH) // timedelta(milliseconds=1)


def epoch_ms() -> int:
    """Now, by this machine's clock."""
    return (datetime.now(UTC) - _EPOCH) // timedelta(milliseconds=1)


def wire_time(ms: int) -> str:
    """Milliseconds since 1970 as a ticket writes them: `YYYY-MM-DDTHH:MM:SS[.mmm]Z`; raises Problem past year 9999."""
    if not 0 <= ms <= times.LAST_MS:
        raise Problem("the time lies beyond the years 1970 to 9999; choose a shorter duration")
    return time_text.text(ms)
