"""From card seen to ticket in hand within the stated time, by the recorded traces, on every bus."""

import pytest

from host_tests.board.nfc_faults import BUSES, FaultStation
from tools import nfc_bench


@pytest.mark.parametrize("bus", BUSES)
def test_a_ticket_is_in_hand_in_time(provisioned, tmp_path, bus):
    with FaultStation(provisioned, tmp_path, bus) as station:
        for title, card in nfc_bench.cards(provisioned.site).items():
            whole = nfc_bench.total(nfc_bench.read(station, bus, card))
            assert 20 < whole.ms <= nfc_bench.LIMITS_MS[title], (title, whole)
            assert whole.bus_frames == 3 * whole.commands, "nothing was sent again"
