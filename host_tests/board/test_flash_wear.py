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
    """(erases until its verdict, all that follow from it included) of each of so many taps."""
    found, at_us = [], []
    erase = station.board.flash.erase
    station.board.flash.erase = lambda *what: at_us.append(station.world.now_us) or erase(*what)
    for number in range(count):
        at_us.clear()
        start_us = station.world.now_us
        decided_us = start_us + 1000 * (tap(number).took_ms + 1)
        found.append((sum(at <= decided_us for at in at_us), len(at_us)))
    station.board.flash.erase = erase
    return found


def test_granted_taps_cost_at_most_four_erases_and_refused_ones_at_most_one(station, provisioned, soak):
    text = [{"language": "en", "text": "x" * 520}]
    size = 0

    def granted(number):
        nonlocal size
        ticket = provisioned.ticket(description=text)
        size = len(ticket)
        tapped = station.tap_ticket(ticket)
        assert tapped.reason == "GRANTED"
        station.wait_relay_off()
        return tapped

    def refused(number):
        tapped = station.tap_ticket(description=text, evseKind="DC")
        assert tapped.reason == "WRONG_EVSE_KIND"
        return tapped

    for what, tap, count, most in (
        ("granted and ended", granted, 200 if soak else 10, (4, 4)),
        ("refused", refused, 500 if soak else 16, (1, 2)),  # the journal is tidied after it
    ):
        found = erases(station, count, tap)
        average = sum(after for _, after in found) / count
        worst = [max(counts) for counts in zip(*found, strict=True)]
        print(
            f"{count} taps, ticket of {size} bytes, {what}: {average:.2f} erases on average; "
            f"{worst[0]} at most in the tap, {worst[1]} with what follows"
        )
        assert worst[0] <= most[0] and worst[1] <= most[1]
    assert station.board.flash.faults == []
