"""The DS3231, and what becomes of the clocks that outlast a restart."""

from test_station_clock import DAY_MS, HOUR_MS, NOON_MS, NOON_S, clock

from station import timekeeper
from station.clock import FLOOR, SET, UNKNOWN, set_rtc, unix_ms
from station.ds3231 import Ds3231
from station.timekeeper import Timekeeper


class Chip:
    """An I2C bus with 19 registers at address 68."""

    def __init__(self, registers=None):
        self.registers = bytearray(registers or bytes(19))
        self.there = True
        self.log = []  # where each transfer begins
        self.changes = []  # (register, value)

    def _address(self, address):
        if not self.there or address != 0x68:
            raise OSError(19)

    def readfrom_mem(self, address, memory, count):
        self._address(address)
        return bytes(self.registers[memory : memory + count])

    def writeto_mem(self, address, memory, data):
        self._address(address)
        self.log.append(memory)
        self.changes.extend([(memory + at, value) for at, value in enumerate(data)])
        self.registers[memory : memory + len(data)] = data


class Rtc:
    def __init__(self, now_ms=946_684_800_000):
        set_rtc(self, now_ms)

    def datetime(self, fields=None):
        if fields:
            self.fields = fields
        return self.fields

    @property
    def ms(self):
        return unix_ms(self.fields)


# 2026-11-22 (a Sunday, here the 7th) 12:34:56, running
SHOWN = bytes((0x56, 0x34, 0x12, 0x07, 0x22, 0x11, 0x26)) + bytes(7) + b"\x1c\x08" + bytes(3)
SHOWN_MS = NOON_MS + 34 * 60_000 + 56_000


def changed(at, value):
    registers = bytearray(SHOWN)
    registers[at] = value
    return Ds3231(Chip(registers)).read()


def test_the_registers_are_read():
    assert Ds3231(Chip(SHOWN)).read() == SHOWN_MS


def test_an_oscillator_that_has_stopped_is_not_believed_and_its_flag_stays():
    chip = Chip(SHOWN)
    chip.registers[15] |= 0x80
    assert Ds3231(chip).read() is None and chip.registers[15] == 0x88 and chip.log == []


def test_what_is_no_time_is_not_believed():
    assert Ds3231(Chip(b"\xff" * 19)).read() is None
    for at, values in (
        (0, (0x60, 0x5A, 0x80)),
        (1, (0x60, 0x0F)),
        (2, (0x24, 0x52, 0x72)),  # 12 hour clocks among them
        (3, (0, 8)),
        (4, (0, 0x31, 0x32)),
        (5, (0, 0x13, 0x91)),  # the next century among them
        (6, (0xA0, 0x0A)),
    ):
        for value in values:
            assert changed(at, value) is None, (at, value)
    assert changed(4, 0x30) == SHOWN_MS + 8 * DAY_MS


def test_setting_writes_all_and_clears_the_flag_last():
    chip = Chip(b"\xff" * 19)
    Ds3231(chip).write(SHOWN_MS + 999)
    assert chip.log == [14, 0, 14, 15]
    assert bytes(chip.registers[:7]) == SHOWN[:7] and chip.registers[14] == 0x1C and not chip.registers[15] & 0x80
    for time_ms in (
        NOON_MS,
        NOON_MS + 99 * DAY_MS,
        1_835_438_399_000,
        4_102_444_799_000,
    ):  # a leap day, the last second
        Ds3231(chip).write(time_ms)
        assert Ds3231(chip).read() == time_ms


def test_a_setting_that_is_cut_is_believed_whole_or_not_at_all():
    later_ms = SHOWN_MS + 400 * DAY_MS + 7 * HOUR_MS + 61_000
    whole = Chip(SHOWN)
    Ds3231(whole).write(later_ms)
    found = []
    for cut in range(len(whole.changes) + 1):
        chip = Chip(SHOWN)
        for memory, value in whole.changes[:cut]:
            chip.registers[memory] = value
        chip.registers[15] |= chip.registers[14] & 0x80  # on its battery
        found.append(Ds3231(chip).read())
    assert found[0] == SHOWN_MS and found[-2:] == [later_ms] * 2 and set(found[1:-2]) == {None}


