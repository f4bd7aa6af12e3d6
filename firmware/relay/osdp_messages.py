"""The manufacturer messages of OSDP.md: a queue of those to the controller, in fragments; reading those from it."""

import struct

from micropython import const

_HEAD = const(6)
_PIECE = const(58)  # bytes of a message in one reply: 64 with the head
_AHEAD = const(16)
UNKNOWN = const(0)  # why a message is rejected
BAD = const(1)
NOT_NOW = const(2)

# body of each message of the controller, from id 81 on
_BODIES = ("<BBB", "<IB", "<IBIIB", "<III", "<IBII", "<B", "<BB", "<I", "<I", None, "<II16s", "<I", "<")


class Rejected(Exception):
    """The message cannot be obeyed; its argument is why."""


def read(data):
    """data of an MFG command, 6 bytes at least -> the values of its body. Raises Rejected."""
    index = data[0] - 0x81
    form = _BODIES[index] if 0 <= index < len(_BODIES) else None
    if form is None:
        raise Rejected(UNKNOWN)
    length = len(data) - _HEAD
    if struct.unpack("<HH", data[2:_HEAD]) != (length, 0) or length != struct.calcsize(form):
        raise Rejected(BAD)
    return struct.unpack(form, data[_HEAD:])


def text(value):
    """A text of at most 255 bytes, str or UTF-8, with its length."""
    if type(value) is str:
        value = value.encode()
    return bytes((len(value),)) + value


class Outbox:
    """Messages that wait to be polled for; `dropped` counts those for which there was no room."""

    def __init__(self):
        self._waiting = []  # [id, number, body]
        self._sent = 0  # bytes of the first one's body
        self._last = 0
        self.dropped = 0

    def clear(self):
        self._waiting = []
        self._sent = 0

    def add(self, id, body, number=None, urgent=False):
        """Its number: the next of ours, or that of the message that it answers; None: no room. `urgent` comes next."""
        if len(self._waiting) >= _AHEAD:
            self.dropped = min(self.dropped + 1, 255)
            return None
        if number is None:
            number = self._last = self._last % 255 + 1
        place = (1 if self._sent else 0) if urgent else len(self._waiting)
        self._waiting.insert(place, (id, number, body))
        return number

    def drop(self, number):
        """Takes back one of ours of which nothing was sent."""
        for index in range(1 if self._sent else 0, len(self._waiting)):
            if self._waiting[index][1] == number and self._waiting[index][0] < 8:
                del self._waiting[index]
                return

    def next(self):
        """The next fragment with its head, or None."""
        if not self._waiting:
            return None
        id, number, body = self._waiting[0]
        start = self._sent
        self._sent = min(start + _PIECE, len(body))
        if self._sent == len(body):
            self._waiting.pop(0)
            self._sent = 0
        return struct.pack("<BBHH", id, number, len(body), start) + body[start : start + _PIECE]


class File:
    """A document that comes by FILETRANSFER. `whole`: all of it, until somebody has taken it away; `held`: what has
    come of the next one."""

    def __init__(self, kind, longest):
        self._kind = kind
        self._longest = longest
        self.held = bytearray(0)
        self._have = 0
        self.whole = None

    def take(self, data):
        """data of one FILETRANSFER -> status of FTSTAT."""
        if len(data) < 11:
            return -3
        kind, size, offset, length = struct.unpack("<BIIH", data[:11])
        if kind != self._kind:
            return -2
        if offset == 0:
            self.held, self._have = bytearray(0), 0
            if self.whole is not None or size > self._longest:
                return -1
            try:
                self.held = bytearray(size)  # at once: a board has no room to move it about
            except MemoryError:
                return -1
        end = offset + length
        if length != len(data) - 11 or not length or offset != self._have or size != len(self.held) or end > size:
            return -3
        self.held[offset:end] = data[11:]
        self._have = end
        if end < size:
            return 0
        self.whole, self.held = self.held, bytearray(0)
        return 1


class Export:
    """The pieces of a journal that is being pulled. parts: iterator of byte strings."""

    def __init__(self, number, parts):
        self._number = number
        self._parts = parts
        self._part = b""
        self._at = 0  # in the part
        self._offset = 0
        self.over = False

    def next(self):
        """The next piece with its head; an empty one is the last."""
        piece = b""
        while len(piece) < _PIECE:
            if self._at == len(self._part):
                self._part, self._at = next(self._parts, b""), 0
                if not self._part:
                    break
            more = self._part[self._at : self._at + _PIECE - len(piece)]
            self._at += len(more)
            piece += more
        self.over = not piece
        head = struct.pack("<BBI", 0x0B, self._number, self._offset)
        self._offset += len(piece)
        return head + piece
