"""Targets that bytes of the RS-485 line reach."""

import os
import struct
import tempfile
from itertools import islice

import osdp_panel
from osdp_line import Line

from host_tests.fuzz.base import Pieces, in_pieces, target

_MOST = 24  # portions or messages that are taken of an input: more of them reach nothing more, and cost


def _line() -> Line:
    with tempfile.TemporaryDirectory() as folder:
        line = Line(folder)
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


_shared: list[Line] = []


def _fresh() -> Line:
    """The line of all inputs, a second later, without what the last one has left on it."""
    if not _shared:
        _shared.append(_line())
    line = _shared[0]
    line.ports.ticks += 1000
    line.ports.uart.waiting = line.ports.uart.sent = b""
    line.ports.driver.clear()
    line.services.done.clear()
    return line


@target(lambda: [in_pieces(_handshake()), in_pieces([b"".join(_handshake())])])
def osdp_line(data: bytes) -> None:
    """Any bytes on the line, in any portions: nothing is done without the key, and a true panel is heard afterwards."""
    line = _fresh()
    line.relay.link._channel.close()
    line.relay._forget_controller()
    for piece in islice(iter(Pieces(data), None), _MOST):
        line.put(piece)
    line.ports.ticks += 1000
    assert not line.relay.accepts(line.services.evse_ids[0], {}) and line.services.done == []
    assert len(line.relay.link._parser._held) <= 600
    assert line.greet()


def _messages() -> list[bytes]:
    """Each message that a controller has, and a document in two pieces."""
    from relay.osdp_messages import _BODIES

    bodies = [bytes(struct.calcsize(form or "")) for form in _BODIES]
    each = [struct.pack("<BBHH", 0x81 + at, at, len(body), 0) + body for at, body in enumerate(bodies)]
    file = [struct.pack("<BIIH", 0x80, 200, at, 100) + bytes(100) for at in (0, 100)]
    return [in_pieces([message, b"", b""]) for message in each] + [in_pieces(file)]


@target(_messages)
def osdp_messages(data: bytes) -> None:
    """Any messages and files from a controller that has the key: all are answered, none is an exception."""
    line = _fresh()
    line.connect()
    for piece in islice(iter(Pieces(data), None), _MOST):
        if not piece:
            line.command(osdp_panel.POLL)
        elif piece[0] == 0x80:
            line.command(osdp_panel.FILE, piece[:200])
        else:
            line.command(osdp_panel.MFG, osdp_panel.OUI + piece[:120])
        line.pass_ms(100)
        line.relay.link._judge()
    answer = line.command(osdp_panel.POLL)
    assert answer is not None and answer[0] in (osdp_panel.ACK, osdp_panel.MFGREP)
