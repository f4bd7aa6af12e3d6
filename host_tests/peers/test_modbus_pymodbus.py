"""pymodbus plays each device of relay/maps on a pseudo-terminal; the firmware's master grants, renews, ends there."""

import asyncio
import os
import tty
from contextlib import suppress

import pytest
from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse
from pymodbus.pdu.bit_message import ReadCoilsResponse, WriteSingleCoilRequest
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from relay import modbus
from relay.grant import Grant, RelayFault
from tools.site.schema import relay_map

E1, E2 = "DE*ABC*E1*1", "DE*ABC*E1*2"
TICKS_A_TURN = 4  # the clock is faster than the wall's, and waits for a machine that is busy
MASK = (1 << 30) - 1
COIL, HOLDING, INPUT = 1, 3, 4
BLOCKS = {  # coils, holding and input registers: (first, count)
    "timed-relay": ((0, 8), (0, 1), (0, 1)),
    "heidelberg-energy-control": ((0, 16), (257, 6), (4, 15)),
    "phoenix-ev-cc-ac1-m": ((20000, 16), (4000, 18001), (0, 1)),
}
MAPS = list(BLOCKS)
ENABLE = {MAPS[0]: (COIL, 0), MAPS[1]: (HOLDING, 259), MAPS[2]: (COIL, 20000)}  # what says that it is on


class Line:
    """The master's end of the pseudo-terminal: UART, transmitter and clock, as main's Ports have them."""

    def __init__(self):
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self.ticks = MASK - 3000
        self.used = self.ticks
        self._got = b""

    def close(self):
        os.close(self._master)
        os.close(self._slave)

    async def tick(self):
        while True:
            await asyncio.sleep(0.001)
            self.ticks += TICKS_A_TURN

    async def wait(self, ms):
        until = self.ticks + ms
        while self.ticks < until:
            await asyncio.sleep(0.001)

    async def skip(self, ms):
        """Lets time pass in no time, while nobody waits for an answer."""
        while self.ticks - self.used < 50:
            await asyncio.sleep(0.001)
        self.ticks += ms

    def ticks_ms(self):
        return self.ticks & MASK

    @staticmethod
    def ticks_diff(end, start):
        return ((end - start + (1 << 29)) & MASK) - (1 << 29)

    def rs485(self, baud, parity, stop):
        return self, lambda level: None

    def write(self, data):
        self.used = self.ticks
        os.write(self._master, data)

    def flush(self):
        pass

    def any(self):
        with suppress(BlockingIOError):
            self._got += os.read(self._master, 256)
            self.used = self.ticks
        return len(self._got)

    def read(self, count):
        data, self._got = self._got[:count], self._got[count:]
        return data


class TimedWrite(WriteSingleCoilRequest):
    """FC05 as relay boards have it: from 0x200 on the value is a time, in tenths of a second. Echoed as it came."""

    def decode(self, data):
        super().decode(data)
        self.raw = data[:4]

    def encode(self):
        return self.raw

    async def datastore_update(self, context, device_id):
        refused = await context.async_setValues(device_id, self.function_code, self.address & 0x1FF, self.bits)
        return ExceptionResponse(self.function_code, refused) if refused else self


