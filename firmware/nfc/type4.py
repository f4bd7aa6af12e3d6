"""Type 4 tags (NFC Forum Type 4 Tag 2.0 and 3.0, mapping versions 1 to 3), by APDUs of ISO/IEC 7816-4.

    SELECT 00 A4 04 00 07 D2760000850101 00, or …850100 of mapping version 1
    SELECT 00 A4 00 0C 02 E103, READ BINARY 00 B0 0000 0F: the capability container (CC)
        CCLEN[2] version MLe[2] MLc[2], then TLVs; the NDEF file is
        04 06 file id[2] size[2] read access, write access, or 06 08 with size[4]
    SELECT the NDEF file; NLEN[2] (file control 06: [4]), then the message

`parse_cc` is pure; `read` does the talking.
"""

from micropython import const

import nfc.ndef as ndef
from nfc.errors import NO_NDEF, NOT_A_TICKET, UNSUPPORTED_CARD, CardError, NoTicket

_APPLICATION = b"\x00\xa4\x04\x00\x07\xd2\x76\x00\x00\x85\x01\x01\x00"
_APPLICATION_V1 = b"\x00\xa4\x04\x00\x07\xd2\x76\x00\x00\x85\x01\x00"
_CC_FILE = const(0xE103)
_CC_LENGTH = const(15)  # the shortest CC; a file control 06 makes it 17
_CC_LENGTH_V3 = const(17)
_MAX_CC = const(64)  # beyond the NDEF file's entry a CC lists proprietary files only

_NDEF_FILE = const(0x04)
_NDEF_FILE_V3 = const(0x06)

_OK = const(0x9000)
# An answer of 253 bytes and its status word keeps an APDU within 255 bytes, which every card and phone passes.
_MAX_LE = const(253)


class Capabilities:
    """`file` id, its `size` in bytes, `prefix` bytes of NLEN, `le` bytes to ask for at once."""

    def __init__(self, file, size, prefix, le):
        self.file = file
        self.size = size
        self.prefix = prefix
        self.le = le


def cc_length(cc):
    """How many bytes of the CC are wanted, judging by its first ones. Raises NoTicket."""
    if len(cc) < _CC_LENGTH:
        raise NoTicket(NO_NDEF, "CC length")
    return min(cc[0] << 8 | cc[1], _MAX_CC)


def parse_cc(cc):
    """Capabilities from the CC. Raises NoTicket."""
    length = cc_length(cc)
    if not _CC_LENGTH <= length <= len(cc):
        raise NoTicket(NO_NDEF, "CC length")
    if not 1 <= cc[2] >> 4 <= 3:
        raise NoTicket(UNSUPPORTED_CARD, "mapping version")
    le = cc[3] << 8 | cc[4]
    if le < 15 or not cc[5] << 8 | cc[6]:
        raise NoTicket(NO_NDEF, "CC limits")
    tag = cc[7]
    if (tag, cc[8]) == (_NDEF_FILE, 6):
        prefix = 2
    elif (tag, cc[8]) == (_NDEF_FILE_V3, 8) and cc[2] >> 4 == 3 and length >= _CC_LENGTH_V3:
        prefix = 4
    else:
        raise NoTicket(NO_NDEF, "no NDEF file")
    size = _uint(cc[11 : 11 + prefix])
    if cc[11 + prefix]:
        raise NoTicket(UNSUPPORTED_CARD, "read access")
    return Capabilities(cc[9] << 8 | cc[10], size, prefix, min(le, _MAX_LE))


def _uint(data):
    value = 0
    for byte in data:
        value = value << 8 | byte
    return value


async def read(link, message):
    """(form, ticket view) of the tag on `link`. `message` takes ndef.MAX_MESSAGE bytes.

    Raises NoTicket, CardError, CardGone, ChipError.
    """
    version_1 = False
    if (await link.apdu(_APPLICATION))[1] != _OK:
        version_1 = True
        if (await link.apdu(_APPLICATION_V1))[1] != _OK:
            raise NoTicket(NO_NDEF, "no NDEF application")
    await _select(link, _CC_FILE, version_1)
    cc = bytes(await _read_binary(link, 0, _CC_LENGTH))
    while len(cc) < cc_length(cc):
        cc += bytes(await _read_binary(link, len(cc), cc_length(cc) - len(cc)))
    file = parse_cc(cc)
    await _select(link, file.file, version_1)
    prefix = await _read_binary(link, 0, file.prefix)
    if len(prefix) != file.prefix:
        raise CardError("NLEN")
    total = _uint(prefix)
    if not total:
        raise NoTicket(NO_NDEF, "empty")
    if total > file.size - file.prefix:
        raise NoTicket(NO_NDEF, "NLEN")
    have = 0
    form, start, end = ndef.locate(message, 0, total)
    while not form or end > have:
        if end > len(message):
            raise NoTicket(NOT_A_TICKET, "message")
        # The first read takes the headers and what comes with them; once the ticket's end is known, just that.
        ahead = (end if form else min(total, len(message))) - have
        data = await _read_binary(link, file.prefix + have, min(ahead, file.le))
        message[have : have + len(data)] = data
        have += len(data)
        form, start, end = ndef.locate(message, have, total)
    return form, memoryview(message)[start:end]


async def _select(link, file, version_1):
    p2 = 0x00 if version_1 else 0x0C  # version 1 knows no "no answer data" and may send file control information
    if (await link.apdu(bytes((0x00, 0xA4, 0x00, p2, 0x02, file >> 8, file & 0xFF))))[1] != _OK:
        raise NoTicket(NO_NDEF, "no file")


async def _read_binary(link, offset, count):
    """1…count bytes of the selected file at `offset`, which is no further than its first ndef.MAX_MESSAGE bytes."""
    data, status = await link.apdu(bytes((0x00, 0xB0, offset >> 8, offset & 0xFF, count)))
    if status != _OK or not 0 < len(data) <= count:
        raise CardError("READ BINARY")
    return data
