"""adafruit-circuitpython-ds3231, a driver nobody here wrote, and ours read and set the same virtual DS3231."""

import time
from datetime import UTC, datetime
from types import SimpleNamespace

import adafruit_ds3231
import pytest

from station.ds3231 import Ds3231 as Driver
from tools.virtual.ds3231 import Ds3231
from tools.virtual.world import World

NOON_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z, a Sunday


class Bus:
    """The virtual chip behind the bus of both interfaces, CircuitPython's and MicroPython's."""

    def __init__(self, chip: Ds3231):
        self.chip = chip

    def try_lock(self) -> bool:
        return True

    def unlock(self) -> None: ...

    def writeto(self, address, buffer, *, start=0, end=None) -> None:
        self.chip.write(bytes(buffer[start:end]))

    def readfrom_into(self, address, buffer, *, start=0, end=None) -> None:
        end = len(buffer) if end is None else end
        buffer[start:end] = self.chip.read(end - start)[0]

    def writeto_then_readfrom(
        self, address, out_buffer, in_buffer, *, out_start=0, out_end=None, in_start=0, in_end=None
    ):
        self.writeto(address, out_buffer, start=out_start, end=out_end)
        self.readfrom_into(address, in_buffer, start=in_start, end=in_end)

    def readfrom_mem(self, address, memory, count) -> bytes:
        self.chip.write(bytes((memory,)))
        return self.chip.read(count)[0]

    def writeto_mem(self, address, memory, data) -> None:
        self.chip.write(bytes((memory,)) + bytes(data))


@pytest.fixture
def desk():
    world = World("virtual")
    chip = Ds3231(world)
    chip.power(True)
    bus = Bus(chip)
    return SimpleNamespace(world=world, chip=chip, ours=Driver(bus), theirs=adafruit_ds3231.DS3231(bus))


def shown(desk) -> datetime:
    found = desk.theirs.datetime
    return datetime(*found[:6], tzinfo=UTC)


@pytest.mark.parametrize("time_ms", [NOON_MS, 1_835_438_399_000, 1_830_297_599_000, 4_102_444_799_000])
def test_what_we_set_they_read(desk, time_ms):
    assert desk.theirs.lost_power
    desk.ours.write(time_ms)
    assert not desk.theirs.lost_power
    assert shown(desk) == datetime.fromtimestamp(time_ms / 1000, UTC)
    assert desk.theirs.datetime.tm_wday == shown(desk).weekday()
    desk.world.run(59)
    if time_ms == NOON_MS:
        assert shown(desk) == datetime(2026, 11, 22, 12, 0, 59, tzinfo=UTC)


def test_what_they_set_we_read(desk):
    assert desk.ours.read() is None
    desk.theirs.datetime = time.struct_time((2027, 3, 28, 1, 59, 58, 6, -1, -1))
    desk.theirs.lost_power = False
    assert desk.ours.read() == int(datetime(2027, 3, 28, 1, 59, 58, tzinfo=UTC).timestamp()) * 1000
    desk.world.run(5)
    assert desk.ours.read() == int(datetime(2027, 3, 28, 2, 0, 3, tzinfo=UTC).timestamp()) * 1000


def test_a_pulled_battery_is_seen_by_both(desk):
    desk.ours.write(NOON_MS)
    desk.chip.power(False)
    desk.world.run(3600)
    desk.chip.power(True)
    assert desk.ours.read() == NOON_MS + 3_600_000 and not desk.theirs.lost_power
    desk.chip.power(False)
    desk.chip.battery = False
    desk.chip.power(True)
    assert desk.ours.read() is None and desk.theirs.lost_power


def test_an_oscillator_that_is_told_to_stop_on_battery_does(desk):
    desk.ours.write(NOON_MS)
    desk.theirs.disable_oscillator = True
    desk.chip.power(False)
    desk.world.run(60)
    desk.chip.power(True)
    assert desk.ours.read() is None and desk.theirs.lost_power
    desk.ours.write(NOON_MS)
    assert not desk.theirs.disable_oscillator
