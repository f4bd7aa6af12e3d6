"""The clock: what it believes, what follows it durably, and how far anybody can push it."""

from station.clock import FLOOR, SET, UNKNOWN, Clock, unix_ms

WRAP = 1 << 30
NOON_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z
NOON_S = NOON_MS // 1000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def wrapped_diff(end, start):
    return ((end - start + WRAP // 2) & (WRAP - 1)) - WRAP // 2


class Floor:
    """As store.floor.Floor, without flash; `durable` counts what was written at once."""

    def __init__(self, seconds=0):
        self.seconds = seconds
        self.number = 0
        self.durable = 0

    def rise(self, seconds, at_once=False):
        self.seconds = max(self.seconds, seconds)
        self.durable += at_once

    def reset(self, number, seconds):
        if number <= self.number:
            return False
        self.number, self.seconds = number, seconds
        return True


class Ticks:
    def __init__(self, start=WRAP - 100):
        self.ticks = start

    def __call__(self):
        return self.ticks & (WRAP - 1)


def clock(floor_s=0):
    ticks = Ticks()
    return Clock(ticks, wrapped_diff, Floor(floor_s)), ticks


def run(subject, ticks, hours):
    for _ in range(hours):
        ticks.ticks += HOUR_MS
        subject.service()


def test_a_new_reader_knows_no_time():
    assert clock()[0].now()[1] == UNKNOWN


def test_a_stored_floor_is_a_lower_bound_and_goes_on_ticking():
    subject, ticks = clock(NOON_S)
    ticks.ticks += 5000
    assert subject.now() == (NOON_MS + 5000, FLOOR)


def test_a_set_clock_counts_over_the_wrap_of_the_ticks():
    subject, ticks = clock()
    assert subject.set(NOON_MS)
    run(subject, ticks, 400)  # past the wrap
    assert subject.now() == (NOON_MS + 400 * HOUR_MS, SET)


def test_a_counter_that_runs_backwards_does_not_take_the_time_back():
    subject, ticks = clock(NOON_S)
    ticks.ticks -= 5000
    assert subject.now() == (NOON_MS, FLOOR)


def test_a_time_over_an_hour_before_the_floor_is_refused():
    subject, _ = clock(NOON_S)
    assert not subject.set(NOON_MS - HOUR_MS - 1)
    assert subject.now() == (NOON_MS, FLOOR)


def test_a_clock_that_was_fast_is_put_right_and_the_floor_stays():
    subject, _ = clock(NOON_S)
    assert subject.set(NOON_MS - HOUR_MS)
    assert subject.now() == (NOON_MS - HOUR_MS, SET)
    subject.keep_floor()
    assert subject._floor.seconds == NOON_S


def test_a_lost_clock_and_a_clock_gone_mad_are_refused():
    subject, _ = clock()
    for time_ms in (0, 946_684_800_000, 4_102_444_800_000, 1 << 60):
        assert not subject.set(time_ms)
    assert subject.now()[1] == UNKNOWN


def test_only_a_set_clock_moves_the_stored_floor():
    subject, ticks = clock(NOON_S)
    ticks.ticks += 60_000
    subject.keep_floor()
    assert subject._floor.seconds == NOON_S
    subject.set(NOON_MS + 90_000)
    subject.keep_floor()
    assert subject._floor.seconds == NOON_S + 90


def test_a_jump_is_followed_by_nothing_durable_before_an_hour_has_passed():
    subject, ticks = clock(NOON_S)
    assert subject.set(NOON_MS + 300 * DAY_MS) and not subject.settled
    ticks.ticks += HOUR_MS - 1
    subject.keep_floor()
    assert subject._floor.seconds == NOON_S
    assert subject.set(NOON_MS + HOUR_MS)  # put right: no trace
    subject.keep_floor()
    ticks.ticks += 1
    assert subject.settled
    subject.keep_floor()
    assert subject._floor.seconds == NOON_S + 3600


def test_following_a_battery_clock_does_not_keep_a_jump_from_settling():
    subject, ticks = clock(NOON_S)
    later_ms = NOON_MS + 30 * DAY_MS
    subject.set(later_ms)
    for _ in range(6):
        ticks.ticks += HOUR_MS // 6
        later_ms += HOUR_MS // 6
        subject.set(later_ms)
    assert subject.settled


def test_the_floor_never_goes_beyond_the_horizon_whoever_sets_the_clock():
    subject, ticks = clock(NOON_S)
    subject.horizon_s = NOON_S + 400 * 86_400
    assert subject.set(4_000_000_000_000)
    run(subject, ticks, 2)
    subject.keep_floor()
    assert subject._floor.seconds == subject.horizon_s
    assert not subject.at_least((subject.horizon_s + 1) * 1000)
    assert not subject.restart(1, (subject.horizon_s + 1) * 1000)


def test_a_proven_lower_bound_raises_the_floor_at_once_and_sets_nothing():
    for floor_s in (0, NOON_S - 5):
        subject, _ = clock(floor_s)
        assert subject.at_least(NOON_MS)
        assert subject.now() == (NOON_MS, FLOOR)
        assert (subject._floor.seconds, subject._floor.durable) == (NOON_S, 1)


def test_an_old_lower_bound_changes_nothing():
    subject, _ = clock(NOON_S)
    assert subject.at_least(NOON_MS - DAY_MS)
    assert subject.now() == (NOON_MS, FLOOR) and subject._floor.seconds == NOON_S
    subject.set(NOON_MS + DAY_MS)
    assert subject.at_least(NOON_MS)
    assert subject.now() == (NOON_MS + DAY_MS, SET)


def test_a_set_clock_that_is_proven_late_goes_along_or_is_set_no_more():
    subject, _ = clock()
    subject.set(NOON_MS)
    assert subject.at_least(NOON_MS + HOUR_MS)
    assert subject.now() == (NOON_MS + HOUR_MS, SET)
    assert subject.at_least(NOON_MS + 2 * HOUR_MS + 1)
    assert subject.now() == (NOON_MS + 2 * HOUR_MS + 1, FLOOR)


def test_a_reset_lowers_the_floor_once():
    subject, _ = clock(NOON_S + 300 * 86_400)
    subject.set(NOON_MS + 301 * DAY_MS)
    assert subject.restart(1, NOON_MS)
    assert subject.now() == (NOON_MS, FLOOR) and subject._floor.seconds == NOON_S
    assert not subject.restart(1, NOON_MS - DAY_MS)
    assert subject._floor.seconds == NOON_S
    assert not subject.restart(2, 0)
    assert subject.set(NOON_MS + 1)


def test_what_the_chip_shows_is_unix_time():
    assert unix_ms((2026, 11, 22, 6, 12, 0, 0, 123456)) == NOON_MS
    assert unix_ms((2000, 1, 1, 5, 0, 0, 0, 0)) == 946_684_800_000
