"""Memory that runs out while phones are served: a phone is lost, or the radio starts anew, and nothing else."""

import asyncio
import random
from typing import Any

from ble.frames import cut
from ble.gatt import Gone, Peripheral
from host_tests.host.test_station_presence import Clock
from station.offers import Offers

CONNECT, DISCONNECT, WRITTEN, READ_REQUEST = 1, 2, 3, 4


class Ble:
    """As much of a radio as the peripheral uses."""

    def __init__(self):
        self.on, self.starts, self.written, self.sent, self.cut = False, 0, b"", [], []

    def active(self, on=None):
        if on is not None:
            self.on, self.starts = on, self.starts + bool(on)
        return self.on

    def irq(self, handler):
        self.handler = handler

    def gatts_register_services(self, services):
        return ((1, 2, 3),)

    def gatts_read(self, handle):
        return self.written

    def gatts_notify(self, connection, handle, data):
        self.sent.append((connection, data))

    def gap_disconnect(self, connection):
        self.cut.append(connection)
        self.handler(DISCONNECT, (connection, 0, b""))

    def config(self, **values):
        pass

    gap_advertise = gatts_set_buffer = gatts_write = lambda self, *args, **values: None

    def writes(self, connection, frame):
        self.written = frame
        self.handler(WRITTEN, (connection, 2))


class Air:
    """A peripheral that echoes messages, its tasks and what it reported."""

    def __init__(self):
        self.ble, self.said, self.tasks = Ble(), [], []
        self.peripheral = Peripheral(
            self.ble, lambda text: text, b"", "reader", Clock(), self.start, self.echo, self.said.append
        )

    def start(self, coroutine):
        self.tasks.append(asyncio.ensure_future(coroutine))

    async def echo(self, link):
        while True:
            await link.send(await link.receive())

    async def rounds(self, count=20):
        for _ in range(count):
            await asyncio.sleep(0)

    def run(self, scene):
        async def all_of_it():
            running = asyncio.ensure_future(self.peripheral.run())
            await self.rounds()
            await scene(self)
            assert not running.done()
            for task in (running, *self.tasks):
                task.cancel()

        asyncio.run(all_of_it())


async def is_served(air, connection):
    air.ble.handler(CONNECT, (connection, 0, b""))
    await air.rounds()
    air.ble.writes(connection, b"\x03\x00\x00\x01!")
    await air.rounds()
    assert air.ble.sent.pop() == (connection, b"\x03\x00\x00\x01!")


def test_a_message_that_there_is_no_memory_for_costs_its_phone_the_connection_and_no_other_phone():
    async def scene(air):
        await is_served(air, 5)
        air.ble.handler(CONNECT, (6, 0, b""))
        await air.rounds()

        def no_memory(frame):
            raise MemoryError

        air.peripheral.links[6].inbox.take = no_memory
        air.ble.writes(6, b"\x01\x00\x10\x00!")
        await air.rounds()
        assert air.ble.cut == [6] and air.ble.starts == 1 and air.said == ["no room"]
        air.ble.writes(5, b"\x03\x01\x00\x01?")
        await air.rounds()
        assert air.ble.sent.pop() == (5, b"\x03\x01\x00\x01?")

    Air().run(scene)


def test_a_ring_that_there_is_no_memory_to_read_starts_the_radio_anew():
    async def scene(air):
        await is_served(air, 5)
        taken = air.peripheral._taken

        def no_memory(count):
            air.peripheral._taken = taken
            taken(count)
            raise MemoryError

        air.peripheral._taken = no_memory
        air.ble.writes(5, b"\x03\x01\x00\x01?")
        await air.rounds()
        assert air.ble.starts == 2 and air.said == ["no memory"] and not air.peripheral.links
        await is_served(air, 5)

    Air().run(scene)


def test_a_handler_that_finds_no_memory_raises_nothing_and_the_radio_starts_anew(monkeypatch):
    """MicroPython never again calls a handler that has raised."""

    def no_memory(handle):
        raise MemoryError

    async def scene(air):
        await is_served(air, 5)
        with monkeypatch.context() as while_there_is_none:
            while_there_is_none.setattr(air.ble, "gatts_read", no_memory)
            air.ble.writes(5, b"\x03\x01\x00\x01?")
        await air.rounds()
        assert air.ble.starts == 2 and air.said == ["no memory"] and not air.peripheral.links
        await is_served(air, 5)

    Air().run(scene)


