"""Writes the two generated files of firmware/crypto: `python -m tools.make_crypto`.

- field25519_unrolled.py: arithmetic modulo p = 2^255 - 19 with most loops over limbs unrolled;
- base.bin: the table of Ed25519's base point, as `crypto.ed25519.make_table` makes it.

What this knows of MicroPython's viper emitter (py/emitnative.c), and why the code that it writes looks as it does:
- The first two parameters live in registers, all other locals on the stack. So `acc` and `p` come first.
- `acc = p[i] * bj + acc` is six instructions on RV32, and eight on Xtensa, where one factor is spilled. In another
  order, or with two products in one expression, it is more.
- `acc = (acc >> 13) + p[1] + p[2]` keeps the sum in a register: three instructions for a term, not four.
- A cast between int, uint and pointers is none. A jump is two, and adding to a variable six: loops must be long.
- Where words have 64 bits, loads of 16 or 32 bits are still zero-extended: a number in memory is never negative.
- A product keeps the low word, and literals above 0x3fffffff are no machine integers.
"""

import textwrap
from pathlib import Path

from crypto import comb, edwards

FIRMWARE = Path(__file__).resolve().parent.parent / "firmware"

LIMBS = 20
BITS = 13
MASK = (1 << BITS) - 1
FOLD = 19 << (LIMBS * BITS - 255)  # 2^260 is 608 (mod p)
BOUND = 8200  # every limb in memory is below
HALF = LIMBS // 2
COLUMNS = 2 * HALF - 1  # of a product of halves
SLOT = 2 * LIMBS  # bytes
WIDTH = 120

# The scratch area takes the place of SCRATCH slots. In words of 32 bits: the columns of (A + B) * (C + D), A * C and
# B * D, 20 words for each; then the limbs, of 16 bits, of A + B and of C + D.
MIDDLE, LOW, HIGH, SUMS = 0, LIMBS, 2 * LIMBS, 3 * LIMBS
SCRATCH = 7

HEAD = f"""\
\"""The field machine's operations in viper code, unrolled. Written by tools/make_crypto.py: change that, not this file.

Part of field25519_viper.py; what each operation means stands at the twin, in field25519_plain.py.

A number is {LIMBS} limbs of {BITS} bits, least significant first, in 16 bits of memory each.
Invariant: every limb in memory is below {BOUND}. LOAD writes at most {MASK}; beside each other operation stands why its
result keeps the invariant if its operands do, and why no sum on the way reaches 2^32, nor 2^31 if it is an int.

MUL is one step of Karatsuba's method. With x = 2^{HALF * BITS} and numbers cut into halves, A + B * x and C + D * x:
    (A + B * x) * (C + D * x) = A * C + ((A + B) * (C + D) - A * C - B * D) * x + B * D * x^2
That is three products of {HALF} by {HALF} limbs instead of four, and the same lines of code do all three. SQR has its
own lines for the three and shares the rest. The products' columns, not yet carried, are in the room of {SCRATCH} slots
before slot 0.
\"""
# ruff: noqa: E702, F821
# pyright: reportUndefinedVariable=false, reportArgumentType=false, reportPossiblyUnboundVariable=false
# fmt: off

import micropython


@micropython.viper
def run(acc: uint, p: ptr16, memory: ptr16, program: ptr8, length: int, data: ptr8, at: int):
    # acc and p are worked with and come first because viper keeps the first two parameters in registers.
    m = {MASK}
    sums = int(memory) + {4 * SUMS}
    base = int(memory) + {SCRATCH * SLOT}
    pc = int(program)
    end = pc + length
    while pc < end:
        p = ptr16(pc)
        pc += 4
        op = ptr8(p)[0]
        r = ptr16(ptr8(p)[1] * {SLOT} + base)
        n = ptr8(p)[3]
        q = ptr32(n * {SLOT} + base)
        p = ptr16(ptr8(p)[2] * {SLOT} + base)
"""


def wrapped(statements, pad):
    """The statements on as few lines as fit; comments have their own."""
    lines = []
    for statement in statements:
        if statement.startswith("# "):
            indent = " " * pad + "# "
            lines += textwrap.wrap(statement[2:], WIDTH, initial_indent=indent, subsequent_indent=indent)
        elif lines and not lines[-1].lstrip().startswith("#") and len(lines[-1]) + 2 + len(statement) <= WIDTH:
            lines[-1] += "; " + statement
        else:
            lines.append(" " * pad + statement)
    return lines


def word(number):
    return f"ptr32(p)[{number}]"


def columns(square):
    """Statements for the columns of a product of halves: z[k] is the sum of all p[i] * b[k - i]."""
    statements = []
    for k in range(COLUMNS):
        pairs = [(i, k - i) for i in range(HALF) if 0 <= k - i < HALF]
        products = [f"p[{i}] * b{j}" for i, j in pairs if i < j or not square]
        if square and k % 2 == 0:
            products.append(f"p[{k // 2}] * p[{k // 2}]")
        statements += [f"acc = uint({product})" + (" + acc" if at else "") for at, product in enumerate(products)]
        statements.append(f"z[{k}] = acc")
    return statements


