"""HMAC-SHA-256 (RFC 2104), fed in pieces."""

import hashlib

_BLOCK = 64


class Mac:
    """Authentication codes under one key."""

    def __init__(self, key):
        key = bytes(key)
        if len(key) > _BLOCK:
            key = hashlib.sha256(key).digest()
        key = key + bytes(_BLOCK - len(key))
        self._inner = bytes(byte ^ 0x36 for byte in key)
        self._outer = bytes(byte ^ 0x5C for byte in key)

    def of(self, parts):
        """The 32-byte code of the pieces, joined."""
        inner = hashlib.sha256(self._inner)
        for part in parts:
            inner.update(part)
        outer = hashlib.sha256(self._outer)
        outer.update(inner.digest())
        return outer.digest()


def same(one, other):
    """Whether two byte strings are equal, in a time that does not depend on where they differ."""
    difference = len(one) ^ len(other)
    for a, b in zip(one, other):
        difference |= a ^ b
    return difference == 0
