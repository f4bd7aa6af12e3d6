"""A delivery to an OSDP controller under way, on the line of osdp_panel, in a time that is the test's."""

import asyncio
import struct

from osdp_line import Line

from relay.grant import Grant, RelayFault
from support import folder

E1, E2 = "DE*ABC*E1*1", "DE*ABC*E1*2"
LIMITS = {"maxEnergy": 11000, "maxDuration": 90, "maxPrice": {"amount": "20.00", "currency": "EUR"}}


def grant(session=42, evse_id=E1, limits=LIMITS):
    return Grant(session, evse_id, "DE-XYZ", bytes(range(32)), limits, b'["T1"]', "Smart", "proven", "DE-XYZ-CT-1")


class Delivery:
    """A delivery under way; `step` lets the reader's task run until it waits."""

    def __init__(self, line, what):
        self.line = line
        self.task = line.relay.deliver(what) if isinstance(what, Grant) else what
        self.value = self.fault = None
        self.over = False

    def step(self):
        try:
            self.task.send(None)
        except StopIteration as stop:
            self.over, self.value = True, stop.value
        except RelayFault as fault:
            self.over, self.fault = True, fault

    def until(self, ms):
        while ms > 0 and not self.over:
            self.line.pass_ms(100)
            self.step()
            ms -= 100


def sleeping(function):
    """`asyncio.sleep_ms` gives the control back at once: time is the test's."""

    def run():
        class Once:
            def __await__(self):
                yield

            __iter__ = __await__

        async def sleep_ms(ms):
            await Once()

        real, asyncio.sleep_ms = asyncio.sleep_ms, sleep_ms
        try:
            function(Line(folder()))
        finally:
            asyncio.sleep_ms = real

    return run


def running(line, what=None):
    """A session that the controller has accepted and runs."""
    what = what or grant()
    delivery = Delivery(line, what)
    delivery.step()
    number, _ = line.await_message(2)
    line.say(0x82, struct.pack("<IB", what.session, 0), number)
    delivery.step()
    number, _ = line.await_message(3)
    line.say(0x83, struct.pack("<IBIIB", what.session, 0, 0, 0, 1), number)
    delivery.step()
    assert delivery.over and delivery.fault is None
    return what


def renewed(line, ms, **told):
    """Time goes by with a controller that answers each RENEW; what ended."""
    ended = []
    for at in range(0, ms, 1000):
        if at % 20_000 == 0:
            line.relay.renew_all()
        data = line.poll()
        if data and data[0] == 3:
            session = struct.unpack("<I", data[6:10])[0]
            line.say(0x83, struct.pack("<IBIIB", session, 0, at // 1000, told.get("energy", 0), 1), data[1])
        line.ports.ticks += 1000
        ended += line.relay.service()
    return ended
