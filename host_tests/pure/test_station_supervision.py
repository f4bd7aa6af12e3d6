from station.beats import Beats
from station.clock import FLOOR, SET, UNKNOWN, Clock
from station.supervisor import Supervisor

WRAP = 1 << 30
NOON_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z


def wrapped_diff(end, start):
    return ((end - start + WRAP // 2) & (WRAP - 1)) - WRAP // 2


class Memory:
    """RTC memory: outlasts a reset, not a power cut."""

    def __init__(self, kept=b""):
        self.kept = kept

    def __call__(self, data=None):
        if data is not None:
            self.kept = data
        return self.kept


class Floor:
    def __init__(self, seconds=0):
        self.seconds = seconds

    def rise(self, seconds):
        self.seconds = max(self.seconds, seconds)


class Ticks:
    def __init__(self, start=WRAP - 100):
        self.ticks = start

    def __call__(self):
        return self.ticks & (WRAP - 1)


def clock(floor_s=0):
    ticks = Ticks()
    return Clock(ticks, wrapped_diff, Floor(floor_s)), ticks


def test_the_first_starts_are_not_braked():
    memory = Memory()
    assert [Supervisor(memory).brake_ms() for _ in range(3)] == [0, 0, 0]


def test_a_boot_loop_is_braked_harder_and_harder_up_to_five_minutes():
    memory = Memory()
    waits = [Supervisor(memory).brake_ms() for _ in range(300)]
    assert waits[3:6] == [4000, 8000, 16000]
    assert waits == sorted(waits) and waits[-1] == 300_000


def test_a_healthy_minute_frees_the_next_start():
    memory = Memory()
    for _ in range(9):
        supervisor = Supervisor(memory)
    supervisor.healthy()
    assert Supervisor(memory).brake_ms() == 0


def test_memory_that_holds_anything_else_counts_as_a_first_start():
    for kept in (b"", b"CT", b"XX\x09", b"CT\x09\x09", bytes(100)):
        assert Supervisor(Memory(kept)).brake_ms() == 0


def test_the_watchdog_is_fed_while_all_parts_beat():
    ticks, fed = Ticks(), []
    beats = Beats(lambda: fed.append(1), ticks, wrapped_diff)
    beats.expect("reader", 1000)
    for _ in range(5):
        ticks.ticks += 900
        beats.beat("reader")
        beats.service()
    assert len(fed) == 5 and beats.late() is None


def test_one_silent_part_starves_the_watchdog():
    ticks, fed = Ticks(), []
    beats = Beats(lambda: fed.append(1), ticks, wrapped_diff)
    beats.expect("reader", 1000)
    beats.expect("lights", 1000)
    ticks.ticks += 1001
    beats.beat("lights")
    beats.service()
    assert fed == [] and beats.late() == "reader"


def test_a_new_reader_knows_no_time():
    assert clock()[0].now()[1] == UNKNOWN


def test_a_stored_floor_is_a_lower_bound_and_goes_on_ticking():
    subject, ticks = clock(NOON_MS // 1000)
    ticks.ticks += 5000
    assert subject.now() == (NOON_MS + 5000, FLOOR)


def test_a_set_clock_counts_over_the_wrap_of_the_ticks():
    subject, ticks = clock()
    assert subject.set(NOON_MS)
    for _ in range(400):  # 400 hours: past the wrap twice
        ticks.ticks += 3_600_000
        subject.service()
    assert subject.now() == (NOON_MS + 400 * 3_600_000, SET)


def test_a_time_before_the_floor_is_refused():
    subject, _ = clock(NOON_MS // 1000)
    assert not subject.set(NOON_MS - 1)
    assert subject.now() == (NOON_MS, FLOOR)


def test_a_lost_clock_and_a_clock_gone_mad_are_refused():
    subject, _ = clock()
    for unix_ms in (0, 946_684_800_000, 4_102_444_800_000, 1 << 60):
        assert not subject.set(unix_ms)
    assert subject.now()[1] == UNKNOWN


def test_only_a_set_clock_moves_the_stored_floor():
    subject, ticks = clock(NOON_MS // 1000)
    ticks.ticks += 60_000
    subject.keep_floor()
    assert subject._floor.seconds == NOON_MS // 1000
    subject.set(NOON_MS + 90_000)
    subject.keep_floor()
    assert subject._floor.seconds == NOON_MS // 1000 + 90
