"""Random bytes: never twice, and not to be foretold from what the chip gives."""

import hashlib

from station.random import Random

KEY = bytes(range(32))


def zeros(count):
    return bytes(count)


def hmac(key, data):
    key = key + bytes(64 - len(key))
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + data).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).digest()


def test_the_bytes_are_those_of_the_design():
    secret = hmac(KEY, b"charging-ticket-random-v1")
    random = Random(KEY, 258, lambda count: bytes((7,)) * count)
    for number in (1, 2, 3):
        counters = b"\x00\x00\x00\x00\x00\x00\x01\x02" + bytes((0, 0, 0, number))
        assert random() == hmac(secret, counters + b"\x07" * 32)


def test_no_value_comes_twice_even_if_the_chip_gives_always_the_same():
    seen = set()
    for boot in range(1, 20):
        random = Random(KEY, boot, zeros)
        for _ in range(20):
            seen.add(random())
    assert len(seen) == 19 * 20
    assert min(len(one) for one in seen) == 32


def test_another_reader_has_other_values():
    assert Random(KEY, 1, zeros)() != Random(bytes(32), 1, zeros)()


def test_the_chip_s_own_bytes_count_too():
    assert Random(KEY, 1, zeros)() != Random(KEY, 1, lambda count: bytes(count - 1) + b"\x01")()
