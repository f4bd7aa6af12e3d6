"""A chip that falls silent for good: noticed in time, and nothing else of the station notices."""

import pytest

from host_tests.board.nfc_faults import BUSES, GRANT_LIMIT_S, FaultStation
from tools.virtual.pn532_faults import Fault

NOTICED_S = 2
_EIO = 5


@pytest.mark.parametrize("bus", BUSES)
def test_a_dead_chip_is_reset_again_and_again_while_a_session_goes_on_and_ends(provisioned, tmp_path, bus):
    station = FaultStation(provisioned, tmp_path, bus)
    with station:
        assert station.good_tap() <= GRANT_LIMIT_S
        dead_us = station.world.now_us
        station.chip.faults = lambda point: Fault("silent")
        if station.port is not None:
            station.port.bus_fault = lambda: _EIO

        def resets() -> list[int]:
            trace = station.board.pins.trace
            return [at for at, pin, level in trace if pin == station.pins["NFC_RESET"] and level == 0 and at > dead_us]

        assert station.world.run_until(lambda: bool(resets()), NOTICED_S)
        station.world.run(62)
        assert len(resets()) > 60, "about every half second"
        rise_us = next(at for at, pin, level in station.board.pins.trace if pin == station.relays[0] and level == 1)
        falls = [at for at, pin, level in station.board.pins.trace if pin == station.relays[0] and level == 0]
        assert 60e6 <= falls[-1] - rise_us < 60.3e6, "the session ended when it was due"
        assert len(station.board.resets) == 1, "no watchdog bit"
        station.chip.faults = None
        if station.port is not None:
            station.port.bus_fault = lambda: 0
        station.world.run(1)
        assert station.good_tap() <= GRANT_LIMIT_S


def test_between_polls_the_field_is_off_or_on_as_the_site_says(provisioned, tmp_path):
    for rf_off in (True, False):
        folder = tmp_path / str(rf_off)
        folder.mkdir()
        station = FaultStation(provisioned, folder, "i2c", nfc={"bus": "i2c", "rf_off": rf_off})
        with station:
            on = 0
            for _ in range(200):
                station.world.run(0.005)
                on += station.chip.field.on
            assert on < 60 if rf_off else on > 190
            assert station.good_tap() <= GRANT_LIMIT_S


def test_a_bus_for_which_the_board_has_no_pins_is_said_and_no_reason_to_restart(bench):
    bench.configure(nfc={"bus": "spi"})
    bench.write("/pins.py", bench.read("/pins.py").replace(b"NFC_MISO", b"ELSEWHERE"))
    bench.board.power_on()
    bench.world.run(20)
    assert "not ready: config: this board has no pins for its nfc.bus" in bench.board.console_log
    assert len(bench.board.resets) == 1 and not bench.relay_on
