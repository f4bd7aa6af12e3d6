from station.beats import Beats
from station.supervisor import Supervisor

WRAP = 1 << 30


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


class Ticks:
    def __init__(self, start=WRAP - 100):
        self.ticks = start

    def __call__(self):
        return self.ticks & (WRAP - 1)


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
