"""The whole firmware on the virtual board: what a driver and a station builder live through."""

import base64

import pytest

from station import indicator
from store.journal import REFUSED
from tools.virtual.board import HARD_RESET, WDT_RESET
from tools.virtual.image import mounted


def relay_levels(station):
    return [level for _, pin, level in station.board.pins.trace if pin == station.pins["RELAY"]]


def red_pattern(station, seconds):
    """(level, milliseconds) of the red light over some time, in steps of 50 ms."""
    steps = []
    for _ in range(int(seconds * 20)):
        level = station.board.pins.level(station.pins["LED_RED"])
        if steps and steps[-1][0] == level:
            steps[-1][1] += 50
        else:
            steps.append([level, 50])
        station.world.run(0.05)
    return steps


def blinks_after_long_red(station):
    """How many short blinks follow the long one, in the pattern of a reader that cannot start."""
    steps = red_pattern(station, 12)
    longs = [at for at, (level, ms) in enumerate(steps) if level == 1 and ms > 1200 and at]
    blinks = 0
    for level, ms in steps[longs[0] + 1 :]:
        if level == 1 and ms > 1200:
            break
        blinks += level == 1
    return blinks


def test_the_relay_is_driven_off_before_anything_else_happens(bench):
    bench.power_on()
    first = bench.board.pins.trace[0]
    assert first[1:] == (bench.pins["RELAY"], 0) and first[0] < 1000
    assert 1 not in relay_levels(bench)


def test_a_granted_ticket_closes_the_relay_for_its_minute_and_no_longer(station):
    tapped = station.tap_ticket()
    assert (tapped.reason, tapped.energised) == ("GRANTED", True)
    station.wait_relay_off()
    assert 60 <= station.relay_seconds() < 60.5
    assert "end: 1 DURATION 60 s" in station.board.console_log


def test_grant_and_end_are_in_the_journal_and_the_ticket_in_the_grant(station, provisioned):
    ticket = provisioned.ticket()
    station.tap_ticket(ticket)
    station.wait_relay_off()
    start = len(station.board.console_log)
    station.type_at_console(
        "from store.journal import Journal; j = Journal('/data/journal', open('/keys/journal.key', 'rb').read());"
        f"print([(n, k, {ticket[-40:]!r} in b) for n, k, b in j.read()])"
    )
    station.world.run(1)
    assert "[(1, 1, True), (2, 3, False)]" in station.printed_since(start)


def test_a_card_that_stays_counts_once(station):
    start = len(station.board.console_log)
    station.chip.field.put(station.card(station.provisioned.ticket()))
    station.world.run(150)
    assert station.printed_since(start).count("tap:") == 1
    assert 60 <= station.relay_seconds() < 60.5


def test_a_removed_card_may_tap_again(station):
    ticket = station.provisioned.ticket(multiUsage="Allowed")
    for _ in range(2):
        assert station.tap_ticket(ticket).reason == "GRANTED"
        station.wait_relay_off()


def test_a_second_ticket_during_a_session_is_refused_and_the_session_goes_on(station):
    assert station.tap_ticket().energised
    assert station.tap_ticket().reason == "EVSE_BUSY"
    assert station.relay_on


def test_a_power_cut_in_a_session_ends_it_and_the_ticket_stays_used(station, provisioned):
    ticket = provisioned.ticket()
    assert station.tap_ticket(ticket).energised
    station.power_cut()
    assert not station.relay_on
    station.start()
    assert not station.relay_on
    assert station.tap_ticket(ticket).reason == "ALREADY_USED"


def test_a_reset_in_a_session_leaves_the_relay_off(station):
    assert station.tap_ticket().energised
    station.board.press_reset()
    station.world.run(5)
    assert not station.relay_on and relay_levels(station)[-1] == 0


def test_after_a_power_cut_the_clock_is_unknown_and_nothing_is_granted(station):
    station.power_cut()
    station.power_on()
    assert station.tap_ticket().reason == "CLOCK_UNKNOWN"