class Bench:
    """Devices of a map (two, or one with two channels), pymodbus behind them; and the deliverer, served by a task.

    To be set by tests: `answer(frame) -> frame`, what becomes of an answer on the line; `forgets`, the address of which
    a write is acknowledged and not kept; `error`, the exception that every write gets; `delay_ms` before each answer;
    `eight`: all coils are told, whatever was asked for.
    """

    def __init__(self, name):
        self.name = name
        self.line = Line()
        self.answer = lambda frame: frame
        self.forgets = None
        self.error = None
        self.delay_ms = 0
        self.eight = False
        self.writes = []
        self.ends = []

    async def __aenter__(self):
        coils, *words = ((first, count) for first, count in BLOCKS[self.name])
        bits = [SimData(coils[0], count=coils[1], values=False, datatype=DataType.BITS)]
        holding, inputs = ([SimData(at, count=count, datatype=DataType.REGISTERS)] for at, count in words)
        devices = [SimDevice(unit, (bits, bits, holding, inputs), action=self._action) for unit in (1, 2)]
        self.server = ModbusSerialServer(
            devices,
            port=self.line.path,
            baudrate=19200,
            trace_packet=lambda sending, frame: self.answer(frame) if sending else frame,
            trace_pdu=self._pdu,
            custom_pdu=[TimedWrite] if self.name == MAPS[0] else [],
        )
        await self.server.serve_forever(background=True)
        config = {"map": relay_map(self.name), "unit": 1, "baud": 19200, "parity": "none", "stop": 1, "amps": 16}
        self.relay = modbus.make(config, [E1, E2], 24 * 3_600_000, self.line)
        self.tasks = [asyncio.create_task(work) for work in (self.line.tick(), self.relay.run(), self._serve())]
        await self.until(lambda: self.relay.accepts(E1, {}) and self.relay.accepts(E2, {}))
        self.writes.clear()
        return self

    async def __aexit__(self, *_):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.server.shutdown()
        self.line.close()

    async def _serve(self):
        while True:
            self.ends += [(ended.grant.evse_id, ended.cause, ended.energy_wh) for ended in self.relay.service()]
            await asyncio.sleep(0.005)

    async def _action(self, function, first, address, count, held, values):
        if values is not None or function not in (5, 6):  # pymodbus reads what it has written for its answer
            await self.line.wait(self.delay_ms)
        if values is None:
            return None
        if self.error:
            return self.error
        self.writes.append(address)
        return None

    def words(self, unit, block):
        """What pymodbus keeps of a unit: "c" coils, 16 a word, "h" holding and "i" input registers."""
        return vars(self.server.context)["devices"][unit].block[block][2]

    def _pdu(self, sending, pdu):
        if sending and self.eight and isinstance(pdu, ReadCoilsResponse):
            pdu.bits = [bool(self.words(pdu.dev_id, "c")[0] >> at & 1) for at in range(8)]
        if sending and pdu.function_code == 5 and self.forgets == pdu.address:
            self.words(pdu.dev_id, "c")[0] = 0
        if sending and pdu.function_code == 6 and self.forgets == pdu.address:
            self.words(pdu.dev_id, "h")[pdu.address - BLOCKS[self.name][1][0]] = 0
        return pdu

    async def until(self, condition, ms=20_000):
        last = self.line.ticks + ms
        while not condition():
            assert self.line.ticks < last, (self.relay.fault, self.ends, self.writes)
            await asyncio.sleep(0.001)

    async def deliver(self, evse_id=E2, **limits):
        """None, or the RelayFault."""
        try:
            await self.relay.deliver(Grant(7, evse_id, "DE-XYZ", bytes(32), limits, None, None, "passive"))
        except RelayFault as fault:
            return fault
        return None

    async def held(self, evse_id, kind, address):
        """What pymodbus holds for that EVSE."""
        second = evse_id == E2
        channel = second and self.name == MAPS[0]
        values = await self.server.context.async_getValues(1 + (second and not channel), kind, address + channel, 1)
        assert isinstance(values, list), values
        return values[0]

    async def on(self, evse_id=E2):
        return bool(await self.held(evse_id, *ENABLE[self.name]))


def played(name, scenario):
    async def play():
        async with Bench(name) as bench:
            await scenario(bench)

    asyncio.run(play())


@pytest.mark.parametrize("name", MAPS)
def test_a_grant_is_taken_renewed_and_ended(name):
    async def scenario(bench):
        assert await bench.deliver(maxDuration=5) is None
        assert await bench.on() and not await bench.on(E1)
        began = len(bench.writes)
        await bench.line.skip(20_000)
        bench.relay.renew_all()
        await bench.until(lambda: len(bench.writes) > began)  # the lease, on the line
        assert await bench.on() and bench.relay.fault == "" and not bench.ends
        bench.relay.stop(E2, "STOPPED_BY_DRIVER")
        await bench.until(lambda: bench.relay.accepts(E2, {}))
        assert not await bench.on()
        assert bench.ends == [(E2, "STOPPED_BY_DRIVER", 0 if name == MAPS[1] else None)]

    played(name, scenario)


def test_each_device_holds_its_fail_safe_and_the_current_of_the_ticket():
    async def heidelberg(bench):
        assert [await bench.held(E2, HOLDING, at) for at in (257, 258, 262)] == [60000, 4, 0]
        assert await bench.deliver(maxCurrent=10) is None and await bench.held(E2, HOLDING, 261) == 100

    async def phoenix(bench):
        assert await bench.held(E2, HOLDING, 4000) == 3
        assert await bench.deliver(maxCurrent=10) is None and await bench.held(E2, HOLDING, 22000) == 10

    played(MAPS[1], heidelberg)
    played(MAPS[2], phoenix)


def test_the_wallbox_s_meter_ends_the_session_at_the_ticket_s_energy():
    async def scenario(bench):
        registers = bench.words(2, "i")
        registers[17 - 4 : 19 - 4] = [1, 0]  # 65,536 Wh in its life
        assert await bench.deliver(maxEnergy=500) is None
        registers[18 - 4] = 501
        await bench.until(lambda: bench.ends)
        assert bench.ends == [(E2, "ENERGY", 501)]
        await bench.until(lambda: bench.relay.accepts(E2, {}))
        assert not await bench.on()

    played(MAPS[1], scenario)


