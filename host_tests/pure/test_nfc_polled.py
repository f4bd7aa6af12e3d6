"""The PN532's I2C and SPI: ready bytes, frames fetched whole, transactions that fail."""

from nfc_fakes import ACK, JWS, NACK, SYNTAX_ERROR, Bus, Clock, Tag2, frame, raised, record, run, tlv

import nfc.frames as frames
from nfc.i2c import I2c
from nfc.pn532 import Pn532
from nfc.polled import BROKEN, EXTENDED, HEAD, rest
from nfc.spi import Spi

ANSWER = frame(b"\xd5\x41\x00" + bytes(range(100)))
LONGEST = frame(b"\xd5\x41\x00" + bytes(range(256)) + b"123456")


class Chip:
    """Frames that become ready at set times, for a host that has to ask: `arrivals` of (milliseconds, bytes)."""

    def __init__(self, clock, arrivals=()):
        self.clock = clock
        self.arrivals = list(arrivals)
        self.written = []
        self.back = None
        self.transactions = 0
        self.failing = 0  # so many transactions end in OSError

    def begin(self):
        self.transactions += 1
        if self.failing:
            self.failing -= 1
            raise OSError(116)

    def waiting(self):
        return self.arrivals and self.arrivals[0][0] <= self.clock.slept

    def irq(self):
        return 0 if self.waiting() else 1

    def give(self, size):
        """What a read gives; a frame that was not read to its checksum stays."""
        data = self.arrivals[0][1]
        if size >= len(data) - 1:
            self.arrivals.pop(0)
        return (data + b"\x80" * size)[:size]

    def heard(self, data):
        self.written.append(data)
        if self.back and data.startswith(b"\x00\x00\xff"):
            reply = self.back._reply(data)
            self.arrivals = [(self.clock.slept + 1, reply[:6]), (self.clock.slept + 3, reply[6:])]
            self.arrivals = [pair for pair in self.arrivals if pair[1]]


class I2cPort(Chip):
    def writeto(self, address, data):
        assert address == 0x24
        self.begin()
        self.heard(bytes(data))

    def readfrom_into(self, address, buffer):
        assert address == 0x24
        self.begin()
        size = len(buffer) - 1
        buffer[:] = b"\x01" + self.give(size) if self.waiting() else bytes(len(buffer))


class SpiPort(Chip):
    selected = False
    frames_in_select = 0

    def select(self, level):
        if level == 0:
            self.begin_select()
        elif self.sent[:1] == b"\x01":
            self.heard(bytes(self.sent[1:]))
        elif self.sent[:1] == b"\x03":
            self.give(self.given)
        self.selected = level == 0

    def begin_select(self):
        assert not self.selected
        self.sent = bytearray()
        self.given = 0

    def write(self, data):
        assert self.selected and len(data)
        self.begin()
        self.sent.extend(data)

    def readinto(self, buffer):
        assert self.selected
        if not len(buffer):
            raise ValueError("buffer too short")  # as an ESP32 says
        self.begin()
        if self.sent == b"\x02":
            buffer[:] = b"\x01" if self.waiting() else b"\x00"
            return
        assert self.sent == b"\x03"
        data = (self.arrivals[0][1] + b"\x80" * 300)[self.given : self.given + len(buffer)]
        buffer[:] = data
        self.given += len(buffer)


def i2c(arrivals=(), irq=False):
    clock = Clock()
    port = I2cPort(clock, arrivals)
    return port, I2c(port, clock, port.irq if irq else None)


def spi(arrivals=(), irq=False):
    clock = Clock()
    port = SpiPort(clock, arrivals)
    return port, Spi(port, clock, port.select, port.irq if irq else None)


BUSES = (i2c, spi)


def hear(make, arrivals, ms=100, irq=False):
    """What comes of a receive: (result, parser, port)."""
    port, bus = make(arrivals, irq)
    parser = frames.Parser()
    heard = run(bus.receive(parser, port.clock.after(ms)))
    return heard, parser, port


def test_the_head_of_a_frame_tells_how_much_follows():
    assert rest(ACK[:HEAD]) == rest(NACK[:HEAD]) == 0
    assert rest(SYNTAX_ERROR[:HEAD]) + HEAD == len(SYNTAX_ERROR)
    assert rest(ANSWER[:HEAD]) + HEAD == len(ANSWER)
    assert rest(LONGEST[:HEAD]) == EXTENDED
    for broken in (bytes(6), b"\x00\xff" * 3, b"\x80" * 6, b"\x00\x00\xff\x05\xfa\xd5", b"\x00\x00\xff\x00\x00\xff"):
        assert rest(broken) == BROKEN, broken


