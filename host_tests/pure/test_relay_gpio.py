import asyncio

from relay.contactor import WatchedRelay
from relay.gpio import GpioRelay
from relay.grant import LEASE_MS, Grant, RelayFault


class Bench:
    """A relay with two outputs and a tick counter that starts just before the wrap of a 32-bit board."""

    def __init__(self, max_on_ms=480 * 60_000):
        self.ticks = (1 << 30) - 5
        self.levels = {}
        outputs = {
            "E1": lambda level: self.levels.update({"E1": level}),
            "E2": lambda level: self.levels.update({"E2": level}),
        }
        self.plugged = 0
        vehicles = {"E1": lambda: self.plugged}
        self.relay = GpioRelay(outputs, max_on_ms, self.now, self.diff, vehicles)

    def now(self):
        return self.ticks & ((1 << 30) - 1)

    def diff(self, end, start):
        return ((end - start + (1 << 29)) & ((1 << 30) - 1)) - (1 << 29)

    def pass_ms(self, ms, renew=True):
        """Time goes by in a loop that serves, and renews when asked to; returns what ended."""
        ended = []
        while ms > 0 and not ended:
            step = min(ms, 1000)
            self.ticks += step
            ms -= step
            if renew:
                self.relay.renew_all()
            ended += self.relay.service()
        return ended

    def deliver(self, evse_id="E1", limits=None):
        grant = Grant(7, evse_id, "DE-XYZ", bytes(32), limits or {}, None, None, "passive")
        try:
            self.relay.deliver(grant).send(None)
        except StopIteration:
            pass


def refused(bench, *args):
    try:
        bench.deliver(*args)
    except RelayFault:
        return True
    return False


def test_nothing_is_switched_on_before_a_grant():
    assert Bench().levels == {}


def test_a_grant_energises_its_own_evse_only():
    bench = Bench()
    bench.deliver("E2")
    assert bench.levels == {"E2": 1}
    assert bench.relay.busy("E2") and not bench.relay.busy("E1")


def test_a_session_ends_at_the_ticket_s_duration():
    bench = Bench()
    bench.deliver(limits={"maxDuration": 2})
    assert bench.pass_ms(119_000) == []
    ((grant, cause, seconds, _),) = bench.pass_ms(5_000)
    assert (grant.session, cause, seconds) == (7, "DURATION", 120)
    assert bench.levels == {"E1": 0}


def test_a_session_without_a_duration_ends_at_the_site_s_longest():
    bench = Bench(max_on_ms=60_000)
    bench.deliver(limits={})
    assert bench.pass_ms(61_000)[0][1] == "DURATION"


def test_the_ticket_cannot_outlast_the_site_s_longest():
    bench = Bench(max_on_ms=60_000)
    bench.deliver(limits={"maxDuration": 2147483647})
    assert bench.pass_ms(61_000)[0][2] == 60


def test_a_lease_that_nobody_renews_ends():
    bench = Bench()
    bench.deliver()
    ((_, cause, seconds, _),) = bench.pass_ms(LEASE_MS + 1000, renew=False)
    assert (cause, seconds) == ("LEASE_LOST", LEASE_MS // 1000)
    assert bench.levels == {"E1": 0}


def test_a_renewed_lease_goes_on():
    bench = Bench()
    bench.deliver()
    assert bench.pass_ms(10 * LEASE_MS) == []


def test_a_busy_evse_is_refused_and_its_session_goes_on():
    bench = Bench()
    bench.deliver()
    assert refused(bench, "E1")
    assert bench.levels == {"E1": 1}


def test_an_evse_without_an_output_is_refused():
    bench = Bench()
    assert refused(bench, "E3") and bench.levels == {}


def test_a_duration_of_nothing_is_refused():
    bench = Bench()
    assert refused(bench, "E1", {"maxDuration": 0}) and bench.levels == {}


def test_stop_ends_a_session_once():
    bench = Bench()
    bench.deliver()
    assert bench.relay.stop("E1", "STOPPED")
    assert bench.levels == {"E1": 0}
    assert not bench.relay.stop("E1", "STOPPED")
    assert [ended.cause for ended in bench.relay.service()] == ["STOPPED"]
    assert bench.relay.service() == []


def test_a_vehicle_that_a_decision_saw_and_that_left_while_the_grant_was_recorded_ends_the_session():
    bench = Bench()
    bench.plugged = 1
    assert bench.relay.vehicle("E1") is True
    bench.plugged = 0
    bench.ticks += 400
    bench.deliver()
    assert bench.pass_ms(500) == [] and bench.levels == {"E1": 1}
    assert [ended.cause for ended in bench.pass_ms(1000)] == ["UNPLUGGED"] and bench.levels == {"E1": 0}


def test_a_vehicle_that_left_long_before_a_grant_is_not_missed_by_it():
    bench = Bench()
    bench.plugged = 1
    assert bench.pass_ms(2000) == []
    bench.plugged = 0
    assert bench.pass_ms(2000) == []
    bench.deliver()
    assert bench.pass_ms(5000) == [] and bench.levels == {"E1": 1}
    bench.plugged = 1
    assert bench.pass_ms(2000) == []
    bench.plugged = 0
    assert [ended.cause for ended in bench.pass_ms(3000)] == ["UNPLUGGED"]


def test_all_off_switches_every_output_off():
    bench = Bench()
    bench.deliver("E1")
    bench.relay.all_off()
    assert bench.levels == {"E1": 0, "E2": 0} and not bench.relay.busy("E1")
    assert [(ended.grant.session, ended.cause) for ended in bench.relay.service()] == [(7, "RESTART")]


def test_no_grant_is_taken_between_a_session_s_end_and_the_first_look_at_its_open_contactor():
    bench = Bench()
    closed = [0]
    options = {"E1": lambda level: bench.levels.update({"E1": level})}, 60_000, bench.now, bench.diff
    bench.relay = WatchedRelay({"E1": lambda: 1 - closed[0]}, True, *options)
    assert bench.pass_ms(100) == []
    closed[0] = 1
    bench.deliver()
    bench.relay.stop("E1", "STOPPED_BY_DRIVER")
    assert refused(bench, "E1")
    closed[0] = 0
    bench.pass_ms(100)
    assert bench.relay.accepts("E1", {})


def test_a_session_that_ends_while_its_contactor_closes_is_granted_and_ended_and_no_fault():
    bench = Bench()
    options = {"E1": lambda level: bench.levels.update({"E1": level})}, 60_000, bench.now, bench.diff
    bench.relay = WatchedRelay({"E1": lambda: 1}, True, *options, {"E1": lambda: bench.plugged})
    assert bench.pass_ms(100) == []
    bench.plugged = 1
    assert bench.relay.vehicle("E1")
    bench.plugged = 0
    bench.ticks += 950
    ended = []

    async def sleep_ms(ms):
        bench.ticks += ms
        ended.extend(bench.relay.service())

    real = asyncio.sleep_ms if hasattr(asyncio, "sleep_ms") else None
    asyncio.sleep_ms = sleep_ms
    try:
        bench.deliver()
    finally:
        asyncio.sleep_ms = real
    assert [one.cause for one in ended + bench.pass_ms(600)] == ["UNPLUGGED"]
    assert bench.levels == {"E1": 0} and bench.relay.fault == "" and bench.relay.accepts("E1", {})
