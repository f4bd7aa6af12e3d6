"""The worked examples of firmware/relay/OSDP.md are what the reader says and understands."""

import asyncio
import re
import struct
import sys
from types import SimpleNamespace

import pytest

from host_tests.host.tree import FIRMWARE
from host_tests.runner import pure

sys.path += [str(pure.PURE), str(pure.PORTABLE)]

import osdp_delivery
import osdp_line

from relay import osdp_messages
from station.controller import Controller

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


class Claims:
    provider_id, id, validation_method = "DE-XYZ", "DE-XYZ-CT-1", "MustBeValidated"


def status(dropped: int) -> bytes:
    """What the station's own code makes of a clock, a journal and a ledger like those of the example."""
    store = SimpleNamespace(first=(41, 1), last=(44, 9))
    made = Controller(
        site=SimpleNamespace(reader_id="reader-1", evses=[]),
        ports=SimpleNamespace(inputs=lambda name: []),
        clock=SimpleNamespace(now=lambda: (1_795_392_000_000, "SET")),
        keep=None,
        ledger=SimpleNamespace(live=5, limit=4000),
        journal=SimpleNamespace(store=store),
        random=SimpleNamespace(starts=7),
        trust=SimpleNamespace(version=3),
        document_steps=None,
        fault=lambda: "",
    )
    return made.status(dropped)


async def pass_on(ms: int) -> None:
    await asyncio.sleep(0)


def test_what_the_reader_says_is_what_it_sends(tmp_path, monkeypatch):
    monkeypatch.setattr(osdp_line.Services, "evse_ids", [osdp_delivery.E1])
    monkeypatch.setattr(asyncio, "sleep_ms", pass_on)
    line = osdp_line.Line(str(tmp_path))
    relay, outbox = line.relay, line.relay.link.outbox
    said = {}

    def keep(name: str, last: int | None = None, act=lambda: None) -> None:
        """What goes out for `act`; `last`: the number that the reader gave last."""
        outbox._last = outbox._last if last is None else last
        act()
        said[name] = b""
        while (data := line.relay.link.reply()) is not None:
            said[name] += data

    keep("READER", 0, relay.opened)
    relay.resume(osdp_delivery.grant())
    keep("RESUME", 1, lambda: relay.message(0x81, 1, (1, 0x0F, 1)))
    relay._resuming.clear()
    delivery = osdp_delivery.Delivery(line, osdp_delivery.grant())
    keep("GRANT", 1, delivery.step)
    relay.message(0x82, 2, (42, 0))
    keep("RENEW", 2, delivery.step)
    relay.message(0x83, 3, (42, 0, 20, 150, 1))
    delivery.step()
    keep("END", 3, lambda: relay.stop(osdp_delivery.E1, "STOPPED_BY_DRIVER"))
    relay.message(0x85, 1, (42, 2, 1800, 9340))
    (ended,) = relay.service()
    assert ended[1:] == ("STOPPED_BY_DRIVER", 1800, 9340)
    keep("ENDED_TAKEN", 6, relay.service)
    asked = osdp_delivery.Delivery(line, relay.online(Claims, osdp_delivery.E1))
    keep("VALIDATE", 4, asked.step)
    keep("TIME_ANSWER", None, lambda: relay.message(0x88, 10, (1_795_392_000,)))
    relay.link._file.whole = b"a document"
    relay.link._judge()
    keep("DOCUMENT", 5, relay.link._judge)
    line.services.export = [bytes(58) + b"\xaa\xbb"]
    relay.message(0x8B, 12, (1, 1, bytes(16)))
    assert len(relay.link.reply()) == 64
    keep("JOURNAL", None)
    keep("COLLECTED_ANSWER", None, lambda: relay.message(0x8C, 13, (40,)))
    line.services.status = status
    keep("STATUS", None, lambda: relay.message(0x8D, 14, ()))
    keep("REJECTED", None, lambda: relay.link.message(struct.pack("<BBHH", 0x89, 15, 3, 0) + bytes(3)))
    said["JOURNAL"] = said["JOURNAL"][:8]  # what follows is the piece that ends an export
    assert said == {name: EXAMPLES[name] for name in IDS if IDS[name] < 0x80}
