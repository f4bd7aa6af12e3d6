import json
import struct

from relay import rtu
from relay.grant import Grant, RelayFault
from relay.modbus import ModbusRelay
from relay.rtu import Answer, Bus, RtuError, crc16, request, silence_ms
from support import collect, count


def relay_map(name):
    """A map of the firmware."""
    with open(rtu.__file__.rsplit("/", 1)[0] + "/maps/" + name + ".json") as file:
        return json.load(file)


BOARD, WALLBOX = relay_map("timed-relay"), relay_map("heidelberg-energy-control")
PHOENIX = relay_map("phoenix-ev-cc-ac1-m")


def sealed(body):
    return body + struct.pack("<H", crc16(body))


def clean(number, frame):
    return frame


class Line:
    """UART and device in one; its clock goes on by 4 ms whenever somebody looks at it."""

    def __init__(self):
        self.coils, self.words = {}, {}
        self.hear = self.alter = clean  # what the line makes of each question, of each answer
        self.ignores = ()
        self.count = 0
        self.ticks = (1 << 30) - 5
        self.levels = []
        self.asked = b""
        self._sent = b""

    def now(self):
        self.ticks += 4
        return self.ticks & ((1 << 30) - 1)

    def diff(self, end, start):
        return ((end - start + (1 << 29)) & ((1 << 30) - 1)) - (1 << 29)

    async def sleep(self, ms):
        self.ticks += ms

    def enable(self, level):
        self.levels.append(level)

    def write(self, frame):
        assert self.levels[-1] == 1, "spoke without the line"
        self.count += 1
        self.asked = frame
        heard = self.hear(self.count - 1, frame)
        if len(heard) == 8 and sealed(heard[:-2]) == heard:  # a device passes over all else
            self._sent += self.alter(self.count - 1, sealed(self.answer(heard))) or b""

    def flush(self):
        pass

    def any(self):
        return len(self._sent)

    def read(self, count):
        data, self._sent = self._sent[:count], self._sent[count:]
        return data

    def answer(self, frame):
        unit, function, at, value = struct.unpack(">BBHH", frame[:6])
        if function == 1:
            bits = 0
            for bit in range(value):
                bits |= self.coils.get(at + bit, 0) << bit
            return bytes((unit, 1, 1, bits))
        if function in (3, 4):
            words = [self.words.get(at + n, 0) for n in range(value)]
            return bytes((unit, function, 2 * value)) + struct.pack(">%dH" % value, *words)
        if at not in self.ignores:
            if function == 6:
                self.words[at] = value
            else:
                self.coils[at - 512 if 512 <= at < 520 else at] = 1 if value else 0
        return frame[:-2]

    @property
    def on(self):
        return self.coils.get(0) == 1 or self.words.get(259) == 1 or self.coils.get(20000) == 1


class Desk:
    def __init__(self, device=BOARD, line=None):
        self.line = line or Line()
        bus = Bus(self.line, self.line.enable, 19200, self.line.sleep, self.line.now, self.line.diff)
        rest = (60 * 60_000, self.line.now, self.line.diff)
        self.relay = ModbusRelay(bus, device, 1, 16, ["E1"], *rest)
        run(self.relay.round())

    def deliver(self, **limits):
        """None, or the RelayFault."""
        try:
            run(self.relay.deliver(Grant(7, "E1", "DE-XYZ", bytes(32), limits, None, None, "passive")))
        except RelayFault as fault:
            return fault
        return None

    def wait(self, seconds=200, renew=True):
        """The line is served beside a loop that serves and renews, until a session ends: [(cause, Wh)]."""
        for _ in range(seconds * 5):
            self.line.ticks += 200
            if renew:
                self.relay.renew_all()
            ended = self.relay.service()
            run(self.relay.round())
            if ended:
                return [(one.cause, one.energy_wh) for one in ended]
        return []


def run(coroutine):
    try:
        coroutine.send(None)
        raise AssertionError("it waits for something that this test does not have")
    except StopIteration:
        pass


def answered(frame, data):
    answer = Answer(frame)
    for byte in data:
        if answer.feed(byte):
            return answer.data
    return None


def refused(frame, data):
    try:
        return answered(frame, data) is None
    except RtuError:
        return True


def test_the_frame_of_the_specification_s_kind():
    assert request(1, 3, 0, 10) == bytes((1, 3, 0, 0, 0, 10, 0xC5, 0xCD))


def test_the_silence_between_frames():
    assert [silence_ms(baud) for baud in (9600, 19200, 38400, 115200)] == [6, 4, 3, 3]


