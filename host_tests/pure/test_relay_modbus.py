import struct

from relay.grant import Grant, RelayFault
from relay.modbus import ModbusRelay
from relay.rtu import Answer, Bus, RtuError, crc16, request, silence_ms

TIMED = [{"write": "timer", "at": 512, "value": 600, "check": 0, "bank": 8}]
BOARD = {"each": "channel", "start": [], "on": TIMED, "keep": TIMED,
         "off": [{"write": "coil", "at": 0, "value": 0, "bank": 8}]}  # fmt: skip
AMPS = {"write": "holding", "at": 261, "value": "amps", "times": 10}
WALLBOX = {
    "each": "unit",
    "amps": [6, 16],
    "energy": {"input": 17, "wh": 1},
    "start": [{"write": "holding", "at": 262, "value": 0}, {"write": "holding", "at": 257, "value": 60000}],
    "on": [AMPS, {"write": "holding", "at": 259, "value": 1}],
    "keep": [AMPS],
    "off": [{"write": "holding", "at": 261, "value": 0}, {"write": "holding", "at": 259, "value": 0}],
}


def sealed(body):
    return body + struct.pack("<H", crc16(body))


class Line:
    """UART and device in one; its clock goes on by 4 ms whenever somebody looks at it."""

    def __init__(self):
        self.coils, self.words = {}, {}
        self.alter = lambda number, answer: answer
        self.ignores = ()
        self.count = 0
        self.ticks = (1 << 30) - 5
        self.levels = []
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
        answer = self.alter(self.count, sealed(self.answer(frame)))
        self.count += 1
        self._sent += answer or b""

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
                self.coils[at & 0xFF] = 1 if value else 0
        return frame[:-2]

    @property
    def on(self):
        return self.coils.get(0) == 1 or self.words.get(259) == 1


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


def test_a_device_that_was_switched_off_by_others_ends_the_session():
    desk = Desk(BOARD)
    desk.deliver()
    desk.line.coils[0] = 0
    assert desk.wait() == [("RELAY_FAULT", None)]


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


def test_whatever_one_byte_of_an_answer_does_no_grant_is_unread_and_no_end_is_lost():
    clean = Desk(WALLBOX)
    first = clean.line.count
    answers = []
    clean.line.alter = lambda number, answer: answers.append(bytes(answer)) or answer
    clean.deliver()
    assert len(answers) == 5
    for number, answer in enumerate(answers):
        cases = [answers[number - 1], answer + answer]  # replayed: the one before, or itself
        for at in range(len(answer)):
            cases.append(answer[:at] + bytes((answer[at] ^ 0x21,)) + answer[at + 1 :])
            cases.append(answer[:at] + answer[at + 1 :])
            cases.append(answer[:at] + b"\x01" + answer[at:])
        for case in cases:
            for always in (False, True):
                desk = Desk(WALLBOX)
                attack(desk.line, first + number, case, always)
                outcome(desk, desk.deliver())


def attack(line, which, case, always):
    line.alter = lambda number, answer: case if number == which or (always and number > which) else answer


def outcome(desk, fault):
    """What must hold after a grant under attack."""
    if fault is None:
        assert desk.relay.busy("E1") and desk.line.words[261] == 160 and desk.line.on
        return
    assert not desk.relay.busy("E1")
    ends = [ended.cause for ended in desk.relay.service()]
    assert ends == (["RELAY_FAULT"] if fault.perhaps else [])
    if not fault.perhaps:
        assert not desk.line.on