def test_what_is_heard_while_the_ring_is_read_changes_nothing_that_is_being_read():
    """The handler runs at any time, on a board in a thread of its own."""

    class Ring(bytearray):
        heard: Any = staticmethod(lambda: None)

        def __getitem__(self, key) -> Any:
            if isinstance(key, slice):
                self.heard()
            return super().__getitem__(key)

    peripheral = Air().peripheral
    for start in (0, 4000):  # from the second one on it is read in two pieces
        peripheral._ring, peripheral._put, peripheral._got = Ring(4096), start, start
        peripheral._keep(WRITTEN, 1, b"A" * 2000, 0)
        peripheral._ring.heard = lambda: peripheral._keep(WRITTEN, 2, b"B" * 2500, 0)  # more than there is room for
        assert peripheral._taken(5) == b"\x03\x01\x00\xd0\x07"
        assert peripheral._taken(2000) == b"A" * 2000


def test_reads_that_nobody_has_looked_at_leave_room_for_phones_that_come_and_go():
    peripheral = Air().peripheral
    for _ in range(4096):
        peripheral._irq(READ_REQUEST, (1, 1))
    lost = peripheral.lost
    for connection in range(2, 10):
        peripheral._irq(CONNECT, (connection, 0, b""))
        peripheral._irq(DISCONNECT, (connection, 0, b""))
    assert lost and peripheral.lost == lost


def test_a_radio_that_is_too_busy_to_hang_up_is_asked_again():
    async def scene(air):
        hang_up, asked = air.ble.gap_disconnect, []

        def busy(connection):
            asked.append(connection)
            if len(asked) < 3:
                raise OSError(12)
            hang_up(connection)

        air.ble.gap_disconnect = busy
        air.ble.handler(CONNECT, (5, 0, b""))
        await air.rounds(400)
        assert asked == [5, 5, 5] and not air.peripheral.links and air.tasks[0].done()

    Air().run(scene)


def test_what_a_phone_still_writes_while_it_is_dropped_takes_no_room():
    async def scene(air):
        hang_up = air.ble.gap_disconnect

        def late(connection):
            air.ble.writes(connection, b"\x01\x00\x10\x00!")
            hang_up(connection)

        air.ble.gap_disconnect = late
        for connection in (5, 6):  # of 4096 bytes there is room for one message
            air.ble.handler(CONNECT, (connection, 0, b""))
            await air.rounds(400)
        assert air.said == ["slow", "slow"] and not air.peripheral.links
        assert air.peripheral.room.free == 6000

    Air().run(scene)


def test_whatever_phones_do_nothing_of_them_is_left_when_they_have_gone():
    """Any events in any order; who is hung up on goes a little later, and goes on until then."""
    chance = random.Random(1)
    numbers = {}

    async def scene(air):
        air.ble.gap_disconnect = lambda connection: None
        for _ in range(1500):
            connection = chance.randrange(4)
            if connection not in numbers:
                numbers[connection] = 0
                air.ble.handler(CONNECT, (connection, 0, b""))
            for frame in cut(bytes(chance.choice((0, 5, 38, 1400, 4352, 6000))), numbers[connection], 512):
                air.ble.writes(connection, frame if chance.random() < 0.99 else chance.randbytes(20))
                numbers[connection] += 1
                if chance.random() < 0.1:
                    break
            if chance.random() < 0.2:
                del numbers[connection]
                air.ble.handler(DISCONNECT, (connection, 0, b""))
            if chance.random() < 0.05:
                await air.rounds(250)  # long enough to be slow
            await air.rounds(chance.randrange(3))
        for connection in numbers:
            air.ble.handler(DISCONNECT, (connection, 0, b""))
        await air.rounds(100)
        assert not air.peripheral.links and all(task.done() for task in air.tasks)
        assert air.peripheral.room.free == 6000
        assert {"slow", "not due", "no room", "sequence", "flags"} <= set(air.said)

    Air().run(scene)


def test_a_phone_whose_leaving_was_not_heard_gets_nothing_that_is_meant_for_the_next_one():
    async def scene(air):
        await is_served(air, 5)
        old = air.peripheral.links[5]
        await is_served(air, 5)
        try:
            await old.send(b"secret")
        except Gone:
            return
        raise AssertionError("sent")

    Air().run(scene)


def test_a_key_pair_that_there_is_no_memory_for_is_made_later():
    class Site:
        reader_id = "reader-1"

    calls = []

    def random():
        calls.append(0)
        if len(calls) < 3:
            raise MemoryError
        return bytes(range(32))

    async def scene():
        offers = Offers(Site(), ["DE*ABC*E1*1"], random, Clock())
        running = asyncio.ensure_future(offers.run())
        while offers._pair is None:
            assert not running.done()
            await asyncio.sleep(0)
        running.cancel()

    asyncio.run(scene())
    assert len(calls) == 3
