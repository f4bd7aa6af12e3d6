"""The PN532's UART: bytes that come late, in pieces, cut, or without end."""

from nfc_fakes import ACK, JWS, Bus, Clock, Tag2, frame, raised, record, run, tlv

import nfc.frames as frames
from nfc.hsu import Hsu
from nfc.pn532 import Pn532


class Uart:
    """A UART on which bytes arrive at set times: (milliseconds from now, bytes)."""

    def __init__(self, clock, arrivals=(), takes=None):
        self.clock = clock
        start = clock.slept
        self.arrivals = [(start + ms, data) for ms, data in arrivals]
        self.waiting = bytearray()
        self.written = bytearray()
        self.takes = takes
        self.baudrates = []

    def any(self):
        while self.arrivals and self.arrivals[0][0] <= self.clock.slept:
            self.waiting.extend(self.arrivals.pop(0)[1])
        return len(self.waiting)

    def readinto(self, buffer):
        count = min(len(buffer), self.any())
        if not count:
            return None
        buffer[:count] = self.waiting[:count]
        self.waiting = self.waiting[count:]
        return count

    def init(self, baudrate):
        self.baudrates.append(baudrate)

    def write(self, data):
        count = len(data) if self.takes is None else min(self.takes, len(data))
        self.written.extend(bytes(data[:count]))
        return count or None

    def next_in(self, limit):
        self.any()
        if self.waiting:
            return 0
        return min(limit, self.arrivals[0][0] - self.clock.slept if self.arrivals else limit)


def hear(arrivals, ms=100):
    """What comes of a receive: (result, parser, milliseconds), and the bus."""
    clock = Clock()
    bus = Hsu(Uart(clock, arrivals), clock)
    parser = frames.Parser()
    heard = run(bus.receive(parser, clock.after(ms)))
    return heard, parser, clock.slept, bus


ANSWER = frame(b"\xd5\x41\x00" + bytes(100))


def test_uart_frames_in_one_piece_or_byte_by_byte():
    heard, parser, ms, _ = hear([(7, ANSWER)])
    assert heard and parser.kind == frames.DATA and ms == 7
    heard, parser, ms, _ = hear([(7 + i // 11, ANSWER[i : i + 1]) for i in range(len(ANSWER))])
    assert heard and ms < 7 + 15


def test_uart_keeps_what_follows_a_frame():
    heard, parser, _, bus = hear([(1, ACK + ANSWER)])
    assert heard and parser.kind == frames.ACK
    parser.clear()
    assert run(bus.receive(parser, bus._timing.after(0))) and parser.kind == frames.DATA


def test_uart_waits_no_longer_than_its_deadline():
    heard, parser, ms, _ = hear([(101, ANSWER)])
    assert not heard and ms == 100 and not parser.damaged
    heard, parser, ms, _ = hear([(i, b"\x00") for i in range(200)])
    assert not heard and 100 <= ms <= 102


def test_uart_reads_what_is_there_before_it_judges_a_deadline():
    clock = Clock()
    bus = Hsu(Uart(clock, [(5, ANSWER)]), clock)
    deadline = clock.after(20)
    clock.pass_(500)  # another task held the loop
    parser = frames.Parser()
    assert run(bus.receive(parser, deadline)) and parser.kind == frames.DATA


def test_uart_gives_a_cut_frame_up_long_before_a_long_deadline():
    for size in (3, 5, 60, len(ANSWER) - 2):
        heard, parser, ms, _ = hear([(5, ANSWER[:size])], ms=1000)
        assert not heard and parser.damaged and ms < 60, (size, ms)


def test_uart_pauses_of_another_task_s_length_are_no_cut():
    heard, _parser, ms, _ = hear([(5, ANSWER[:30]), (25, ANSWER[30:])])
    assert heard and ms < 50


def test_uart_noise_without_end_does_not_hold_the_loop():
    clock = Clock()
    uart = Uart(clock)
    uart.any = lambda: 64
    uart.readinto = len
    uart.next_in = lambda limit: 1
    bus = Hsu(uart, clock)
    parser = frames.Parser()
    assert not run(bus.receive(parser, clock.after(50)))
    assert clock.slept == 50
    bus.drain()


def test_uart_drain_throws_away_what_came():
    clock = Clock()
    bus = Hsu(Uart(clock, [(0, ACK * 20)]), clock)
    bus.drain()
    assert not run(bus.receive(frames.Parser(), clock.after(5)))


def test_uart_writes_in_pieces_and_gives_up_when_none_is_taken():
    clock = Clock()
    uart = Uart(clock, takes=7)
    run(Hsu(uart, clock).write(ANSWER, clock.after(100)))
    assert uart.written == ANSWER
    uart.takes = 0
    assert isinstance(raised(run, Hsu(uart, clock).write(ANSWER, clock.after(100))), OSError)
    assert clock.slept <= 210


def test_uart_wakes_the_chip_behind_enough_zeros_to_end_any_frame():
    clock = Clock()
    uart = Uart(clock)
    run(Hsu(uart, clock).wake(clock.after(100)))
    zeros = uart.written.find(b"\x55\x55")
    assert zeros > frames.MAX_LENGTH and uart.written[:zeros] == bytes(zeros)
    assert uart.written[zeros + 2 :] == bytes(14)
    assert clock.slept >= len(uart.written) * 10 * 1000 // 115200


def chip_on_uart(reset, bears=460800):
    """A driver, its UART, and a chip behind it that a UART faster than `bears` does not reach."""
    clock = Clock()
    uart = Uart(clock)
    back = Bus(clock, [Tag2(tlv(3, record(JWS, b"t")))])

    def write(data):
        data = bytes(data)
        if data.startswith(b"\x00\x00\xff") and (uart.baudrates or [0])[-1] <= bears:
            reply = back._reply(data)
            uart.arrivals += [(clock.slept + 1, reply[:6]), (clock.slept + 3, reply[6:])]
        return len(data)

    uart.write = write
    return Pn532(Hsu(uart, clock), clock, reset=reset), uart, back


def test_a_whole_start_and_poll_through_the_uart():
    for reset, speeds in ((None, []), (lambda level: None, [115200, 460800])):
        driver, uart, back = chip_on_uart(reset)
        run(driver.start())
        assert uart.baudrates == speeds and back.count(0x10) == len(speeds) // 2
        assert run(driver.poll()).uid == b"\x04\x11\x22\x33\x44\x55\x66"
        assert driver.counters["resends"] == driver.counters["deadlines"] == 0


def test_a_line_that_does_not_bear_the_higher_speed_is_used_at_the_lower():
    driver, uart, _ = chip_on_uart(lambda level: None, bears=115200)
    assert raised(run, driver.start()).detail == "silent"
    run(driver.start())
    assert uart.baudrates == [115200, 460800, 115200]
    assert run(driver.poll())