@pytest.mark.parametrize(
    ("path", "what", "blinks"),
    [
        ("/site.json", "config", 1),
        ("/data/trust.a", "trust", 2),
        ("/data/ledger", "ledger", 3),
        ("/data/ledger/17", "ledger", 3),
        ("/data/journal", "journal", 4),
        ("/keys/journal.key", "journal", 4),
    ],
)
def test_what_is_missing_is_named_and_keeps_the_relay_off(bench, path, what, blinks):
    bench.remove(path)
    if path == "/data/trust.a":
        bench.remove("/data/trust.b")
    bench.board.power_on()
    bench.world.run(5)
    assert f"not ready: {what}: " in bench.board.console_log
    assert blinks_after_long_red(bench) == blinks
    bench.chip.field.put(bench.card(bench.provisioned.ticket()))
    bench.world.run(60)
    assert 1 not in relay_levels(bench)
    assert len(bench.board.resets) == 1  # it waits to be provisioned, the watchdog is fed


@pytest.mark.parametrize(
    "config",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"version": 1}',
        b'{"version": 2}',
        b"{" * 500,
        b'{"version": 1, "operator": 7}',
    ],
)
def test_a_damaged_config_is_named_and_keeps_the_relay_off(bench, config):
    bench.write("/site.json", config)
    bench.board.power_on()
    bench.world.run(5)
    assert "not ready: config: " in bench.board.console_log and "Traceback" not in bench.board.console_log


def test_a_damaged_trust_bundle_is_refused_and_the_stored_one_kept(bench):
    bench.write("/incoming/trust.jws", b"a.b.c")
    bench.start()
    assert "trust bundle: MALFORMED" in bench.board.console_log
    assert bench.tap_ticket().reason == "GRANTED"


@pytest.mark.parametrize("path", ["/data/ledger/00", "/data/journal/kept"])
def test_a_damaged_store_is_named_and_nothing_is_written_over(bench, path):
    with mounted(bench.image) as fs:
        if path.endswith("kept"):
            path += "/" + sorted(fs.listdir(path))[0]
    bench.write(path, b"\x55" + bytes(71))
    bench.board.power_on()
    bench.world.run(5)
    assert "not ready: " in bench.board.console_log
    bench.power_cut()
    with mounted(bench.image) as fs, fs.open(path, "rb") as file:
        assert file.read() == b"\x55" + bytes(71)


def test_an_unforeseen_exception_switches_off_journals_and_resets(bench):
    bench.wrap_main(
        "import station.app\ndef broken(verdict, took_ms): raise KeyError('unforeseen')\nstation.app.report = broken"
    )
    bench.start()
    since = len(bench.board.resets)
    bench.chip.field.put(bench.card(bench.provisioned.ticket()))
    assert bench.world.run_until(lambda: len(bench.board.resets) > since, 10)
    bench.world.run(3)
    assert bench.board.resets[-1][1] == HARD_RESET and not bench.relay_on
    assert bench.relay_seconds() < 0.3
    start = len(bench.board.console_log)
    bench.type_at_console(
        "from store.journal import Journal;"
        "j = Journal('/data/journal', open('/keys/journal.key', 'rb').read());"
        f"print([b for n, k, b in j.read(1, {REFUSED}) if b'INTERNAL_FAULT' in b and b'KeyError' in b])"
    )
    bench.world.run(1)
    assert "INTERNAL_FAULT" in bench.printed_since(start)


def test_a_stuck_program_is_ended_by_the_watchdog_with_the_relay_off(bench):
    bench.wrap_main(
        "import station.app\ndef stuck(verdict, took_ms):\n    while True: pass\nstation.app.report = stuck"
    )
    bench.start()
    since = len(bench.board.resets)
    bench.chip.field.put(bench.card(bench.provisioned.ticket()))
    assert bench.world.run_until(lambda: len(bench.board.resets) > since, 30)
    bench.chip.field.take()
    bench.world.run(5)
    assert bench.board.resets[-1][1] == WDT_RESET
    assert not bench.relay_on and bench.relay_seconds() < 9


