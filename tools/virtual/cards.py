"""Virtual cards: NTAG213/215/216, MIFARE Classic; Type 4 tags, payment cards and phones are in `cards_iso`.

Content is given as bytes and is what the card really holds: pages, check bytes, capability container.
"""

from io import BytesIO

from ndef import Record, message_encoder

from .cards_iso import ApduCard, IsoDepCard, PaymentCard, Type4Tag
from .rf import Card, Reply, answer, nibble

__all__ = ["ApduCard", "IsoDepCard", "MifareClassic", "Ntag", "PaymentCard", "Type4Tag", "ndef_message"]

ACK = 0xA
NAK_ARGUMENT = 0x0
NAK_CRC = 0x1
NAK_AUTHENTICATION = 0x4
WRITE_US = 4_100

# Lock Control TLVs that say where the dynamic lock bytes of each kind are (Type 2 Tag specification, 2.3.2)
LOCK_TLV = {213: b"\x01\x03\xa0\x0c\x34", 215: b"\x01\x03\x88\x08\x66", 216: b"\x01\x03\xe8\x0e\x66"}


def ndef_message(mime: str, payload: bytes) -> bytes:
    """One NDEF message of one MIME record."""
    encoded = BytesIO()
    list(message_encoder([Record(mime, "", payload)], stream=encoded))
    return encoded.getvalue()


def ndef_tlv(message: bytes) -> bytes:
    """An NDEF message TLV: one length byte up to 254, else FF and two (Type 2 Tag specification, 2.3)."""
    head = bytes((len(message),)) if len(message) < 255 else b"\xff" + len(message).to_bytes(2, "big")
    return b"\x03" + head + message


class Ntag(Card):
    """NTAG213, 215 or 216 (NXP NTAG213/215/216 data sheet rev. 3.2).

    `message` is wrapped in an NDEF TLV and a terminator behind `leading` (other TLVs, such as `LOCK_TLV[kind]`);
    with `raw` the user memory is given as it is instead. `password` protects from page `protect_from` on,
    for writing, or with `protect_reads` for reading too. Raises ValueError when the content does not fit.
    """

    # kind: last user page, size byte of the capability container, storage size byte of GET_VERSION
    KINDS = {213: (0x27, 0x12, 0x0F), 215: (0x81, 0x3E, 0x11), 216: (0xE1, 0x6D, 0x13)}

    def __init__(
        self,
        kind: int = 215,
        message: bytes | None = None,
        uid: bytes = bytes.fromhex("04a1b2c3d4e580"),
        *,
        leading: bytes = b"",
        raw: bytes | None = None,
        read_only: bool = False,
        password: bytes = b"\xff\xff\xff\xff",
        protect_from: int = 0xFF,
        protect_reads: bool = False,
    ):
        super().__init__(uid)
        if len(uid) != 7:
            raise ValueError("an NTAG has a UID of 7 bytes")
        self.name = f"NTAG{kind}"
        self.kind = kind
        last_user, size, self._storage = self.KINDS[kind]
        self._lock_page = last_user + 1
        self.pages = last_user + 6
        self.writes = 0
        self._authenticated = False
        user = raw if raw is not None else leading + (ndef_tlv(message) + b"\xfe" if message is not None else b"\xfe")
        if raw is None and len(user) == (last_user - 3) * 4 + 1:
            user = user[:-1]  # a message that fills the memory needs no terminator
        if len(user) > (last_user - 3) * 4:
            raise ValueError(f"{len(user)} bytes do not fit the {(last_user - 3) * 4} of an {self.name}")
        level1, level2 = self.cascade()
        header = uid[:3] + level1[4:] + uid[3:] + level2[4:] + b"\x48" + (b"\xff\xff" if read_only else b"\x00\x00")
        container = bytes((0xE1, 0x10, size, 0x0F if read_only else 0x00))
        self.memory = bytearray(header + container + user)
        self.memory.extend(bytes(self.pages * 4 - len(self.memory)))
        locks = b"\xff\xff\xff\xbd" if read_only else b"\x00\x00\x00\xbd"
        access = 0x80 if protect_reads else 0x00
        self.memory[self._lock_page * 4 :] = (
            locks + bytes((4, 0, 0, protect_from, access, 5, 0, 0)) + password + b"\x00\x00\x00\x00"
        )

    def reset(self, state: str) -> None:
        super().reset(state)
        self._authenticated = False

    def _refuse(self, code: int = NAK_ARGUMENT) -> Reply:
        """A NAK ends the ACTIVE state: the tag is mute until it is selected again."""
        self.fall_back()
        self._authenticated = False
        return nibble(code)

    def command(self, data: bytes) -> Reply | None:
        code, size = data[0], len(data)
        if code == 0x30 and size == 2:  # READ: four pages, rolling over at the end of memory
            return self._read([page % self.pages for page in range(data[1], data[1] + 4)], data[1])
        if code == 0x3A and size == 3 and data[1] <= data[2]:  # FAST_READ
            return self._read(list(range(data[1], data[2] + 1)), data[2])
        if code == 0xA2 and size == 6:
            return self._write(data[1], data[2:])
        if code == 0x60 and size == 1:  # GET_VERSION
            return answer(bytes((0x00, 0x04, 0x04, 0x02, 0x01, 0x00, self._storage, 0x03)))
        if code == 0x3C and data == b"\x3c\x00":  # READ_SIG
            return answer(bytes(32))
        if code == 0x1B and size == 5:
            return self._authenticate(data[1:])
        return self._refuse()

    def _protected(self, page: int) -> bool:
        return page >= self.memory[(self.pages - 4) * 4 + 3] and not self._authenticated

    def _read(self, pages: list[int], last: int) -> Reply:
        if last >= self.pages:
            return self._refuse()
        reads_protected = self.memory[(self.pages - 3) * 4] & 0x80
        if reads_protected and self._protected(pages[0]):
            return self._refuse()
        data = bytearray()
        for page in pages:
            hidden = page >= self.pages - 2 or (reads_protected and self._protected(page))
            data += bytes(4) if hidden else self.memory[page * 4 : page * 4 + 4]
        return answer(data)

    def _locked(self, page: int) -> bool:
        if page < 16:
            return bool(int.from_bytes(self.memory[10:12], "little") >> page & 1)
        if page >= self._lock_page:
            return False
        bit = (page - 16) // (2 if self.kind == 213 else 16)
        return bool(int.from_bytes(self.memory[self._lock_page * 4 : self._lock_page * 4 + 3], "little") >> bit & 1)

    def _write(self, page: int, data: bytes) -> Reply:
        if not 2 <= page < self.pages or self._locked(page):
            return self._refuse()
        if self._protected(page):
            return self._refuse(NAK_AUTHENTICATION)
        at = page * 4
        if page == 2:  # the lock bytes can only be set
            data = bytes(self.memory[8:10]) + bytes((self.memory[10] | data[2], self.memory[11] | data[3]))
        elif page in (3, self._lock_page):
            data = bytes(old | new for old, new in zip(self.memory[at : at + 4], data, strict=True))
        self.memory[at : at + 4] = data
        self.writes += 1
        return nibble(ACK, WRITE_US)

    def _authenticate(self, password: bytes) -> Reply:
        at = (self.pages - 2) * 4
        if password != self.memory[at : at + 4]:
            return self._refuse(NAK_AUTHENTICATION)
        self._authenticated = True
        return answer(self.memory[at + 4 : at + 6])


