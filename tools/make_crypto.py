"""Writes the two generated files of firmware/crypto: `python -m tools.make_crypto`.

- field25519_unrolled.py: arithmetic modulo p = 2^255 - 19 with all loops over limbs unrolled;
- base.bin: the table of Ed25519's base point, as `crypto.ed25519.make_table` makes it.

What this knows of MicroPython's viper emitter (py/emitnative.c), and why the code that it writes looks as it does:
- The first two parameters live in registers, all other locals on the stack. So `acc` and `p` come first.
- `acc = p[i] * bj + acc` is six instructions on RV32 and on Xtensa. In another order, or with two products in one
  expression, temporaries are spilled and it is nine or more.
- Where words have 64 bits, loads of 16 or 32 bits are still zero-extended: a number in memory is never negative.
- A product keeps the low word, and literals above 0x3fffffff are no machine integers.
"""

from pathlib import Path

from crypto import comb, edwards

FIRMWARE = Path(__file__).resolve().parent.parent / "firmware"

LIMBS = 20
BITS = 13
MASK = (1 << BITS) - 1
FOLD = 19 << (LIMBS * BITS - 255)  # 2^260 is 608 (mod p)
BOUND = 8200  # every limb in memory is below
WIDTH = 120

HEAD = f'''\
"""The field machine's operations in viper code, unrolled. Written by tools/make_crypto.py: change that, not this file.

Part of field25519_viper.py; what each operation means stands at the twin, in field25519_plain.py.

A number is {LIMBS} limbs of {BITS} bits, least significant first, in 16 bits of memory each.
Invariant: every limb in memory is below {BOUND}. LOAD writes at most {MASK}; beside each other operation stands why its
result keeps the invariant if its operands do, and why no sum on the way reaches 2^31.
"""
# ruff: noqa: E702, F821
# pyright: reportUndefinedVariable=false, reportArgumentType=false
# fmt: off

import micropython


@micropython.viper
def run(acc: int, p: ptr16, memory: ptr16, program: ptr8, length: int, data: ptr8, at: int):
    # acc and p are worked with and come first because viper keeps the first two parameters in registers.
    m = {MASK}
    base = int(memory)
    pc = int(program)
    end = pc + length
    while pc < end:
        i = ptr8(pc)
        pc += 4
        op = i[0]
        r = ptr16(i[1] * {2 * LIMBS} + base)
        p = ptr16(i[2] * {2 * LIMBS} + base)
        n = i[3]
        q = ptr16(n * {2 * LIMBS} + base)
'''


def wrapped(statements, pad):
    """The statements on as few lines as fit."""
    lines = [" " * pad + statements[0]]
    for statement in statements[1:]:
        if statement.startswith("#") or lines[-1].lstrip().startswith("#"):
            lines.append(" " * pad + statement)
        elif len(lines[-1]) + 2 + len(statement) <= WIDTH:
            lines[-1] += "; " + statement
        else:
            lines.append(" " * pad + statement)
    return lines


def column(k, square):
    """Statements that add column k of a product, all p[i] * q[j] with i + j = k, to acc."""
    pairs = [(i, k - i) for i in range(LIMBS) if 0 <= k - i < LIMBS]
    if not square:
        return [f"acc = p[{i}] * b{j} + acc" for i, j in pairs]
    doubled = [f"acc = p[{i}] * b{j} + acc" for i, j in pairs if i < j]
    return doubled + [f"acc = p[{i}] * p[{i}] + acc" for i, j in pairs if i == j]


def carry(limb):
    return [f"{limb} = acc & m", f"acc = acc >> {BITS}"]


def product(square, pad):
    """The body of MUL, or of one SQR. The result is gathered in h, so r may be the place of p or q."""
    limit = BOUND - 1
    if square:
        lines = wrapped(["# b is p doubled, at most 16398: a pair of limbs i < j counts twice."], pad)
        lines += wrapped([f"b{i} = p[{i}] << 1" for i in range(1, LIMBS)], pad)
    else:
        lines = wrapped([f"b{i} = q[{i}]" for i in range(LIMBS)], pad)
    top = LIMBS * limit**2
    lines += wrapped(
        [
            f"# Columns {LIMBS} to {2 * LIMBS - 2}, in units of 2^{LIMBS * BITS}, are carried into h0 to h{LIMBS - 1}.",
            f"# A column is at most {LIMBS} * {limit}^2 = {top}, the carry into it below 2^18: less than 2^31.",
            "acc = 0",
        ],
        pad,
    )
    for k in range(LIMBS, 2 * LIMBS - 1):
        lines += wrapped(column(k, square) + carry(f"h{k - LIMBS}"), pad)
    lines += wrapped(
        [
            f"h{LIMBS - 1} = acc",
            f"# Columns 0 to {LIMBS - 1}, and {FOLD} * h, since 2^{LIMBS * BITS} = {FOLD} (mod p).",
            f"# A limb of h is below 2^14 and {FOLD} times it below 2^24: the sum is still less than 2^31.",
            "acc = 0",
        ],
        pad,
    )
    for k in range(LIMBS):
        lines += wrapped([f"acc = h{k} * {FOLD} + acc", *column(k, square), *carry(f"h{k}")], pad)
    return lines + finish(pad)


