"""HELLO, PRESENT and VERDICT: what is taken, what is refused, and the bytes on the wire."""

import present.messages as messages
from present.messages import HELLO, OPENING, PRESENT, VERDICT, BadMessage, decode, encode
from ticket import cbor
from ticket.verdict import REASONS

NONCE = bytes(range(32))
E1, E2, E3 = "DE*ABC*E1*1", "DE*ABC*E1*2", "DE*ABC*E1*3"

# kind: (least, most) that is taken
GOOD = {
    "hello": (HELLO, {0: 1, 1: "r", 2: [E1], 3: NONCE}, {0: 1, 1: "ä" * 16, 2: [E1, E2, "x" * 56], 3: NONCE, 4: NONCE}),
    "opening": (OPENING, {0: 1, 8: NONCE}, {0: 1, 8: NONCE}),
    "present": (
        PRESENT,
        {0: 1, 5: b""},
        {0: 1, 5: bytes(4096), 6: "x" * 56, 7: bytes(64), 8: NONCE, 9: "12345678"},
    ),
    "verdict": (
        VERDICT,
        {0: 1, 10: "EXPIRED"},
        {0: 1, 10: "GRANTED", 6: E1, 11: {10: 0, 11: 1, 12: 32, 13: 0x7FFFFFFF, 14: ["12.50", "EUR"]}},
    ),
}
# values that no message may have under that key
BAD = {
    0: (0, 2, -1, True, "1", None, [1]),
    1: ("", "x" * 33, "ä" * 17, b"r", 1, None),
    2: ([], [""], [E1, E1], [E1, E2, E3, "x"], ["x" * 57], [b"x"], [1], [[E1]], E1, {0: E1}, None),
    3: (bytes(31), bytes(33), b"", "x" * 32, None),
    4: (bytes(31), "x" * 32, None),
    5: ("ticket", 1, None, [b""]),
    6: ("", "x" * 57, b"x", 0, None),
    7: (bytes(63), bytes(65), "x" * 64, None),
    8: (bytes(31), None),
    9: ("123456789", "ä" * 5, b"1", 1234, None),
    10: ("", "granted", "NO_SUCH_REASON", b"GRANTED", 0, None),
    11: (
        None,
        [],
        {9: 1},
        {15: 1},
        {"maxPower": 1},
        {10: -1},
        {10: 0x80000000},
        {10: True},
        {13: "1"},
        {14: "12.50 EUR"},
        {14: ["12.50"]},
        {14: ["12.50", "EUR", ""]},
        {14: ["-1", "EUR"]},
        {14: ["1", "eur"]},
        {14: [1, "EUR"]},
        {14: ["1", b"EUR"]},
    ),
}


def refuses(kind, data):
    try:
        decode(kind, data)
    except BadMessage as error:
        return isinstance(error.detail, str) and len(error.detail) > 0
    return False


def test_the_least_and_the_most_of_each_message_survive_the_wire():
    for kind, least, most in GOOD.values():
        for message in (least, most):
            assert decode(kind, cbor.dumps(message)) == message
            assert decode(kind, encode(kind, {key: message[key] for key in message if key})) == message


def test_the_bytes_of_a_hello():
    data = encode(HELLO, {1: "reader-1", 2: [E1, E2], 3: NONCE})
    assert data == (
        b"\xa4\x00\x01\x01\x68reader-1\x02\x82\x6b" + E1.encode() + b"\x6b" + E2.encode() + b"\x03\x58\x20" + NONCE
    )


def test_every_wrong_value_is_refused_in_every_message_that_has_its_key():
    seen = set()
    for kind, _, most in GOOD.values():
        for key in most:
            seen.add(key)
            for value in BAD[key]:
                message = dict(most)
                message[key] = value
                assert refuses(kind, cbor.dumps(message)), (key, value)
    assert seen == set(BAD)


def test_a_key_that_is_missing_or_of_another_message_is_refused():
    for kind, least, most in GOOD.values():
        for key in least:
            message = dict(most)
            del message[key]
            assert refuses(kind, cbor.dumps(message)), key
        for key in (-1, 12, 300, "ticket"):
            message = dict(most)
            message[key] = 0
            assert refuses(kind, cbor.dumps(message)), key
        for _, _, other in GOOD.values():
            for key in other:
                if key not in most:
                    message = dict(most)
                    message[key] = other[key]
                    assert refuses(kind, cbor.dumps(message)), key


def test_what_is_no_single_strict_map_is_refused():
    for kind, least, _ in GOOD.values():
        data = cbor.dumps(least)
        for bad in (
            b"",
            b"\x01",
            b"\x80",
            b"\xf6",
            data[:-1],
            data + b"\x00",
            b"\xd9\xd9\xf7" + data,
            b"\xbf\x00\x01\xff",
        ):
            assert refuses(kind, bad), bad
    assert refuses(VERDICT, b"\xa3\x00\x01\x00\x01\x0a\x67EXPIRED"), "a key twice"
    assert refuses(VERDICT, b"\xa2\x00\x18\x01\x0a\x67EXPIRED"), "a longer head than needed"


def test_messages_of_this_reader_are_checked_before_they_are_sent():
    for kind, message in ((HELLO, {1: "r", 2: [], 3: NONCE}), (VERDICT, {10: "SURELY"}), (HELLO, {1: "r", 2: [E1]})):
        try:
            encode(kind, message)
        except BadMessage:
            continue
        raise AssertionError(message)


def test_every_reason_fits_a_verdict():
    for reason in REASONS:
        assert decode(VERDICT, encode(VERDICT, {10: reason}))[10] == reason


def test_limits_by_their_names_are_limits_by_their_keys():
    named = {"maxEnergy": 1, "maxPower": 2, "maxCurrent": 3, "maxDuration": 0}
    assert messages.limits_of(named) == {10: 1, 11: 2, 12: 3, 13: 0}
    assert messages.limits_of({"maxPrice": {"amount": "20.00", "currency": "EUR"}}) == {14: ["20.00", "EUR"]}
    assert messages.limits_of({}) == {}


def test_any_bytes_at_all_are_a_message_or_a_bad_one():
    state = 1
    for kind, _, most in GOOD.values():
        good = cbor.dumps(most)[:400]
        for _ in range(400):
            data = bytearray(good)
            for _ in range(3):
                state = (state * 1103515245 + 12345) & 0x3FFFFFFF
                data[(state >> 8) % len(data)] = state >> 3 & 0xFF
            try:
                decode(kind, data)
            except BadMessage:
                pass
