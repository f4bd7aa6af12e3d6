"""Who can change, drop, repeat and insert bytes on an OSDP line, either way, gets no grant and loses no end."""

import asyncio
import gc
import struct

from osdp_delivery import E1, Delivery, grant, renewed, running
from osdp_line import Line
from osdp_panel import MFG, OUI, crc

from support import collect, count, folder


class Once:
    def __await__(self):
        yield

    __iter__ = __await__


async def pass_on(ms):
    await Once()


def variants(sent, before=()):
    """Each way in which the line can spoil a packet at one byte: changed, dropped, inserted; lost; twice; and one of
    those before it in its place or ahead of it."""
    yield b""
    yield sent + sent
    for old in before:
        yield old
        yield old + sent
    for at in range(len(sent)):
        wrong = sent[:at] + bytes((sent[at] ^ 1 << at % 8,)) + sent[at + 1 :]
        yield wrong
        yield wrong[:-2] + struct.pack("<H", crc(wrong[:-2]))  # who does this knows the rules of the line
        yield sent[:at] + sent[at + 1 :]
        yield sent[:at] + b"\x53" + sent[at:]


class Attacked(Line):
    """The line does `spoil` to the `due`th packet of the panel (or, `back`, to its answer). The panel then asks again,
    byte for byte, as after silence."""

    def __init__(self):
        super().__init__(folder())
        self.due, self.spoil, self.back, self.seen, self.ended = 0, None, False, 0, []
        self.before = []  # the last four packets of that direction

    def put(self, data):
        if self.spoil is None:
            return super().put(data)
        reply = self._put(data)
        self.before = self.before[-3:] + [reply if self.back else data]
        return reply

    def _put(self, data):
        self.seen += 1
        if self.seen != self.due:
            return super().put(data)
        if self.back:
            wrong = self.spoil(super().put(data))
            if self._believes(wrong):
                return wrong
        else:
            reply = super().put(self.spoil(data))
            if self._believes(reply):
                return reply
        self.ended += self.pass_ms(300)
        return super().put(data)

    def _believes(self, reply):
        """Whether the panel takes these bytes for the answer that is due."""
        if len(reply) < 12 or not reply[4] & 8 or len(reply) != struct.unpack("<H", reply[2:4])[0]:
            return False
        code = self.keys.code(self.ours, reply[:-6])
        return code[:4] == reply[-6:-2] and crc(reply[:-2]) == struct.unpack("<H", reply[-2:])[0]


class Controller:
    """The part of a controller that must not be fooled: what it has energised, and which ends it knows."""

    def __init__(self):
        self.on = set()
        self.ran = False  # has energised at any time
        self.granted = False
        self.number = 0
        self.taken = False  # the reader has its end in the journal

    def hear(self, line, data):
        """A fragment from the reader, and what comes with each answer to it."""
        while data is not None:
            id, number, first = data[0], data[1], data[4:6] == bytes(2)
            data = None
            if id == 2 and first:
                self.number = number
            elif id == 2:
                self.granted = True
                data = line.say(0x82, struct.pack("<IB", 42, 0), self.number)
            elif id == 3:
                if self.granted:
                    self.on.add(42)
                    self.ran = True
                data = line.say(0x83, struct.pack("<IBIIB", 42, not self.granted, 1, 0, 1), number)
            elif id == 4:
                self.on.discard(42)
                self.granted = False
                data = line.say(0x84, struct.pack("<III", 42, 7, 77), number)
            elif id == 5:
                self.taken = True


def session(line, by_controller, restart=None, forgets=True):
    """A grant, its renewal and its end, by one of the two: (delivery, what ended). restart: before which round the
    controller begins anew, with everything off if it `forgets`."""
    controller = Controller()
    delivery = Delivery(line, grant())
    ended, over_at = [], None
    for at in range(400):
        if not delivery.over:
            delivery.step()
        elif over_at is None:
            over_at = at
            if not by_controller:
                line.relay.stop(E1, "STOPPED_BY_DRIVER")
        if at == restart:
            line.connect()
            if forgets:
                before, controller = controller, Controller()
                controller.taken, controller.ran = before.taken, before.ran
        try:
            controller.hear(line, line.poll())
            if by_controller and over_at is not None and (at - over_at) % 10 == 0 and not controller.taken:
                controller.on.clear()
                controller.granted = False
                controller.hear(line, line.say(0x85, struct.pack("<IBII", 42, 2, 7, 77), 9))
        except (AssertionError, TypeError):  # no answer, or one that is none: a new channel
            line.spoil = None
            line.connect()
        ended += line.pass_ms(500)
        if over_at is not None and at > over_at + 2 and not line.relay.busy(E1) and not controller.on:
            if controller.taken or not by_controller:
                break
    assert not controller.on and not line.relay.busy(E1)
    assert controller.taken or not by_controller
    # a ticket that may come again has opened nothing
    assert not controller.ran or delivery.fault is None or delivery.fault.perhaps
    return delivery, ended + getattr(line, "ended", [])


