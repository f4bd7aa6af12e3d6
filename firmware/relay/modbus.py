"""Deliverer for relay boards and EVSE controllers on Modbus RTU. What a device wants written is data: see maps/.

Every write is read back. A device is on only while its lease is renewed on the line, and off until it has said so.
"""

import asyncio

from micropython import const

from relay import rtu
from relay.grant import RENEW_MS, RelayFault
from relay.lease import Leases

_POLL_MS = const(1000)
_LOOK = const(10)  # polls
_STEP_MS = const(100)


def make(config, evse_ids, max_on_ms, ports):
    """The deliverer of a site whose `relay` is `config`: unit (the first EVSE's), baud, parity ("none", "even", "odd"),
    stop, amps (what the installation bears) and map. ValueError: what of it cannot be used."""
    try:
        device, unit, baud, amps = config["map"], config["unit"], config["baud"], config.get("amps", 0)
        parity = {"none": None, "even": 0, "odd": 1}[config["parity"]]
        limits = device.get("amps")
        if not 1 <= unit <= 248 - len(evse_ids) or not 1200 <= baud <= 115200:
            raise ValueError("relay.unit or relay.baud is wrong")
        if limits and not limits[0] <= amps <= limits[1]:
            raise ValueError("relay.amps is wrong")
        line = ports.rs485(baud, parity, config["stop"])
        if line is None:
            raise ValueError("this board has no pins for its relay.kind")
        bus = rtu.Bus(line[0], line[1], baud, asyncio.sleep_ms, ports.ticks_ms, ports.ticks_diff)
        return ModbusRelay(bus, device, unit, amps, evse_ids, max_on_ms, ports.ticks_ms, ports.ticks_diff)
    except (KeyError, TypeError) as error:
        raise ValueError("relay.%s is missing or wrong" % error) from error


def enforced_by(device):
    """The limits that are kept with a device of that map."""
    current = ("maxCurrent",) if "amps" in device else ()
    return ("maxDuration",) + current + (("maxEnergy",) if "energy" in device else ())


def _function(step):
    return rtu.WRITE_HOLDING if step["write"] == "holding" else rtu.WRITE_COIL


class Point:
    """One EVSE on the line. `off`: it has said that it is off, and all that `start` asks for is set."""

    def __init__(self, unit, channel):
        self.unit = unit
        self.channel = channel
        self.off = False
        self.starting = False
        self.written = 0  # when its lease was last renewed on the line, in ticks
        self.meter = None  # Wh at the begin of the session
        self.fault = ""


