"""The compression of SHA-512 (FIPS 180-4 section 6.4.2) on Python's integers: the twin of sha512_viper.py."""

NATIVE = False

_M = 0xFFFFFFFFFFFFFFFF


def new(words):
    """A state, or a table of round constants, from big-endian 64-bit words."""
    return [int.from_bytes(words[at : at + 8], "big") for at in range(0, len(words), 8)]


def digest(state):
    """The big-endian bytes of a state."""
    return b"".join([word.to_bytes(8, "big") for word in state])


def workspace():
    """Scratch memory for `compress`: none is needed here."""


def compress(state, block, at, constants, _workspace):
    """Mixes the 128 bytes at `block[at]` into the state."""
    w = new(block[at : at + 128])
    for t in range(16, 80):
        # A word twice in a row makes of each rotation a shift.
        x = w[t - 15] | w[t - 15] << 64
        y = w[t - 2] | w[t - 2] << 64
        s0 = (x >> 1 ^ x >> 8 ^ (x & _M) >> 7) & _M
        s1 = (y >> 19 ^ y >> 61 ^ (y & _M) >> 6) & _M
        w.append((w[t - 16] + s0 + w[t - 7] + s1) & _M)
    a, b, c, d, e, f, g, h = state
    for t in range(80):
        x = e | e << 64
        y = a | a << 64
        t1 = h + ((x >> 14 ^ x >> 18 ^ x >> 41) & _M) + (g ^ e & (f ^ g)) + constants[t] + w[t]
        t2 = ((y >> 28 ^ y >> 34 ^ y >> 39) & _M) + (a & b | c & (a | b))
        h, g, f, e = g, f, e, (d + t1) & _M
        d, c, b, a = c, b, a, (t1 + t2) & _M
    for i, word in enumerate((a, b, c, d, e, f, g, h)):
        state[i] = (state[i] + word) & _M