class MifareClassic(Card):
    """MIFARE Classic 1K, one key for all sectors. Crypto-1 is not modelled: the reader's chip hands the key over."""

    name = "MIFARE Classic 1K"
    atqa = b"\x04\x00"
    sak = 0x08

    def __init__(self, uid: bytes = bytes.fromhex("c0ffee42"), key: bytes = b"\xff" * 6):
        super().__init__(uid)
        self.key = key
        self.memory = bytearray(1024)
        self.memory[0:5] = self.cascade()[0]
        for sector in range(16):
            self.memory[sector * 64 + 48 : sector * 64 + 64] = key + b"\xff\x07\x80\x69" + key
        self._sector: int | None = None
        self._writing: int | None = None

    def reset(self, state: str) -> None:
        super().reset(state)
        self._sector = self._writing = None

    def authenticate(self, block: int, key: bytes) -> bool:
        """What the chip's authentication comes to; a wrong key leaves the card mute."""
        if self.state == "ACTIVE" and block < 64 and key == self.key:
            self._sector = block // 4
            return True
        self._sector = None
        self.fall_back()
        return False

    def command(self, data: bytes) -> Reply | None:
        if self._writing is not None and len(data) == 16:
            self.memory[self._writing * 16 : self._writing * 16 + 16] = data
            self._writing = None
            return nibble(ACK, WRITE_US)
        self._writing = None
        allowed = len(data) == 2 and data[1] < 64 and data[1] // 4 == self._sector
        if data[0] == 0x30 and allowed:
            return answer(self.memory[data[1] * 16 : data[1] * 16 + 16])
        if data[0] == 0xA0 and allowed and data[1]:
            self._writing = data[1]
            return nibble(ACK)
        self._sector = None
        self.fall_back()
        return nibble(NAK_AUTHENTICATION)