def attacked(due, which, back, by_controller):
    """Whether there is such a variant of that packet; asserts that it has harmed nobody."""
    line = Attacked()
    line.connect()
    there = []

    def spoil(data):
        for at, wrong in enumerate(variants(data, line.before)):
            if at == which:
                there.append(at)
                return wrong
        return data

    line.spoil, line.due, line.back = spoil, due, back
    delivery, ended = session(line, by_controller)
    told = due, which, back, by_controller, [tuple(one)[1:] for one in ended]
    assert len(ended) == (1 if delivery.fault is None or delivery.fault.perhaps else 0), told
    return bool(there)


async def attack(back, by_controller):
    line = Attacked()
    line.connect()
    line.spoil, line.due = (lambda data: data), -1
    delivery, ended = session(line, by_controller)
    assert delivery.fault is None and len(ended) == 1
    tried = 0
    for due in range(1, line.seen + 1):
        which = due % 3
        while attacked(due, which, back, by_controller):
            tried += 1
            which += count(23, 1)
            await collect()
    assert tried > line.seen
    return tried


def once(function):
    """As `sleeping`, for a test that waits."""

    async def run():
        real = asyncio.sleep_ms if hasattr(asyncio, "sleep_ms") else None
        asyncio.sleep_ms = pass_on
        try:
            await function()
        finally:
            asyncio.sleep_ms = real

    return run


@once
async def test_one_spoiled_packet_of_the_controller_starts_nothing_and_loses_no_end():
    await attack(False, False)


@once
async def test_one_spoiled_answer_of_the_reader_starts_nothing_and_loses_no_end():
    await attack(True, False)


@once
async def test_one_spoiled_packet_loses_no_end_of_the_controllers():
    await attack(False, True)
    await attack(True, True)


@once
async def test_controller_that_restarts_at_any_moment_of_a_session_leaves_nothing_running_and_one_end():
    for restart in range(16):
        for by_controller in (False, True):
            for forgets in (False, True):
                line = Line(folder())
                line.connect()
                delivery, ended = session(line, by_controller, restart, forgets)
                told = restart, by_controller, forgets, [tuple(one)[1:] for one in ended]
                assert len(ended) == (1 if delivery.fault is None or delivery.fault.perhaps else 0), told
                await collect()


def test_spoiled_messages_of_the_controller_are_never_obeyed_whatever_they_say():
    line = Line(folder())
    line.connect()
    obeyed = []
    line.relay.message = lambda id, number, values: obeyed.append(id)
    for id, form in ((0x81, "BBB"), (0x82, "IB"), (0x83, "IBIIB"), (0x84, "III"), (0x85, "IBII"), (0x86, "B"),
                     (0x87, "BB"), (0x88, "I"), (0x89, "I"), (0x8B, "II16s"), (0x8C, "I"), (0x8D, "")):  # fmt: skip
        body = bytes(struct.calcsize("<" + form))
        sent = line.pack(MFG, OUI + struct.pack("<BBHH", id, 1, len(body), 0) + body)
        for at, wrong in enumerate(variants(sent)):
            if at % count(5, 1) == id % count(5, 1) and at % 4 != 3 and wrong != sent + sent and sent not in wrong:
                line.put(wrong)
                line.ports.ticks += 200
                assert obeyed == [], (id, at)
        assert line.unpack(line.put(sent))[0] in (0x40, 0x90) and obeyed == [id]
        line.advance()
        obeyed.clear()


async def test_three_days_of_polls_are_answered_and_take_no_memory():
    line = Line(folder())
    line.connect()
    real = asyncio.sleep_ms if hasattr(asyncio, "sleep_ms") else None
    asyncio.sleep_ms = pass_on
    try:
        before = 0
        for hour in range(count(1, 72)):
            running(line, grant(42 + hour))
            assert renewed(line, count(600, 3600) * 1000, energy=hour) == []
            line.relay.stop(E1, "STOPPED_BY_DRIVER")
            line.await_message(4)
            line.say(0x84, struct.pack("<III", 42 + hour, 1, 1), 0)
            assert [one.grant.session for one in line.pass_ms(100)] == [42 + hour]
            line.ports.uart.sent = b""
            line.ports.driver.clear()
            await collect()
            gc.collect()
            if hasattr(gc, "mem_alloc"):
                before = before or gc.mem_alloc()
                assert gc.mem_alloc() < before + 2000, (hour, before, gc.mem_alloc())
        assert line.relay.link.heard() and line.relay.link.outbox.dropped == 0
    finally:
        asyncio.sleep_ms = real
