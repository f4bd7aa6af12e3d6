"""Something goes wrong at a frame of a tap: nothing is granted that was not earned, and the next tap works."""

import pytest

from host_tests.board.nfc_faults import BUSES, KINDS, FaultStation, check, refused_card

CARDS = ("ntag215", "type4", "phone")
SAMPLE = 7919  # spreads a sample over the frames of a tap, the same in every run


@pytest.fixture
def station(request, provisioned, tmp_path):
    """A new one for each test: what it grants stays in its journal, which has an end."""
    with FaultStation(provisioned, tmp_path, request.cls.bus) as made:
        yield made


def places(station, card, kind):
    """How many places for a fault of this kind the tap of such a card has."""
    frames, transactions = station.places_in_a_tap(refused_card(card, station.provisioned))
    return transactions if kind == "bus" else frames


class Faults:
    bus = ""

    def test_some_faults_at_some_frames(self, station):
        """Every kind of fault on one of the buses."""
        for kind in KINDS[BUSES.index(self.bus) :: len(BUSES)]:
            at = KINDS.index(kind)
            card = CARDS[at // len(BUSES) % len(CARDS)]
            check(station, card, at % 4 == 0, kind, at * SAMPLE % places(station, card, kind))

    @pytest.mark.slow
    @pytest.mark.parametrize("card", CARDS)
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_fault_at_every_frame(self, station, card, kind):
        if kind == "bus" and self.bus == "hsu":
            pytest.skip("no read or write of an ESP32's UART raises OSError")
        for number in range(places(station, card, kind)):
            check(station, card, number % 2 == 0, kind, number)


class TestHsu(Faults):
    bus = "hsu"


class TestI2c(Faults):
    bus = "i2c"


class TestSpi(Faults):
    bus = "spi"
