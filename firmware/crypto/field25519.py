"""A small machine for numbers modulo p = 2^255 - 19: viper code where there is room for it, else its plain twin.

A memory holds numbers in numbered slots. `run` works through a program of four bytes per operation:
operation, destination slot, first operand, second operand (see field25519_plain.py).
The formulas of Ed25519 and X25519 are such programs, so that no Python runs between two multiplications.
"""

from micropython import const

from crypto import sha512

MUL = const(0)
SQR = const(1)
ADD = const(2)
SUB = const(3)
LOAD = const(4)
SMALL = const(5)
SWAP = const(6)

P = (1 << 255) - 19


def _pick():
    # Where the little viper code of SHA-512 could not be had, this much larger file need not even be tried.
    if sha512.NATIVE:
        try:
            from crypto import field25519_viper

            return field25519_viper
        except (ImportError, MemoryError):
            pass
    from crypto import field25519_plain

    return field25519_plain


_engine = _pick()
NATIVE = _engine.NATIVE  # whether the viper code serves; `station` says so when it does not
new = _engine.new
put = _engine.put
get = _engine.get
run = _engine.run
teeth = _engine.teeth
digits = _engine.digits


def power_chain(base, a, b, c):
    """Programs that leave base^(2^250 - 1) in slot `a` and base^11 in slot `b`; slot `c` is used.

    p - 2 = 2^5 * (2^250 - 1) + 11 and (p - 5) / 8 = 2^2 * (2^250 - 1) + 1, so both powers begin with these.
    Two programs of 109 and 150 squarings, for callers that work in steps.
    """
    # fmt: off
    first = bytes((
        SQR, a, base, 1,  # 2
        SQR, b, a, 2,     # 8
        MUL, c, b, base,  # 9
        MUL, b, a, c,     # 11
        SQR, a, b, 1,     # 22
        MUL, a, a, c,     # 2^5 - 1
        SQR, c, a, 5,
        MUL, a, a, c,     # 2^10 - 1
        SQR, c, a, 10,
        MUL, c, c, a,     # 2^20 - 1
        SQR, c, c, 10,
        MUL, c, c, a,     # 2^30 - 1
        SQR, c, c, 10,
        MUL, c, c, a,     # 2^40 - 1
        SQR, c, c, 10,
        MUL, a, c, a,     # 2^50 - 1
        SQR, c, a, 50,
        MUL, c, c, a,     # 2^100 - 1
    ))
    second = bytes((
        SQR, c, c, 50,
        MUL, c, c, a,     # 2^150 - 1
        SQR, c, c, 50,
        MUL, c, c, a,     # 2^200 - 1
        SQR, c, c, 50,
        MUL, a, c, a,     # 2^250 - 1
    ))
    # fmt: on
    return first, second
