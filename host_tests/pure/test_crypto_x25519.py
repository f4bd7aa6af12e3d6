"""X25519 against RFC 7748 and Wycheproof."""

import binascii
import json

import support
from crypto import x25519

# RFC 7748 section 5.2: scalar, u, result
RFC7748 = (
    (
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    ),
    (
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    ),
)


def unhex(text):
    return binascii.unhexlify(text)


def test_multiplies_the_standards_examples():
    for scalar, u, result in RFC7748:
        assert x25519.shared(unhex(scalar), unhex(u)) == unhex(result)


def test_iterates_as_the_standard_does():
    k = u = b"\x09" + bytes(31)
    k, u = x25519.shared(k, u), k
    assert binascii.hexlify(k) == b"422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
    for _ in range(support.count(9, 999)):
        k, u = x25519.shared(k, u), k
    if support.SOAK:
        assert binascii.hexlify(k) == b"684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"


def test_two_sides_agree():
    a = bytes(range(32))
    b = bytes(range(100, 132))
    secret = x25519.shared(a, x25519.public(b))
    assert secret == x25519.shared(b, x25519.public(a))
    assert len(secret) == 32


def test_ignores_the_top_bit_of_a_public_key():
    scalar, u, result = RFC7748[0]
    changed = bytearray(unhex(u))
    changed[31] ^= 128
    assert x25519.shared(unhex(scalar), changed) == unhex(result)


def test_refuses_wrong_lengths():
    for private, public in ((bytes(31), bytes(32)), (bytes(32), bytes(33)), (b"", b"")):
        try:
            x25519.shared(private, public)
        except ValueError:
            pass
        else:
            raise AssertionError("taken")


def test_steps_end_with_the_secret():
    scalar, u, result = RFC7748[1]
    values = list(x25519.shared_steps(unhex(scalar), unhex(u)))
    assert values[-1] == unhex(result)
    assert len(values) == 20
    assert all(value is None for value in values[:-1])


def test_decides_each_case_of_wycheproof():
    with open(support.vector("x25519_wycheproof.json")) as file:
        groups = json.load(file)["testGroups"]
    counts = {True: 0, False: 0}
    every = 1 if support.INTERPRETER == "micropython" else support.count(16, 1)
    for group in groups:
        for number, case in enumerate(group["tests"]):
            zero = case["shared"] == "00" * 32
            if number % every and not zero:
                continue
            try:
                secret = x25519.shared(unhex(case["private"]), unhex(case["public"]))
            except ValueError:
                secret = None
            # An all-zero secret, which Wycheproof calls acceptable, is refused; all else is as it says.
            assert secret == (None if zero else unhex(case["shared"])), case["tcId"]
            counts[zero] += 1
    assert counts[True] == 31
    assert counts[False] == 487 if every == 1 else counts[False] > 20
