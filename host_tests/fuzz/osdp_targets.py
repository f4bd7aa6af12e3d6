"""Targets that bytes of the RS-485 line reach."""

import os
import struct
import tempfile

import osdp_panel

from host_tests.fuzz.base import Pieces, in_pieces, target


def _line() -> osdp_panel.Line:
    with tempfile.TemporaryDirectory() as folder:
        line = osdp_panel.Line(folder)
    line.relay.link._channel._random = lambda: os.urandom(32)  # so that no handshake but a new one proves the key
    return line


def _handshake() -> list[bytes]:
    """What a panel sends, from its first word to a poll in the channel."""
    line = _line()
    sent: list[bytes] = []
    put = line.put

    def keep(data):
        sent.append(bytes(data))
        return put(data)

    line.put = keep
    line.connect()
    line.command(osdp_panel.LSTAT)
    line.say(0x88, struct.pack("<I", 1_795_392_000))
    return sent


_shared: list[osdp_panel.Line] = []


@target(lambda: [in_pieces(_handshake()), in_pieces([b"".join(_handshake())])])
def osdp_line(data: bytes) -> None:
    """Any bytes on the line, in any portions: nothing is done without the key, and a true panel is heard afterwards."""
    if not _shared:
        _shared.append(_line())
    line = _shared[0]
    line.services.done.clear()
    line.relay.link._channel.close()
    line.relay._forget_controller()
    pieces = Pieces(data)
    while (piece := pieces()) is not None:
        line.put(piece)
    line.ports.ticks += 1000
    assert not line.relay.accepts(line.services.evse_ids[0], {}) and line.services.done == []
    assert len(line.relay.link._parser._held) <= 600
    assert line.greet()


@target(lambda: [in_pieces([struct.pack("<BBHH", 0x88, 1, 4, 0) + bytes(4)]), in_pieces([bytes(11)])])
def osdp_messages(data: bytes) -> None:
    """Any messages and files from a controller that has the key: all are answered, none is an exception."""
    if not _shared:
        _shared.append(_line())
    line = _shared[0]
    line.ports.ticks += 1000
    line.connect()
    pieces = Pieces(data)
    while (piece := pieces()) is not None:
        id = osdp_panel.FILE if piece[:1] == b"\x80" else osdp_panel.MFG
        line.command(id, piece[:200] if id == osdp_panel.FILE else osdp_panel.OUI + piece[:120])
        line.pass_ms(100)
    answer = line.command(osdp_panel.POLL)
    assert answer is not None and answer[0] in (osdp_panel.ACK, osdp_panel.MFGREP)