@pytest.mark.parametrize("name", MAPS)
def test_a_silent_device_is_no_grant_and_is_switched_off_once_it_is_heard(name):
    async def scenario(bench):
        bench.answer = lambda frame: b""
        fault = await bench.deliver()
        assert str(fault) == "NO_ANSWER" and fault.perhaps and not bench.relay.accepts(E2, {})
        bench.answer = lambda frame: frame
        await bench.until(lambda: bench.relay.accepts(E2, {}))
        assert not await bench.on() and bench.ends == [(E2, "RELAY_FAULT", None)]
        assert await bench.deliver() is None and await bench.on()

    played(name, scenario)


def test_a_device_that_is_lost_in_a_session_ends_it_after_its_lease():
    async def scenario(bench):
        assert await bench.deliver() is None
        bench.answer = lambda frame: b""
        await bench.line.skip(59_000)
        bench.relay.renew_all()
        await bench.line.wait(100)
        assert not bench.ends
        await bench.line.skip(1_000)
        await bench.until(lambda: bench.ends)
        assert bench.ends == [(E2, "LEASE_LOST", None)] and not bench.relay.accepts(E2, {})

    played(MAPS[0], scenario)


@pytest.mark.parametrize("name", MAPS)
def test_one_wrong_crc_is_asked_again_and_nothing_but_wrong_ones_is_no_grant(name):
    async def scenario(bench):
        wrong = []

        def once(frame):
            wrong.append(frame)
            return frame if len(wrong) > 1 else frame[:-1] + bytes((frame[-1] ^ 1,))

        bench.answer = once
        assert await bench.deliver(E1) is None and await bench.on(E1) and len(wrong) > 2
        bench.answer = lambda frame: frame[:-1] + bytes((frame[-1] ^ 1,))
        fault = await bench.deliver()
        assert str(fault) == "BAD_ANSWER" and fault.perhaps

    played(name, scenario)


@pytest.mark.parametrize("name", MAPS)
def test_an_exception_is_told_by_its_code_and_not_asked_again(name):
    async def scenario(bench):
        asked = []
        bench.answer = lambda frame: asked.append(frame) or frame
        bench.error = ExcCodes.DEVICE_BUSY
        fault = await bench.deliver()
        assert str(fault) == "EXCEPTION 6" and not await bench.on()
        assert len([frame for frame in asked if frame[1] & 0x80]) == 2  # switching on, and off

    played(name, scenario)


@pytest.mark.parametrize("name", MAPS)
def test_a_write_that_is_acknowledged_and_not_taken_is_no_grant(name):
    async def scenario(bench):
        bench.forgets = 0x201 if name == MAPS[0] else ENABLE[name][1]
        fault = await bench.deliver()
        assert str(fault).startswith("NOT_TAKEN") and not fault.perhaps and not bench.ends
        assert not await bench.on() and bench.relay.accepts(E2, {})

    played(name, scenario)


def test_a_board_that_always_tells_all_eight_coils_is_understood_by_its_bank_alone():
    async def scenario(bench):
        bench.eight = True
        assert await bench.deliver() is None and await bench.on() and not await bench.on(E1)
        bench.relay.stop(E2, "STOPPED_BY_DRIVER")
        await bench.until(lambda: bench.relay.accepts(E2, {}))
        for what in ("on", "keep", "off"):
            for step in bench.relay._device[what]:
                del step["bank"]
        assert str(await bench.deliver()).startswith("NOT_TAKEN")

    played(MAPS[0], scenario)


@pytest.mark.parametrize("name", MAPS)
def test_a_device_that_takes_a_quarter_of_a_second_is_waited_for(name):
    async def scenario(bench):
        bench.delay_ms = 250
        assert await bench.deliver() is None and await bench.on()
        bench.relay.stop(E2, "STOPPED_BY_DRIVER")
        await bench.until(lambda: bench.relay.accepts(E2, {}))
        assert not await bench.on()

    played(name, scenario)


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one_s():
    async def scenario(bench):
        bench.delay_ms = 400
        fault = await bench.deliver()
        assert str(fault) == "NO_ANSWER" and fault.perhaps
        bench.delay_ms = 0
        await bench.until(lambda: bench.relay.accepts(E2, {}))
        assert not await bench.on() and bench.ends == [(E2, "RELAY_FAULT", None)]

    played(MAPS[0], scenario)