def test_every_answer_that_is_changed_cut_or_shifted_in_any_byte_is_refused():
    for frame, answer in (
        (request(1, 3, 261, 1), sealed(b"\x01\x03\x02\x00\xa0")),
        (request(1, 1, 0, 8), sealed(b"\x01\x01\x01\x01")),
        (request(1, 6, 261, 160), request(1, 6, 261, 160)),
        (request(9, 5, 0, 0xFF00), request(9, 5, 0, 0xFF00)),
    ):
        assert answered(frame, answer) is not None
        for at in range(len(answer)):
            for bit in range(8):
                changed = bytearray(answer)
                changed[at] ^= 1 << bit
                assert refused(frame, changed)
            assert refused(frame, answer[:at] + answer[at + 1 :])
            assert refused(frame, answer[:at] + bytes((answer[at] ^ 0x55,)) + answer[at:])


def test_an_exception_is_told_with_its_code():
    try:
        answered(request(1, 6, 261, 160), sealed(b"\x01\x86\x02"))
        raise AssertionError("taken")
    except RtuError as error:
        assert str(error) == "EXCEPTION 2"


def test_nothing_is_granted_before_the_device_has_said_that_it_is_off():
    line = Line()
    line.coils[0] = 1
    line.alter = lambda number, answer: None
    desk = Desk(line=line)
    assert not desk.relay.accepts("E1", {}) and desk.relay.fault == "NO_ANSWER"
    line.alter = lambda number, answer: answer
    desk.wait(1)
    assert desk.relay.accepts("E1", {}) and not line.on and desk.relay.fault == ""


def test_a_grant_is_written_read_back_and_switched_off_at_its_end():
    for device, energy_wh in ((BOARD, None), (WALLBOX, 0)):
        desk = Desk(device)
        assert desk.deliver() is None and desk.line.on
        desk.relay.stop("E1", "STOPPED_BY_DRIVER")
        assert desk.wait(1) == [("STOPPED_BY_DRIVER", energy_wh)]
        assert desk.relay.accepts("E1", {}) and not desk.line.on and desk.line.levels[-1] == 0


def test_the_wallbox_gets_its_fail_safe_and_the_smaller_current():
    line = Line()
    line.words[262] = 100
    desk = Desk(WALLBOX, line)
    assert (desk.line.words[257], desk.line.words[262]) == (60000, 0)
    assert desk.relay.enforces == ("maxDuration", "maxCurrent", "maxEnergy")
    assert desk.deliver(maxCurrent=10) is None and desk.line.words[261] == 100
    assert not Desk(WALLBOX).relay.accepts("E1", {"maxCurrent": 5})


def test_a_write_that_is_not_taken_is_no_grant():
    desk = Desk(WALLBOX)
    desk.line.ignores = (259,)
    fault = desk.deliver()
    assert fault is not None and not fault.perhaps and str(fault) == "NOT_TAKEN 259"
    assert not desk.relay.busy("E1") and desk.line.words[261] == 0


def test_a_device_that_falls_silent_in_the_grant_leaves_an_end():
    desk = Desk(BOARD)
    desk.line.alter = lambda number, answer: None
    fault = desk.deliver()
    assert fault.perhaps and [ended.cause for ended in desk.relay.service()] == ["RELAY_FAULT"]
    assert not desk.relay.accepts("E1", {})


def test_the_energy_limit_ends_the_session():
    desk = Desk(WALLBOX)
    desk.line.words[18] = 1000
    assert desk.deliver(maxEnergy=500) is None
    desk.line.words[18] = 1499
    assert desk.wait(5) == []
    desk.line.words[18] = 1501
    assert desk.wait() == [("ENERGY", 501)]


def test_a_device_that_takes_its_lease_and_whose_limits_cannot_be_watched_any_more_loses_it():
    for device, limits, lost in ((WALLBOX, {"maxEnergy": 500}, (4, 17)), (PHOENIX, {}, (3, 22000))):
        desk = Desk(device)
        assert desk.deliver(**limits) is None

        def refuse(number, frame, line=desk.line, lost=lost):
            refused = (line.asked[1], line.asked[2] << 8 | line.asked[3]) == lost
            return sealed(bytes((1, lost[0] | 0x80, 2))) if refused else frame

        desk.line.alter = refuse
        began = desk.line.ticks
        assert [cause for cause, _ in desk.wait()] == ["LEASE_LOST"]
        assert desk.line.ticks - began < 64_000 and not desk.line.on


def test_a_device_that_was_switched_off_by_others_ends_the_session():
    desk = Desk(BOARD)
    desk.deliver()
    desk.line.coils[0] = 0
    assert desk.wait() == [("RELAY_FAULT", None)]


def test_a_device_that_others_switch_on_is_switched_off_and_one_that_restarted_is_set_up_again():
    desk = Desk(BOARD)
    desk.line.coils[0] = 1
    assert desk.wait(12) == [] and not desk.line.on and desk.relay.accepts("E1", {})
    desk = Desk(WALLBOX)
    desk.line.words.clear()
    assert desk.wait(12) == [] and desk.line.words[257] == 60000 and desk.relay.accepts("E1", {})


