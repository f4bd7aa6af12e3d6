"""A reader of three EVSEs, each with a relay of its own."""

import pytest

from tools.virtual.image import mounted

E1, E2, E3 = "DE*ABC*E1*1", "DE*ABC*E1*2", "DE*ABC*E1*3"
RELAYS = {E1: "RELAY", E2: "RELAY_2", E3: "RELAY_3"}
VEHICLES = {E1: "VEHICLE", E2: "VEHICLE_2", E3: "VEHICLE_3"}


@pytest.fixture
def three(bench):
    set_evses(bench, [(E1, "AC"), (E2, "AC"), (E3, "DC")])
    bench.start()
    return bench


def set_evses(bench, evses):
    bench.configure(evses=[{"id": evse, "kind": kind} for evse, kind in evses])


def on(bench):
    return [evse for evse, name in RELAYS.items() if bench.board.pins.level(bench.pins[name]) == 1]


def test_every_relay_is_driven_off_before_anything_else_happens(bench):
    bench.power_on()
    first = {pin: level for _, pin, level in bench.board.pins.trace[:3]}
    assert first == {bench.pins[name]: 0 for name in RELAYS.values()}


def test_the_relay_of_the_evse_that_the_ticket_names_closes_and_no_other(three):
    for evse in (E2, E1):
        assert three.tap_ticket(validEVSEIds=[evse], maxDuration=5).reason == "GRANTED"
    assert on(three) == [E1, E2]
    assert three.tap_ticket(evseKind="DC").reason == "GRANTED"
    assert on(three) == [E1, E2, E3]
    assert three.tap_ticket().reason == "EVSE_BUSY"


def test_a_card_that_names_no_evse_opens_none_while_several_are_free(three):
    assert three.tap_ticket().reason == "EVSE_BUSY"
    assert on(three) == []


def test_the_only_evse_that_is_free_and_fits_is_chosen(three):
    assert three.tap_ticket(validEVSEIds=[E1], maxDuration=5).reason == "GRANTED"
    assert three.tap_ticket(evseKind="AC").reason == "GRANTED"
    assert on(three) == [E1, E2]


def test_the_evse_where_a_vehicle_waits_is_chosen(three):
    three.board.drive(three.pins[VEHICLES[E2]], 1)
    assert three.tap_ticket().reason == "GRANTED"
    assert on(three) == [E2]


def test_two_waiting_vehicles_leave_the_choice_to_the_ticket(three):
    for evse in (E1, E3):
        three.board.drive(three.pins[VEHICLES[evse]], 1)
    assert three.tap_ticket().reason == "EVSE_BUSY"
    assert three.tap_ticket(evseKind="DC").reason == "GRANTED"
    assert on(three) == [E3]


def test_each_session_ends_by_itself(three):
    three.tap_ticket(validEVSEIds=[E1], maxDuration=2)
    three.tap_ticket(validEVSEIds=[E2], maxDuration=1)
    assert three.world.run_until(lambda: on(three) == [E1], 70)
    assert three.world.run_until(lambda: on(three) == [], 70)
    three.world.run(0.5)
    ends = [line.strip() for line in three.board.console_log.splitlines() if line.startswith("end:")]
    assert [line.split()[2] for line in ends] == ["DURATION"] * 2


def test_a_site_of_more_evses_than_the_board_has_relays_is_named(bench):
    set_evses(bench, [(E1, "AC"), (E2, "AC")])
    with mounted(bench.image) as fs:
        with fs.open("/pins.py", "rb") as file:
            pins = file.read()
        with fs.open("/pins.py", "wb") as file:
            file.write(b"\n".join(line for line in pins.splitlines() if not line.startswith(b"RELAY_")) + b"\n")
    bench.board.power_on()
    bench.world.run(5)
    assert "not ready: config: more EVSEs than this board has relay outputs" in bench.board.console_log
