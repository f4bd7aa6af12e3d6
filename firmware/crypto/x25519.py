"""X25519 (RFC 7748): agreeing on a secret. With viper code the time does not depend on the private key's bits.

The ladder keeps x of k*P and of (k + 1)*P as fractions X2/Z2 and X3/Z3, and takes one bit of the key per round.
"""
# pyright: reportArgumentType=false

from micropython import const

from crypto.field25519 import ADD, MUL, SMALL, SQR, SUB, SWAP, get, new, power_chain, put, run

_X1 = const(0)
_X2 = const(1)
_Z2 = const(2)
_X3 = const(3)
_Z3 = const(4)
_A = const(5)
_B = const(6)
_C = const(7)
_D = const(8)
_SLOTS = const(9)
_ROUNDS = const(15)  # per step; divides 255
_NOTHING = b""
_BASE = b"\x09" + bytes(31)

# fmt: off
_LADDER = bytes((  # section 5, with a24 * E + AA written as 121666 * E + BB; the two bytes 0 marked * get the bit
    SWAP, _X2, _X3, 0,  # *
    SWAP, _Z2, _Z3, 0,  # *
    ADD, _A, _X2, _Z2,
    SUB, _B, _X2, _Z2,
    ADD, _C, _X3, _Z3,
    SUB, _D, _X3, _Z3,
    MUL, _D, _D, _A,    # DA
    MUL, _C, _C, _B,    # CB
    ADD, _X3, _D, _C,
    SQR, _X3, _X3, 1,
    SUB, _Z3, _D, _C,
    SQR, _Z3, _Z3, 1,
    MUL, _Z3, _Z3, _X1,
    SQR, _A, _A, 1,     # AA
    SQR, _B, _B, 1,     # BB
    MUL, _X2, _A, _B,
    SUB, _A, _A, _B,    # E
    SMALL, _C, _A, 0,
    ADD, _C, _C, _B,
    MUL, _Z2, _A, _C,
))
_INVERT = (
    power_chain(_Z2, _A, _B, _C)[0],
    power_chain(_Z2, _A, _B, _C)[1] + bytes((SQR, _A, _A, 5, MUL, _Z2, _A, _B, MUL, _X2, _X2, _Z2)),
)
# fmt: on


def public(private):
    """The public key (32 bytes) of a private key (32 random bytes)."""
    return shared(private, _BASE)


def shared(private, public_key):
    """The secret (32 bytes) shared by a private key and the other side's public key.

    ValueError if a key has not 32 bytes, or if the secret is all zeros: then the public key is a point of low order
    and everybody knows the secret (section 6.1).
    """
    secret = b""
    for secret in shared_steps(private, public_key):
        pass
    return secret or b""


def shared_steps(private, public_key):
    """Generator over the work of `shared`: yields None between steps and the secret as its last value."""
    if len(private) != 32 or len(public_key) != 32:
        raise ValueError("length")
    scalar = bytearray(private)
    scalar[0] &= 248  # section 5: a multiple of 8, bit 254 set
    scalar[31] = scalar[31] & 127 | 64
    u = int.from_bytes(bytes(public_key), "little") & ((1 << 255) - 1)
    slots = new(_SLOTS)
    for slot, number in ((_X1, u), (_X2, 1), (_Z2, 0), (_X3, u), (_Z3, 1)):
        put(slots, slot, number)
    program = bytearray(_LADDER)
    before = 0
    for i in range(254, -1, -1):
        bit = scalar[i >> 3] >> (i & 7) & 1
        program[3] = program[7] = bit ^ before
        before = bit
        run(0, slots, slots, program, len(program), _NOTHING, 0)
        if i % _ROUNDS == 0:
            yield None
    # Bit 0 is clear after clamping, so nothing is left to swap back.
    for part in _INVERT:
        run(0, slots, slots, part, len(part), _NOTHING, 0)
        yield None
    secret = get(slots, _X2)
    if not secret:
        raise ValueError("public key of low order")
    yield secret.to_bytes(32, "little")
