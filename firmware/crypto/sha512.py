"""SHA-512 (FIPS 180-4 section 6.4), one-shot and incremental: MicroPython's hashlib has none, and Ed25519 needs it."""

import binascii
import sys


def _pick():
    """The module that does the work: viper code where there is room for it, else its plain twin."""
    if sys.implementation.name == "micropython":
        try:
            from crypto import sha512_viper

            return sha512_viper
        except (ImportError, MemoryError, SyntaxError, ValueError):
            # Not deployed, no memory for native code, no viper in this interpreter, or code of another processor.
            pass
    from crypto import sha512_plain

    return sha512_plain


_engine = _pick()
NATIVE = _engine.NATIVE  # whether the viper code serves; `station` says so when it does not
_compress = _engine.compress

# Sections 4.2.3 and 5.3.5: the first 64 fractional bits of the cube roots of 80 primes and the square roots of eight.
_CONSTANTS = _engine.new(
    binascii.unhexlify(
        "428a2f98d728ae227137449123ef65cdb5c0fbcfec4d3b2fe9b5dba58189dbbc3956c25bf348b53859f111f1b605d019"
        "923f82a4af194f9bab1c5ed5da6d8118d807aa98a303024212835b0145706fbe243185be4ee4b28c550c7dc3d5ffb4e2"
        "72be5d74f27b896f80deb1fe3b1696b19bdc06a725c71235c19bf174cf692694e49b69c19ef14ad2efbe4786384f25e3"
        "0fc19dc68b8cd5b5240ca1cc77ac9c652de92c6f592b02754a7484aa6ea6e4835cb0a9dcbd41fbd476f988da831153b5"
        "983e5152ee66dfaba831c66d2db43210b00327c898fb213fbf597fc7beef0ee4c6e00bf33da88fc2d5a79147930aa725"
        "06ca6351e003826f142929670a0e6e7027b70a8546d22ffc2e1b21385c26c9264d2c6dfc5ac42aed53380d139d95b3df"
        "650a73548baf63de766a0abb3c77b2a881c2c92e47edaee692722c851482353ba2bfe8a14cf10364a81a664bbc423001"
        "c24b8b70d0f89791c76c51a30654be30d192e819d6ef5218d69906245565a910f40e35855771202a106aa07032bbd1b8"
        "19a4c116b8d2d0c81e376c085141ab532748774cdf8eeb9934b0bcb5e19b48a8391c0cb3c5c95a634ed8aa4ae3418acb"
        "5b9cca4f7763e373682e6ff3d6b2b8a3748f82ee5defb2fc78a5636f43172f6084c87814a1f0ab728cc702081a6439ec"
        "90befffa23631e28a4506cebde82bde9bef9a3f7b2c67915c67178f2e372532bca273eceea26619cd186b8c721c0c207"
        "eada7dd6cde0eb1ef57d4f7fee6ed17806f067aa72176fba0a637dc5a2c898a6113f9804bef90dae1b710b35131c471b"
        "28db77f523047d8432caab7b40c724933c9ebe0a15c9bebc431d67c49c100d4c4cc5d4becb3e42b6597f299cfc657e2a"
        "5fcb6fab3ad6faec6c44198c4a475817"
    )
)
_START = binascii.unhexlify(
    "6a09e667f3bcc908bb67ae8584caa73b3c6ef372fe94f82ba54ff53a5f1d36f1510e527fade682d19b05688c2b3e6c1f"
    "1f83d9abfb41bd6b5be0cd19137e2179"
)
_workspace = _engine.workspace()  # one for all: nothing in it outlives a call of `compress`


class Sha512:
    """Incremental hash: `update(data)` any number of times, `digest()` at any time without disturbing it."""

    def __init__(self, data=b""):
        self._state = _engine.new(_START)
        self._rest = b""  # always fewer than 128 bytes
        self._length = 0  # bytes, all told
        self.update(data)

    def update(self, data):
        self._length += len(data)
        at = 0
        if self._rest:
            at = 128 - len(self._rest)
            self._rest += bytes(data[:at])
            if len(self._rest) < 128:
                return
            _compress(self._state, self._rest, 0, _CONSTANTS, _workspace)
        while at + 128 <= len(data):
            _compress(self._state, data, at, _CONSTANTS, _workspace)
            at += 128
        self._rest = bytes(data[at:])

    def digest(self):
        """The 64 bytes of the hash of everything so far."""
        # Section 5.1.2: a one bit, zeros, and the length in bits as 128-bit big-endian.
        tail = self._rest + b"\x80" + bytes((111 - self._length) % 128) + (self._length * 8).to_bytes(16, "big")
        state = self._state[:]
        for at in range(0, len(tail), 128):
            _compress(state, tail, at, _CONSTANTS, _workspace)
        return _engine.digest(state)


def sha512(data):
    """The 64 bytes of SHA-512 of `data`."""
    return Sha512(data).digest()