def finish(pad):
    """Adds the carry in acc, in units of 2^260, to the limbs h0 to h19, and stores them."""
    return wrapped(
        [
            f"# The last carry is below 165000. {FOLD} times it, over 2^{BITS}, plus h1 is below 3 * 2^{BITS}:",
            "# h2 gets 2 at most.",
            f"acc = acc * {FOLD} + h0",
            "p = r",
            "p[0] = acc & m",
            f"acc = (acc >> {BITS}) + h1",
            "p[1] = acc & m",
            f"p[2] = (acc >> {BITS}) + h2",
            *[f"p[{i}] = h{i}" for i in range(3, LIMBS)],
        ],
        pad,
    )


def addition(pad):
    """The body of ADD."""
    statements = [f"# A sum of limbs is at most {2 * BOUND - 2} and a carry, the last carry at most 2.", "acc = 0"]
    for k in range(LIMBS):
        statements += [f"acc = p[{k}] + acc", f"acc = q[{k}] + acc", *carry(f"r[{k}]")]
    statements += [
        f"# At most 2 * {FOLD} on limb 0, so 1 carried to limb 1.",
        f"acc = acc * {FOLD} + r[0]",
        "r[0] = acc & m",
        f"r[1] = (acc >> {BITS}) + r[1]",
    ]
    return wrapped(statements, pad)


def subtraction(pad):
    """The body of SUB."""
    statements = [
        "# acc may be negative: >> rounds down and & keeps what is left. The last carry would be -2 at least, so what",
        f"# is 0 (mod p), 2 * (2^260 - {FOLD}), is added: {-2 * FOLD} at the start, 2 on the last carry.",
        f"acc = {-2 * FOLD}",
    ]
    for k in range(LIMBS):
        statements += [f"acc = p[{k}] + acc", f"acc = acc - q[{k}]", *carry(f"r[{k}]")]
    statements += [
        f"# 0 to 3 * {FOLD} on limb 0, so 0 or 1 carried to limb 1.",
        f"acc = (acc + 2) * {FOLD} + r[0]",
        "r[0] = acc & m",
        f"r[1] = (acc >> {BITS}) + r[1]",
    ]
    return wrapped(statements, pad)


def load(pad):
    """The body of LOAD."""
    statements = ["# acc holds fewer than 13 + 8 bits.", "d = ptr8(int(data) + at + 32 * n)", "acc = 0"]
    held = limb = 0
    for byte in range(32):
        value = f"d[{byte}]" if byte < 31 else f"(d[{byte}] & 127)"
        statements.append(f"acc = ({value} << {held}) + acc" if held else f"acc = {value} + acc")
        held += 8
        if held >= BITS:
            statements += carry(f"r[{limb}]")
            held -= BITS
            limb += 1
    return wrapped([*statements, f"r[{limb}] = acc"], pad)


# The rarer operations, for X25519 only, have their loops.
REST = f"""\
        elif op == 5:  # SMALL
            # {BOUND - 1} * 121666 + 2^18 is below 2^30. The last carry is below 2^17, {FOLD} times it below 2^27:
            # at most 2^14 is carried to limb 1, so at most 2 to limb 2.
            acc = 0
            k = 0
            while k < {LIMBS}:
                acc = p[k] * 121666 + acc
                r[k] = acc & m
                acc = acc >> {BITS}
                k += 1
            acc = acc * {FOLD} + r[0]; r[0] = acc & m; acc = (acc >> {BITS}) + r[1]; r[1] = acc & m
            r[2] = (acc >> {BITS}) + r[2]
        else:  # SWAP
            # n is 0 or 1, a bit of a secret: the mask is all zeros or all ones, and no branch depends on it.
            n = 0 - n
            k = 0
            while k < {LIMBS}:
                acc = (p[k] ^ r[k]) & n
                p[k] = p[k] ^ acc
                r[k] = r[k] ^ acc
                k += 1
"""


def text():
    """The whole file."""
    parts = (
        HEAD.splitlines(),
        ["        if op == 0:  # MUL", *product(False, 12)],
        ["        elif op == 1:  # SQR", "            while n > 0:", *product(True, 16), "                n -= 1"],
        ["        elif op == 2:  # ADD", *addition(12)],
        ["        elif op == 3:  # SUB", *subtraction(12)],
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
