"""The reader task: looks for cards, hands what they hold to the tap, and counts a card that stays only once."""

import gc

from nfc.errors import TOO_LARGE
from nfc.phone import Phone
from nfc.pn532 import Pn532
from nfc.reader import Reader
from present.presentation import Presentation
from station import indicator
from ticket.form import MAX_BYTES


def _bus(name, timing, port, *lines):
    # the buses that this site does not use are not loaded
    if name == "i2c":
        from nfc.i2c import I2c as Bus
    elif name == "spi":
        from nfc.spi import Spi as Bus
    else:
        from nfc.hsu import Hsu as Bus
    return Bus(port, timing, *lines)


class Tapping:
    """nfc: what `ports.nfc` gave for the site's bus; ports: `nfc_reset`, `ticks_ms`; beat: called whenever this task
    has shown that it lives; offer: async () -> a new Session, for phones; timing: as nfc.timing.Timing."""

    def __init__(self, nfc, ports, site, offer, timing, tap, lights, beat, report_no_ticket):
        phone = Phone(offer, timing, lambda: lights.once(indicator.PHONE))
        self._sleep = timing.sleep
        chip = Pn532(_bus(site.bus, timing, *nfc), timing, reset=ports.nfc_reset, rf_off=site.rf_off)
        self._reader = Reader(chip, phone)
        self._ticks_ms = ports.ticks_ms
        self._poll_ms = site.poll_ms
        self._cooldown_ms = site.cooldown_ms
        self._tap = tap
        self._lights = lights
        self._beat = beat
        self._report_no_ticket = report_no_ticket

    @property
    def fault(self):
        """ "" while the NFC chip is well, else what is wrong with it."""
        return self._reader.fault

    async def run(self):
        while True:
            self._beat()
            started = self._ticks_ms()
            try:
                found = await self._tap_once(started)
            except MemoryError:
                # a card must not be able to reset the reader; whatever was granted by then is on record and runs
                gc.collect()
                self._tap.no_memory(started)
                found = True
            if found:
                await self._until_removed()
            else:
                await self._sleep(self._poll_ms)

    async def _tap_once(self, started):
        """Looks for a card and judges it; whether there was one."""
        found = await self._reader.read()
        if found is not None:
            await self._judge(found, started)
        return found is not None

    async def _judge(self, found, started):
        self._beat()
        if found.presentation is not None:
            verdict = await self._tap.present(found.presentation, started)
            limits = verdict.limits if verdict.granted else None
            await self._reader.tell(found, found.session.verdict(verdict.reason, verdict.evse_id, limits))
            return
        if found.ticket is not None or found.cause == TOO_LARGE:
            # what is too large was not read: any bytes of that length give the same verdict
            ticket = found.ticket if found.ticket is not None else bytes(MAX_BYTES + 1)
            await self._tap.present(Presentation(ticket, "card"), started)
            return
        self._lights.once(indicator.NO_TICKET)
        self._report_no_ticket(found.cause)

    async def _until_removed(self):
        """A second tap needs a removal, and the cool-down, in which a card at the field's edge comes to nothing."""
        while not await self._reader.gone():
            self._beat()
            await self._sleep(self._poll_ms)
        left_ms = self._cooldown_ms
        while left_ms > 0:
            self._beat()
            await self._sleep(min(left_ms, 1000))
            left_ms -= 1000