def test_frames_of_every_kind_and_length_are_fetched():
    for make in BUSES:
        for irq in (False, True):
            kinds = []
            for data in (ACK, NACK, SYNTAX_ERROR, ANSWER, LONGEST, frame(b"\xd5\x03"), frame(b"\xd5" + bytes(254))):
                heard, parser, port = hear(make, [(7, data)], irq=irq)
                assert heard and not port.arrivals, (make, data)
                assert 7 <= port.clock.slept <= 9
                kinds.append(parser.kind)
                if parser.kind == frames.DATA:
                    assert bytes(parser.data()) == data[-2 - len(parser.data()) : -2]
            assert kinds == [frames.ACK, frames.NACK, frames.ERROR] + [frames.DATA] * 4


def test_a_frame_behind_stray_bytes_is_found_all_the_same():
    for make in BUSES:
        heard, parser, port = hear(make, [(1, b"\x80" + ANSWER)])
        assert heard and parser.kind == frames.DATA and not port.arrivals


def test_an_answer_that_came_in_time_is_taken_however_late_the_host_is():
    for make in BUSES:
        port, bus = make([(5, ANSWER)])
        deadline = port.clock.after(20)
        port.clock.pass_(500)
        assert run(bus.receive(frames.Parser(), deadline))


def test_the_wait_ends_at_its_deadline():
    for make in BUSES:
        for irq in (False, True):
            heard, parser, port = hear(make, [(101, ANSWER)], irq=irq)
            assert not heard and port.clock.slept == 100 and not parser.damaged


def test_an_interrupt_line_spares_the_chip_most_questions_and_a_dead_one_loses_no_frame():
    for make in BUSES:
        _, _, asked = hear(make, [(95, ANSWER)])
        _, _, told = hear(make, [(95, ANSWER)], irq=True)
        assert told.transactions * 3 < asked.transactions
        for level in (0, 1):
            port, bus = make([(50, ANSWER)], irq=True)
            bus._irq = lambda level=level: level
            assert run(bus.receive(frames.Parser(), port.clock.after(100))) and port.clock.slept <= 60
        port, bus = make([(98, ANSWER)], irq=True)
        bus._irq = lambda: 1
        assert run(bus.receive(frames.Parser(), port.clock.after(99))), "asked for a last time at the deadline"


def test_what_is_no_frame_is_damage_and_does_not_come_again():
    for make in BUSES:
        for data in (
            ANSWER[:3],
            ANSWER[:40],
            ANSWER[:-2],
            bytes(20),
            b"\xff" * 275,
            b"\x00\x00\xff\xff\xff\xff\xff\x02",
            ANSWER[:10] + b"\x00" + ANSWER[11:],
            frame(b"\x7e\x41\x00"),
        ):
            heard, parser, port = hear(make, [(1, data)])
            assert not heard and parser.damaged and not port.arrivals, (make, data)
            assert port.clock.slept < 5


def test_a_failing_transaction_is_a_busy_chip_until_the_deadline_and_a_fault_then():
    for make in BUSES:
        port, bus = make([(5, ANSWER)])
        port.failing = 3
        assert run(bus.receive(frames.Parser(), port.clock.after(100)))
        port, bus = make([(5, ANSWER)])
        port.failing = 10_000
        assert isinstance(raised(run, bus.receive(frames.Parser(), port.clock.after(50))), OSError)
        assert port.clock.slept == 50
        assert isinstance(raised(run, bus.write(ANSWER, port.clock.after(50))), OSError)
        port.failing = 0
        run(bus.write(ANSWER, port.clock.after(50)))
        assert port.written == [ANSWER], "the chip select was let go of"


def test_waking_sends_enough_zeros_to_end_any_frame_and_waits_for_a_chip_that_boots():
    for make in BUSES:
        port, bus = make()
        port.failing = 1
        run(bus.wake(port.clock.after(100)))
        assert port.written[0] == bytes(len(port.written[0])) and len(port.written[0]) > frames.BUFFER
        port, bus = make()
        port.failing = 10_000
        assert raised(run, Pn532(bus, port.clock).start()).detail == "bus"
        assert port.clock.slept < 150


def test_a_whole_start_and_poll():
    for make in BUSES:
        for irq in (False, True):
            port, bus = make(irq=irq)
            port.back = Bus(port.clock, [Tag2(tlv(3, record(JWS, b"t")))])
            driver = Pn532(bus, port.clock)
            run(driver.start())
            assert run(driver.poll()).uid == b"\x04\x11\x22\x33\x44\x55\x66"
            assert driver.counters["resends"] == driver.counters["deadlines"] == driver.counters["nacks"] == 0
            assert driver.parser.bad_checksums == driver.parser.stray == 0
