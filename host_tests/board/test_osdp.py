"""The whole firmware as an OSDP reader, with a scripted controller on its RS-485 bus."""

import struct
from contextlib import suppress

import pytest

from host_tests.board.conftest import Bench
from host_tests.board.osdp_bus import BAUD, BusPanel, make_osdp
from host_tests.board.test_grant_steps import journaled
from tools.virtual.world import Wire

_ANSWER_US = 200_000


_HEAP = "112wK"  # this deliverer takes 12 KB more of it than a bare pin


class Bus(Bench):
    """A reader on a bus of its own."""

    def __init__(self, provisioned, image, heap=_HEAP):
        super().__init__(provisioned, image, heap=heap)
        make_osdp(self)
        self.line = Wire(self.world, BAUD)
        self.board.uart(2).connect(self.line.end("reader"))


@pytest.fixture
def bus(provisioned, tmp_path):
    """It is off."""
    with Bus(provisioned, tmp_path / "flash.img") as made:
        yield made


@pytest.fixture
def panel(bus):
    """A controller that has just connected to a reader whose clock is set."""
    bus.start()
    panel = BusPanel(bus.world, bus.line)
    panel.connect()
    return panel


def tap(bus, panel, ticket=None, wait_s=15, **claims):
    """The word of a tap while the panel polls."""
    said = len(bus.board.console_log)
    bus.chip.field.put(bus.card(ticket or bus.provisioned.ticket(**claims)))
    assert panel.serve(wait_s, lambda: "tap: " in bus.board.console_log[said:]), bus.last_lines()
    panel.serve(0.5)
    bus.chip.field.take()
    panel.serve(3)
    return bus.board.console_log[said:].partition("tap: ")[2].split()[0]


def test_ticket_is_granted_run_and_ended_by_the_controller(bus, panel):
    assert tap(bus, panel, maxEnergy=5000, maxDuration=30, tariffs=["T1"]) == "GRANTED", bus.last_lines()
    (grant,) = panel.heard(2)
    assert b"\x06DE-XYZ.DE-XYZ-CT-" in grant and grant.endswith(b'\0\0\x06\0["T1"]'), grant
    (session,) = panel.runs
    assert struct.unpack("<I", grant[:4])[0] == session and not bus.relay_on
    panel.energy, panel.pause_s = 4711, 0.5
    panel.serve(65)
    assert len(panel.heard(3)) >= 4 and not panel.heard(4)
    panel.say(0x85, struct.pack("<IBII", session, 1, 66, 5000), 1)
    panel.serve(1)
    assert panel.heard(5) == [struct.pack("<I", session)]
    assert f"end: {session} ENERGY 66 s" in bus.board.console_log
    assert panel.missed == 0 and max(panel.answers_us) < _ANSWER_US, max(panel.answers_us)


def test_refused_grant_leaves_the_ticket_unused(bus, panel):
    ticket = bus.provisioned.ticket(multiUsage="NotAllowed")
    panel.refuse = 3
    assert tap(bus, panel, ticket) == "RELAY_FAULT" and "no vehicle" in bus.last_lines(20)
    panel.refuse = 0
    assert tap(bus, panel, ticket) == "GRANTED"
    assert panel.missed == 0 and max(panel.answers_us) < _ANSWER_US, max(panel.answers_us)


def test_without_a_controller_nothing_is_granted_and_the_lights_say_so(bus):
    bus.start()
    assert bus.tap_ticket().reason == "RELAY_FAULT"
    assert not bus.relay_on


def test_online_validation_goes_over_the_line(bus, panel):
    panel.validates = 0
    assert tap(bus, panel, validationMethod="ShouldBeValidated") == "ONLINE_REFUSED", bus.last_lines()
    assert len(panel.heard(6)) == 1 and not panel.heard(2)
    panel.validates = 1
    assert tap(bus, panel, validationMethod="MustBeValidated") == "GRANTED", bus.last_lines()
    assert len(panel.heard(6)) == 2 and len(panel.heard(2)) == 1


