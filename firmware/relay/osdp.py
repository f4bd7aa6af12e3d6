"""Deliverer to a controller that polls this reader over OSDP. It, and not the reader, closes the contactor.

What is said when is in OSDP.md, section 3. A session here is one that the controller holds a lease for; `_ending` holds
those whose end it has not confirmed, `_resuming` those of an earlier life that it has not spoken of.
"""

import asyncio
import struct

from micropython import const

from relay.grant import LEASE_MS, Ended, RelayFault
from relay.lease import Leases
from relay.osdp_messages import BAD, NOT_NOW, Rejected, text

_READER = const(0x01)  # messages of the reader
_GRANT = const(0x02)
_RENEW = const(0x03)
_END = const(0x04)
_ENDED_TAKEN = const(0x05)
_VALIDATE = const(0x06)
_RESUME = const(0x07)
_TIME_ANSWER = const(0x08)
_COLLECTED_ANSWER = const(0x0C)
_STATUS = const(0x0D)
_ANSWER_MS = const(5000)
_BYTE_MS = const(4)  # of a long body on its way to a controller that polls every 50 ms, at 9600 baud
_SHORT = const(200)  # bytes of a body
_LONG = const(2500)  # what is longer takes no more time, since the reader has 20 s for a tap
_STEP_MS = const(10)
_LIMITS = ("maxEnergy", "maxPower", "maxCurrent", "maxDuration", "maxPrice")
_CAUSES = (
    "DURATION",
    "ENERGY",
    "UNPLUGGED",
    "STOPPED_BY_DRIVER",
    "STOPPED_BY_CONTROLLER",
    "LEASE_LOST",
    "RESTART",
    "RELAY_FAULT",
    "PRICE",
)
_SMART = (None, "NotAllowed", "Smart", "Bidirectional")
_REFUSALS = ("no answer", "busy", "limit", "no vehicle", "fault", "not wanted", "refused")
_UNKNOWN = 0xFFFFFFFF


def make(config, evse_ids, max_on_ms, ports, services):
    """The deliverer of a site whose `relay` is `config`: `address` 0–126, `baud`, and `enable` where the reader's own
    outputs follow the sessions too. ValueError: what of it, or of the key, cannot be used on this board."""
    from relay import osdp_setup

    outputs = ports.use_relays(len(evse_ids)) if config.get("enable") else []
    relay = Osdp(
        evse_ids, max_on_ms, ports, services, outputs, lambda relay: osdp_setup.link(config, ports, services, relay)
    )
    ports.unload("relay", "osdp_setup")
    return relay


def _known(value):
    return None if value == _UNKNOWN else value


class _Ending:
    def __init__(self, grant, cause, seconds, energy_wh, now):
        self.grant = grant
        self.cause = cause
        self.seconds = seconds
        self.energy_wh = energy_wh
        self.since = self.sent = now


