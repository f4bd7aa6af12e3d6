"""A time zone's coming changes as plain numbers, since the device has no zone database."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tools.problem import Problem, shown

YEARS_AHEAD = 10
_STEP_S = 86400  # no zone changes its offset twice within a day


def zone(name: str) -> ZoneInfo:
    """The IANA zone of that name; raises Problem where there is none."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise Problem(f"timezone {shown(name)} is no IANA time zone; write one such as Europe/Berlin") from None


def offsets(name: str, from_s: int, years: int = YEARS_AHEAD) -> list[list[int | None]]:
    """`[[unix_s, minutes], …]`: from `unix_s` on, local time is UTC plus `minutes`. Rising; the first entry is at 0.

    The minutes of the last entry are None: from then on the device does not know.

    Covers the changes from the start of `from_s`'s year before, for `years` years ahead, so that the list stays the
    same all year and provisioning the same site twice writes the same file.
    """
    year = datetime.fromtimestamp(from_s, UTC).year
    return [list(entry) for entry in _changes(name, max(year - 1, 1970), min(year + years + 1, 9999))]


@lru_cache(16)
def _changes(name: str, first_year: int, end_year: int) -> list[list[int | None]]:
    place = zone(name)
    start_s, end_s = _new_year_s(first_year), _new_year_s(end_year)
    found: list[list[int | None]] = [[0, _minutes(place, start_s)]]
    at_s = start_s
    while at_s < end_s:
        next_s = at_s + _STEP_S
        if _minutes(place, next_s) != found[-1][1]:
            change_s = _first_change(place, at_s, next_s)
            found.append([change_s, _minutes(place, change_s)])
        at_s = next_s
    return [*found, [end_s, None]]


def _first_change(place: ZoneInfo, before_s: int, after_s: int) -> int:
    # invariant: the offset at before_s is the old one, at after_s a new one
    old = _minutes(place, before_s)
    while after_s - before_s > 1:
        middle_s = (before_s + after_s) // 2
        if _minutes(place, middle_s) == old:
            before_s = middle_s
        else:
            after_s = middle_s
    return after_s


def _minutes(place: ZoneInfo, at_s: int) -> int:
    shift = datetime.fromtimestamp(at_s, UTC).astimezone(place).utcoffset()
    return (shift or timedelta()) // timedelta(minutes=1)


def _new_year_s(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
