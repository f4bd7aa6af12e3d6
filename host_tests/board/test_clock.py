"""The whole firmware and the time: batteries pulled, signed times, resets, days of the week, and a settling floor."""

import re

import pytest

from store.floor import Floor
from tools.readers.signed_time import answer, challenge, hand_over, signed_by
from tools.site.directory import Site
from tools.site.keys import load_key, new_key
from tools.units import epoch_ms, wire_time

DAY_MS = 86_400_000


def in_maintenance(bench):
    """Power on in maintenance, for mpremote."""
    bench.write("/maintenance", b"")
    bench.clock.power(True)
    bench.board.power_on()
    bench.world.run(2)


def back_to_work(bench):
    bench.power_cut()
    bench.remove("/maintenance")


def out_of_maintenance(bench):
    """As `mpremote` leaves it; the clock's state."""
    since = len(bench.board.console_log)
    bench.type_at_console("import os; os.remove('/maintenance'); import machine; machine.reset()")
    bench._wait_ready(since)
    return state_at_start(bench, since)


def root_of(provisioned):
    return load_key(provisioned.site / "root.jwk", private=True)


@pytest.fixture
def battery(bench):
    """A station with a battery clock that was set by cable, off again."""
    bench.configure(rtc={"kind": "ds3231"})
    bench.start()
    bench.power_cut()
    return bench


def state_at_start(bench, since=0):
    """The clock's state that the firmware told last since then."""
    bench.world.run(0.2)
    return re.findall(r"ready: reader-1 (\w+)\r", bench.board.console_log[since:])[-1]


def wire(ms):
    return wire_time(ms // 1000 * 1000)


def push_floor(bench, tmp_path, seconds):
    """While the board is off: what an hour of a wrong clock leaves behind."""
    floor = Floor(str(tmp_path / "floor"))
    floor.rise(seconds, True)
    for name in ("floor.a", "floor.b"):
        bench.write("/data/" + name, (tmp_path / "floor" / name).read_bytes())


def test_a_battery_clock_brings_the_time_back_after_a_power_cut(battery):
    battery.world.run(3 * 86_400)
    battery.power_on()
    assert state_at_start(battery) == "SET"
    now_ms = epoch_ms() + 3 * DAY_MS
    assert abs(battery.clock.shown_ms - now_ms) < 120_000
    later = {"notBefore": wire(now_ms - DAY_MS)}
    assert battery.tap_ticket(**later, notAfter=wire(now_ms - 120_000)).reason == "EXPIRED"
    assert battery.tap_ticket(**later, notAfter=wire(now_ms + 300_000)).reason == "GRANTED"


def test_an_old_ticket_gains_nothing_from_a_pulled_battery(battery):
    old = battery.provisioned.ticket()
    battery.clock.battery = False
    battery.clock.battery = True
    battery.power_on()
    battery.world.run(0.2)
    assert "battery clock: STOPPED" in battery.board.console_log
    assert battery.tap_ticket(old).reason == "CLOCK_UNKNOWN"
    battery.power_cut()
    battery.power_on()
    assert state_at_start(battery) != "SET"  # a restart does not clear the flag
    battery.tell_time()
    assert battery.tap_ticket(old).reason == "GRANTED"
    battery.power_cut()
    battery.power_on()
    assert state_at_start(battery) == "SET"
    assert battery.tap_ticket(old).reason == "ALREADY_USED"


def test_an_accepted_floor_lets_no_ticket_in_that_ended_before_it(battery, tmp_path):
    battery.configure(accept_floor=True)
    push_floor(battery, tmp_path, epoch_ms() // 1000 - 3600)
    battery.clock.battery = False
    battery.power_on()
    assert state_at_start(battery) == "FLOOR"
    now_ms = epoch_ms()
    assert (
        battery.tap_ticket(notAfter=wire(now_ms - 2 * 3_600_000), notBefore=wire(now_ms - DAY_MS)).reason == "EXPIRED"
    )
    assert battery.tap_ticket(notBefore=wire(now_ms - DAY_MS)).reason == "GRANTED"


def test_a_battery_clock_that_does_not_answer_is_told_and_the_rest_works(bench):
    bench.configure(rtc={"kind": "ds3231"})
    bench.clock.there = False
    bench.start()
    bench.world.run(0.2)
    assert "battery clock: NO_ANSWER" in bench.board.console_log
    assert bench.tap_ticket().reason == "GRANTED"


def test_a_signed_time_over_the_nonce_sets_the_clock_and_one_without_does_not(bench, provisioned):
    site, root = Site.load(provisioned.site), root_of(provisioned)
    in_maintenance(bench)
    nonce = challenge(bench.board)
    assert answer(bench.board, signed_by(root, epoch_ms(), None, site.reader, False)) == "FLOOR"
    stranger = {**new_key(), "kid": root["kid"]}
    assert answer(bench.board, signed_by(stranger, epoch_ms(), nonce, site.reader, False)) == "BAD_SIGNATURE"
    back_to_work(bench)
    bench.power_on()
    assert state_at_start(bench) == "FLOOR"
    assert bench.tap_ticket().reason == "CLOCK_UNKNOWN"
    bench.power_cut()

    in_maintenance(bench)
    old_answer = signed_by(root, epoch_ms(), nonce, site.reader, False)
    challenge(bench.board)
    assert answer(bench.board, old_answer) == "STALE_NONCE"
    assert hand_over(bench.board, site, root) == "SET"
    assert out_of_maintenance(bench) == "SET"
    assert bench.tap_ticket().reason == "GRANTED"


def test_a_wrong_clock_that_is_put_right_at_once_leaves_no_trace(bench, provisioned):
    ticket = provisioned.ticket()
    bench.start()
    assert bench.tap_ticket(ticket).reason == "GRANTED"
    bench.wait_relay_off()
    since = len(bench.board.console_log)
    bench.type_at_console("import machine; machine.RTC().datetime((2060, 1, 1, 0, 0, 0, 0, 0)); machine.reset()")
    bench._wait_ready(since)
    assert bench.tap_ticket(provisioned.ticket()).reason == "EXPIRED"
    bench.world.run(60)
    bench.tell_time()
    assert bench.tap_ticket(ticket).reason == "ALREADY_USED"
    assert bench.tap_ticket().reason == "GRANTED"


def test_a_signed_reset_lowers_a_floor_that_was_pushed_and_keeps_the_ledger(bench, provisioned, tmp_path):
    site, root = Site.load(provisioned.site), root_of(provisioned)
    ticket = provisioned.ticket()
    bench.start()
    assert bench.tap_ticket(ticket).reason == "GRANTED"
    bench.power_cut()
    push_floor(bench, tmp_path, epoch_ms() // 1000 + 300 * 86_400)
    bench.start()
    assert state_at_start(bench) == "FLOOR"
    assert bench.tap_ticket().reason == "CLOCK_UNKNOWN"
    bench.power_cut()

    in_maintenance(bench)
    assert hand_over(bench.board, site, root) == "OUT_OF_BOUNDS"
    assert hand_over(bench.board, site, root, reset=True) == "SET"
    assert out_of_maintenance(bench) == "SET"
    assert bench.tap_ticket(ticket).reason == "ALREADY_USED"
    assert bench.tap_ticket().reason == "GRANTED"
