"""A station as the wallet meets it over Bluetooth, with the firmware's own session and an encrypted channel made with
`cryptography`: small enough to say anything, so that a test can have it refuse, cheat and break off.

It answers the calls of tools/virtual/web_bluetooth.js.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SERVICE, INFO, INBOX, OUTBOX = (f"b02b000{number}-8bd3-431f-9ede-7dc389a5640a" for number in (1, 2, 3, 4))
READER, EVSE = "reader-1", "DE*ABC*E1*1"
NOTIFIED = 20  # bytes of a notification at the smallest MTU
EPHEMERAL = 4  # key of HELLO


def frames(message: bytes, size: int, seq: int) -> list[bytes]:
    """The frames of a message: flags, number from `seq` on, and in the first the total before its data."""
    stream = len(message).to_bytes(2, "big") + message
    pieces = [stream[at : at + size - 2] for at in range(0, len(stream), size - 2)]
    last = len(pieces) - 1
    return [bytes(((i == 0) | (i == last) << 1, (seq + i) & 0xFF)) + piece for i, piece in enumerate(pieces)]


class Channel:
    """The reader's end of the encrypted channel."""

    def __init__(self, nonce: bytes):
        self.private = X25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes_raw()
        self._nonce = nonce
        self.binding = b""

    def agree(self, holder: bytes) -> None:
        secret = self.private.exchange(X25519PublicKey.from_public_bytes(holder))
        info = b"charging-ticket-channel-v1" + self.public + holder
        keys = HKDF(SHA256(), 96, self._nonce, info).derive(secret)
        self._theirs, self._ours = (keys[:16], keys[16:48]), (keys[48:64], keys[64:])
        self.binding = hashlib.sha256(self.public + holder).digest()

    @staticmethod
    def _crypt(keys: tuple[bytes, bytes], counter: bytes, data: bytes) -> bytes:
        worker = Cipher(AES(keys[0]), CTR(counter + bytes(12))).encryptor()
        return worker.update(data) + worker.finalize()

    @staticmethod
    def _tag(keys: tuple[bytes, bytes], sealed: bytes) -> bytes:
        return hmac.digest(keys[1], sealed, "sha256")[:16]

    def open(self, record: bytes) -> bytes:
        assert record[:4] == bytes(4) and self._tag(self._theirs, record[:-16]) == record[-16:]
        return self._crypt(self._theirs, record[:4], record[4:-16])

    def seal(self, message: bytes) -> bytes:
        sealed = bytes(4) + self._crypt(self._ours, bytes(4), message)
        return sealed + self._tag(self._ours, sealed)


Decide = Callable[["WalletStation"], tuple[str, dict[str, int]]]


class WalletStation:
    """decide: what comes of a PRESENT, (reason, limits) by the station that has it in `presented`; STOPPED is
    what a reader tells whose session it has ended: EVSE_BUSY with the EVSE.

    breaks: where the connection is lost, "" for nowhere: an operation, "ticket", "last frame" or "verdict"; encrypts:
    whether it offers the channel; forge: changes a message on its way out, by its name "hello" or "verdict".
    """

    def __init__(self):
        self.evses = [EVSE]
        self.code = ""
        self.encrypts = True
        self.breaks = ""
        self.decide: Decide = lambda _: ("GRANTED", {"maxEnergy": 60000, "maxDuration": 240})
        self.forge: Callable[[str, bytes], bytes] = lambda name, message: message
        self.presented: Any = None  # the Presentation
        self.received: list[bytes] = []  # messages, as they came
        self.written: list[int] = []  # bytes of each write
        self.connections = 0
        self.connected = False
        self._out: list[list[str]] = []

    def call(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        """One call of the page."""
        if self.breaks == (self._part(given) if operation == "write" and self.received else operation):
            self.connected = False
        if operation not in ("scan", "connect", "disconnect", "events") and not self.connected:
            return {"error": "GATT Server is disconnected", "name": "NetworkError"}
        return getattr(self, f"_{operation}")(given) or {}

    @staticmethod
    def _part(given: dict) -> str:
        """Which part of a PRESENT a write is."""
        return "last frame" if int(given["value"][:2], 16) & 2 else "ticket"

    def _scan(self, given: dict) -> dict:
        assert given["uuid"] == SERVICE
        return {"name": READER}

    def _connect(self, _: dict) -> dict:
        if self.breaks == "connect":
            return {"error": "Connection attempt failed", "name": "NetworkError"}
        self.connected = True
        self.connections += 1
        self._out, self._parts, self._sent, self.received, self.written = [], b"", 0, [], []
        return {"connection": self.connections}

    def _disconnect(self, _: dict) -> None:
        self.connected = False

    def _service(self, given: dict) -> None:
        assert given["uuid"] == SERVICE

    def _read(self, given: dict) -> dict:
        assert given["uuid"] == INFO
        return {"value": self.forge("info", cbor2.dumps({0: 1, 1: READER, 2: self.evses})).hex()}

    def _subscribe(self, given: dict) -> None:
        assert given["uuid"] == OUTBOX

    def _start(self, opening: bytes) -> None:
        from nfc.timing import Timing  # pyright: ignore
        from present.session import Session  # pyright: ignore

        nonce = hashlib.sha256(b"nonce %d" % self.connections).digest()
        self.channel = Channel(nonce) if self.encrypts else None
        self._session = Session(READER, self.evses, lambda: nonce, Timing(), self.code)
        hello = cbor2.loads(self._session.hello)
        if self.channel:
            hello[EPHEMERAL] = self.channel.public
            self.channel.agree(cbor2.loads(opening)[8])
        self._send("hello", cbor2.dumps(hello, canonical=True))

    def _send(self, name: str, message: bytes) -> None:
        cut = frames(self.forge(name, message), NOTIFIED, self._sent)
        self._sent += len(cut)
        self._out += [[OUTBOX, frame.hex()] for frame in cut]

    def _write(self, given: dict) -> None:
        assert given["uuid"] == INBOX
        frame = bytes.fromhex(given["value"])
        assert frame[1] == len(self.written) & 0xFF
        self.written.append(len(frame))
        if frame[0] & 1:
            self._parts, self._total = b"", int.from_bytes(frame[2:4], "big")
        self._parts += frame[4 if frame[0] & 1 else 2 :]
        if frame[0] & 2:
            assert len(self._parts) == self._total
            self.received.append(self._parts)
            self._take(self._parts)

    def _take(self, message: bytes) -> None:
        if len(self.received) == 1:
            return self._start(message)
        data = self.channel.open(message) if self.channel else message
        self.presented = self._session.take(data, "ble")
        if self.channel and self.presented.proof:
            self.presented.proof.channel = self.channel.binding
        if self.breaks == "verdict":
            self.connected = False
            return None
        reason, limits = self.decide(self)
        evse = None if reason == "EVSE_BUSY" else self.presented.evse_id
        verdict = self._session.verdict("EVSE_BUSY" if reason == "STOPPED" else reason, evse, limits)
        return self._send("verdict", self.channel.seal(verdict) if self.channel else verdict)

    def _events(self, _: dict) -> dict:
        values, self._out = self._out, []
        return {"values": values, "gone": not self.connected}

    def proved_by(self, x: bytes) -> bool:
        """Whether the holder of this public key proved it for what was presented."""
        proof = self.presented.proof
        steps = proof.verify_steps(x, self.presented.ticket, READER, self.presented.evse_id)
        return list(steps)[-1] is True
