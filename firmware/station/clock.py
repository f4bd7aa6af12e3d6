"""What time it is, and how far that may be believed.

UNKNOWN: nothing is known. FLOOR: it is at least this late (a stored or signed lower bound, plus what has passed since).
SET: told by a source that is trusted. The floor is durable and only a root's numbered reset lowers it; a ticket's own
times never move it.

Nobody can push the floor so far that the reader is of no more use:
- It never goes beyond `horizon_s`, which the trust bundle bounds: the next bundle ends later than the present one, so
  it is taken and its tickets are granted, wherever the floor was pushed.
- It does not follow a clock that has just jumped by more than a day until that has run for an hour: a time that was
  set by mistake and is put right within the hour leaves no trace, in the ledger neither.
- A trusted source may set the clock up to an hour before the floor, which stays: so much a crystal that is 40 ppm
  fast gains in 289 days. More than that needs the reset.
"""

from micropython import const

from ticket.times import civil, days, weekday

UNKNOWN = "UNKNOWN"
FLOOR = "FLOOR"
SET = "SET"

_EARLIEST_MS = 1_767_225_600_000  # 2026-01-01: no reader of this kind existed before; an earlier time is a lost clock
EMPTY_MS = 946_684_800_000  # 2000-01-01: where the RTC begins without power
_LATEST_MS = 4_102_444_800_000  # 2100-01-01
_SLACK_MS = const(3_600_000)
_JUMP_MS = const(86_400_000)
_SETTLE_MS = const(3_600_000)


def unix_ms(datetime):
    """Unix time in ms of what `machine.RTC().datetime()` says, whatever epoch the chip counts from."""
    year, month, day, _, hour, minute, second, _ = datetime
    return (days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second) * 1000


def set_rtc(rtc, time_ms):
    """Sets `machine.RTC()`; None empties it."""
    seconds = (EMPTY_MS if time_ms is None else time_ms) // 1000
    year, month, day = civil(seconds // 86_400)
    rtc.datetime((year, month, day, weekday(seconds), seconds // 3600 % 24, seconds // 60 % 60, seconds % 60, 0))


class Clock:
    """Unix time in milliseconds from a free-running tick counter.

    ticks_ms, ticks_diff: as in MicroPython's `time` (the counter wraps). `service()` must run at least once an hour,
    so that a wrap is never missed. floor: store.floor.Floor. horizon_s: Unix time beyond which the floor never goes.
    """

    def __init__(self, ticks_ms, ticks_diff, floor):
        self._ticks_ms = ticks_ms
        self._ticks_diff = ticks_diff
        self._floor = floor
        self._last_ticks = ticks_ms()
        self._now_ms = floor.seconds * 1000
        self._settles_in_ms = 0
        self.horizon_s = _LATEST_MS // 1000
        self.state = FLOOR if floor.seconds else UNKNOWN

    def service(self):
        """Counts what has passed since the last call."""
        ticks = self._ticks_ms()
        passed_ms = max(0, self._ticks_diff(ticks, self._last_ticks))
        self._now_ms += passed_ms
        self._settles_in_ms = max(0, self._settles_in_ms - passed_ms)
        self._last_ticks = ticks

    def now(self):
        """(Unix time in ms, state); the time means nothing while the state is UNKNOWN."""
        self.service()
        return self._now_ms, self.state

    def set(self, unix_ms):
        """Takes the time of a trusted source; False, and nothing changed, if it lies over an hour before the floor,
        before 2026 or after 2099."""
        if not max(_EARLIEST_MS, self._floor.seconds * 1000 - _SLACK_MS) <= unix_ms < _LATEST_MS:
            return False
        self.service()
        if unix_ms - self._now_ms > _JUMP_MS:
            self._settles_in_ms = _SETTLE_MS
        self._now_ms = unix_ms
        self.state = SET
        return True

    @property
    def settled(self):
        """Whether what cannot be undone may follow this clock: it is set, and did not jump within the last hour."""
        self.service()
        return self.state == SET and not self._settles_in_ms

    def keep_floor(self):
        """Stores how late it is, so that a power cut does not take the clock back. Only a set clock moves the floor."""
        if self.settled:
            self._floor.rise(min(self._now_ms // 1000, self.horizon_s))

    def at_least(self, unix_ms):
        """Takes a proven lower bound, durably. False, and nothing changed, if it lies beyond the horizon.

        A clock that was set and turns out to be over an hour late was wrong, nobody knows how far: it is so no more.
        """
        if unix_ms // 1000 > self.horizon_s:
            return False
        self.service()
        self._floor.rise(unix_ms // 1000, True)
        if unix_ms > self._now_ms:
            if unix_ms - self._now_ms > _SLACK_MS:  # as it is where nothing is known
                self.state = FLOOR
            self._now_ms = unix_ms
        return True

    def restart(self, number, unix_ms):
        """A root's reset: the floor is `unix_ms`, even if that is lower, and the clock is no longer set. False, and
        nothing changed: this number or a higher one was taken before, or the time is out of bounds."""
        if not _EARLIEST_MS <= unix_ms < _LATEST_MS or unix_ms // 1000 > self.horizon_s:
            return False
        if not self._floor.reset(number, unix_ms // 1000):
            return False
        self.service()
        self._now_ms = unix_ms
        self.state = FLOOR
        return True