def test_a_boot_loop_is_braked(bench):
    bench.wrap_main("import station.opening\ndef broken(*_): raise RuntimeError\nstation.opening.opened = broken")
    bench.board.power_on()
    bench.world.run(1000, wall_limit_s=300)
    starts = [time_us for time_us, _ in bench.board.resets]
    assert starts[2] < 2_000_000  # the first ones come at once
    assert len(starts) < 20 and starts[-1] - starts[-2] >= 300_000_000
    assert 1 not in relay_levels(bench)


@pytest.mark.parametrize("how", ["strap", "flag"])
def test_in_maintenance_no_station_runs_and_no_watchdog_bites(bench, how):
    if how == "strap":
        bench.board.drive(bench.pins["MAINTENANCE"], 0)
    else:
        bench.write("/maintenance", b"")
    bench.board.power_on()
    bench.world.run(120)
    assert len(bench.board.resets) == 1 and bench.board.at_prompt
    assert "maintenance: " in bench.board.console_log and "ready: " not in bench.board.console_log


def test_a_reader_left_at_its_console_comes_back_by_itself(station):
    assert station.tap_ticket().energised
    since = len(station.board.console_log)
    station.board.type(b"\x03")
    station.world.run(1)
    assert not station.relay_on
    assert station.world.run_until(lambda: station.served(since), 15)


def test_a_chip_that_goes_silent_is_shown_and_comes_back(station):
    from tools.virtual.pn532_faults import Fault

    station.chip.faults = lambda point: Fault("silent", 0)
    station.world.run(5)
    assert station.board.pins.level(station.pins["LED_RED"]) == 1
    station.chip.faults = None
    assert station.tap_ticket().energised


def test_a_grant_shows_green_and_beeps_and_a_refusal_blinks_red(station):
    buzzer = station.pins["BUZZER"]
    assert station.tap_ticket(evseKind="DC").reason == "WRONG_EVSE_KIND"
    assert 1 not in [level for _, pin, level in station.board.pins.trace if pin == buzzer]
    station.tap_ticket()
    assert 1 in [level for _, pin, level in station.board.pins.trace if pin == buzzer]


def test_every_refusal_has_a_pattern_of_its_group():
    assert indicator.refused("EXPIRED") != indicator.refused("WRONG_PLACE")
    assert len([step for step in indicator.refused("STORE_FAULT") if step[1]]) == 7


def test_idle_and_after_taps_the_heap_stays_where_it_is(station):
    station.tap_ticket()
    station.tap_ticket(multiUsage="Never")
    station.world.run(120)
    start = len(station.board.console_log)
    station.type_at_console(
        "import gc, micropython; gc.collect(); print('heap', gc.mem_free()); micropython.qstr_info()"
    )
    station.world.run(1)
    printed = station.printed_since(start)
    free = int(printed.rpartition("heap ")[2].split()[0])
    assert free > 20_000, printed  # of 96wK
    names = int(printed.rpartition("n_qstr=")[2].partition(",")[0])
    assert names <= 1260, "the table for one more name takes 14 KB"


# (what is on the card): each of these once exhausted the heap, before any signature was checked
HOSTILE = {
    "many empty arrays in a CWT": b"\x84\x99" + (4000).to_bytes(2, "big") + b"\x80" * 4000 + b"\xa0\x40\x40",
    "a small one": b"\x84\x98\xdc" + b"\x80" * 220 + b"\xa0\x40\x40",
    "a JWS header of many numbers": base64.urlsafe_b64encode(b"[" + b"1e1," * 700 + b"1]").rstrip(b"=") + b".AA.AA",
    "4000 bytes of nothing": b"." * 4000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_card_resets_the_reader_or_ends_a_session(station, name):
    assert station.tap_ticket(maxDuration=5).energised
    resets = len(station.board.resets)
    station.tap(station.card(HOSTILE[name]))
    assert station.relay_on and len(station.board.resets) == resets
