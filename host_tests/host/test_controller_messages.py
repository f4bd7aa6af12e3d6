"""The reference controller's messages against the examples of OSDP.md."""

import re

import pytest

from host_tests.host.tree import FIRMWARE
from tools.controller import messages
from tools.controller.messages import Assembly, Id, Malformed, Message, Piece

DOCUMENT = (FIRMWARE / "relay/OSDP.md").read_text("utf-8")


def examples() -> dict[str, list[bytes]]:
    """{name: packets} of section 6: a line without a name belongs to the one before, a new header begins a packet."""
    found: dict[str, list[bytes]] = {}
    name = ""
    for line in DOCUMENT.partition("## 6.")[2].split("```")[1].strip().splitlines():
        named = re.match(r"([A-Z_]+)?\s+((?:[0-9a-f]{2} ?)+)$", line)
        assert named, line
        data = bytes.fromhex(named[2])
        if named[1]:
            name = named[1]
            found[name] = [data]
        elif data[:2] == found[name][0][:2]:
            found[name].append(data)
        else:
            found[name][-1] += data
    return found


EXAMPLES = examples()
KEY = bytes(range(32))
VALUES = {
    "READER": {"version": 1, "starts": 7, "count": 1, "reader": "reader-1", "evses": ["DE*ABC*E1*1"]},
    "CONTROLLER": {"version": 1, "enforces": 15, "flags": 1},
    "GRANT": {
        "session": 42, "evse": 0, "holder": 1, "smart": 2, "lease_s": 60, "limits": 25, "max_energy_wh": 11000,
        "max_power_w": 0, "max_current_a": 0, "max_duration_min": 90, "ticket_key": KEY, "provider": "DE-XYZ",
        "ticket": "DE-XYZ-CT-1",
        "price": "20.00", "currency": "EUR", "tariffs": b'["T1"]',
    },
    "GRANT_ANSWER": {"session": 42, "result": 0},
    "RENEW": {"session": 42, "lease_s": 60},
    "RUNS": {"session": 42, "result": 0, "seconds": 20, "energy_wh": 150, "vehicle": 1},
    "END": {"session": 42, "cause": messages.STOPPED_BY_DRIVER},
    "END_ANSWER": {"session": 42, "seconds": 1800, "energy_wh": 9340},
    "ENDED": {"session": 42, "cause": messages.UNPLUGGED, "seconds": 1800, "energy_wh": 9340},
    "ENDED_TAKEN": {"session": 42},
    "VALIDATE": {"evse": 0, "why": 1, "ticket_key": KEY, "provider": "DE-XYZ", "ticket": "DE-XYZ-CT-1"},
    "VALIDATE_ANSWER": {"result": 1},
    "RESUME": {"session": 42, "evse": 0},
    "VEHICLE": {"evse": 0, "state": 1},
    "TIME": {"unix_s": 0x6B038200},
    "TIME_ANSWER": {"result": 0, "unix_s": 0x6B038200},
    "STOP": {"session": 42},
    "DOCUMENT": {"result": 0, "outcome": "ACCEPTED"},
    "JOURNAL_READ": {"first_kept": 1, "first_refusal": 1, "nonce": KEY[:16]},
    "COLLECTED": {"last_kept": 40},
    "COLLECTED_ANSWER": {"result": 0, "oldest_kept": 41, "last_kept": 44},
    "STATUS_GET": {},
    "STATUS": {
        "version": 1, "clock": 2, "unix_s": 0x6B038200, "trust_version": 3, "oldest_kept": 41, "last_kept": 44,
        "oldest_refusal": 1, "last_refusal": 9, "remembered": 5, "room": 4000, "dropped": 0, "fault": "",
    },
    "REJECTED": {"rejected": 0x89, "why": 1},
}  # fmt: skip


def test_document_has_an_example_of_every_message():
    assert set(EXAMPLES) == set(VALUES) | {"JOURNAL"} == set(Id.__members__)


@pytest.mark.parametrize("name", VALUES)
def test_example_is_read_as_the_document_says(name):
    id = Id[name]
    first = EXAMPLES[name][0]
    if id >= 0x80:
        assert messages.pack(id, first[1], **VALUES[name]) == first and len(EXAMPLES[name]) == 1
        assert messages.unpack_body(id, first[6:]) == VALUES[name]
        return
    assembly = Assembly()
    *before, last = [assembly.feed(packet) for packet in EXAMPLES[name]]
    assert before == [None] * (len(EXAMPLES[name]) - 1)
    assert last == Message(id, first[1], VALUES[name])
    assert messages.pack_body(id, **VALUES[name]) == b"".join(packet[6:] for packet in EXAMPLES[name])


def test_journal_piece_is_read_as_the_document_says():
    (piece,) = EXAMPLES["JOURNAL"]
    assert Assembly().feed(piece) == Piece(0x0C, 58, b"\xaa\xbb")
    assert Assembly().feed(piece[:6]) == Piece(0x0C, 58, b"")


def test_new_first_fragment_begins_anew_and_a_lost_one_is_noticed():
    first, second = EXAMPLES["GRANT"]
    assembly = Assembly()
    assert assembly.feed(first) is None and assembly.feed(first) is None
    grant = assembly.feed(second)
    assert isinstance(grant, Message) and grant.values == VALUES["GRANT"]
    with pytest.raises(Malformed):
        assembly.feed(second)
    with pytest.raises(Malformed):
        assembly.feed(second)
    assert assembly.feed(EXAMPLES["RENEW"][0]) is not None


@pytest.mark.parametrize("name", [name for name in VALUES if EXAMPLES[name][0][0] < 0x80])
def test_every_shorter_body_and_a_longer_one_is_malformed(name):
    packets = EXAMPLES[name]
    id, body = Id[name], b"".join(packet[6:] for packet in packets)
    whole_texts = {len(body) - 12} if name == "READER" else set()  # one EVSE fewer is a body, too
    for end in set(range(len(body))) - whole_texts:
        with pytest.raises(Malformed):
            messages.unpack_body(id, body[:end])
    with pytest.raises(Malformed):
        messages.unpack_body(id, body + b"\1")


def test_what_is_out_of_range_is_not_sent():
    for values in ({"session": 1 << 32}, {"session": -1}):
        with pytest.raises(Malformed):
            messages.pack(Id.STOP, 1, **values)
    with pytest.raises(Malformed):
        messages.pack(Id.JOURNAL_READ, 1, first_kept=1, first_refusal=1, nonce=b"short")


@pytest.mark.parametrize(
    "data", ["", "020105", "7f0100000000", "810103000000010f01", "0201ffff0000aa", "00" * 65], ids=lambda data: data[:6]
)
def test_what_no_reader_sends_is_malformed(data):
    with pytest.raises(Malformed):
        Assembly().feed(bytes.fromhex(data))
