"""Type 2 tags (NFC Forum Type 2 Tag 1.2; NTAG213, 215, 216 and their like).

    page 0, 1  UID            page 2  lock bytes          page 3  CC: E1, version, size / 8, access
    page 4 …   data area of `size` bytes: TLVs
        00 NULL | 01 lock control | 02 memory control | 03 NDEF message | FD proprietary | FE terminator
        length: one byte, or FF and two bytes (BE)

Bytes that a control TLV reserves within the data area belong to no TLV and are skipped.
`Area` is pure; `read` does the talking.
"""

from micropython import const

import nfc.ndef as ndef
from nfc.errors import NO_NDEF, UNSUPPORTED_CARD, CardError, CardGone, NoTicket

_READ = const(0x30)
_FAST_READ = const(0x3A)
_PAGE = const(4)
_DATA_START = const(16)  # page 4
_FAST_PAGES = const(16)  # the PN532's own buffer holds no more than 64 bytes of an InCommunicateThru answer
_READ_BYTES = const(16)  # READ gives four pages
# A page number is one byte. Larger tags need SECTOR SELECT, which no tag that can hold a ticket is known to need.
_MAX_AREA = const(1008)  # 256 pages less the first four

_NULL = const(0x00)
_LOCK_CONTROL = const(0x01)
_MEMORY_CONTROL = const(0x02)
_NDEF = const(0x03)
_TERMINATOR = const(0xFE)
_LONG = const(0xFF)
_MAX_RESERVED = const(8)  # control TLVs; NTAGs have one


def parse_cc(cc):
    """Size of the data area in bytes. Raises NoTicket."""
    if len(cc) != 4 or cc[0] != 0xE1:
        raise NoTicket(NO_NDEF, "CC")
    if cc[1] >> 4 != 1:
        raise NoTicket(UNSUPPORTED_CARD, "CC version")
    if cc[3] >> 4:
        raise NoTicket(UNSUPPORTED_CARD, "read access")
    return cc[2] * 8


class Area:
    """Walks the TLVs of a data area whose bytes come in bit by bit, in order.

    `buffer` is filled from 0 on, as far as `have` says in the calls; `size` is what the CC says.
    """

    def __init__(self, buffer, size):
        self._buffer = buffer
        self._size = size
        self._reserved = []  # (start, end), as offsets into the area
        self._at = 0  # where the next TLV begins

    def locate(self, have):
        """(at, length) of the first NDEF message's value in the area, or how many bytes are needed to go on.

        Of the value, `gather` makes the message. A call goes on where the last one stopped, so that a card full of
        nothing costs no more than its bytes. Raises NoTicket.
        """
        at = self._at
        while True:
            self._at = at
            at = self._skip(at)
            if at >= self._size:
                raise NoTicket(NO_NDEF, "no NDEF TLV")
            if have <= at:
                return at + 1
            tag = self._buffer[at]
            if tag == _NULL:
                at += 1
                continue
            if tag == _TERMINATOR:
                raise NoTicket(NO_NDEF, "no NDEF TLV")
            value = self._length(at, have)
            if isinstance(value, int):
                return value
            at, length = value
            if tag == _NDEF:
                if not length:
                    raise NoTicket(NO_NDEF, "empty")
                if self._advance(at, length) > self._size:
                    raise NoTicket(NO_NDEF, "TLV length")
                return value
            end = self._advance(at, length)
            if end > self._size:
                raise NoTicket(NO_NDEF, "TLV length")
            if tag in (_LOCK_CONTROL, _MEMORY_CONTROL):
                if have < end:
                    return end
                self._reserve(tag, at, length)
            at = end

    def gather(self, at, length, have, message):
        """Copy into `message` what there is of the value at `at`, without reserved bytes; returns how many bytes."""
        done = 0
        while done < length:
            at = self._skip(at)
            count = min(self._run(at), length - done, have - at, len(message) - done)
            if count <= 0:
                break
            message[done : done + count] = self._buffer[at : at + count]
            done += count
            at += count
        return done

    def extent(self, at, count):
        """How many bytes of the area must be there for the first `count` bytes of the value at `at`."""
        return self._advance(at, count)

    def _length(self, at, have):
        """(start of the value, its length) of the TLV at `at`, or how many bytes are needed."""
        at = self._skip(at + 1)
        if at >= self._size:
            raise NoTicket(NO_NDEF, "cut TLV")
        if have <= at:
            return at + 1
        length = self._buffer[at]
        if length == _LONG:
            high = self._skip(at + 1)
            at = self._skip(high + 1)
            if at >= self._size:
                raise NoTicket(NO_NDEF, "cut TLV")
            if have <= at:
                return at + 1
            length = self._buffer[high] << 8 | self._buffer[at]
        return at + 1, length

    def _reserve(self, tag, at, length):
        """Lock and memory control (Type 2 Tag 2.3.2, 2.3.3): position, size, page control."""
        if length < 3:
            raise NoTicket(NO_NDEF, "control TLV")
        if len(self._reserved) == _MAX_RESERVED:
            raise NoTicket(NO_NDEF, "control TLVs")
        value = bytearray(3)
        self.gather(at, 3, at + self._size, value)
        start = ((value[0] >> 4) << (value[2] & 15)) + (value[0] & 15) - _DATA_START
        count = value[1] or 256
        if tag == _LOCK_CONTROL:
            count = (count + 7) >> 3  # its size is in bits
        self._reserved.append((start, start + count))

    def _skip(self, at):
        """The first offset from `at` on that is not reserved."""
        moved = True
        while moved:
            moved = False
            for start, end in self._reserved:
                if start <= at < end:
                    at = end
                    moved = True
        return at

    def _run(self, at):
        """Bytes from `at` (not reserved) to the next reserved one."""
        run = _MAX_AREA
        for start, _ in self._reserved:
            if start > at:
                run = min(run, start - at)
        return run

    def _advance(self, at, count):
        """The offset behind `count` unreserved bytes from `at` on."""
        while count > 0 and at < self._size:
            at = self._skip(at)
            step = min(self._run(at), count)
            at += step
            count -= step
        return at + count


