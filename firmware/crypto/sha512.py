"""SHA-512 (FIPS 180-4 section 6.4), one-shot and incremental: MicroPython's hashlib has none, and Ed25519 needs it."""

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


def _roots(count, power):
    """The first 64 fractional bits of the square (power 2) or cube roots of the first primes, as big-endian words.

    Sections 4.2.3 and 5.3.5. The roots are whole parts in units of 2^-64, by Newton's steps from above.
    """
    primes, n, words = [], 1, b""
    while len(primes) < count:
        n += 1
        if all([n % prime for prime in primes]):
            primes.append(n)
            root, following = 0, 1 << 67  # 8 times 2^64: none of these roots is larger
            while not root or following < root:
                root = following
                following = ((power - 1) * root + (n << 64 * power) // root ** (power - 1)) // power
            words += (root & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")
    return words


_CONSTANTS = _engine.new(_roots(80, 3))
_START = _roots(8, 2)
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
