"""Messages in frames (README.md): put together from what one phone writes, cut for what it is sent.

flags[1]: bit 0 first, bit 1 last | seq[1]: counts the frames of one direction, from 0 at connection, mod 256
| total[2, BE]: bytes of the message, in its first frame only | data
"""

from micropython import const

MAX_FRAME = const(512)  # the longest value of an attribute
MAX_MESSAGE = const(6000)
MAX_KEPT = const(4352)  # no PRESENT with a ticket that may be judged is longer, nor its record
MESSAGE_MS = const(10_000)
SILENCE_MS = const(2000)
_SLOWEST = const(150)  # bytes a second, after the first two seconds
_FIRST = const(1)
_LAST = const(2)
_HEAD = const(2)
_FIRST_HEAD = const(4)


class BadFrame(Exception):
    """The stream of frames is broken and says nothing any more; its argument is a short fixed text.

    `too_long`: it is well, but its message is longer than any may be.
    """

    def __init__(self, detail, too_long=False):
        super().__init__(detail)
        self.too_long = too_long


class Room:
    """Bytes that the messages of all phones together may take, until they are judged."""

    def __init__(self, free):
        self.free = free


class Inbox:
    """What one phone writes. timing: `after` and `left` as in nfc/timing.py; room: a Room, shared by all phones."""

    def __init__(self, timing, room):
        self._timing = timing
        self._room = room
        self._seq = self._have = self._held = 0
        self._total = self._buffer = None
        self.heard()

    def heard(self):
        """Counts silence from now on."""
        self._heard = self._timing.after(0)

    def take(self, frame):
        """True when this frame ends a message, which `message` then gives. Raises BadFrame; MemoryError where all
        phones' messages would take too much: this one has to come again later. Nothing helps then."""
        flags = frame[0] if frame else 0
        at = _FIRST_HEAD if flags & _FIRST else _HEAD
        if not at <= len(frame) <= MAX_FRAME:
            raise BadFrame("size")
        if flags > (_FIRST | _LAST):
            raise BadFrame("flags")
        if frame[1] != self._seq:
            raise BadFrame("sequence")  # one is lost, came twice, or in another order
        if (self._total is None) != bool(flags & _FIRST):
            raise BadFrame("first")
        if flags & _FIRST:
            self._begin(frame[2] << 8 | frame[3])
        self._seq = (self._seq + 1) & 0xFF
        have = self._have + len(frame) - at
        if (have == self._have and self._total) or have > self._total or (have == self._total) != bool(flags & _LAST):
            raise BadFrame("length")
        if self._buffer is not None:
            self._buffer[self._have : have] = frame[at:]
        self._have = have
        self.heard()
        return bool(flags & _LAST)

    def message(self):
        """The message that has just ended; None for one that is longer than a PRESENT can be. It keeps its room until
        the next one or `clear`: who judges it needs some."""
        message = None if self._buffer is None else bytes(self._buffer)
        self._have, self._total, self._buffer = 0, None, None
        return message

    def clear(self):
        """Gives back the room of a message, finished or not."""
        self._room.free += self._held
        self._held = self._have = 0
        self._total = self._buffer = None

    def late(self):
        """Whether the phone has been silent, or its message under way, for too long."""
        if -self._timing.left(self._heard) > SILENCE_MS:
            return True
        limit_ms = min(MESSAGE_MS, SILENCE_MS + self._have * 1000 // _SLOWEST)
        return self._total is not None and -self._timing.left(self._begun) > limit_ms

    def _begin(self, total):
        if total > MAX_MESSAGE:
            raise BadFrame("too long", True)
        self.clear()
        if total <= MAX_KEPT:
            if total > self._room.free:
                raise MemoryError
            self._buffer = bytearray(total)
            self._room.free -= total
            self._held = total
        self._total = total
        self._begun = self._timing.after(0)


def cut(message, seq, size):
    """Yields the frames of a message, the first with number `seq`, none over `size` bytes."""
    at, total = 0, len(message)
    flags, head = _FIRST, bytes((total >> 8, total & 0xFF))
    while flags & _FIRST or at < total:
        piece = message[at : at + size - _HEAD - len(head)]
        at += len(piece)
        if at == total:
            flags |= _LAST
        yield bytes((flags, seq & 0xFF)) + head + piece
        seq += 1
        flags, head = 0, b""
