"""Phones over Bluetooth: each exchange from its start to its verdict, in one straight line."""

from micropython import const

from ble.frames import BadFrame
from ble.gatt import Gone, Peripheral
from present import messages
from present.messages import BadMessage
from present.session import TooLate
from station.config import NotReady
from station.presence import Presence
from ticket.verdict import MALFORMED, TOO_LARGE

_REST_MS = const(500)
_LOOK_MS = const(10)


def start(app, site, decision, tap, offer, random, timing, ports):
    """Loads what phones over Bluetooth need and makes its tasks. NotReady where this board has no button."""
    kind = site.ble["presence"]
    button = ports.button() if kind == "button" else None
    if kind == "button" and button is None:
        raise NotReady("config", 1, "this board has no pin for a button")
    presence = Presence(kind, app.relay.vehicle, button, site.ble.get("code", ""), random, timing, _show)
    decision.presence, decision.served = presence, presence.served
    if kind in ("button", "code"):
        app.start("presence", presence.run(), None)
    radio = Radio(ports, site, offer, timing, tap, presence, lambda task: app.start("phone", task, None))
    app.start("bluetooth", radio.peripheral.run(), None)


class Radio:
    """tap: a station.tap.Tap; offer: async (code) -> a Session; presence: a station.presence.Presence; start: makes a
    task of a coroutine; ports: `bluetooth`, `ticks_ms`."""

    def __init__(self, ports, site, offer, timing, tap, presence, start):
        evse_ids = [evse.id for evse in site.evses]
        info = messages.encode(messages.INFO, {messages.READER: site.reader_id, messages.EVSES: evse_ids})
        self._ticks_ms = ports.ticks_ms
        self._offer = offer
        self._timing = timing
        self._tap = tap
        self._presence = presence
        self._start = start
        self._resting = False
        ble, uuid = ports.bluetooth()
        self.peripheral = Peripheral(ble, uuid, info, site.reader_id, timing, start, self._serve, _report)

    async def _serve(self, link):
        """One phone's exchange. Raises BadFrame and Gone: its connection ends with this."""
        session = None
        try:
            opening = await link.receive()
            if opening != b"":
                messages.decode(messages.OPENING, opening or b"")
            session = await self._offer(self._presence.code)
            await link.send(session.hello)
            if opening and session.pair is not None:
                await self._agree(session, opening)
            await self._judge(link, session, await self._present(link, session))
        except BadFrame as bad:
            await self._refuse(link, session, TOO_LARGE if bad.too_long else MALFORMED)
            raise
        except BadMessage as bad:
            await self._refuse(link, session, MALFORMED)
            raise BadFrame(bad.detail)
        except TooLate:
            raise Gone("too late")
        await link.left()

    async def _present(self, link, session):
        """The Presentation, after an OPENING or at once."""
        data = await link.receive()
        if session.pair is not None and data and len(data) == messages.OPENING_BYTES:
            await self._agree(session, data)
            data = await link.receive()
        return session.take(data, "ble")

    async def _agree(self, session, opening):
        from present.channel import agree_steps  # only where a site encrypts

        for _ in agree_steps(session, opening):
            await self._timing.sleep(0)

    async def _judge(self, link, session, presentation):
        await self._turn()
        verdict = await self._tap.present(presentation, self._ticks_ms())
        if not verdict.granted:
            self._rest()
        if presentation.code is False and verdict.claims is not None:
            self._presence.missed()
        limits = verdict.limits if verdict.granted else None
        await link.send(session.verdict(verdict.reason, verdict.evse_id, limits))

    # After a refusal no phone is judged for half a second: each is journaled, and flash wears out.

    async def _turn(self):
        waited = self._resting
        while self._resting:
            await self._timing.sleep(_LOOK_MS)
        if waited:
            self._rest()

    def _rest(self):
        if not self._resting:
            self._resting = True
            self._start(self._rested())

    async def _rested(self):
        await self._timing.sleep(_REST_MS)
        self._resting = False

    async def _refuse(self, link, session, reason):
        await link.send(
            session.verdict(reason) if session else messages.encode(messages.VERDICT, {messages.REASON: reason})
        )
        await link.left()


def _show(code):
    print("code:", code)


def _report(why):
    print("bluetooth:", why)
