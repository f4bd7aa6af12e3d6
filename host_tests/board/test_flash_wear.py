"""What whole taps cost the flash of a station, measured where every erase is seen."""

import pytest

from host_tests.board.conftest import Bench


@pytest.fixture
def station(provisioned, tmp_path):
    bench = Bench(provisioned, tmp_path / "flash.img", heap="160wK")
    bench.configure(nfc={"poll_ms": 1000})  # a minute without a card is soon over then
    bench.start()
    yield bench
    bench.close()


def erases(station, count, tap):
    """Erases of each of so many taps, all that follows from it included."""
    found = []
    for number in range(count):
        before = station.board.flash.erases
        tap(number)
        found.append(station.board.flash.erases - before)
    return found


def test_granted_taps_cost_at_most_four_erases_and_refused_ones_at_most_one(station, provisioned, soak):
    text = [{"language": "en", "text": "x" * 520}]
    size = 0

    def granted(number):
        nonlocal size
        ticket = provisioned.ticket(description=text)
        size = len(ticket)
        assert station.tap_ticket(ticket).reason == "GRANTED"
        station.wait_relay_off()

    def refused(number):
        assert station.tap_ticket(description=text, evseKind="DC").reason == "WRONG_EVSE_KIND"

    for what, tap, count, most in (
        ("granted and ended", granted, 200 if soak else 10, 4),
        ("refused", refused, 500 if soak else 16, 1),
    ):
        found = erases(station, count, tap)
        average = sum(found) / count
        print(f"{count} taps, ticket of {size} bytes, {what}: {average:.2f} erases on average, {max(found)} at most")
        assert max(found) <= most
    assert station.board.flash.faults == []
