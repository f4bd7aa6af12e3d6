"""The encrypted channel: known answers, every byte that is changed, replays, keys that serve twice, weak keys.

The vector is that of ble/README.md, whose other end is `cryptography` (host_tests/host/ble_example.py).
"""

import hashlib
import sys

from support import INTERPRETER

if INTERPRETER == "wasm32":
    import aes

    sys.modules["cryptolib"] = aes

from crypto import x25519
from present import messages
from present.channel import Channel, agree_steps, mac, pair_steps
from present.messages import BadMessage
from present.session import Session

_READER = bytes(range(64, 96))
_HOLDER = bytes(range(96, 128))
_NONCE = bytes(range(32))
_KEYS = bytes.fromhex(
    "7ba56bdc1a4f917102c24a41a1772418"
    "33bfe1bcfd1a908a7c7c6476bd3024708ac68e38c4874b8e468e73107ab7bdb2"
    "477cca9f7bc09e5b72f8ce17ebbefd7f"
    "89909234716936a5eb1ae5981a8fdbc51be83c5c5ee49aeb159c4b93cdaa3098"
)
_BINDING = bytes.fromhex("ed01a021ac73e02e5290b8db003fe67a4164ef7ce3148827abb5bb11f3c82910")
_VERDICT = bytes.fromhex("a40001066b44452a4142432a45312a310a674752414e5445440ba20a19ea600d18f0")
_RECORD = bytes.fromhex(
    "00000000cbc588bedca5856584e2effd95dc57ea5c1c9bb14541f4faaf0a4f206dd7169c9c9449595bbe6ec4f859672d2b01119fe1e0"
)


class Timing:
    def after(self, ms):
        return ms

    def left(self, deadline):
        return deadline


def last(steps):
    value = None
    for value in steps:
        pass
    return value


def session(pair, nonce=_NONCE):
    return Session("reader-1", ["DE*ABC*E1*1"], lambda: nonce, Timing(), pair=pair)


def agreed(private=_HOLDER, pair=None, nonce=_NONCE):
    """A session that has agreed with this holder."""
    made = session(pair or last(pair_steps(_READER)), nonce)
    opening = messages.encode(messages.OPENING, {messages.HOLDER_EPHEMERAL: x25519.public(private)})
    assert len(opening) == messages.OPENING_BYTES
    last(agree_steps(made, opening))
    return made


def holders_end():
    """A channel that seals as the holder does, of the same parts with the directions swapped."""
    return Channel(_KEYS[48:] + _KEYS[:48], b"")


def refused(channel, record):
    try:
        channel.open(record)
    except BadMessage:
        return True
    return False


def test_hmac_is_that_of_rfc_4231():
    code = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    assert mac(b"\x0b" * 20, b"Hi ", b"There") == bytes.fromhex(code)
    code = "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
    assert mac(b"\xaa" * 20, b"\xdd" * 50) == bytes.fromhex(code)


def test_keys_and_records_are_those_of_the_published_exchange():
    made = agreed()
    assert made.channel.binding == _BINDING
    assert made.channel.seal(_VERDICT) == _RECORD
    assert Channel(_KEYS, b"").seal(_VERDICT) == _RECORD
    sealed = holders_end().seal(b"a message")
    assert made.channel.open(sealed) == b"a message"


def test_records_of_every_length_open_and_are_twenty_bytes_longer():
    sizes = list(range(40)) + [255, 256, 257, 1387, 4332]
    reader, holder = Channel(_KEYS, b""), holders_end()
    for size in sizes if INTERPRETER != "wasm32" else sizes[::6]:
        data = bytes(i * 7 & 0xFF for i in range(size))
        record = holder.seal(data)
        assert len(record) == size + 20
        assert reader.open(memoryview(record)) == data


def test_a_change_of_any_byte_is_refused():
    record = holders_end().seal(bytes(70))
    for at in range(len(record)):
        for bit in (0x01, 0x80):
            changed = bytearray(record)
            changed[at] ^= bit
            assert refused(Channel(_KEYS, b""), bytes(changed)), at
    for size in range(len(record)):
        assert refused(Channel(_KEYS, b""), record[:size]), size
    assert refused(Channel(_KEYS, b""), record + b"\x00")
    assert not refused(Channel(_KEYS, b""), record)


