"""What a phone over Bluetooth can send: frames, the start, records."""

from collections.abc import Iterator
from typing import Any

import nfc_fakes as fakes

from ble import frames
from host_tests.fuzz.base import Pieces, in_pieces, target
from present import messages
from present.channel import Channel, agree_steps
from present.messages import BadMessage
from present.session import Session

_KEYS = bytes(range(96))
_PAIR = bytes(range(32)), bytes(range(32, 64))


def _frames(*sizes: int) -> bytes:
    cut, number = [], 0
    for size in sizes:
        made = list(frames.cut(bytes(size), number, 60))
        number += len(made)
        cut += made
    return in_pieces(cut)


@target(lambda: [_frames(0, 38, 200), _frames(6000), _frames(1, 1, 1), _frames(56, 57, 58)])
def ble_frames(data: bytes) -> None:
    """All that one phone writes: what comes out is the data of its frames, and the room is given back."""
    room = frames.Room(6000)
    box = frames.Inbox(fakes.Clock(), room)
    pieces, joined = Pieces(data), b""
    try:
        while (frame := pieces()) is not None:
            joined += frame[4 if frame[:1] and frame[0] & 1 else 2 :]
            if box.take(frame):
                message = box.message()
                assert (message is None and len(joined) > frames.MAX_KEPT) or message == joined
                assert room.free == 6000 - (0 if message is None else len(message))  # kept until it is judged
                joined = b""
            assert 0 <= room.free <= 6000 and len(joined) <= frames.MAX_MESSAGE
    except frames.BadFrame:
        pass
    box.clear()
    assert room.free == 6000


def _session() -> Session:
    return Session("reader-1", ["DE*ABC*E1*1"], lambda: bytes(32), fakes.Clock(), pair=_PAIR)


def _records() -> Iterator[bytes]:
    present = messages.encode(messages.PRESENT, {messages.TICKET: b"ticket", messages.SIGNATURE: bytes(64)})
    for message in (present, b"", messages.encode(messages.OPENING, {messages.HOLDER_EPHEMERAL: bytes(32)})):
        yield Channel(_KEYS[48:] + _KEYS[:48], b"").seal(message)


@target(lambda: list(_records()))
def channel_records(data: bytes) -> None:
    """A record in place of the due one: nobody without the keys makes one, and the session goes on to its verdict."""
    session: Any = _session()
    session.channel, session.holder = Channel(_KEYS, bytes(32)), bytes(32)
    taken = session.take(data, "ble")
    assert taken.ticket == b"" or data in list(_records())
    assert session.verdict("MALFORMED")[:4] == bytes(4)


@target(lambda: [messages.encode(messages.OPENING, {messages.HOLDER_EPHEMERAL: bytes(range(32))})])
def channel_openings(data: bytes) -> None:
    """What comes in clear before the records; the agreement itself is cut short, its arithmetic is tested elsewhere."""
    session = _session()
    try:
        next(agree_steps(session, data))
    except BadMessage:
        pass
    assert session.pair is None and session.channel is None
