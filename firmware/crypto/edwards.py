"""The curve of Ed25519, -x^2 + y^2 = 1 + d x^2 y^2 (RFC 8032 section 5.1): points, as programs of the field machine.

A point is in extended coordinates: x = X/Z, y = Y/Z and xy = T/Z. Since d is not a square, the formula for addition
is complete: it is right for any two points of the curve, be they equal, opposite or neutral. So nothing below
and nothing in the comb has a special case.
"""
# pyright: reportArgumentType=false

from micropython import const

from crypto.field25519 import ADD, LOAD, MUL, SQR, SUB, P, get, new, power_chain, put, run

# Slots. X, Y, Z, T is the point worked on; A to H are for intermediate results.
X = const(0)
Y = const(1)
Z = const(2)
T = const(3)
_A = const(4)
_B = const(5)
_C = const(6)
_D = const(7)
_E = const(8)
_F = const(9)
_G = const(10)
_H = const(11)
_2D = const(12)  # 2d
_ENTRY = const(13)  # and two more: a point from a table
FREE = const(16)  # the first slot for others; a point prepared for addition takes four

MOST_DOUBLINGS = const(16)  # in one go
ENTRY = const(96)  # bytes of a prepared point in a table: y + x, y - x, 2dxy
_NOTHING = b""

# y of the five pairs of points of low order (order 1, 2, 4 and 8).
_Y8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_LOW_ORDER_Y = (0, 1, P - 1, _Y8, P - _Y8)

D = 0x52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3  # d = -121665/121666
D2 = 2 * D % P
_ROOT = 0x2B8324804FC1DF0B2B4D00993DFBD7A72F431806AD2FE478C4EE1B274A0EA0B0  # a square root of -1
BASE_KEY = b"\x58" + b"\x66" * 31  # the base point B, encoded: y = 4/5, x even
L = (1 << 252) + 27742317777372353535851937790883648493  # its order

# fmt: off
_DOUBLE = bytes((  # RFC 8032 section 5.1.4; reads no T, and all but the last leave T out
    SQR, _A, X, 1,
    SQR, _B, Y, 1,
    SQR, _C, Z, 1,
    ADD, _C, _C, _C,
    ADD, _D, X, Y,
    SQR, _D, _D, 1,
    ADD, _H, _A, _B,
    SUB, _E, _H, _D,
    SUB, _G, _A, _B,
    ADD, _F, _C, _G,
    MUL, X, _E, _F,
    MUL, Y, _G, _H,
    MUL, Z, _F, _G,
    MUL, T, _E, _H,
))


def _addition(other, negative, affine):
    """The program that adds, or subtracts, the prepared point (y + x, y - x, 2dt, and 2z if not affine) at `other`."""
    plus, minus, dt, z = other, other + 1, other + 2, other + 3
    if negative:  # -(x, y) = (-x, y)
        plus, minus = minus, plus
    return bytes((
        SUB, _A, Y, X,
        MUL, _A, _A, minus,
        ADD, _B, Y, X,
        MUL, _B, _B, plus,
        MUL, _C, T, dt,
        ADD if affine else MUL, _D, Z, Z if affine else z,
        SUB, _E, _B, _A,
        ADD if negative else SUB, _F, _D, _C,
        SUB if negative else ADD, _G, _D, _C,
        ADD, _H, _B, _A,
        MUL, X, _E, _F,
        MUL, Y, _G, _H,
        MUL, Z, _F, _G,
        MUL, T, _E, _H,
    ))


_LOAD = bytes((LOAD, _ENTRY, 0, 0, LOAD, _ENTRY + 1, 0, 1, LOAD, _ENTRY + 2, 0, 2))
# fmt: on
_DOUBLINGS = _DOUBLE[:-4] * (MOST_DOUBLINGS - 1)
_ADD_ENTRY = _LOAD + _addition(_ENTRY, False, True)
_SUBTRACT_ENTRY = _LOAD + _addition(_ENTRY, True, True)
_ADD_POINT = bytearray(_addition(FREE, False, False))  # `add` writes the operands in
_SUBTRACT_POINT = bytearray(_addition(FREE, True, False))


def memory(points):
    """A memory with room for so many prepared points from slot FREE on; the point worked on is the neutral one."""
    slots = new(FREE + 4 * points)
    put(slots, _2D, D2)
    set_affine(slots, 0, 1)
    return slots


def set_point(slots, coordinates):
    """Makes (X, Y, Z, T) the point worked on."""
    for i in range(4):
        put(slots, i, coordinates[i])


def set_affine(slots, x, y):
    """Makes (x, y) the point worked on."""
    set_point(slots, (x, y, 1, x * y % P))