def sums(at, pad):
    """Adds the halves of the number at p, two limbs at once, into words of t."""
    statements = []
    for j in range(HALF // 2):
        statements += [f"acc = uint({word(j)})", f"t[{at + j}] = {word(HALF // 2 + j)} + acc"]
    return wrapped(statements, pad)


def products(pad):
    """The first part of MUL and SQR: the columns of the three products. p and, for MUL, q point to the operands."""
    most = HALF * (BOUND - 1) ** 2
    comments = [
        "# In three rounds x and y are the halves to multiply, and z is the place for the product.",
        f"# A column is at most {HALF} * {BOUND - 1}^2 = {most}, and of sums four times that, {4 * most}: below 2^32.",
    ]
    return [
        *wrapped([f"# Limbs of the sums of halves are at most {2 * BOUND - 2}: words add up as their limbs do."], pad),
        *wrapped(["a = int(p)", "t = ptr32(sums)"], pad),
        *sums(0, pad),
        *wrapped(["if not op:"], pad),
        *wrapped(["b = int(q)", "p = ptr16(q)"], pad + 4),
        *sums(HALF // 2, pad + 4),
        *wrapped([*comments, "x = sums", f"y = sums + {LIMBS}", "z = ptr32(memory)"], pad),
        *wrapped(["while int(z) < sums:"], pad),
        *wrapped(["if not op:"], pad + 4),
        *wrapped(["p = ptr16(y)", *[f"b{j} = p[{j}]" for j in range(HALF)], "p = ptr16(x)"], pad + 8),
        *wrapped([*columns(False), "y = b", f"b += {LIMBS}"], pad + 8),
        *wrapped(["else:"], pad + 4),
        *wrapped(["# b is p doubled: a pair of limbs i < j counts twice."], pad + 8),
        *wrapped(["p = ptr16(x)", *[f"b{j} = p[{j}] << 1" for j in range(1, HALF)], *columns(True)], pad + 8),
        *wrapped(["x = a", f"a += {LIMBS}", f"z = ptr32(int(z) + {4 * LIMBS})"], pad + 4),
    ]


def column(k):
    """The statement that adds column k of the whole product to what the column before carries."""
    i = k % HALF
    plus, minus = {
        0: ([LOW + i], []),
        1: ([LOW + HALF + i, MIDDLE + i], [LOW + i, HIGH + i]),
        2: ([HIGH + i, MIDDLE + HALF + i], [LOW + HALF + i, HIGH + HALF + i]),
        3: ([HIGH + HALF + i], []),
    }[k // HALF]
    terms = [(" + ", at) for at in plus] + [(" - ", at) for at in minus]
    # A product of halves has no column 19.
    return f"acc = (acc >> {BITS})" + "".join(sign + word(at) for sign, at in terms if at % LIMBS < COLUMNS)


def folded(pad):
    """The second part of MUL and SQR: all columns, carried and reduced modulo p, into the limbs at r."""
    most = (BOUND - 1) ** 2
    # Words that have been read for the last time keep what is left of columns 20 to 39.
    high = [*range(MIDDLE + HALF, MIDDLE + LIMBS), *range(HIGH + HALF, HIGH + LIMBS)]
    statements = [
        f"# Columns {LIMBS} to {2 * LIMBS - 1}, in units of 2^{LIMBS * BITS}. The last one is but a carry.",
        f"# A column is at most {LIMBS} * {BOUND - 1}^2 = {LIMBS * most}, the carry into it below 2^18: less than "
        f"2^31. Before the subtraction it is at most {4 * HALF * most} and the carry, less than 2^32: together the two "
        f"columns have {HALF} products, of which those of sums count four times.",
        "p = memory",
        "acc = uint(0)",
    ]
    for k in range(LIMBS):
        statements += [column(LIMBS + k), f"{word(high[k])} = acc"]
    statements += [
        f"# Columns 0 to {LIMBS - 1}, and {FOLD} times those, since 2^{LIMBS * BITS} = {FOLD} (mod p).",
        f"# What those keep is below 2^14 and {FOLD} times it below 2^24: the sum is still less than 2^31.",
        "acc = uint(0)",
    ]
    for k in range(LIMBS):
        limb = f"({word(high[k])} & m)" if k < LIMBS - 1 else word(high[k])
        statements += [column(k), f"acc = uint({limb} * {FOLD}) + acc", f"r[{k}] = acc & m"]
    statements += [
        f"# The last carry is below 165000. {FOLD} times it, over 2^{BITS}, plus limb 1 is below 3 * 2^{BITS}: "
        "limb 2 gets 2 at most.",
        "p = r",
        f"acc = (acc >> {BITS}) * {FOLD} + p[0]",
        "p[0] = acc & m",
        f"acc = (acc >> {BITS}) + p[1]",
        "p[1] = acc & m",
        f"p[2] = (acc >> {BITS}) + p[2]",
    ]
    return wrapped(statements, pad)


def product(pad):
    """The body of MUL and SQR. The result is written when p and q have been read, so r may be the place of either."""
    return [
        *wrapped(["if not op:"], pad),
        *wrapped(["n = 1"], pad + 4),
        *wrapped(["while n:"], pad),
        *products(pad + 4),
        *folded(pad + 4),
        *wrapped(["n -= 1"], pad + 4),
    ]


def addition(pad):
    """The body of ADD and SUB, two limbs at once."""
    spare = 2 * MASK  # added to each limb: 2 * (2^260 - 1) in all
    fills = [
        f"# Instead of taking off a limb q, {spare} - q is added: (q ^ {spare + 1}) - 1, as q is below 2^14.",
        f"# All in all this makes 2 * (2^260 - 1) too much, {2 * (FOLD - 1)} (mod p), to be taken off limb 0.",
        f"f = {(spare + 1) << 16 | spare + 1}",
        f"w = {1 << 16 | 1}",
        f"v = w + {2 * (FOLD - 1)}",
    ]
    statements = [
        f"# A sum of limbs is from 0 to {spare + BOUND - 1}, a carry at most 3: below 2^15, and so a word below 2^31.",
        f"u = {MASK << 16 | MASK}",
    ]
    for k in range(HALF):
        statements += [
            f"acc = (acc >> {16 + BITS}) + {word(k)}" if k else f"acc = uint({word(k)})",
            f"acc = uint(q[{k}] ^ f) + acc - {'w' if k else 'v'}",
            f"acc = ((acc & {0xFFFF & ~MASK}) << {16 - BITS}) + acc",  # the lower limb's carry to the upper limb
            f"ptr32(r)[{k}] = acc & u",
        ]
    statements += [
        f"# The last carry adds at most 3 * {FOLD} to limb 0, so 1 is carried to limb 1.",
        f"acc = (acc >> {16 + BITS}) * {FOLD} + r[0]",
        "r[0] = acc & m",
        f"r[1] = (acc >> {BITS}) + r[1]",
    ]
    return [
        *wrapped(["f = 0", "w = 0", "v = 0"], pad),
        *wrapped(["if op == 3:"], pad),
        *wrapped(fills, pad + 4),
        *wrapped(statements, pad),
    ]


def load(pad):
    """The body of LOAD: 8 limbs from 13 bytes, twice, and from the last 6 bytes the 4 limbs left."""
    rounds = [[], []]
    held = limb = 0
    for byte in range(BITS):
        statements = rounds[byte >= 6]
        value = f"ptr8(p)[{byte}]"
        statements.append(f"acc = uint({value} << {held}) + acc" if held else f"acc = uint({value}) + acc")
        held += 8
        if held >= BITS:
            statements += [f"r[{limb}] = acc & m", f"acc = acc >> {BITS}"]
            held -= BITS
            limb += 1
    return [
        *wrapped(
            ["# acc holds fewer than 13 + 8 bits.", "p = ptr16(int(data) + at + 32 * n)", "acc = uint(0)", "k = 2"], pad
        ),
        *wrapped(["while True:"], pad),
        *wrapped(rounds[0], pad + 4),
        *wrapped(["if k == 0:"], pad + 4),
        *wrapped(["# without the top bit", "r[3] = acc & 255", "break"], pad + 8),
        *wrapped([*rounds[1], f"p = ptr16(int(p) + {BITS})", "r = ptr16(int(r) + 16)", "k -= 1"], pad + 4),
    ]


# The rarer operations, for X25519 only, have their loops.
REST = f"""\
        elif op == 5:  # SMALL
            # {BOUND - 1} * 121666 + 2^18 is below 2^30. The last carry is below 2^17, {FOLD} times it below 2^27:
            # at most 2^14 is carried to limb 1, so at most 2 to limb 2.
            acc = uint(0)
            k = 0
            while k < {LIMBS}:
                acc = uint(p[k] * 121666) + acc
                r[k] = acc & m
                acc = acc >> {BITS}
                k += 1
            acc = acc * {FOLD} + r[0]; r[0] = acc & m; acc = (acc >> {BITS}) + r[1]; r[1] = acc & m
            r[2] = (acc >> {BITS}) + r[2]
        else:  # SWAP
            # n is 0 or 1, a bit of a secret: the mask is all zeros or all ones, and no branch depends on it.
            n = 0 - n
            k = 0
            while k < {HALF}:
                acc = uint((ptr32(p)[k] ^ ptr32(r)[k]) & n)
                ptr32(p)[k] = ptr32(p)[k] ^ acc
                ptr32(r)[k] = ptr32(r)[k] ^ acc
                k += 1
"""


def text():
    """The whole file."""
    parts = (
        HEAD.splitlines(),
        ["        if op < 2:  # MUL, SQR", *product(12)],
        ["        elif op < 4:  # ADD, SUB", *addition(12)],
        ["        elif op == 4:  # LOAD", *load(12)],
        REST.splitlines(),
    )
    return "\n".join(line for part in parts for line in part) + "\n"


def base_table():
    """The bytes of base.bin."""
    return comb.make_table(edwards.BASE_KEY)


if __name__ == "__main__":
    (FIRMWARE / "crypto/field25519_unrolled.py").write_text(text())
    (FIRMWARE / "crypto/base.bin").write_bytes(base_table())
