"""The encrypted channel between a holder and the reader (README.md): X25519, HKDF-SHA-256, AES-128-CTR, HMAC.

    keys[96] = HKDF-SHA-256(X25519 secret, salt = nonce, info = "charging-ticket-channel-v1" ‖ reader ‖ holder)
             = holder key 16 ‖ holder MAC key 32 ‖ reader key 16 ‖ reader MAC key 32
    record   = counter[4, BE] ‖ AES-128-CTR(iv = counter ‖ 0^12) ‖ HMAC-SHA-256(counter ‖ ciphertext)[:16]

`reader` and `holder` are the ephemeral public keys, 32 bytes each. Counters begin at 0, one for each direction.
"""

import hashlib

import cryptolib
from micropython import const

import present.messages as messages
from crypto import x25519
from present.messages import BadMessage

_INFO = b"charging-ticket-channel-v1"
_BASE = b"\x09" + bytes(31)
_ECB = const(1)  # MicroPython has CTR mode only on some ports: it is made of ECB here
_BLOCK = const(16)
_PIECE = const(256)
_HEAD = const(4)
_MAC = const(16)
_INNER = int.from_bytes(b"\x36" * 64, "big")
_OUTER = int.from_bytes(b"\x5c" * 64, "big")


def mac(key, *parts):
    """HMAC-SHA-256 (RFC 2104) of the joined parts. key: at most 64 bytes."""
    key = int.from_bytes(key + bytes(64 - len(key)), "big")
    inner = hashlib.sha256((key ^ _INNER).to_bytes(64, "big"))
    for part in parts:
        inner.update(part)
    outer = hashlib.sha256((key ^ _OUTER).to_bytes(64, "big"))
    outer.update(inner.digest())
    return outer.digest()


def pair_steps(private):
    """Generator over the work of making a key pair for one session: yields None between steps, (private, public) last.

    private: 32 random bytes, never given before.
    """
    public = None
    for public in x25519.shared_steps(private, _BASE):
        yield
    yield private, public


def agree_steps(session, opening):
    """Generator over the work of agreeing on keys by the bytes of an OPENING; a session does that once.

    Raises BadMessage for what is none, where none is due, and for a holder's key of low order: everybody knows what
    such a key leads to (all zeros).
    """
    pair, session.pair = session.pair, None
    holder = messages.decode(messages.OPENING, opening)[messages.HOLDER_EPHEMERAL]
    if pair is None or session.nonce is None:
        raise BadMessage("not offered")
    secret = None
    try:
        for secret in x25519.shared_steps(pair[0], holder):
            yield
    except ValueError:
        raise BadMessage("low order")
    extracted = mac(session.nonce, secret)
    keys = block = b""
    for number in (1, 2, 3):
        block = mac(extracted, block, _INFO, pair[1], holder, bytes((number,)))
        keys += block
    session.channel, session.holder = Channel(keys, hashlib.sha256(pair[1] + holder).digest()), holder


class Channel:
    """The reader's end of one session: opens the holder's records, seals its own.

    binding: SHA-256(reader ‖ holder), what the holder's proof has to name as its `channel`.
    """

    def __init__(self, keys, binding):
        self.binding = binding
        self._theirs, self._ours = keys[:48], keys[48:]
        self._received = self._sent = 0

    def open(self, record):
        """What the holder's next record holds. Raises BadMessage for any but the record that is
        due: changed, cut, repeated, out of order, by somebody without the keys; and takes none after it."""
        number, self._received = self._received, -1
        counter, at = bytes(record[:_HEAD]), len(record) - _MAC
        if number < 0 or at < _HEAD or counter != number.to_bytes(_HEAD, "big"):
            raise BadMessage("record")
        difference = 0
        for ours, theirs in zip(mac(self._theirs[16:], record[:at]), record[at:]):
            difference |= ours ^ theirs  # all of them: how long it takes must not tell where the first one differs
        if difference:
            raise BadMessage("record")
        self._received = number + 1
        return _crypt(self._theirs[:16], counter, record[_HEAD:at])

    def seal(self, data):
        """The reader's next record."""
        counter = self._sent.to_bytes(_HEAD, "big")
        self._sent += 1
        sealed = counter + _crypt(self._ours[:16], counter, data)
        return sealed + mac(self._ours[16:], sealed)[:_MAC]


def _crypt(key, counter, data):
    """AES-128-CTR, for at most 65,536 blocks."""
    aes = cryptolib.aes(key, _ECB)
    out = bytearray()
    blocks = bytearray((counter + bytes(_BLOCK - _HEAD)) * (_PIECE // _BLOCK))
    number = 0
    for start in range(0, len(data), _PIECE):
        for at in range(_BLOCK - 1, _PIECE, _BLOCK):
            blocks[at - 1], blocks[at] = number >> 8, number & 0xFF
            number += 1
        piece = bytes(data[start : start + _PIECE])
        size = len(piece)
        mixed = int.from_bytes(piece, "big") ^ int.from_bytes(aes.encrypt(bytes(blocks))[:size], "big")
        out += mixed.to_bytes(size, "big")
    return bytes(out)
