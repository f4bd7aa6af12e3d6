"""A short run of what `make fuzz` does at length."""

import random

import pytest

from host_tests.fuzz import __main__ as fuzz
from host_tests.fuzz.targets import TARGETS

QUICK, SOAK = 150, 20_000  # inputs a target without guidance
GUIDED_QUICK, GUIDED_SOAK = 1500, 50_000


def mutated(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Some bits, bytes or stretches of it changed."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(made) + 1)
        kind = chance.randrange(6)
        if kind == 0 and at < len(made):
            made[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and at < len(made):
            made[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, chance.randrange(256)))
        elif kind == 2:
            made[at:at] = chance.randbytes(chance.choice((1, 2, 8)))
        elif kind == 3:
            del made[at : at + chance.choice((1, 2, 8, len(made)))]
        elif kind == 4:
            made[at : at + 8] = made[chance.randrange(len(made) + 1) :][:8]
        else:
            other = chance.choice(others)
            made[at:] = other[chance.randrange(len(other) + 1) :]
    return bytes(made[: fuzz.LONGEST])


@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_bring_out_anything_but_the_module_s_own_exception(name, soak):
    target = TARGETS[name]
    seeds = [bytes(seed) for seed in target.seeds()]
    chance = random.Random(name)
    for seed in seeds:
        target.run(seed)
        for cut in range(0, len(seed), max(1, len(seed) // 100)):
            target.run(seed[:cut])
    for _ in range(SOAK if soak else QUICK):
        data = mutated(chance.choice(seeds), seeds, chance)
        try:
            target.run(data)
        except Exception as error:
            raise AssertionError(f"{name}({data!r})") from error


@pytest.mark.parametrize("name", ["type4_answers", "ticket_forms"])
def test_the_guided_fuzzer_finds_nothing(name, soak):
    pytest.importorskip("atheris", reason="atheris comes for Linux only")
    _, tried, covered, wrong = fuzz.run(name, GUIDED_SOAK if soak else GUIDED_QUICK, 1)
    assert not wrong, wrong
    assert tried >= GUIDED_QUICK and covered > 50


def test_the_guided_fuzzer_finds_a_planted_fault():
    pytest.importorskip("atheris", reason="atheris comes for Linux only")
    _, tried, _, wrong = fuzz.run("planted", 200_000, 1)
    assert "PLANTED" in wrong and 1 < tried < 200_000
