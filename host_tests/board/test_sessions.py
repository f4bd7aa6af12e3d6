"""What begins, ends and outlives a session, on the virtual board's pins and in the reader's journal."""

import re
from itertools import pairwise

import pytest

from host_tests.board.life import read_stores
from station.journal import END, GRANT
from ticket import cbor
from tools.bench import relay as relay_bench
from tools.site.keys import load_key
from tools.site.schema import relay_map
from tools.virtual.board import WDT_RESET
from tools.virtual.modbus import Device
from tools.virtual.phone import Phone, Wallet
from tools.virtual.world import Wire

E1 = "DE*ABC*E1*1"


def ends(bench):
    return re.findall(r"end: \d+ (\w+)", bench.board.console_log)


def set_relay(bench, relay, pins=b""):
    bench.configure(relay=relay)
    bench.append("/pins.py", pins)


def test_the_second_tap_of_the_same_ticket_ends_the_session(station):
    ticket = station.provisioned.ticket(multiUsage="Allowed")
    assert station.tap_ticket(ticket).reason == "GRANTED"
    assert station.tap_ticket().reason == "EVSE_BUSY" and station.relay_on
    assert station.tap_ticket(ticket).reason == "EVSE_BUSY" and not station.relay_on
    assert ends(station) == ["STOPPED_BY_DRIVER"]
    assert station.tap_ticket(ticket).reason == "GRANTED"


def test_the_relay_s_output_closes_within_five_milliseconds_of_the_durable_record(station):
    waited_us = relay_bench.record_to_relay_us(station, station.card(station.provisioned.ticket()))
    assert 0 <= waited_us <= 1000 * relay_bench.LIMIT_MS


def test_a_driver_s_ticket_ends_its_session_with_proof_and_never_from_a_copy(roomy, provisioned):
    station = roomy
    station.start()
    driver = load_key(provisioned.site / "driver.jwk", private=True)
    ticket = provisioned.ticket(driverPublicKey={name: driver[name] for name in ("kty", "crv", "x")}, maxDuration=5)
    assert station.tap(Phone(Wallet(ticket, driver))).reason == "GRANTED"
    assert station.tap_ticket(ticket).reason == "HOLDER_PROOF_REQUIRED" and station.relay_on
    assert station.tap(Phone(Wallet(ticket, driver))).reason == "EVSE_BUSY" and not station.relay_on
    assert ends(station) == ["STOPPED_BY_DRIVER"]


def test_an_unplugged_vehicle_ends_the_session_and_its_bouncing_contact_does_not(station):
    vehicle = station.pins["VEHICLE"]
    assert station.tap_ticket().energised
    station.board.drive(vehicle, 1)
    station.world.run(2)
    station.board.drive(vehicle, 0)
    station.world.run(0.5)
    station.board.drive(vehicle, 1)
    station.world.run(2)
    assert station.relay_on
    station.board.drive(vehicle, 0)
    station.world.run(1.5)
    assert not station.relay_on and ends(station) == ["UNPLUGGED"]


def test_a_vehicle_that_is_unplugged_as_the_output_closes_ends_the_session(station):
    vehicle = station.pins["VEHICLE"]
    station.board.drive(vehicle, 1)
    station.board.pins.watch(station.pins["RELAY"], lambda level: level and station.board.drive(vehicle, 0))
    assert station.tap_ticket().energised
    station.world.run(1.5)
    assert not station.relay_on and ends(station) == ["UNPLUGGED"]


def _cut(bench):
    bench.power_cut()


def _hang(bench):
    bench.type_at_console("while 1: pass")  # after the console has stopped the station: the watchdog ends it


@pytest.mark.parametrize(("fail", "cause"), [(_cut, "BROWN_OUT"), (_hang, "RESTART")])
def test_a_grant_that_lost_its_power_or_program_is_journaled_as_ended_once(station, tmp_path, fail, cause):
    assert station.tap_ticket().energised
    fail(station)
    if station.board.alive:
        assert station.world.run_until(lambda: station.board.resets[-1][1] == WDT_RESET, 30)
        station.world.run(5)
    else:
        station.start()  # two starts: the end is written by the first
    assert not station.relay_on
    station.power_cut()
    kept = read_stores(station.image, tmp_path / "stores").kept
    closed = [cbor.loads(body) for kind, body in kept.values() if kind == END]
    assert [(end[2], end[8]) for end in closed] == [(cause, 1)]


def test_the_relay_is_never_on_without_a_journaled_grant_wherever_the_power_is_cut(bench, tmp_path):
    number = 0
    for number in range(1, 40, 2):
        bench.start()
        bench.board.cut_at_write(number)
        bench.chip.field.put(bench.card(bench.provisioned.ticket()))
        cut = bench.world.run_until(lambda: not bench.board.alive, 5)
        bench.chip.field.take()
        bench.power_cut()
        assert not bench.relay_on
        kept = read_stores(bench.image, tmp_path / "stores").kept
        if bench.relay_closings():
            assert GRANT in [kind for kind, _ in kept.values()]
        if not cut:
            break
    assert number > 3 and bench.relay_closings()