def bench(rtc_ms=946_684_800_000, chip=SHOWN, floor_s=0):
    subject, ticks = clock(floor_s)
    bus = Chip(chip)
    rtc = Rtc(rtc_ms)
    return Timekeeper(subject, rtc, Ds3231(bus)), subject, ticks, bus, rtc


def test_after_a_power_cut_the_battery_clock_tells_the_time():
    keeper, subject, _, _, _ = bench()
    keeper.start()
    assert subject.now() == (SHOWN_MS, SET) and keeper.problem == ""


def test_a_time_set_by_cable_goes_into_the_battery_clock_and_out_of_the_letter_box():
    keeper, subject, _, bus, rtc = bench(rtc_ms=NOON_MS + DAY_MS, chip=b"\xff" * 19)
    keeper.start()
    assert subject.now() == (NOON_MS + DAY_MS, SET)
    assert Ds3231(bus).read() == NOON_MS + DAY_MS and rtc.ms == 946_684_800_000


def test_a_battery_that_was_pulled_leaves_the_floor_only():
    stopped = bytearray(SHOWN)
    stopped[15] |= 0x80
    for floor_s, state in ((0, UNKNOWN), (NOON_S, FLOOR)):
        keeper, subject, _, bus, _ = bench(chip=stopped, floor_s=floor_s)
        keeper.start()
        assert subject.state == state and keeper.problem == timekeeper.STOPPED
        assert bus.registers[15] & 0x80 and bus.log == []


def test_a_battery_clock_that_was_turned_back_is_not_believed():
    keeper, subject, _, _, _ = bench(floor_s=NOON_S + 86_400)
    keeper.start()
    assert subject.now() == (NOON_MS + DAY_MS, FLOOR) and keeper.problem == timekeeper.REFUSED


def test_a_battery_clock_that_does_not_answer_leaves_the_time_in_the_chip():
    keeper, subject, _, bus, rtc = bench(rtc_ms=NOON_MS)
    bus.there = False
    keeper.start()
    assert subject.now() == (NOON_MS, SET) and rtc.ms == NOON_MS and keeper.problem == timekeeper.NO_ANSWER
    keeper.service()
    assert subject.now() == (NOON_MS, SET)


def test_one_that_answers_later_is_believed_then():
    keeper, subject, _, bus, _ = bench()
    bus.there = False
    keeper.start()
    assert subject.state == UNKNOWN
    bus.there = True
    keeper.service()
    assert subject.now() == (SHOWN_MS, SET) and keeper.problem == ""


def test_the_clock_follows_the_battery_clock_s_drift_but_no_jump_of_it():
    keeper, subject, ticks, bus, _ = bench()
    keeper.start()
    ticks.ticks += 600_000
    subject.service()
    Ds3231(bus).write(SHOWN_MS + 600_000 - 2000)
    keeper.service()
    assert subject.now() == (SHOWN_MS + 598_000, SET)
    for jump_ms in (HOUR_MS, -HOUR_MS):
        Ds3231(bus).write(SHOWN_MS + jump_ms)
        keeper.service()
        assert subject.now() == (SHOWN_MS + 598_000, SET) and keeper.problem == timekeeper.DISAGREES


def test_forgetting_leaves_nothing_that_the_next_start_believes():
    for with_chip in (True, False):
        keeper, subject, _, bus, rtc = bench(rtc_ms=NOON_MS)
        keeper = keeper if with_chip else Timekeeper(subject, rtc, None)
        keeper.keep(None)
        again, _ = clock()
        Timekeeper(again, rtc, Ds3231(bus) if with_chip else None).start()
        assert again.state == UNKNOWN