class ModbusRelay(Leases):
    """bus: rtu.Bus; device: a map; unit: the first EVSE's; amps: the highest current to allow, where the device takes
    one; the rest as in Leases."""

    def __init__(self, bus, device, unit, amps, evse_ids, *rest):
        super().__init__(evse_ids, *rest)
        self._bus = bus
        self._device = device
        self._amps = amps
        self._polled = self._ticks_ms()
        self._looks = 0
        each_unit = device["each"] == "unit"
        self._points = {}
        for index, evse_id in enumerate(evse_ids):
            self._points[evse_id] = Point(unit + index, 0) if each_unit else Point(unit, index)
        self.enforces = enforced_by(device)

    @property
    def fault(self):
        for point in self._points.values():
            if point.fault:
                return point.fault
        return ""

    def _current(self, limits):
        return min(self._amps, limits.get("maxCurrent", self._amps))

    def accepts(self, evse_id, limits):
        point = self._points.get(evse_id)
        if point is None or not point.off or limits.get("maxEnergy") == 0:
            return False
        if "amps" in self._device and self._current(limits) < self._device["amps"][0]:
            return False  # the device knows no lower current than that, but none
        return super().accepts(evse_id, limits)

    async def deliver(self, grant):
        """Writes and reads back what switches on. RelayFault: it did not come about; `perhaps`, where the device
        has not confirmed that it is off either, and only its own fail-safe ends what it may have begun."""
        session = self._begin(grant)
        evse_id = grant.evse_id
        point = self._points[evse_id]
        point.off = False
        point.starting = True
        try:
            if "energy" in self._device:
                point.meter = await self._energy(point)
                session.energy_wh = 0
            await self._write("on", point, grant)
            point.written = self._ticks_ms()
            if self._sessions.get(evse_id) is not session:  # ended meanwhile: `run` switches off
                raise RelayFault(evse_id, True)
        except rtu.RtuError as error:
            point.fault = str(error)
            if await self._try_off(point):
                self._sessions.pop(evse_id, None)
                raise RelayFault(str(error)) from error
            self.stop(evse_id, "RELAY_FAULT")
            raise RelayFault(str(error), True) from error
        finally:
            point.starting = False

    async def _write(self, what, point, grant=None):
        """Writes each step of the map, and reads it back; what `start` sets is written only where it differs."""
        for step in self._device.get(what, ()):
            value = self._value(step, grant)
            if what != "start" or not await self._holds(step, point, value):
                data = (0xFF00 if value else 0) if step["write"] == "coil" else value
                await self._bus.ask(point.unit, _function(step), step["at"] + point.channel, data)
                if not await self._holds(step, point, value):
                    raise rtu.RtuError("NOT_TAKEN %d" % step["at"])

    def _value(self, step, grant):
        if step["value"] == "amps":
            return self._current(grant.limits) * step.get("times", 1)
        return step["value"]

    async def _holds(self, step, point, value):
        """Whether the device says that this step's value is in force."""
        address = step.get("check", step["at"]) + point.channel
        if step["write"] == "holding":
            data = await self._bus.ask(point.unit, rtu.READ_HOLDING, address, 1)
            return data[0] << 8 | data[1] == value
        bank = step.get("bank", 1)  # boards that answer with all their coils, whatever is asked, are asked for all
        first = address // bank * bank
        data = await self._bus.ask(point.unit, rtu.READ_COILS, first, bank)
        return data[0] >> (address - first) & 1 == (1 if value else 0)

    async def _energy(self, point):
        """Wh that the device has counted in its life."""
        where = self._device["energy"]
        data = await self._bus.ask(point.unit, rtu.READ_INPUT, where["input"], 2)
        return (data[0] << 24 | data[1] << 16 | data[2] << 8 | data[3]) * where["wh"]

    async def _try_off(self, point):
        """Whether the device has said that it is off and set up."""
        try:
            await self._write("off", point)
            await self._write("start", point)
            point.off = True
            point.fault = ""
        except rtu.RtuError as error:
            point.fault = str(error)
        return point.off

    async def _look(self, point):
        """Asks a device that is off whether it is, and whether it has its fail-safe: it may have restarted."""
        try:
            for what in ("off", "start"):
                for step in self._device[what]:
                    if not await self._holds(step, point, step["value"]):
                        point.off = False
        except rtu.RtuError:
            point.off = False

    async def run(self):
        """Serves the line for ever."""
        while True:
            await self.round()
            await self._bus.sleep(_STEP_MS)

    async def round(self):
        """Switches off what must be off, and looks every ten seconds whether it is; every second renews, reads back and
        meters what runs."""
        due = self._age(self._polled) >= _POLL_MS
        if due:
            self._polled = self._ticks_ms()
            self._looks += 1
        look = due and not self._looks % _LOOK
        for evse_id, point in self._points.items():
            session = self._sessions.get(evse_id)
            if point.starting:
                continue
            if session is None:
                if look:
                    await self._look(point)
                if not point.off and evse_id not in self._sessions:  # a grant may have come meanwhile
                    await self._try_off(point)
            elif due:
                await self._keep(evse_id, point, session)

    async def _keep(self, evse_id, point, session):
        try:
            grant = session.grant
            for step in self._device["on"]:
                if not await self._holds(step, point, self._value(step, grant)):
                    self.stop(evse_id, "RELAY_FAULT")  # somebody else, or its own fail-safe, switched it off
                    return
            if point.meter is not None:
                used = await self._energy(point) - point.meter
                if used < (session.energy_wh or 0):  # a meter does not run back: it is not the same life any more
                    self.stop(evse_id, "RELAY_FAULT")
                    return
                session.energy_wh = used
                if used >= grant.limits.get("maxEnergy", used + 1):
                    self.stop(evse_id, "ENERGY")
                    return
            # only now: what cannot be read back or metered any more is left to the device's fail-safe
            if self._age(point.written) >= RENEW_MS and self._age(session.renewed) <= RENEW_MS + _POLL_MS:
                await self._write("keep", point, grant)
                point.written = self._ticks_ms()
            point.fault = ""
        except rtu.RtuError as error:
            point.fault = str(error)

    def _due(self, session):
        cause = super()._due(session)
        point = self._points[session.grant.evse_id]
        if cause is None and not point.starting and self._age(point.written) >= 3 * RENEW_MS:
            return "LEASE_LOST"  # the device has not heard of it either for as long
        return cause

    def _off(self, evse_id):
        self._points[evse_id].off = False  # `run` sees to it

    def all_off(self):
        """Says it to every device once and cannot wait for the answers: what stays on ends by its own fail-safe."""
        super().all_off()
        for point in self._points.values():
            for step in self._device["off"]:
                self._bus.send(rtu.request(point.unit, _function(step), step["at"] + point.channel, step["value"]))
                since = self._ticks_ms()
                while self._age(since) < 30:  # its answer
                    pass
