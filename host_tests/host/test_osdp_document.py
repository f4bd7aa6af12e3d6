"""The worked examples of firmware/relay/OSDP.md are what the reader says and understands."""

import re
import struct
import sys

import pytest

from host_tests.host.tree import FIRMWARE
from host_tests.runner import pure

sys.path += [str(pure.PURE), str(pure.PORTABLE)]

import osdp_delivery
import osdp_line

from relay import osdp_messages

_DOCUMENT = (FIRMWARE / "relay/OSDP.md").read_text("utf-8")
_BLOCK = _DOCUMENT.split("## 6. Examples")[1].split("```")[1]


def examples() -> dict[str, bytes]:
    """By the message's name; a fragmented one in one."""
    found: dict[str, list[bytes]] = {}
    name = ""
    for line in _BLOCK.strip().split("\n"):
        name = line[:18].strip() or name
        found.setdefault(name, []).append(bytes.fromhex(line[18:]))
    return {name: b"".join(parts) for name, parts in found.items()}


EXAMPLES = examples()
IDS = {
    name: int(id, 16) for id, name in re.findall(r"^\| ([0-9A-F]{2}) \| (\w+) \|", _DOCUMENT, re.M) if name in EXAMPLES
}


def body(name: str) -> bytes:
    """Without the heads of its fragments."""
    data, found, total = EXAMPLES[name], b"", -1
    while data:
        id, _, total, offset = struct.unpack("<BBHH", data[:6])
        assert id == IDS[name] and offset == len(found)
        piece = data[6 : 6 + min(58, total - offset)]
        assert len(piece) == min(58, total - offset), name
        found, data = found + piece, data[6 + len(piece) :]
    assert len(found) == total
    return found


def test_there_is_one_for_every_message():
    rows = re.findall(r"^\| ([0-9A-F]{2}) \| (\w+) \|", _DOCUMENT, re.M)
    assert {name for _, name in rows} == set(EXAMPLES) == set(IDS)


@pytest.mark.parametrize("name", sorted(set(IDS) - {"JOURNAL"}))
def test_its_lengths_are_right_and_what_a_controller_says_is_understood(name):
    said = body(name)
    if IDS[name] >= 0x80:
        values = osdp_messages.read(EXAMPLES[name])
        assert struct.pack(osdp_messages._BODIES[IDS[name] - 0x81] or "", *values) == said


def test_what_the_reader_says_is_what_it_sends(tmp_path):
    line = osdp_line.Line(str(tmp_path))
    relay, outbox = line.relay, line.relay.link.outbox
    relay._greeted = True
    session = relay._begin(osdp_delivery.grant())
    outbox.add(2, relay._grant_body(session.grant), 2)
    outbox.add(3, relay._renewal(session), 3)
    assert outbox.next() + outbox.next() == EXAMPLES["GRANT"]
    assert outbox.next() == EXAMPLES["RENEW"]
    outbox._last = 3
    relay.stop(osdp_delivery.E1, "STOPPED_BY_DRIVER")
    assert outbox.next() == EXAMPLES["END"]
    relay._journaled, outbox._last = [42], 0
    relay.service()
    assert outbox.next() == EXAMPLES["ENDED_TAKEN"]
    relay.link.message(bytes((0x8F, 0x0F, 0, 0, 0, 0)))
    assert outbox.next() == EXAMPLES["REJECTED"][:7] + b"\0"  # no such message; the example's length will not do
    assert body("READER").endswith(osdp_messages.text("DE*ABC*E1*1"))
    assert body("DOCUMENT") == b"\0" + osdp_messages.text("ACCEPTED")
