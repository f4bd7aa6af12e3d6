"""The strict rule of Ed25519, in cases small enough to read, and the published vectors."""

import binascii
import json

import support
from crypto import ed25519

P = 2**255 - 19

# RFC 8032 section 7.1, tests 1 to 3: public key, message, signature
RFC8032 = (
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
        "655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
        "b00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
        "c027beceea1ec40a",
    ),
)

# Every encoding of the eight points of low order, the non-canonical ones included.
LOW_ORDER = (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
)


def unhex(text):
    return binascii.unhexlify(text)


def example(index=2):
    key, message, signature = RFC8032[index]
    return unhex(key), unhex(message), unhex(signature)


def little(number):
    return number.to_bytes(32, "little")


def test_accepts_the_standards_examples():
    for index in range(len(RFC8032)):
        assert ed25519.verify(*example(index)) is True


async def test_refuses_each_flipped_bit_of_a_signature():
    key, message, signature = example()
    for bit in range(0, 512, support.count(37, 1)):
        changed = bytearray(signature)
        changed[bit >> 3] ^= 1 << (bit & 7)
        assert ed25519.verify(key, message, bytes(changed)) is False, bit
        await support.collect()


def test_refuses_another_message_and_another_key():
    key, message, signature = example()
    assert ed25519.verify(key, message + b"\x00", signature) is False
    assert ed25519.verify(example(0)[0], message, signature) is False


def test_refuses_s_of_l_and_more():
    key, message, signature = example()
    s = int.from_bytes(signature[32:], "little")
    for multiple in range(1, 15):
        assert ed25519.verify(key, message, signature[:32] + little(s + multiple * ed25519.L)) is False, multiple
    assert ed25519.verify(key, message, signature[:32] + little(ed25519.L)) is False


def test_refuses_keys_and_points_of_low_order():
    key, message, signature = example()
    for text in LOW_ORDER:
        point = unhex(text)
        assert ed25519.verify(point, message, signature) is False, text
        assert ed25519.verify(key, message, point + signature[32:]) is False, text
        # With S = 0 the equation itself holds whenever h * A = -R: only the rule on low order refuses.
        for other in LOW_ORDER:
            assert ed25519.verify(point, message, unhex(other) + bytes(32)) is False, (text, other)


def test_refuses_a_key_that_is_not_canonical():
    _, message, signature = example()
    for y in range(19):
        for sign in (0, 1 << 255):
            assert ed25519.verify(little(P + y | sign), message, signature) is False, y


def test_refuses_wrong_lengths_without_an_exception():
    key, message, signature = example()
    for length in list(range(32)) + [33, 64]:
        assert ed25519.verify((key * 2)[:length], message, signature) is False
    for length in list(range(0, 64, 7)) + [63, 65, 128]:
        assert ed25519.verify(key, message, (signature * 2)[:length]) is False


def test_takes_bytearrays_and_memoryviews():
    key, message, signature = example()
    assert ed25519.verify(bytearray(key), memoryview(message), memoryview(bytearray(signature))) is True


def test_steps_end_with_the_verdict():
    key, message, signature = example()
    for text, verdict in ((message, True), (message + b"!", False)):
        values = list(ed25519.verify_steps(key, text, signature))
        assert values[-1] is verdict
        assert all(value is None for value in values[:-1])
        assert len(values) > 5


def published():
    """(public key, message, signature) of the 1,024 cases of `sign.input`, or of every n-th where it is slow."""
    step = 1 if support.INTERPRETER != "wasm32" else support.count(64, 1)
    with open(support.vector("ed25519_sign.input")) as lines:
        for number, line in enumerate(lines):
            if number % step == 0:
                secret_and_key, key, message, signature_and_message = line.split(":")[:4]
                assert secret_and_key.endswith(key)
                yield unhex(key), unhex(message), unhex(signature_and_message[:128])


async def test_accepts_the_published_signatures():
    cases = 0
    for key, message, signature in published():
        assert ed25519.verify(key, message, signature) is True, binascii.hexlify(key)
        cases += 1
        await support.collect()
    assert cases == (1024 if support.INTERPRETER != "wasm32" else support.count(16, 1024))


# Wycheproof's "acceptable" cases, whose fate a rule must decide, by tcId: 152 to 159 are keys of low order, refused;
# 160 to 180 are keys of mixed order for which the cofactorless equation holds, accepted, but without a table.
ACCEPTABLE_REFUSED = range(152, 160)
ACCEPTABLE_ACCEPTED = range(160, 181)


async def test_decides_each_case_of_wycheproof():
    with open(support.vector("ed25519_wycheproof.json")) as file:
        groups = json.load(file)["testGroups"]
    counts = {"valid": 0, "invalid": 0, "acceptable": 0}
    every = support.count(4, 1) if support.INTERPRETER == "wasm32" else 1
    for group in groups[::every]:
        key = unhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            result = case["result"]
            counts[result] += 1
            assert result != "acceptable" or case["tcId"] in ACCEPTABLE_REFUSED or case["tcId"] in ACCEPTABLE_ACCEPTED
            expected = result == "valid" or (result == "acceptable" and case["tcId"] in ACCEPTABLE_ACCEPTED)
            verdict = ed25519.verify(key, unhex(case["msg"]), unhex(case["sig"]))
            assert verdict is expected, (case["tcId"], result, case["comment"])
        await support.collect()
    if every == 1:
        assert counts == {"valid": 117, "invalid": 64, "acceptable": 29}
    else:
        assert min(counts.values()) > 0