@pytest.mark.slow
def test_silent_controller_loses_the_session(bus, panel):
    assert tap(bus, panel, maxDuration=30) == "GRANTED"
    bus.world.run(125, wall_limit_s=100)
    assert "LEASE_LOST" in bus.board.console_log and "relay: no controller" in bus.board.console_log


@pytest.mark.slow
def test_controller_that_restarts_in_a_session_goes_on_with_it(bus, panel):
    assert tap(bus, panel, maxDuration=30) == "GRANTED"
    bus.world.run(20)
    again = BusPanel(bus.world, bus.line)
    again.connect()
    again.serve(80)
    assert "end: " not in bus.board.console_log and len(again.heard(3)) >= 4


def test_time_of_the_controller_sets_the_clock(bus):
    bus.power_on()
    panel = BusPanel(bus.world, bus.line)
    panel.connect()
    assert tap(bus, panel) == "CLOCK_UNKNOWN"
    from tools.units import epoch_ms

    panel.say(0x88, struct.pack("<I", epoch_ms() // 1000), 3)
    panel.serve(1)
    assert tap(bus, panel) == "GRANTED"


def test_status_tells_the_clock_and_what_is_wrong_with_the_nfc_chip(bus, panel):
    panel.pending = panel.say(0x8D, b"", 4)
    panel.serve(0.5)
    for end in bus.wire.ends:
        if end.name == "pn532":
            end.on_data = lambda data: None
    panel.serve(5)
    panel.pending = panel.say(0x8D, b"", 5)
    panel.serve(0.5)
    well, silent = panel.heard(0x0D)
    assert well[:2] == silent[:2] == b"\1\2" and well[-1:] == b"\0"
    assert silent.endswith(b"\x06silent"), silent


def test_restarted_reader_takes_up_what_the_controller_confirms_and_ends_what_it_does_not(bus, panel):
    assert tap(bus, panel, maxDuration=30) == "GRANTED"
    (session,) = panel.runs
    for confirmed in (True, False):
        bus.power_cut()
        bus.world.run(5)
        said = len(bus.board.console_log)
        bus.start()
        again = BusPanel(bus.world, bus.line)
        again.runs = {session} if confirmed else set()
        again.energy = 77
        again.connect()
        again.serve(5)
        assert again.heard(7) == [struct.pack("<IB", session, 0)]
        log = bus.board.console_log[said:]
        if confirmed:
            assert "end: " not in log and again.heard(3)
        else:
            assert f"end: {session} RESTART 30 s 77 Wh" in log


def test_power_that_fails_at_any_moment_of_a_grant_leaves_nothing_running_and_one_end_for_each(bus, tmp_path, soak):
    runs, grants = set(), []  # what a controller has on that goes on all the while
    for ms in range(150, 1400, 60) if soak else (750,):
        bus.start()
        panel = BusPanel(bus.world, bus.line)
        panel.runs, panel.pause_s = runs, 0.02
        panel.connect()
        panel.serve(0.5)
        bus.chip.field.put(bus.card(bus.provisioned.ticket(maxDuration=30)))
        bus.world.call_later(ms * 1000, bus.board.power_cut)
        with suppress(AssertionError, TypeError):  # no answer
            panel.serve(2)
        assert not bus.board.alive
        bus.chip.field.take()
        bus.power_cut()
        bus.start()
        panel = BusPanel(bus.world, bus.line)
        panel.runs = runs
        panel.connect()
        panel.serve(1)
        for session in list(runs):
            panel.pending = panel.say(0x89, struct.pack("<I", session), 1)
            panel.serve(0.5)
        bus.power_cut()
        grants, ends = journaled(bus, tmp_path / "stores")
        causes = [cause for session in ends for cause in ends[session]]
        assert not runs and sorted(ends) == grants and len(causes) == len(grants), (ms, grants, ends)
        assert set(causes) <= {"RESTART", "STOPPED_BY_CONTROLLER"}
    assert grants