def double(slots, times=1):
    """Doubles the point `times` times, MOST_DOUBLINGS at most."""
    if times > 1:
        run(0, slots, slots, _DOUBLINGS, (len(_DOUBLE) - 4) * (times - 1), _NOTHING, 0)
    run(0, slots, slots, _DOUBLE, len(_DOUBLE), _NOTHING, 0)


def add_entry(slots, data, at, negative, with_t=True):
    """Adds, or subtracts, the table entry at `data[at]` (little-endian y + x, y - x, 2dxy).

    Without T the point can be doubled next, but not added to.
    """
    program = _SUBTRACT_ENTRY if negative else _ADD_ENTRY
    run(0, slots, slots, program, len(program) if with_t else len(program) - 4, data, at)


def add(slots, slot, negative=False, with_t=True):
    """Adds, or subtracts, the point prepared at a slot. `with_t` as above."""
    program = _SUBTRACT_POINT if negative else _ADD_POINT
    program[7] = slot if negative else slot + 1
    program[15] = slot + 1 if negative else slot
    program[19] = slot + 2
    program[23] = slot + 3
    run(0, slots, slots, program, len(program) if with_t else len(program) - 4, _NOTHING, 0)


def prepare(slots, slot):
    """Prepares the point worked on, at four slots from `slot` on, for additions of it."""
    program = bytes((ADD, slot, Y, X, SUB, slot + 1, Y, X, MUL, slot + 2, T, _2D, ADD, slot + 3, Z, Z))
    run(0, slots, slots, program, len(program), _NOTHING, 0)


def _run_parts(slots, parts):
    for program in parts:
        yield run(0, slots, slots, program, len(program), _NOTHING, 0)


def invert_steps(slots, slot):
    """Generator: replaces the number in a slot by its inverse (of 0: 0), z^(p - 2) = (z^(2^250 - 1))^(2^5) * z^11."""
    first, second = power_chain(slot, _A, _B, _C)
    return _run_parts(slots, (first, second + bytes((SQR, _A, _A, 5, MUL, slot, _A, _B))))


def encode_steps(slots):
    """Generator: its last value is the 32-byte encoding of the point."""
    yield from invert_steps(slots, Z)
    run(0, slots, slots, bytes((MUL, X, X, Z, MUL, Y, Y, Z)), 8, _NOTHING, 0)
    yield (get(slots, Y) | (get(slots, X) & 1) << 255).to_bytes(32, "little")


# fmt: off
_ROOT_OF = bytes((  # from y in Y and 1 in Z: u = y^2 - 1 in D, v = d y^2 + 1 in C, both doubled; u v^3 in F, u v^7 in G
    SQR, _A, Y, 1,
    ADD, _B, Z, Z,
    MUL, _C, _A, _2D,
    ADD, _C, _C, _B,
    ADD, _D, _A, _A,
    SUB, _D, _D, _B,
    SQR, _E, _C, 1,
    MUL, _E, _E, _C,
    MUL, _F, _E, _D,
    SQR, _G, _E, 1,
    MUL, _G, _G, _C,
    MUL, _G, _G, _D,
))
_CHECK = bytes((  # x = u v^3 (u v^7)^((p - 5) / 8) in X, then v x^2 - u in E and v x^2 + u in F
    SQR, _A, _A, 2,
    MUL, _A, _A, _G,
    MUL, X, _A, _F,
    SQR, _A, X, 1,
    MUL, _A, _A, _C,
    SUB, _E, _A, _D,
    ADD, _F, _A, _D,
))
# fmt: on


def decode_steps(slots, encoded):
    """Generator: its last value is (x, y), or None unless `encoded` is the canonical encoding of a point.

    RFC 8032 section 5.1.3: x^2 = u/v, and x = u v^3 (u v^7)^((p - 5) / 8), or sqrt(-1) times that, or there is none.
    """
    y = int.from_bytes(encoded, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    if y >= P:
        yield None
        return
    set_affine(slots, 0, y)
    first, second = power_chain(_G, _A, _B, _H)
    yield from _run_parts(slots, (_ROOT_OF + first, second + _CHECK))
    x = get(slots, X)
    if get(slots, _E):
        x = None if get(slots, _F) else x * _ROOT % P
    if x is None or (x == 0 and sign):
        yield None
    else:
        yield (P - x if x & 1 != sign else x), y


def is_low_order(encoded):
    """Whether a canonical encoding is that of a point of order 1, 2, 4 or 8."""
    return int.from_bytes(encoded, "little") & ((1 << 255) - 1) in _LOW_ORDER_Y
