"""What `tools bench` measures against: Ed25519 verification with big integers, as anyone would write it.

Runs on MicroPython and CPython. For measuring only: it knows nothing of low order.
"""

from crypto.sha512 import sha512

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
BASE = b"\x58" + b"\x66" * 31


def decode(encoded):
    y = int.from_bytes(encoded, "little")
    sign = y >> 255
    y &= 2**255 - 1
    u = (y * y - 1) % P
    v = (D * y * y + 1) % P
    x = u * v**3 * pow(u * v**7 % P, (P - 5) // 8, P) % P
    if (v * x * x - u) % P:
        x = x * ROOT % P
    if (v * x * x - u) % P:
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def encode(point):
    x, y, z, _ = point
    z = pow(z, P - 2, P)
    return (y * z % P | (x * z % P & 1) << 255).to_bytes(32, "little")


def add(a, b):
    m = (a[1] - a[0]) * (b[1] - b[0]) % P
    n = (a[1] + a[0]) * (b[1] + b[0]) % P
    c = 2 * D * a[3] * b[3] % P
    d = 2 * a[2] * b[2] % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def double(a):
    m = a[0] * a[0] % P
    n = a[1] * a[1] % P
    h = m + n
    e = h - (a[0] + a[1]) * (a[0] + a[1]) % P
    g = m - n
    f = 2 * a[2] * a[2] % P + g
    return e * f % P, g * h % P, f * g % P, e * h % P


BASE_POINT = decode(BASE)


def verify(key, message, signature):
    """S*B - h*A == R, both products in one double-and-add."""
    a = decode(key)
    s = int.from_bytes(signature[32:], "little")
    if a is None or s >= L:
        return False
    h = int.from_bytes(sha512(signature[:32] + key + message), "little") % L
    minus = (P - a[0], a[1], 1, P - a[3])
    both = add(minus, BASE_POINT)
    total = (0, 1, 1, 0)
    for i in range(252, -1, -1):
        total = double(total)
        bits = s >> i & 1 | (h >> i & 1) << 1
        if bits:
            total = add(total, (BASE_POINT, minus, both)[bits - 1])
    return encode(total) == signature[:32]
