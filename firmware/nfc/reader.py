"""One poll of the NFC reader: nothing, a ticket, or a card without one and why; and whether it has left.

    reader = Reader(Pn532(Hsu(uart, timing), timing))
    found = await reader.read()         # None, or a Found; about 30 ms when there is no card, under 4 s with a card;
                                        # up to 13 s with a phone, whose driver may have to confirm
    if found:
        ...                             # judge found.ticket, or show found.cause
        while not await reader.gone():  # a card that is left on the reader counts once
            await timing.sleep(100)

A chip that stops answering is noticed by the next poll (a silent one within 100 ms, one that hangs in a command
within 1.2 s) and started anew; meanwhile `read` gives None and `fault` says what is wrong.
"""

from micropython import const

import nfc.ndef as ndef
import nfc.type2 as type2
import nfc.type4 as type4
from nfc.errors import (
    CARD_GONE,
    READ_ERROR,
    TWO_CARDS,
    UNSUPPORTED_CARD,
    CardError,
    CardGone,
    ChipError,
    NfcError,
    NoTicket,
)

# For a whole card: 4 KB from a slow phone take about 1.5 s. A command begun just before the end may add a second.
_READ_MS = const(2500)
_ATTEMPTS = const(3)  # a card that comes into the field often fails once or twice at its edge
_RETRY_MS = const(500)  # between starts of a dead chip: each takes 100 ms, and the next tap must work within 3 s
# Chips have been seen to go deaf after hours while they still answered commands; setting one up anew takes
# 50 ms and cures what a lost setting causes. Done only while there is no card.
_REFRESH_MS = const(60_000)
# A card at the edge of the field drops out for a moment: only this many misses in a row are a removal.
_ABSENT_LOOKS = const(3)

_TYPE_2 = const(0x00)  # SEL_RES of a Type 2 tag; MIFARE Classic has 08, 18, 09 …


class Found:
    """A card: `ticket` (bytes) and its `form` ("jws" or "cwt"), or `cause` (see errors.py) and a fixed `detail`.

    `kind` is "type2", "type4", "phone", or "" where unknown. A phone with our application has a `presentation` instead
    of a ticket, the `session` that it belongs to, and the `link` on which it waits for the verdict.
    """

    def __init__(self, kind, form="", ticket=None, cause="", detail="", presentation=None, session=None, link=None):
        self.kind = kind
        self.form = form
        self.ticket = ticket
        self.cause = cause
        self.detail = detail
        self.presentation = presentation
        self.session = session
        self.link = link


class Link:
    """One activated card as type2, type4 and the phone handler see it, with a time budget for all of it."""

    def __init__(self, chip, deadline):
        self._chip = chip
        self.deadline = deadline
        self.uid = chip.target.uid

    async def exchange(self, command):
        """The card's answer to an ISO-DEP or Type 2 command; it stands until the next call."""
        self._in_time()
        return await self._chip.exchange(command)

    async def apdu(self, command):
        """(answer data, status word) of one APDU; the data stand until the next call."""
        answer = await self.exchange(command)
        size = len(answer) - 2
        if size < 0:
            raise CardError("no status word")
        return answer[:size], answer[size] << 8 | answer[size + 1]

    async def thru(self, command):
        """The same for a command of which the chip knows nothing; `exchange` comes first, since it selects the card."""
        self._in_time()
        return await self._chip.communicate_thru(command)

    async def again(self):
        """Activate the card anew; CardGone unless the very same one answers, alone."""
        self._in_time()
        target = await self._chip.poll()
        if not target or target.count != 1 or target.uid != self.uid:
            raise CardGone("another card")

    def _in_time(self):
        if self._chip.timing.left(self.deadline) <= 0:
            raise CardError("too slow")


class Reader:
    """`phone`, where given, is asked first on ISO-DEP cards: `await phone.present(link, buffer)` gives a Found, or None
    when our application is not there; it raises as `type4.read` does, and so does `await phone.tell(found, verdict)`.
    """

    def __init__(self, chip, phone=None):
        self.chip = chip
        self.fault = "not started"  # "" while the chip is well, else a fixed text
        self._phone = phone
        self._timing = chip.timing
        self._retry = None  # deadline before which a dead chip is left alone
        self._refresh = None
        self._absent = 0
        self._message = bytearray(ndef.MAX_MESSAGE)

    async def read(self):
        """Look once: None, or what was Found. Raises nothing of this package."""
        if not await self._ready(self._refresh is not None and self._timing.left(self._refresh) <= 0):
            return None
        self._absent = 0
        found = None
        try:
            deadline = self._timing.after(_READ_MS)
            for _ in range(_ATTEMPTS):
                if not await self.chip.poll():
                    if not found:
                        return None
                    found = Found(found.kind, cause=CARD_GONE)
                    continue
                # From here on a fault of the chip is a fault of this tap, which the driver is to see.
                found = Found("", cause=READ_ERROR)
                found = await self._card(deadline)
                if found.cause not in (READ_ERROR, CARD_GONE) or self._timing.left(deadline) <= 0:
                    break
        except ChipError as fault:
            self._fail(fault)
        return found

    async def tell(self, found, verdict):
        """Hand a VERDICT message to the phone that was Found; whether it took it. Raises nothing of this package."""
        try:
            await self._phone.tell(found, verdict)
            return True
        except ChipError as fault:
            self._fail(fault)
        except NfcError:
            pass  # it has left, or does not care: the lights have told its driver
        return False

    async def gone(self):
        """Look once whether the card that was Found has left; True after several looks without one.

        Any card counts as that card: the field has to be seen empty. Call it about every 100 ms. While the chip is dead
        nobody can tell.
        """
        try:
            if await self._ready():
                here = await self.chip.present() or await self.chip.poll()
                self._absent = 0 if here else self._absent + 1
        except ChipError as fault:
            self._fail(fault)
        return self._absent >= _ABSENT_LOOKS

    async def _ready(self, refresh=False):
        """Start the chip if need be, or to `refresh` it; whether it is well."""
        if not self.fault and not refresh:
            return True
        if self._retry is not None and self._timing.left(self._retry) > 0:
            return False
        try:
            await self.chip.start()
        except ChipError as fault:
            self._fail(fault)
            self._retry = self._timing.after(_RETRY_MS)
            return False
        self.fault = ""
        self._retry = None
        self._refresh = self._timing.after(_REFRESH_MS)
        return True

    def _fail(self, fault):
        self.fault = fault.detail or "chip"

    async def _card(self, deadline):
        """The activated card, once. Raises ChipError."""
        target = self.chip.target
        if target.count > 1:
            return Found("", cause=TWO_CARDS)
        kind = "type4" if target.iso_dep else "type2" if target.sel_res == _TYPE_2 else ""
        if not kind:
            return Found("", cause=UNSUPPORTED_CARD)
        link = Link(self.chip, deadline)
        try:
            if target.iso_dep:
                found = await self._phone.present(link, self._message) if self._phone else None
                if found:
                    return found
                form, ticket = await type4.read(link, self._message)
            else:
                form, ticket = await type2.read(link, self._message)
            return Found(kind, form, bytes(ticket))
        except NoTicket as reason:
            return Found(kind, cause=reason.cause, detail=reason.detail)
        except CardGone as fault:
            return Found(kind, cause=CARD_GONE, detail=fault.detail)
        except CardError as fault:
            return Found(kind, cause=READ_ERROR, detail=fault.detail)