def test_the_heartbeat_is_a_square_wave_while_the_program_lives(bench):
    set_relay(bench, {"kind": "gpio", "heartbeat": True})
    bench.start()
    assert bench.tap_ticket().energised
    start = bench.world.now_us
    bench.world.run(10)
    edges = [at for at, pin, _ in bench.board.pins.trace if pin == bench.pins["RELAY"] and at > start]
    gaps = [b - a for a, b in pairwise(edges)]
    assert 80 <= len(edges) <= 101 and max(gaps) < 300_000
    bench.type_at_console("1")
    assert not bench.relay_on
    since = len(bench.board.pins.trace)
    bench.world.run(3)
    assert bench.pins["RELAY"] not in [pin for _, pin, _ in bench.board.pins.trace[since:]]


def contactor(bench, delay_us=30_000, stuck=None):
    """A contactor with a mirror contact at FEEDBACK (here GPIO 39): 1 while it is open."""

    def follow(level):
        if stuck is None:
            bench.world.call_later(delay_us, lambda: bench.board.drive(39, 0 if level == 1 else 1))

    bench.board.pins.watch(bench.pins["RELAY"], follow)
    bench.board.drive(39, 1 if stuck is None else stuck)


@pytest.fixture
def watched(bench):
    set_relay(bench, {"kind": "gpio", "feedback": "contactor"}, b"del VEHICLE_3\nFEEDBACK = 39\n")
    return bench


def test_a_contactor_that_follows_is_no_fault(watched):
    contactor(watched)
    watched.start()
    assert watched.tap_ticket().reason == "GRANTED"
    watched.wait_relay_off()
    watched.world.run(3)
    assert watched.tap_ticket().reason == "GRANTED" and "relay: " not in watched.board.console_log


def test_a_contactor_that_does_not_close_refuses_voids_and_stays_a_fault(watched):
    contactor(watched, stuck=1)
    watched.start()
    ticket = watched.provisioned.ticket()
    assert watched.tap_ticket(ticket).reason == "RELAY_FAULT"
    assert 0.5 <= watched.relay_seconds() < 0.7 and not watched.relay_on
    assert watched.tap_ticket(ticket).reason == "RELAY_FAULT" and watched.relay_seconds() < 0.7
    assert "RELAY_FAULT DE*ABC*E1*1 FAILED_TO_CLOSE" in watched.board.console_log
    assert "relay: FAILED_TO_CLOSE" in watched.board.console_log


def test_a_welded_contactor_refuses_grants_also_after_a_restart(watched):
    contactor(watched, stuck=0)
    watched.start()
    watched.world.run(2)
    for _ in range(2):
        assert watched.tap_ticket().reason == "RELAY_FAULT" and not watched.relay_seconds()
        assert "relay: WELDED" in watched.board.console_log
        watched.start() if not watched.board.alive else watched.tell_time()
        watched.world.run(2)


@pytest.fixture
def wired(roomy):
    """A reader with a relay board on RS-485."""
    bench = roomy
    relay = {"kind": "modbus", "unit": 1, "baud": 19200, "parity": "none", "stop": 1, "map": relay_map("timed-relay")}
    set_relay(bench, relay)
    wire = Wire(bench.world, 19200)
    bench.board.uart(2).connect(wire.end("reader"))
    bench.device = Device(bench.world, wire.end("relays"))
    return bench


def test_a_grant_reaches_the_relay_board_and_ends_there(wired):
    wired.start()
    assert wired.tap_ticket().reason == "GRANTED" and wired.device.coils[0] == 1
    assert wired.world.run_until(lambda: not wired.device.coils[0], 70)
    wired.world.run(0.5)
    assert ends(wired) == ["DURATION"] and wired.device.coils[0] == 0


def test_a_relay_board_lets_go_by_itself_when_the_reader_goes_dark(wired):
    wired.start()
    assert wired.tap_ticket(maxDuration=9).reason == "GRANTED"
    wired.world.run(90)
    assert wired.device.coils[0] == 1
    wired.power_cut()
    assert wired.world.run_until(lambda: not wired.device.coils[0], 61)


def test_a_silent_relay_board_is_a_fault_and_what_it_may_have_begun_is_ended(wired):
    wired.start()
    wired.world.run(2)
    wired.device.silent = True
    assert wired.tap_ticket().reason == "RELAY_FAULT"
    assert ends(wired) == ["RELAY_FAULT"] and "relay: NO_ANSWER" in wired.board.console_log
    wired.device.silent = False
    wired.world.run(5)
    assert wired.tap_ticket().reason == "GRANTED"
