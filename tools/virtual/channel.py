"""The holder's end of the encrypted channel, made of `cryptography` alone: firmware/present/README.md has the bytes."""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LABEL = b"charging-ticket-channel-v1"
COUNTER, MAC = 4, 16


class BadRecord(ValueError):
    """Not the record that was due."""


def keys(secret: bytes, nonce: bytes, reader: bytes, holder: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """(holder key 16, holder MAC key 32, reader key 16, reader MAC key 32)."""
    made = HKDF(algorithm=SHA256(), length=96, salt=nonce, info=LABEL + reader + holder).derive(secret)
    return made[:16], made[16:48], made[48:64], made[64:]


def seal(key: bytes, mac_key: bytes, number: int, data: bytes) -> bytes:
    """counter[4] ‖ AES-128-CTR(iv = counter ‖ 0^12) ‖ HMAC-SHA-256(counter ‖ ciphertext)[:16]."""
    counter = number.to_bytes(COUNTER, "big")
    sealed = counter + _crypt(key, counter, data)
    return sealed + hmac.digest(mac_key, sealed, "sha256")[:MAC]


def open_record(key: bytes, mac_key: bytes, number: int, record: bytes) -> bytes:
    sealed, mac = record[:-MAC], record[-MAC:]
    counter = number.to_bytes(COUNTER, "big")
    if not sealed.startswith(counter) or not hmac.compare_digest(hmac.digest(mac_key, sealed, "sha256")[:MAC], mac):
        raise BadRecord(f"no record {number} of the reader's")
    return _crypt(key, counter, sealed[COUNTER:])


def _crypt(key: bytes, counter: bytes, data: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter + bytes(12))).encryptor()
    return encryptor.update(data) + encryptor.finalize()


class HolderChannel:
    """One session's channel: seals what the holder sends, opens the reader's records. `private` serves one session.

    Raises ValueError for a reader's key of low order.
    """

    def __init__(self, private: X25519PrivateKey, reader: bytes, nonce: bytes):
        holder = private.public_key().public_bytes_raw()
        secret = private.exchange(X25519PublicKey.from_public_bytes(reader))
        self.binding = hashlib.sha256(reader + holder).digest()  # the proof's `channel`
        self._key, self._mac, self._their_key, self._their_mac = keys(secret, nonce, reader, holder)
        self._sent = self._received = 0

    def seal(self, data: bytes) -> bytes:
        self._sent += 1
        return seal(self._key, self._mac, self._sent - 1, data)

    def open(self, record: bytes) -> bytes:
        data = open_record(self._their_key, self._their_mac, self._received, record)
        self._received += 1
        return data
