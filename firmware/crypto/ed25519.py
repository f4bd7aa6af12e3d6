"""Ed25519 signature check (RFC 8032 section 5.1), by one strict rule.

A signature R || S over a message under the key A is accepted only when
- S < L, the order of the base point;
- A and R are canonical encodings (y < p, and no "negative zero" x), and neither is a point of low order;
- the encoding of S*B - h*A, with h = SHA-512(R || A || message) mod L, is R byte for byte (no cofactor).
Whatever bytes come in, the answer is True or False, never an exception.

Nothing here is secret, so nothing here is constant-time.
"""

from crypto.sha512 import Sha512

_P = (1 << 255) - 19
L = (1 << 252) + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)  # a square root of -1
_DOUBLINGS = 32  # per step


def _decompress(encoded):
    """(x, y) of a canonical 32-byte encoding, or None (RFC 8032 section 5.1.3)."""
    y = int.from_bytes(encoded, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    if y >= _P:
        return None
    u = (y * y - 1) % _P
    v = (_D * y * y + 1) % _P
    x = u * v**3 * pow(u * v**7 % _P, (_P - 5) // 8, _P) % _P
    if v * x * x % _P != u:
        x = x * _ROOT % _P
        if v * x * x % _P != u:
            return None
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y


# Points below are extended coordinates (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z. The addition is complete on
# this curve (d is no square): it is right for every pair of points, equal, opposite and neutral ones included.
_NEUTRAL = (0, 1, 1, 0)


def _add(a, b):
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    m = (y1 - x1) * (y2 - x2) % _P
    n = (y1 + x1) * (y2 + x2) % _P
    c = 2 * _D * t1 * t2 % _P
    d = 2 * z1 * z2 % _P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(a):
    x, y, z, _ = a
    m = x * x % _P
    n = y * y % _P
    h = m + n
    e = h - (x + y) * (x + y) % _P
    g = m - n
    f = 2 * z * z % _P + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _low_order(x, y):
    """True when 8 * (x, y) is the neutral point."""
    a = _double(_double(_double((x, y, 1, x * y % _P))))
    return a[0] == 0 and a[1] == a[2]


_BASE = _decompress((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little"))


def _encode(a):
    x, y, z, _ = a
    z = pow(z, _P - 2, _P)
    return (y * z % _P | (x * z % _P & 1) << 255).to_bytes(32, "little")


def verify_steps(public_key, message, signature, table=None):
    """Generator over the work of `verify`: yields None between steps and the verdict, a bool, as its last value."""
    if len(public_key) != 32 or len(signature) != 64:
        yield False
        return
    encoded = bytes(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    a = _decompress(bytes(public_key))
    r = _decompress(encoded)
    if s >= L or a is None or r is None or _low_order(a[0], a[1]) or _low_order(r[0], r[1]):
        yield False
        return
    yield None
    h = Sha512(encoded)
    h.update(public_key)
    h.update(message)
    h = int.from_bytes(h.digest(), "little") % L
    yield None
    minus_a = (_P - a[0], a[1], 1, -a[0] * a[1] % _P)
    base = (_BASE[0], _BASE[1], 1, _BASE[0] * _BASE[1] % _P)
    both = _add(minus_a, base)
    sum_ = _NEUTRAL
    for i in range(252, -1, -1):
        sum_ = _double(sum_)
        bits = s >> i & 1 | (h >> i & 1) << 1
        if bits:
            sum_ = _add(sum_, (base, minus_a, both)[bits - 1])
        if i % _DOUBLINGS == 0:
            yield None
    yield _encode(sum_) == encoded


def verify(public_key, message, signature, table=None):
    """True when `signature` (64 bytes) over `message` is good under `public_key` (32 bytes)."""
    verdict = False
    for verdict in verify_steps(public_key, message, signature, table):
        pass
    return verdict is True
