"""Numbers modulo p = 2^255 - 19 as Python's integers: the twin of field25519_viper.py, for where there is no viper."""

NATIVE = False

_P = (1 << 255) - 19


def new(count):
    """A memory of `count` slots, to be filled before use."""
    # Integers of any size and sign, a few bits over p at most: products are reduced, sums are left to the next product.
    return [0] * count


def put(memory, slot, number):
    """Stores `number`, in [0, 2^255), into a slot."""
    memory[slot] = number


def get(memory, slot):
    """The number in a slot, in [0, p)."""
    return memory[slot] % _P


def teeth(bits, out):
    """Cuts 255 bits (32 little-endian bytes) for a comb of 15 teeth, 17 bits apart, in a part of 8 and one of 7.

    Bit 17 * j + c is tooth j of column c: set for plus, clear for minus. For each of the 17 columns `out` gets four
    bytes: entry and sign (1: minus) of teeth 0 to 7, then of teeth 8 to 14. In an entry the last tooth of the part is
    plus and the signs of the others are its bits, turned over if the sign is minus; the second part begins at 128.
    """
    number = int.from_bytes(bits, "little")
    for column in range(17):
        word = 0
        for tooth in range(15):
            word |= (number >> (17 * tooth + column) & 1) << tooth
        low = word & 255
        high = word >> 8
        out[4 * column] = low & 127 if low & 128 else ~low & 127
        out[4 * column + 1] = low < 128
        out[4 * column + 2] = 128 | (high & 63 if high & 64 else ~high & 63)
        out[4 * column + 3] = high < 64


def digits(bits, out):
    """Writes a number below 2^253 (33 little-endian bytes) as the sum of d_i * 2^i, i below 254, with few d_i not 0.

    Every d_i is odd and from -15 to 15, or 0. `out` has a byte for each, all 0 at first: it gets 1 to 8 for 1, 3, ...
    15 and 9 to 16 for -1, -3, ... -15.
    """
    number = int.from_bytes(bits, "little")
    i = 0
    while number:
        while not number & 1:
            number >>= 1
            i += 1
        five = number & 31
        if five < 16:
            out[i] = (five >> 1) + 1
            number -= five
        else:
            out[i] = 9 + ((32 - five) >> 1)
            number += 32 - five


def run(_acc, _p, memory, program, length, data, at):
    """Works through the first `length` bytes of `program`, four per operation: operation, r, p, q.

    MUL: r = p * q. SQR: r = p^(2^q), q squarings, at least one. ADD: r = p + q. SUB: r = p - q. SMALL: r = p * 121666.
    LOAD: r = the 32 little-endian bytes at `data[at + 32 * q]`, without the top bit. SWAP: exchanges r and p if q is 1.
    r, p and q are slots except where said otherwise, and may be the same slot. The first two arguments are for the
    twin's sake: 0 and `memory`.
    """
    for pc in range(0, length, 4):
        op = program[pc]
        r = program[pc + 1]
        a = memory[program[pc + 2]]
        q = program[pc + 3]
        if op == 0:
            memory[r] = a * memory[q] % _P
        elif op == 1:
            for _ in range(q):
                a = a * a % _P
            memory[r] = a
        elif op == 2:
            memory[r] = a + memory[q]
        elif op == 3:
            memory[r] = a - memory[q]
        elif op == 4:
            start = at + 32 * q
            memory[r] = int.from_bytes(data[start : start + 32], "little") & ((1 << 255) - 1)
        elif op == 5:
            memory[r] = a * 121666 % _P
        elif q:
            memory[program[pc + 2]] = memory[r]
            memory[r] = a
