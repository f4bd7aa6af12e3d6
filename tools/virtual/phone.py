"""A phone with a charging app, as a card that the virtual reader can be given: the reference for whoever writes one.

It shares no code with the firmware. What a real app (Android HCE, iOS CardSession) does is `Wallet`: it is given
command APDUs and gives response APDUs. `Phone` puts it into the field. The bytes are described in
firmware/nfc/README.md (APDUs) and firmware/present/README.md (messages), with one exchange written out.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from .cards_iso import Apdu, ApduCard
from .channel import HolderChannel

AID = bytes.fromhex("F0434847544B5401")  # F0 "CHGTKT" 01
PROTOCOL = 1  # the answer to SELECT, and key 0 of every message
HELLO, PRESENT, VERDICT, OPENING = 0x10, 0x12, 0x14, 0x16  # instructions, class 80
LONGEST_ANSWER = 253  # data bytes: with its status word an answer stays within 255 bytes

OK, NOT_YET, WRONG_LENGTH = b"\x90\x00", b"\x69\x85", b"\x67\x00"
NOT_FOUND, WRONG_OFFSET, UNKNOWN, NO_SUCH_CLASS = b"\x6a\x82", b"\x6b\x00", b"\x6d\x00", b"\x6e\x00"

VERSION, READER, EVSES, NONCE, READER_EPHEMERAL = 0, 1, 2, 3, 4
TICKET, EVSE, SIGNATURE, HOLDER_EPHEMERAL, CODE, REASON, LIMITS = 5, 6, 7, 8, 9, 10, 11


def holder_proof(
    key: Ed25519PrivateKey, nonce: bytes, reader: str, evse: str, code: str, ticket: bytes, channel: bytes = bytes(32)
) -> bytes:
    """The 64 bytes that show that this very reader, for this EVSE, is being shown this ticket by its holder, now.

    Ed25519 over "charging-ticket-holder-proof-v1" 00 SHA-256(nonce[32] ‖ len8 reader ‖ len8 EVSE ‖ len8 code ‖
    SHA-256(ticket)[32] ‖ channel[32]); len8 is one byte and then the UTF-8 text.
    """
    inner = hashlib.sha256(nonce)
    for text in (reader, evse, code):
        data = text.encode()
        inner.update(bytes((len(data),)) + data)
    inner.update(hashlib.sha256(ticket).digest())
    inner.update(channel)
    return key.sign(b"charging-ticket-holder-proof-v1\x00" + inner.digest())


def private_key(jwk: Mapping[str, Any]) -> Ed25519PrivateKey:
    """The key of a private RFC 8037 JWK such as driver.jwk."""
    return Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(jwk["d"] + "="))


class Wallet:
    """The app: one ticket, and the driver's key where the ticket names one.

    ticket: as issued, a JWS as ASCII or a CWT. driver: the private JWK. evse: the driver's choice, where the reader
    offers several. code: what the driver read off the station, where it shows one. encrypt: use the encrypted channel
    wherever a reader offers it. A fresh key for each ticket keeps two sessions from being linked.

    `verdict` is the last VERDICT received, as a dict by its keys; `reason` and `limits` are what it says.
    """

    def __init__(
        self,
        ticket: bytes,
        driver: Mapping[str, Any] | None = None,
        evse: str = "",
        code: str = "",
        encrypt: bool = False,
    ):
        # Whether the PRESENT may be given by now. False makes the reader ask again, for ten seconds from its HELLO:
        # time to ask the driver, or a secure element for its signature.
        self.ready: Callable[[], bool] = lambda: True
        self.ticket = ticket
        self.key = private_key(driver) if driver else None
        self.evse = evse
        self.code = code
        self.encrypt = encrypt
        self.verdict: dict[int, Any] | None = None
        self._selected = False
        self.begin()
        self.deselected()

    @property
    def reason(self) -> str:
        """The reason code that the reader told; "" while it has told none."""
        return self.verdict[REASON] if self.verdict else ""

    @property
    def limits(self) -> dict[int, Any]:
        return self.verdict.get(LIMITS, {}) if self.verdict else {}

    def choose(self, offered: list[str]) -> str:
        """The EVSE that is to be opened: the driver's choice, else the first. An app shows it and has it confirmed."""
        return self.evse or offered[0]

    # The messages

    def begin(self) -> None:
        """A new exchange, with a key for its channel that has served none before."""
        self._ephemeral = X25519PrivateKey.generate()
        self._channel: HolderChannel | None = None

    def opening(self) -> bytes:
        """What asks for the encrypted channel: {0: 1, 8: this exchange's key}."""
        public = self._ephemeral.public_key().public_bytes_raw()
        return cbor2.dumps({VERSION: PROTOCOL, HOLDER_EPHEMERAL: public}, canonical=True)

    def encrypts(self, hello: dict[int, Any]) -> bool:
        return self.encrypt and READER_EPHEMERAL in hello

    def present(self, hello: dict[int, Any]) -> bytes:
        """The PRESENT that answers a HELLO: {0: 1, 5: ticket, 6: EVSE, 7: signature, 9: code}, in a record where the
        exchange is encrypted."""
        evse = self.choose(hello[EVSES])
        message: dict[int, Any] = {VERSION: PROTOCOL, TICKET: self.ticket, EVSE: evse}
        if self.encrypts(hello):
            self._channel = HolderChannel(self._ephemeral, hello[READER_EPHEMERAL], hello[NONCE])
        binding = self._channel.binding if self._channel else bytes(32)
        if self.key:
            message[SIGNATURE] = holder_proof(
                self.key, hello[NONCE], hello[READER], evse, self.code, self.ticket, binding
            )
        if self.code:
            message[CODE] = self.code
        data = cbor2.dumps(message, canonical=True)
        return self._channel.seal(data) if self._channel else data

    def told(self, data: bytes) -> None:
        """Takes the VERDICT. Where the exchange is encrypted one in clear is anybody's: BadRecord."""
        self.verdict = cbor2.loads(self._channel.open(data) if self._channel else data)

    # The APDUs

    def deselected(self) -> None:
        """The phone was taken away, or the reader let go: an exchange that was under way is void."""
        self._selected = False
        self._hello, self._verdict_in = bytearray(), bytearray()
        self._out: bytes | None = None
        self._opening: bytes | None = None

    def apdu(self, command: bytes) -> bytes:
        """The response to a command APDU. An app has to answer within a second; `69 85` wins it more time."""
        try:
            apdu = Apdu(command)
        except ValueError:
            return WRONG_LENGTH
        if (apdu.cla, apdu.ins) == (0x00, 0xA4):
            return self._select(apdu)
        if apdu.cla != 0x80:
            return NO_SUCH_CLASS
        offset = apdu.p1 << 8 | apdu.p2
        if not self._selected:
            return UNKNOWN
        if apdu.ins == HELLO:
            return self._receive(self._hello, offset, apdu.data)
        if apdu.ins == PRESENT:
            return self._give(offset)
        if apdu.ins == OPENING:
            return self._give_opening(offset)
        if apdu.ins == VERDICT:
            status = self._receive(self._verdict_in, offset, apdu.data)
            whole = _whole(self._verdict_in)
            if whole is not None:
                self.told(whole)
            return status
        return UNKNOWN

    def _select(self, apdu: Apdu) -> bytes:
        """`00 A4 04 00 08 F0434847544B5401 00` → `01 90 00`. It begins a new exchange."""
        self.deselected()
        self.begin()
        if apdu.p1 != 0x04 or apdu.data != AID:
            return NOT_FOUND
        self._selected = True
        return bytes((PROTOCOL,)) + OK

    def _receive(self, into: bytearray, offset: int, piece: bytes) -> bytes:
        """`80 10 P1P2 Lc piece` → `90 00`: total[2] ‖ message arrives in pieces, P1P2 says where one belongs."""
        if offset != len(into):
            return WRONG_OFFSET
        into += piece
        return OK

    def _give(self, offset: int) -> bytes:
        """`80 12 P1P2 00` → up to 253 bytes of total[2] ‖ PRESENT from that offset on, `90 00`; or `69 85`."""
        hello = _whole(self._hello)
        if hello is None or not self.ready():
            return NOT_YET
        if self._out is None:
            self._out = _counted(self.present(cbor2.loads(hello)))
        return _piece(self._out, offset)

    def _give_opening(self, offset: int) -> bytes:
        """`80 16 P1P2 00` → total[2] ‖ {0, 8}, `90 00`; `6D 00` from a phone that wants no encrypted channel."""
        hello = _whole(self._hello)
        if hello is None or not self.encrypts(cbor2.loads(hello)):
            return UNKNOWN
        if self._opening is None:
            self._opening = _counted(self.opening())
        return _piece(self._opening, offset)


