"""Tables of issuer keys: the same verdicts as without, and never a belief in a damaged or a strange one."""

import binascii
import hashlib
import json

import support
from crypto import comb, ed25519, edwards

KEY = binascii.unhexlify("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
MESSAGE = b"\xaf\x82"
SIGNATURE = binascii.unhexlify(
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)
OTHER = binascii.unhexlify("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
_tables = {}


def table(key=KEY):
    if key not in _tables:
        _tables[key] = ed25519.make_table(key)
    return _tables[key]


def refused(key):
    try:
        ed25519.make_table(key)
    except ValueError:
        return True
    return False


def test_a_table_is_small_and_always_the_same():
    assert len(table()) == comb.SIZE <= 24 * 1024
    assert isinstance(table(), bytes)
    again = None
    for again in comb.table_steps(bytearray(KEY)):
        pass
    assert again == table()


def test_verdicts_with_a_table_in_each_form():
    path = support.folder() + "/table"
    with open(path, "wb") as file:
        file.write(table())
    with open(path, "rb") as file:
        for form in (table(), bytearray(table()), memoryview(table()), ed25519.open_table(KEY, table()), file):
            assert ed25519.verify(KEY, MESSAGE, SIGNATURE, form) is True
            assert ed25519.verify(KEY, MESSAGE + b"!", SIGNATURE, form) is False
        opened = ed25519.open_table(KEY, file)
        assert ed25519.verify(KEY, MESSAGE, SIGNATURE, opened) is True


async def test_a_damaged_table_is_refused():
    whole = table()
    for at in range(0, len(whole), support.count(1847, 97)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        assert ed25519.verify(KEY, MESSAGE, SIGNATURE, damaged) is False, at
        try:
            ed25519.open_table(KEY, damaged)
        except ValueError:
            pass
        else:
            raise AssertionError(at)
        await support.collect()
    for form in (b"", whole[:-1], whole + b"\x00", whole[:96], bytes(len(whole))):
        assert ed25519.verify(KEY, MESSAGE, SIGNATURE, form) is False, len(form)


def test_a_damaged_or_short_file_is_refused():
    path = support.folder() + "/table"
    whole = table()
    for content in (whole[:-1], whole[:500], b"", bytes((whole[0] ^ 1,)) + whole[1:], whole + b"\x00"):
        with open(path, "wb") as file:
            file.write(content)
        with open(path, "rb") as file:
            assert ed25519.verify(KEY, MESSAGE, SIGNATURE, file) is False, len(content)


def test_a_table_of_another_key_is_refused():
    assert ed25519.verify(KEY, MESSAGE, SIGNATURE, table(OTHER)) is False
    opened = ed25519.open_table(OTHER, table(OTHER))
    assert ed25519.verify(KEY, MESSAGE, SIGNATURE, opened) is False
    # Its entries under our key's hash are what a swap would need; the hash is no secret, so flash must be ours alone.
    assert table(OTHER)[-32:] == hashlib.sha256(comb._LABEL + OTHER + table(OTHER)[:-32]).digest()


def test_an_unchecked_table_is_not_believed():
    assert ed25519.verify(KEY, MESSAGE, SIGNATURE, comb.Table(KEY, table())) is False


def test_no_table_is_made_for_a_bad_key():
    p = edwards.P
    low = [y | sign for y in (0, 1, p - 1, edwards._Y8, p - edwards._Y8) for sign in (0, 1 << 255)]
    for number in low + [p, p + 1, p + 3, 2, (1 << 256) - 1]:
        assert refused(number.to_bytes(32, "little")), number
    assert refused(KEY[:31]) and refused(KEY + b"\x00") and refused(b"")


async def test_no_table_is_made_for_a_key_of_mixed_order():
    keys = []
    with open(support.vector("ed25519_wycheproof.json")) as file:
        for group in json.load(file)["testGroups"]:
            if any("MixedOrderPublicKey" in case["flags"] for case in group["tests"]):
                keys.append(binascii.unhexlify(group["publicKey"]["pk"]))
    assert len(keys) == 22
    for key in keys[:: support.count(10, 1)]:
        assert refused(key)
        await support.collect()


async def test_accepts_the_published_signatures_with_tables():
    step = support.count(256 if support.INTERPRETER == "wasm32" else 32, 1)
    cases = 0
    with open(support.vector("ed25519_sign.input")) as lines:
        for number, line in enumerate(lines):
            if number % step == 0:
                _, key, message, signature = [binascii.unhexlify(part) for part in line.split(":")[:4]]
                made = ed25519.open_table(key, ed25519.make_table(key))
                assert ed25519.verify(key, message, signature[:64], made) is True, number
                assert ed25519.verify(key, message, signature[:63] + bytes((signature[63] ^ 1,)), made) is False
                cases += 1
                await support.collect()
    assert cases == 1024 // step


async def test_decides_wycheproof_with_tables_as_without():
    with open(support.vector("ed25519_wycheproof.json")) as file:
        groups = json.load(file)["testGroups"]
    decided = 0
    for group in groups[:: 1 if support.INTERPRETER == "micropython" else support.count(16, 1)]:
        key = binascii.unhexlify(group["publicKey"]["pk"])
        if any(
            flag in case["flags"] for case in group["tests"] for flag in ("SmallOrderPublicKey", "MixedOrderPublicKey")
        ):
            continue
        made = ed25519.open_table(key, ed25519.make_table(key))
        for case in group["tests"]:
            message = binascii.unhexlify(case["msg"])
            signature = binascii.unhexlify(case["sig"])
            verdict = ed25519.verify(key, message, signature, made)
            assert verdict is (case["result"] == "valid"), case["tcId"]
            decided += 1
        await support.collect()
    assert decided == 180 if support.INTERPRETER == "micropython" or support.SOAK else decided > 10
