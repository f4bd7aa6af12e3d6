"""Something goes wrong at a frame of a tap: nothing is granted that was not earned, and the next tap works."""

import pytest

from host_tests.board.nfc_faults import BUSES, KINDS, FaultStation, check, refused_card

CARDS = ("ntag215", "type4")
SAMPLE = 7919  # spreads a sample over the frames of a tap, the same in every run


@pytest.fixture
def station(request, provisioned, tmp_path):
    """A new one for each test: what it grants stays in its journal, which has an end."""
    with FaultStation(provisioned, tmp_path, request.cls.bus) as made:
        yield made


@pytest.fixture
def frames(station):
    """Card: number of frames of its tap."""
    return {kind: len(station.points_of_a_tap(refused_card(kind, station.provisioned))) for kind in CARDS}


class Faults:
    bus = ""

    def test_some_faults_at_some_frames(self, station, frames):
        """Every kind of fault on one of the buses."""
        for kind in KINDS[BUSES.index(self.bus) :: len(BUSES)]:
            at = KINDS.index(kind)
            card = CARDS[at % 2]
            check(station, card, at % 4 == 0, kind, at * SAMPLE % frames[card])

    @pytest.mark.slow
    @pytest.mark.parametrize("card", CARDS)
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_fault_at_every_frame(self, station, frames, card, kind):
        if kind == "bus" and self.bus == "hsu":
            pytest.skip("no read or write of an ESP32's UART raises OSError")
        for number in range(frames[card]):
            check(station, card, number % 2 == 0, kind, number)


class TestHsu(Faults):
    bus = "hsu"


class TestI2c(Faults):
    bus = "i2c"


class TestSpi(Faults):
    bus = "spi"