class Osdp(Leases):
    """link: callable(relay) -> relay.osdp_link.Link; services: station.controller.Controller; outputs:
    callables(level), one an EVSE, or none; `enforces` is a list that the controller's word changes in place."""

    def __init__(self, evse_ids, max_on_ms, ports, services, outputs, link):
        super().__init__(evse_ids, max_on_ms, ports.ticks_ms, ports.ticks_diff)
        self.link = link(self)
        self.enforces = ["maxDuration"]
        self._services = services
        self._outputs = dict(zip(evse_ids, outputs))
        self._greeted = False  # the controller has said who it is, in this channel
        self._validates = False
        self._wired = dict(zip(evse_ids, services.vehicles))
        self._vehicles = {}
        self._asking = set()  # EVSEs whose grant is on its way
        self._answers = {}  # (id of the answer, number of the question): None, then its values
        self._renewals = {}  # session: (number of its last RENEW, ticks then)
        self._ending = {}  # session: _Ending
        self._resuming = {}  # session: (grant, ticks)
        self._acks = []  # sessions whose ENDED is to be acknowledged once their end is in the journal
        self._journaled = []

    # What the station asks

    @property
    def fault(self):
        return "" if self._greeted else "no controller"

    def busy(self, evse_id):
        if evse_id in self._sessions or evse_id in self._asking:
            return True
        held = [ending.grant for ending in self._ending.values()] + [entry[0] for entry in self._resuming.values()]
        return evse_id in [grant.evse_id for grant in held]

    def vehicle(self, evse_id):
        if evse_id in self._wired:
            return self._wired[evse_id]() == 1
        return self._vehicles.get(evse_id)

    def accepts(self, evse_id, limits):
        return self._greeted and super().accepts(evse_id, limits)

    async def deliver(self, grant):
        """Brings the grant to the controller, which energises. RelayFault: it did not; `perhaps`: nobody knows."""
        evse_id = grant.evse_id
        if not self.accepts(evse_id, grant.limits):
            raise RelayFault(self.fault or evse_id)
        self._asking.add(evse_id)
        try:
            answer = await self._ask(_GRANT, self._grant_body(grant))
        finally:
            self._asking.discard(evse_id)
        said = answer is not None and answer[0] == grant.session
        if not said or answer[1] or not self._greeted:
            # it may come to the controller yet: only RENEW energises, and this end comes after it
            self._send(_END, struct.pack("<IB", grant.session, _CAUSES.index("RELAY_FAULT")))
            raise RelayFault(_REFUSALS[min(answer[1], 6) if said else 0])
        session = self._begin(grant)
        answer = await self._ask(_RENEW, self._renewal(session))
        said = answer is not None and answer[0] == grant.session
        if not said or answer[1]:
            if said and self._sessions.get(evse_id) is session:
                del self._sessions[evse_id]
                self._renewals.pop(grant.session, None)
                raise RelayFault("not energised")
            self.stop(evse_id, "RELAY_FAULT")
            raise RelayFault("no answer", True)
        if self._sessions.get(evse_id) is session:
            session.energy_wh = _known(answer[3])
            self._output(evse_id, 1)

    async def online(self, claims, evse_id):
        """What the controller says of a ticket: "yes", "no", or "silent" after 5 s."""
        if not (self._greeted and self._validates):
            return "silent"
        why = 1 if claims.validation_method == "MustBeValidated" else 0
        if not why and claims.validation_method != "ShouldBeValidated":
            why = 2
        body = bytes((self._evse_ids.index(evse_id), why)) + self._services.ticket_key(claims)
        answer = await self._ask(_VALIDATE, body + text(claims.provider_id) + text(claims.id))
        return "silent" if answer is None else "yes" if answer[0] == 1 else "no"

    def renew_all(self):
        if self._greeted:
            for session in self._sessions.values():
                self._renewals[session.grant.session] = self._send(_RENEW, self._renewal(session)), self._ticks_ms()

    def resume(self, grant):
        """A session that an earlier life of the reader left open: it runs only if the controller says that it does.
        False: it cannot be asked about."""
        if grant is None or grant.evse_id not in self._evse_ids or self.busy(grant.evse_id):
            return False
        self._resuming[grant.session] = grant, self._ticks_ms()
        return True

    def stop(self, evse_id, cause):
        session = self._sessions.pop(evse_id, None)
        if session is None:
            return False
        self._off(evse_id)
        seconds = self._age(session.started) // 1000
        ending = _Ending(session.grant, cause, seconds, session.energy_wh, self._ticks_ms())
        self._ending[session.grant.session] = ending
        self._tell_end(ending)
        return True

    def service(self):
        for number in self._journaled:
            self._send(_ENDED_TAKEN, struct.pack("<I", number))
        self._journaled, self._acks = self._acks, []
        if self._greeted and not self.link.heard():
            self._forget_controller()
        for number, ending in list(self._ending.items()):
            if self._age(ending.since) >= LEASE_MS:  # by now it has ended, whoever did not hear
                self._finish(ending.grant, ending.cause, ending.seconds, ending.energy_wh)
            elif self._age(ending.sent) >= _ANSWER_MS:
                self._tell_end(ending)
        for grant, since in list(self._resuming.values()):
            if self._age(since) >= LEASE_MS:
                self._finish(grant, "RESTART", None, None)
        return super().service()

    def all_off(self):
        """The reader's own outputs. What runs at the controller it may confirm after the restart."""
        for evse_id in self._evse_ids:
            self._off(evse_id)

    async def run(self):
        await self.link.run()

    # What goes to the controller

    def _off(self, evse_id):
        self._output(evse_id, 0)

    def _output(self, evse_id, level):
        if evse_id in self._outputs:
            self._outputs[evse_id](level)

    def _send(self, id, body, number=None, urgent=False):
        return self.link.outbox.add(id, body, number, urgent)

    async def _ask(self, id, body):
        """The values of the answer, or None after 5 s and the time that a long question takes, or as soon as the
        controller is lost."""
        number = self._send(id, body, urgent=True)
        if number is None:
            return None
        asked = self._ticks_ms()
        wait_ms = _ANSWER_MS + _BYTE_MS * (max(_SHORT, min(len(body), _LONG)) - _SHORT)
        key = id | 0x80, number
        self._answers[key] = None
        try:
            while self._answers[key] is None and self._greeted and self._age(asked) < wait_ms:
                await asyncio.sleep_ms(_STEP_MS)
            return self._answers[key]
        finally:
            del self._answers[key]
            self.link.outbox.drop(number)

    def _grant_body(self, grant):
        numbers, given = [], 0
        for bit, name in enumerate(_LIMITS):
            value = grant.limits.get(name)
            given |= (value is not None) << bit
            if bit < 4:
                numbers.append(value or 0)
        price = grant.limits.get("maxPrice") or {"amount": "", "currency": ""}
        tariffs = grant.tariffs or b""
        smart = _SMART.index(grant.smart_charging_mode)
        evse = self._evse_ids.index(grant.evse_id)
        head = (grant.session, evse, int(grant.holder == "proven"), smart, LEASE_MS // 1000, given)
        body = struct.pack("<IBBBHBIIII", *(head + tuple(numbers))) + grant.ticket_key
        body += text(grant.provider_id) + text(grant.ticket_id) + text(price["amount"]) + text(price["currency"])
        return body + struct.pack("<H", len(tariffs)) + tariffs

    def _renewal(self, session):
        return struct.pack("<IH", session.grant.session, LEASE_MS // 1000)

    def _tell_end(self, ending):
        ending.sent = self._ticks_ms()
        if self._greeted:
            self._send(_END, struct.pack("<IB", ending.grant.session, _CAUSES.index(ending.cause)))

    def _finish(self, grant, cause, seconds, energy_wh):
        """The end of a session is known: it goes to the journal by the next `service`."""
        for held in (self._ending, self._resuming, self._renewals):
            held.pop(grant.session, None)
        if grant.evse_id in self._sessions and self._sessions[grant.evse_id].grant is grant:
            del self._sessions[grant.evse_id]
            self._off(grant.evse_id)
        self._ended.append(Ended(grant, cause, seconds, energy_wh))

    # What comes from the controller

    def opened(self):
        """A new channel: whatever was on its way is not."""
        self._forget_controller()
        ids = b"".join([text(evse_id) for evse_id in self._evse_ids])
        head = struct.pack("<BIB", 1, self._services.starts, len(self._evse_ids))
        self._send(_READER, head + text(self._services.reader_id) + ids)

    def _forget_controller(self):
        self._greeted = False
        self._vehicles.clear()
        self.link.forget()

    def message(self, id, number, values):
        """A message of the controller. Raises Rejected."""
        if id == 0x81:
            self._hello(*values)
        elif not self._greeted:
            raise Rejected(NOT_NOW)
        elif (id, number) in self._answers:
            self._answers[id, number] = values
        elif id in (0x83, 0x84, 0x85):
            (self._runs, self._end_answer, self._end)[id - 0x83](number, *values)
        elif id == 0x87:
            self._vehicle(*values)
        elif id == 0x88:
            taken, now_s = self._services.set_time(values[0])
            self._send(_TIME_ANSWER, struct.pack("<BI", 0 if taken else 1, now_s), number)
        elif id == 0x89:
            session = self._running(values[0])
            if session:
                self.stop(session.grant.evse_id, "STOPPED_BY_CONTROLLER")
        elif id == 0x8B:
            self.link.export(number, self._services.journal_export(*values))
        elif id == 0x8C:
            self._send(_COLLECTED_ANSWER, struct.pack("<BII", *self._services.journal_collected(values[0])), number)
        elif id == 0x8D:
            self._send(_STATUS, b"\x01" + self._services.status(self.link.outbox.dropped), number)
        # else an answer that nobody waits for any more

    def _hello(self, version, limits, flags):
        if version != 1:
            raise Rejected(BAD)
        self.enforces[:] = [name for bit, name in enumerate(_LIMITS) if limits >> bit & 1 or bit == 3]
        self._validates = bool(flags & 1)
        self._greeted = True
        self.renew_all()
        for ending in self._ending.values():
            self._tell_end(ending)
        for grant, _ in self._resuming.values():
            self._send(_RESUME, struct.pack("<IB", grant.session, self._evse_ids.index(grant.evse_id)))

    def _running(self, key):
        for session in self._sessions.values():
            if session.grant.session == key:
                return session
        return None

    def _vehicle(self, evse, state):
        if evse >= len(self._evse_ids):
            raise Rejected(BAD)
        self._vehicles[self._evse_ids[evse]] = (False, True)[state] if state < 2 else None

    def _runs(self, number, key, result, seconds, energy_wh, vehicle):
        """RUNS, for a session that runs or one that an earlier life has left."""
        if key in self._resuming:
            grant = self._resuming[key][0]
            if result:
                self._finish(grant, "RESTART", seconds, _known(energy_wh))
                return
            del self._resuming[key]
            session = self._begin(grant)
            session.duration_ms -= seconds * 1000
            self._output(grant.evse_id, 1)
            self.renew_all()
        session = self._running(key)
        if session is None:
            return
        if result:
            self._finish(session.grant, "STOPPED_BY_CONTROLLER", seconds, _known(energy_wh))
            return
        session.energy_wh = _known(energy_wh)
        self._vehicle(self._evse_ids.index(session.grant.evse_id), vehicle)
        sent = self._renewals.get(key)
        if sent and sent[0] == number:
            session.renewed = sent[1]

    def _end_answer(self, number, key, seconds, energy_wh):
        if key in self._ending:
            ending = self._ending[key]
            if seconds or energy_wh != _UNKNOWN:
                ending.seconds, ending.energy_wh = seconds, _known(energy_wh)
            self._finish(ending.grant, ending.cause, ending.seconds, ending.energy_wh)

    def _end(self, number, key, cause, seconds, energy_wh):
        """ENDED: acknowledged only when it is in the journal, or was before."""
        if cause >= len(_CAUSES):
            raise Rejected(BAD)
        if key in self._acks or key in self._journaled:
            return
        cause = _CAUSES[cause]
        held = self._running(key)
        if key in self._ending:  # both ended it: whoever was first here has named the cause
            held = self._ending[key]
            cause = held.cause
        grant = self._resuming[key][0] if key in self._resuming else held and held.grant
        if grant:
            self._finish(grant, cause, seconds, _known(energy_wh))
        self._acks.append(key)