def _counted(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def _piece(stream: bytes, offset: int) -> bytes:
    return stream[offset : offset + LONGEST_ANSWER] + OK if offset < len(stream) else WRONG_OFFSET


def _whole(stream: bytearray) -> bytes | None:
    """The message of total[2] ‖ message, once all of it is there."""
    if len(stream) < 2 or len(stream) - 2 < int.from_bytes(stream[:2], "big"):
        return None
    return bytes(stream[2:])


class Phone(ApduCard):
    """A phone that holds a wallet to the reader.

    delay_us: what it takes to answer an APDU, as HCE goes through the operating system. confirm_s: how long the driver
    looks at the screen before agreeing, from the reader's HELLO on; None never agrees.
    """

    name = "phone"

    def __init__(
        self,
        wallet: Wallet,
        uid: bytes = bytes.fromhex("08a1b2c3"),
        *,
        delay_us: int = 5_000,
        confirm_s: float | None = 0,
        **part4,
    ):
        self.wallet = wallet
        self.confirm_s = confirm_s
        self._asked_us: int | None = None
        wallet.ready = self._confirmed
        super().__init__(wallet.apdu, uid, on_deselect=self._left, delay_us=delay_us, **part4)

    @property
    def reason(self) -> str:
        """What the reader told the app; "" if nothing."""
        return self.wallet.reason

    def _left(self) -> None:
        self._asked_us = None
        self.wallet.deselected()

    def _confirmed(self) -> bool:
        if self.confirm_s is None:
            return False
        if self._asked_us is None:
            self._asked_us = self.now_us
        return self.now_us - self._asked_us >= self.confirm_s * 1e6
