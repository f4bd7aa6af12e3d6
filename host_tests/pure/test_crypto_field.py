"""The field machine: the viper code and its plain twin do the same, and the viper code allocates nothing."""

import hashlib

import micropython

import support
from crypto import comb, ed25519, edwards, field25519, field25519_plain, sha512
from crypto.field25519 import ADD, LOAD, MUL, SMALL, SQR, SUB, SWAP

P = (1 << 255) - 19
SLOTS = 8
EDGES = (0, 1, 2, 19, P - 1, P - 2, P, P + 18, (1 << 255) - 1, 1 << 254, (1 << 13) - 1, ((1 << 260) - 1) % P, 608)


def numbers(label):
    """Endless 256-bit numbers."""
    seed = label.encode()
    while True:
        seed = hashlib.sha256(seed).digest()
        yield int.from_bytes(seed, "little")


def viper():
    if not field25519.NATIVE:
        raise support.Skip("no viper here")
    return field25519._engine


def operations(random, count):
    """A program of random operations, and data for its loads."""
    program = bytearray()
    for _ in range(count):
        word = next(random)
        op = word % 7
        q = word >> 24 & 7
        if op == SQR:
            q = 1 + q % 3
        elif op == LOAD:
            q = 0
        elif op == SWAP:
            q &= 1
        program.extend(bytes((op, word >> 8 & 7, word >> 16 & 7, q)))
    return program, next(random).to_bytes(32, "little")


def test_the_twins_agree_on_operations():
    native = viper()
    random = numbers("operations")
    left = support.count(2000, 100000)
    while left > 0:
        memories = native.new(SLOTS), field25519_plain.new(SLOTS)
        for slot in range(SLOTS):
            word = next(random)
            value = EDGES[word % len(EDGES)] if word >> 200 & 1 else word % (1 << 255)
            native.put(memories[0], slot, value)
            field25519_plain.put(memories[1], slot, value)
            if word >> 201 & 7 == 0:
                # The largest limbs that the invariant allows, which no `put` makes.
                at = len(memories[0]) - 40 * (SLOTS - slot)
                memories[0][at : at + 40] = b"\x07\x20" * 20
                memories[1][slot] = sum([8199 << 13 * i for i in range(20)]) % P
        program, data = operations(random, 50)
        native.run(0, memories[0], memories[0], program, len(program), data, 0)
        field25519_plain.run(0, memories[1], memories[1], program, len(program), data, 0)
        for slot in range(SLOTS):
            assert native.get(memories[0], slot) == field25519_plain.get(memories[1], slot), (slot, program)
        left -= 50


def test_the_twins_cut_scalars_alike():
    native = viper()
    random = numbers("scalars")
    for n in range(support.count(200, 10000)):
        number = next(random) >> 3
        if n < 6:
            number = (0, 1, (1 << 253) - 1, 1 << 252, edwards.L - 1, (1 << 253) - (1 << 248))[n]
        bits = number.to_bytes(33, "little")
        for name, size in (("teeth", 68), ("digits", 254)):
            ours = bytearray(size)
            plain = bytearray(size)
            getattr(native, name)(bits, ours)
            getattr(field25519_plain, name)(bits, plain)
            assert ours == plain, (name, number)


def test_each_operation_does_what_it_says():
    a = next(numbers("a")) % P
    b = next(numbers("b")) % P
    data = bytes(5) + b.to_bytes(32, "little") + (a | 1 << 255).to_bytes(32, "little")
    for op, q, expected in (
        (MUL, 1, a * b % P),
        (SQR, 3, pow(a, 8, P)),
        (ADD, 1, (a + b) % P),
        (SUB, 1, (a - b) % P),
        (LOAD, 1, a),
        (SMALL, 0, a * 121666 % P),
    ):
        slots = field25519.new(3)
        field25519.put(slots, 0, a)
        field25519.put(slots, 1, b)
        program = bytes((op, 2, 0, q))
        field25519.run(0, slots, slots, program, 4, data, 5)
        assert field25519.get(slots, 2) == expected, op
        program = bytes((SWAP, 0, 1, 0, SWAP, 2, 1, 1))
        field25519.run(0, slots, slots, program, 8, data, 0)
        assert [field25519.get(slots, i) for i in range(3)] == [a, expected, b]


def test_a_signed_comb_is_the_number():
    for k in (1, 3, edwards.L, 2 * edwards.L - 1, (1 << 255) - 1, next(numbers("k")) >> 1 | 1):
        columns = comb.cut(k)
        total = 0
        for column in range(17):
            for first, at in ((0, 4 * column), (8, 4 * column + 2)):
                entry = columns[at] & 127
                teeth = 8 if first == 0 else 7
                part = 1 << 17 * (first + teeth - 1)
                for j in range(teeth - 1):
                    part += (1 if entry >> j & 1 else -1) << 17 * (first + j)
                total += (-part if columns[at + 1] else part) << column
        assert total == k


def test_nothing_is_allocated_where_it_is_hot():
    if not field25519.NATIVE or not sha512.NATIVE:
        raise support.Skip("no viper here")
    slots = edwards.memory(1)
    base = ed25519.base_table()
    columns = comb.cut(edwards.L)
    bits = bytes(33)
    digits = bytearray(254)
    hasher = sha512.Sha512()
    block = bytes(256)
    edwards.prepare(slots, edwards.FREE)
    micropython.heap_lock()
    try:
        edwards.double(slots, 5)
        edwards.add(slots, edwards.FREE, True)
        comb.add_column(slots, base, columns, 3)
        field25519.teeth(bits, columns)
        field25519.digits(bits, digits)
        sha512._compress(hasher._state, block, 128, sha512._CONSTANTS, sha512._workspace)
    finally:
        micropython.heap_unlock()
