"""SHA-512 (FIPS 180-4 section 6.4), one-shot and incremental.

MicroPython's hashlib has no SHA-512, and Ed25519 needs it.
"""

_M = 0xFFFFFFFFFFFFFFFF


def _primes(count):
    found = []
    n = 2
    while len(found) < count:
        if all(n % p for p in found):
            found.append(n)
        n += 1
    return found


def _root(n, k):
    """floor(n ** (1/k)) by bisection."""
    low, high = 0, 1 << 80
    while low < high:
        middle = (low + high + 1) >> 1
        if middle**k <= n:
            low = middle
        else:
            high = middle - 1
    return low


# FIPS 180-4 section 4.2.3 and 5.3.5 define the constants as the first 64 fractional bits of the cube and square
# roots of the first primes, so they are worked out here rather than typed.
_K = [_root(p << 192, 3) & _M for p in _primes(80)]
_START = [_root(p << 128, 2) & _M for p in _primes(8)]


def _compress(state, block, at):
    """Mix the 128 bytes of `block` from offset `at` into the eight words of `state` (section 6.4.2)."""
    w = [int.from_bytes(block[at + i : at + i + 8], "big") for i in range(0, 128, 8)]
    for t in range(16, 80):
        x = w[t - 15]
        y = w[t - 2]
        x |= x << 64
        y |= y << 64
        s0 = (x >> 1 ^ x >> 8 ^ (x & _M) >> 7) & _M
        s1 = (y >> 19 ^ y >> 61 ^ (y & _M) >> 6) & _M
        w.append((w[t - 16] + s0 + w[t - 7] + s1) & _M)
    a, b, c, d, e, f, g, h = state
    for t in range(80):
        x = e | e << 64
        y = a | a << 64
        t1 = h + ((x >> 14 ^ x >> 18 ^ x >> 41) & _M) + (g ^ e & (f ^ g)) + _K[t] + w[t]
        t2 = ((y >> 28 ^ y >> 34 ^ y >> 39) & _M) + (a & b | c & (a | b))
        h, g, f, e = g, f, e, (d + t1) & _M
        d, c, b, a = c, b, a, (t1 + t2) & _M
    for i, v in enumerate((a, b, c, d, e, f, g, h)):
        state[i] = (state[i] + v) & _M


class Sha512:
    """Incremental hash: `update(data)` any number of times, `digest()` at any time without disturbing it."""

    def __init__(self, data=b""):
        self._state = list(_START)
        self._rest = b""  # always fewer than 128 bytes
        self._length = 0  # bytes, all told
        self.update(data)

    def update(self, data):
        self._length += len(data)
        data = self._rest + bytes(data)
        whole = len(data) & ~127
        for at in range(0, whole, 128):
            _compress(self._state, data, at)
        self._rest = data[whole:]

    def digest(self):
        """The 64 bytes of the hash of everything so far."""
        # Section 5.1.2: a one bit, zeros, and the length in bits as 128-bit big-endian.
        zeros = (111 - self._length) % 128
        tail = self._rest + b"\x80" + bytes(zeros) + (self._length * 8).to_bytes(16, "big")
        state = list(self._state)
        for at in range(0, len(tail), 128):
            _compress(state, tail, at)
        return b"".join([v.to_bytes(8, "big") for v in state])


def sha512(data):
    """The 64 bytes of SHA-512 of `data`."""
    return Sha512(data).digest()
