"""Phones with our application: HELLO, PRESENT and VERDICT of `present`, in APDUs (README.md).

    SELECT 00 A4 04 00 08 F0434847544B5401 00: answers the version that the phone speaks, 01
    80 10 P1P2 Lc data: a piece of HELLO     80 12 P1P2 00: gives a piece of PRESENT     80 14: like 10, of VERDICT
    80 16 P1P2 00: gives a piece of OPENING, where the phone wants the encrypted channel that HELLO offers

A message travels as total[2] ‖ message, cut into pieces; P1P2 is a piece's offset in that. 69 85 asks for patience.
"""

from micropython import const

from nfc.errors import NOT_A_TICKET, UNSUPPORTED_CARD, CardError, NoTicket
from nfc.reader import Found
from present.messages import BadMessage
from present.session import TooLate

_SELECT = b"\x00\xa4\x04\x00\x08\xf0\x43\x48\x47\x54\x4b\x54\x01\x00"
_VERSION = const(1)
_HELLO = const(0x10)
_PRESENT = const(0x12)
_VERDICT = const(0x14)
_OPENING = const(0x16)

_OK = const(0x9000)
_NOT_YET = const(0x6985)
_UNKNOWN = const(0x6D00)
_ASK_AGAIN_MS = const(100)  # while the driver looks at the screen; soon enough to feel immediate
_TELL_MS = const(1000)  # for the verdict: the driver has seen the light by then

# With header, Lc and status word no APDU is over 255 bytes, which every phone passes.
_MAX_LC = const(250)
_MAX_ANSWER = const(253)


class Phone:
    """offer: async () -> a new present.session.Session; timing: as in timing.py; waiting: called when a phone first
    asks for patience before its PRESENT, since its driver has to confirm."""

    def __init__(self, offer, timing, waiting=lambda: None):
        self._offer = offer
        self._timing = timing
        self._waiting = waiting

    async def present(self, link, buffer):
        """Found, with `presentation` and `session`, or None where our application is not. `buffer` takes the PRESENT.

        Raises NoTicket, CardError, CardGone, ChipError.
        """
        data, status = await link.apdu(_SELECT)
        if status != _OK or len(data) != 1:
            return None
        if data[0] != _VERSION:
            raise NoTicket(UNSUPPORTED_CARD, "version")
        session = await self._offer()
        link.deadline = session.deadline
        await self._send(link, _HELLO, session.hello)
        if session.pair is not None:
            await self._agree(link, session, buffer)
        message = await self._fetch(link, _PRESENT, buffer)
        try:
            presentation = session.take(message, "phone")
        except TooLate:
            raise CardError("too slow")
        return Found("phone", presentation=presentation, session=session, link=link)

    async def tell(self, found, message):
        """Hands a VERDICT to the phone that was found, if it is still there. Raises as `present` does."""
        found.link.deadline = self._timing.after(_TELL_MS)
        await self._send(found.link, _VERDICT, message)

    async def _agree(self, link, session, buffer):
        from present.channel import agree_steps  # only where a site encrypts

        opening = await self._fetch(link, _OPENING, buffer)
        if opening:
            try:
                for _ in agree_steps(session, opening):
                    await self._timing.sleep(0)
            except BadMessage:
                raise NoTicket(NOT_A_TICKET, "no key")

    async def _send(self, link, instruction, message):
        size = len(message)
        message = bytes((size >> 8, size & 0xFF)) + message
        for at in range(0, size + 2, _MAX_LC):
            piece = message[at : at + _MAX_LC]
            await self._ask(link, bytes((0x80, instruction, at >> 8, at & 0xFF, len(piece))) + piece)

    async def _fetch(self, link, instruction, buffer):
        """A message of the phone, as a view of `buffer`; None where it is longer than a PRESENT can be, or where it is
        an OPENING and the phone wants none."""
        waiting = self._waiting if instruction == _PRESENT else None
        have, total = 0, 2
        while have < total:
            data = await self._ask(link, bytes((0x80, instruction, have >> 8, have & 0xFF, 0)), waiting)
            if data is None:
                return None
            size = len(data)
            if not have and size >= 2:
                total = 2 + (data[0] << 8 | data[1])
                if total > len(buffer):
                    return None
            if not 2 <= have + size <= total or not 0 < size <= _MAX_ANSWER:
                raise CardError("PRESENT")
            buffer[have : have + size] = data
            have += size
        return memoryview(buffer)[2:total]

    async def _ask(self, link, command, waiting=None):
        """Answer data of an APDU, as soon as the phone is ready; the link's deadline ends the waiting. None: not known,
        which it may say of OPENING."""
        while True:
            data, status = await link.apdu(command)
            if status == _OK:
                return data
            if status == _UNKNOWN and command[1] == _OPENING:
                return None
            if status != _NOT_YET:
                raise NoTicket(NOT_A_TICKET, "refused by the phone")
            if waiting:
                waiting()
                waiting = None
            await self._timing.sleep(_ASK_AGAIN_MS)
