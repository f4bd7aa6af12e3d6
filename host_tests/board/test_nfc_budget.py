"""From card seen to ticket in hand within the stated time, by the recorded traces, on every bus."""

import pytest

from host_tests.board.nfc_faults import BUSES, FaultStation
from tools.bench import nfc


@pytest.mark.parametrize("bus", BUSES)
def test_a_ticket_is_in_hand_in_time(provisioned, tmp_path, bus):
    with FaultStation(provisioned, tmp_path, bus) as station:
        for title, card in nfc.cards(provisioned.site).items():
            whole = nfc.total(nfc.read(station, bus, card))
            assert 20 < whole.ms <= nfc.LIMITS_MS[title], (title, whole)
            assert whole.bus_frames == 3 * whole.commands, "nothing was sent again"