def test_a_record_opens_once_in_its_order_and_its_direction_and_none_after_a_bad_one():
    holder, reader = holders_end(), Channel(_KEYS, b"")
    first, second, third = (holder.seal(b"x") for _ in range(3))
    assert not refused(reader, first)
    assert refused(reader, first)  # a replay
    assert refused(reader, second)  # nothing is believed any more
    reader = Channel(_KEYS, b"")
    assert refused(reader, second)
    reader = Channel(_KEYS, b"")
    assert not refused(reader, first) and not refused(reader, second) and not refused(reader, third)
    reader = Channel(_KEYS, b"")
    assert refused(reader, reader.seal(b"x"))  # the reader's own
    assert first[4:5] != second[4:5] or first[5:] != second[5:]


def test_what_one_session_agreed_on_opens_nothing_in_another():
    record = holders_end().seal(b"x")
    pair = last(pair_steps(_READER))
    assert not refused(agreed(pair=pair).channel, record)
    assert refused(agreed(pair=pair, nonce=bytes(32)).channel, record)
    assert refused(agreed(private=bytes(range(1, 33)), pair=pair).channel, record)
    assert refused(agreed(pair=last(pair_steps(bytes(range(32))))).channel, record)


def test_a_session_s_key_agrees_once_and_not_after_its_nonce_has_served():
    made = agreed()
    opening = messages.encode(messages.OPENING, {messages.HOLDER_EPHEMERAL: x25519.public(_HOLDER)})
    for used in (made, session(None), session(last(pair_steps(_READER)))):
        if used.pair is not None:
            used.take(b"", "ble")
        try:
            last(agree_steps(used, opening))
            assert False, "agreed"
        except BadMessage as bad:
            assert bad.detail == "not offered"
        assert used.pair is None


def test_points_of_low_order_are_refused():
    weak = [
        bytes(32),
        b"\x01" + bytes(31),
        b"\xec" + b"\xff" * 30 + b"\x7f",
        b"\xed" + b"\xff" * 30 + b"\x7f",
        b"\xee" + b"\xff" * 30 + b"\x7f",
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    ]
    pair = last(pair_steps(_READER))
    for point in weak:
        made = session(pair)
        try:
            last(agree_steps(made, messages.encode(messages.OPENING, {messages.HOLDER_EPHEMERAL: point})))
            assert False, "agreed"
        except BadMessage as bad:
            assert bad.detail == "low order"
        assert made.channel is None


def test_what_is_no_opening_is_refused():
    for opening in (b"", b"\xa0", b"\xa1\x00\x01", b"\xa2\x00\x01\x08\x41\x00", bytes(38)):
        made = session(last(pair_steps(_READER)))
        try:
            last(agree_steps(made, opening))
            assert False, "agreed"
        except BadMessage:
            assert made.channel is None


def test_a_present_that_is_no_record_of_an_agreed_session_is_no_ticket():
    present = messages.encode(messages.PRESENT, {messages.TICKET: b"ticket"})
    made = agreed()
    taken = made.take(present, "ble")
    assert taken.ticket == b""
    made = agreed()
    taken = made.take(holders_end().seal(present), "ble")
    assert taken.ticket == b"ticket" and taken.encrypted
    assert made.verdict("GRANTED")[:4] == bytes(4) and b"GRANTED" not in made.verdict("GRANTED")


def test_a_present_may_repeat_its_own_key_and_no_other():
    public = x25519.public(_HOLDER)
    for key, ticket in ((public, b"ticket"), (bytes(32), b"")):
        present = messages.encode(messages.PRESENT, {messages.TICKET: b"ticket", messages.HOLDER_EPHEMERAL: key})
        assert agreed().take(holders_end().seal(present), "ble").ticket == ticket
    assert session(None).take(present, "ble").ticket == b""


def test_the_proof_is_tied_to_the_channel():
    present = messages.encode(messages.PRESENT, {messages.TICKET: b"ticket", messages.SIGNATURE: bytes(64)})
    taken = agreed().take(holders_end().seal(present), "ble")
    reader = last(pair_steps(_READER))[1]
    assert taken.proof.channel == hashlib.sha256(reader + x25519.public(_HOLDER)).digest()
