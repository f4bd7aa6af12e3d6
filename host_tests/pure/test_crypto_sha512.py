"""SHA-512 against FIPS 180-4's examples and NIST's vectors."""

import binascii

import support
from crypto.sha512 import Sha512, sha512

EXAMPLES = (
    (
        b"abc",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    ),
    (
        b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
        "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
    ),
)


def nist(name):
    """(message, digest) pairs of a NIST response file."""
    length = 0
    message = b""
    with open(support.vector(name)) as lines:
        for line in lines:
            word, _, value = line.strip().partition(" = ")
            if word == "Len":
                length = int(value)
            elif word == "Msg":
                message = binascii.unhexlify(value)[: length // 8]
            elif word == "MD":
                yield message, value


def test_hashes_the_standards_examples():
    for message, expected in EXAMPLES:
        assert binascii.hexlify(sha512(message)).decode() == expected


def test_hashes_nists_short_messages():
    cases = 0
    for message, expected in nist("sha512_short.rsp"):
        assert binascii.hexlify(sha512(message)).decode() == expected, len(message)
        cases += 1
    assert cases == 129


def test_hashes_nists_long_messages():
    cases = 0
    wanted = support.count(16, 128)  # the shorter ones first
    for message, expected in nist("sha512_long.rsp"):
        if cases < wanted:
            assert binascii.hexlify(sha512(message)).decode() == expected, len(message)
            cases += 1
    assert cases == wanted


def test_pieces_of_any_length_give_the_hash_of_the_whole():
    data = bytes([i * 37 & 255 for i in range(700)])
    expected = sha512(data)
    for step in (1, 3, 64, 111, 112, 127, 128, 129, 256, 699):
        hasher = Sha512()
        for at in range(0, len(data), step):
            hasher.update(data[at : at + step])
        assert hasher.digest() == expected, step


def test_a_digest_in_between_changes_nothing():
    hasher = Sha512(b"a")
    assert hasher.digest() == sha512(b"a")
    hasher.update(b"bc")
    assert hasher.digest() == hasher.digest() == sha512(b"abc")


def test_takes_memoryviews_and_bytearrays():
    data = bytearray(b"x" * 300)
    hasher = Sha512(memoryview(data))
    data[0] = 0  # what was hashed is hashed
    assert hasher.digest() == sha512(b"x" * 300)