def test_a_device_that_is_lost_while_nothing_runs_is_a_fault_until_it_is_heard_again():
    desk = Desk(BOARD)
    desk.line.alter = lambda number, answer: None
    desk.wait(12)
    assert desk.relay.fault == "NO_ANSWER" and not desk.relay.accepts("E1", {})
    desk.line.alter = clean
    desk.wait(12)
    assert desk.relay.fault == "" and desk.relay.accepts("E1", {})


def test_a_grant_that_comes_while_an_idle_device_is_looked_at_runs():
    desk = Desk(BOARD)
    asked = desk.relay._bus.ask

    async def ask(*question):
        desk.relay._bus.ask = asked
        answer = await asked(*question)
        assert desk.deliver() is None
        return answer if not desk.line.on else b"\x01"

    desk.line.ticks += 1000
    desk.relay._looks = 9
    desk.relay._bus.ask = ask
    run(desk.relay.round())
    assert desk.line.on and desk.relay.busy("E1")


def test_the_timed_on_is_renewed_and_a_lost_device_ends_the_lease():
    desk = Desk(BOARD)
    desk.deliver()
    seen = []
    desk.line.alter = lambda number, answer: seen.append(bytes(answer[:3])) or answer
    assert desk.wait(100) == []
    assert bytes((1, 5, 2)) in seen
    desk.line.alter = lambda number, answer: None
    assert desk.wait() == [("LEASE_LOST", None)]


def test_a_lease_that_nobody_renews_is_not_renewed_on_the_line():
    desk = Desk(BOARD)
    desk.deliver()
    assert desk.wait(renew=False) == [("LEASE_LOST", None)]
    assert desk.relay.accepts("E1", {}) and not desk.line.on


def whole(device, spoil=None, first=0):
    """A session from its grant to its end, over a line that does `spoil(back, number, frame) -> frame` to question and
    answer (`back`) of that number, counted from the grant on: (how many were asked, the RelayFault or None)."""
    desk = Desk(device)
    line = desk.line
    if spoil:
        begun = line.count
        line.hear = lambda number, frame: spoil(False, number - begun, frame)
        line.alter = lambda number, frame: spoil(True, number - begun, frame)
    begun = line.count
    fault = desk.deliver()
    ends = desk.relay.service()
    if fault is None:
        assert line.on and line.words.get(261, 160) == 160 and line.words.get(22000, 16) == 16
        for ms in (1000, 20_000, 1000):
            line.ticks += ms
            desk.relay.renew_all()
            run(desk.relay.round())
            ends += desk.relay.service()
        desk.relay.stop("E1", "STOPPED_BY_DRIVER")
        ends += desk.relay.service()
        line.ticks += 100
        run(desk.relay.round())
    elif not fault.perhaps:
        assert not line.on
    if desk.relay.accepts("E1", {}):
        assert not line.on
    asked = line.count - begun
    line.hear = line.alter = clean
    for _ in range(3):
        line.ticks += 1000
        run(desk.relay.round())
        ends += desk.relay.service()
    assert not line.on and desk.relay.accepts("E1", {}) and desk.relay.fault == ""
    assert len(ends) == (1 if fault is None or fault.perhaps else 0), (fault, ends)
    return asked, fault


def spoiled(frame, before):
    """Each way in which the line can spoil a frame: lost, twice, the one before instead, and one byte of it."""
    yield b""
    yield frame + frame
    yield before
    for at in range(len(frame)):
        yield frame[:at] + bytes((frame[at] ^ 0x21,)) + frame[at + 1 :]
        yield frame[:at] + frame[at + 1 :]
        yield frame[:at] + b"\x01" + frame[at:]


def attacker(back, which, wrong, always):
    """What puts `wrong` in the place of a frame, or (`always`) of all of that direction from there on."""

    def spoil(is_back, number, frame):
        return wrong if is_back == back and (number == which or (always and number > which)) else frame

    return spoil


def listener(heard):
    def keep(back, number, frame):
        heard.append((back, number, frame))
        return frame

    return keep


async def test_whatever_one_byte_on_the_line_does_no_grant_is_unread_and_no_end_is_lost():
    tried = granted = 0
    for name in ("timed-relay", "heidelberg-energy-control", "phoenix-ev-cc-ac1-m"):
        device, heard = relay_map(name), []
        asked, fault = whole(device, listener(heard))
        assert fault is None and len(heard) == 2 * asked >= 18
        cases, before = [], {}
        for back, number, frame in heard:
            cases += [(back, number, wrong) for wrong in spoiled(frame, before.get(back, b""))]
            before[back] = frame
        for case in cases[:: count(43, 1)]:
            for always in (False, True):
                _, fault = whole(device, attacker(*case, always))
                tried += 1
                granted += fault is None
            await collect()
    assert 0 < granted < tried