async def read(link, buffer):
    """(form, ticket view) of the tag on `link`. `buffer` takes ndef.MAX_MESSAGE bytes.

    Reads only as far as the ticket's end. The first and the last answer is READ of page 0: the same tag, with
    the same UID and CC, must be there from beginning to end. Raises NoTicket, CardError, CardGone, ChipError.
    """
    # No message is longer than the area that it lies in.
    message = memoryview(buffer)[:_MAX_AREA]
    area = memoryview(buffer)[_MAX_AREA : 2 * _MAX_AREA]
    tag = _Tag(link, area)
    first = bytes(await tag.read_pages(0))
    if link.uid and len(link.uid) == 7 and (first[0:3] != link.uid[0:3] or first[4:8] != link.uid[3:7]):
        raise CardError("UID")
    size = parse_cc(first[12:16])
    walk = Area(area, size)
    value = walk.locate(0)
    while isinstance(value, int):
        await tag.fill(value, size)
        value = walk.locate(tag.have)
    at, length = value
    have = walk.gather(at, length, tag.have, message)
    form, start, end = ndef.locate(message, have, length)
    while not form or end > have:
        await tag.fill(walk.extent(at, end), size)
        have = walk.gather(at, length, tag.have, message)
        form, start, end = ndef.locate(message, have, length)
    if await tag.read_pages(0) != first:
        raise CardError("changed")
    return form, message[start:end]


class _Tag:
    """Fills the data area in order: FAST_READ where the tag has it, else READ."""

    def __init__(self, link, area):
        self._link = link
        self._area = area
        self._fast = True
        self.have = 0

    async def fill(self, need, size):
        """Read on until `need` bytes of the area are there."""
        if need > min(size, _MAX_AREA):
            raise NoTicket(UNSUPPORTED_CARD, "sectors")
        while self.have < need:
            page = (_DATA_START + self.have) // _PAGE
            data = await self._fast_read(page, size) if self._fast else await self.read_pages(page)
            count = min(len(data), min(size, _MAX_AREA) - self.have)
            self._area[self.have : self.have + count] = data[:count]
            self.have += count

    async def read_pages(self, page):
        """Four pages by READ (which starts again from page 0 beyond the tag's end)."""
        data = await self._link.exchange(bytes((_READ, page)))
        if len(data) != _READ_BYTES:
            raise CardError("READ")
        return data

    async def _fast_read(self, page, size):
        last = min(page + _FAST_PAGES, (_DATA_START + size + _PAGE - 1) // _PAGE, 256) - 1
        try:
            data = await self._link.thru(bytes((_FAST_READ, page, last)))
            if len(data) == (last - page + 1) * _PAGE:
                return data
        except CardGone:
            # A tag that does not know the command may also say nothing at all, so ask whether it is there.
            pass
        except CardError:
            pass
        self._fast = False
        await self._link.again()  # a tag that refuses a command has gone idle
        return await self.read_pages(page)
