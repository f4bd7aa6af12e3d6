"""What time it is, and how far that may be believed.

UNKNOWN: nothing is known. FLOOR: it is at least this late (a stored or signed lower bound, plus what has passed since).
SET: told by a source that is trusted. Time only moves forward from a floor; a ticket's own times never move it.
"""

from ticket.times import days

UNKNOWN = "UNKNOWN"
FLOOR = "FLOOR"
SET = "SET"

_EARLIEST_MS = 1_767_225_600_000  # 2026-01-01: no reader of this kind existed before; an earlier time is a lost clock
_LATEST_MS = 4_102_444_800_000  # 2100-01-01


def unix_ms(datetime):
    """Unix time in ms of what `machine.RTC().datetime()` says, whatever epoch the chip counts from."""
    year, month, day, _, hour, minute, second, _ = datetime
    return (days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second) * 1000


class Clock:
    """Unix time in milliseconds from a free-running tick counter.

    ticks_ms, ticks_diff: as in MicroPython's `time` (the counter wraps). `service()` must run at least once an hour,
    so that a wrap is never missed. floor: has `.seconds` and `.rise(seconds)`, durable; it never falls.
    """

    def __init__(self, ticks_ms, ticks_diff, floor):
        self._ticks_ms = ticks_ms
        self._ticks_diff = ticks_diff
        self._floor = floor
        self._last_ticks = ticks_ms()
        self._now_ms = floor.seconds * 1000
        self.state = FLOOR if floor.seconds else UNKNOWN

    def service(self):
        """Counts what has passed since the last call."""
        ticks = self._ticks_ms()
        self._now_ms += max(0, self._ticks_diff(ticks, self._last_ticks))
        self._last_ticks = ticks

    def now(self):
        """(Unix time in ms, state); the time means nothing while the state is UNKNOWN."""
        self.service()
        return self._now_ms, self.state

    def set(self, unix_ms):
        """Takes the time of a trusted source; False, and nothing changed, if it lies before the floor or after 2099."""
        if not max(_EARLIEST_MS, self._floor.seconds * 1000) <= unix_ms < _LATEST_MS:
            return False
        self.service()
        self._now_ms = unix_ms
        self.state = SET
        return True

    def keep_floor(self):
        """Stores how late it is, so that a power cut does not take the clock back. Only a set clock moves the floor."""
        self.service()
        if self.state == SET:
            self._floor.rise(self._now_ms // 1000)
