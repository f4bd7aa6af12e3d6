"""What the PN532's I2C and SPI have in common: the host asks whether a frame is ready, then fetches it whole.

A bus of this kind has the members that hsu.py asks for, and three of its own: `_put(data)` sends in one
transaction, `_ready()` asks, `_fetch(view, parser)` takes in one frame. All three block for as long as the bytes take.
"""

from micropython import const

import nfc.frames as frames

HEAD = const(6)  # bytes of a frame that say how long it is; ACK and NACK have no more
EXTENDED = const(-1)
BROKEN = const(-2)

_WAKE = bytes(280)  # zeros complete any frame that the chip may have got half of, and are preamble to it otherwise
_IRQ_MS = const(1)
# How often the chip is asked although its interrupt line is quiet, in looks: a broken wire makes it slow, not deaf.
_ASK_ANYHOW = const(10)


def rest(head):
    """Bytes that follow the first HEAD ones of a frame; EXTENDED when those do not tell, BROKEN when it is none."""
    length = head[3]
    check = head[4]
    if head[0] or head[1] or head[2] != 0xFF:
        return BROKEN
    if length == 0xFF and check == 0xFF:
        return EXTENDED
    if (length + check) & 0xFF == 0xFF and (length == 0 or check == 0):
        return 0
    return length + 1 if length and not (length + check) & 0xFF else BROKEN


class Polled:
    """`irq()` gives the level of the chip's interrupt line, which is low while a frame waits; None where not wired."""

    fast = None
    _put = _ready = _fetch = None  # a bus has them

    def __init__(self, timing, irq, byte_ns, look_ms):
        self._timing = timing
        self._irq = irq
        self._byte_ns = byte_ns
        self._look_ms = _IRQ_MS if irq else look_ms
        self._buffer = bytearray(frames.BUFFER + 1)
        self._view = memoryview(self._buffer)

    def line_ms(self, count):
        return count * self._byte_ns // 1_000_000 + 1

    async def wake(self, deadline):
        """Raises OSError when the bus fails."""
        try:
            self._ready()  # its address or its chip select wakes a chip that sleeps; it hears nothing of that
        except OSError:
            pass
        while True:
            await self._timing.sleep(3)
            try:
                return self._put(_WAKE)
            except OSError:  # not awake yet
                if self._timing.left(deadline) <= 0:
                    raise

    async def write(self, frame, deadline):
        """Raises OSError when the bus fails."""
        self._put(frame)

    async def receive(self, parser, deadline):
        """Raises OSError when the bus still fails at the deadline; until then a failure is a chip that is busy."""
        looks = 0
        while True:
            left = self._timing.left(deadline)
            fault = None
            if not self._irq or left <= 0 or looks % _ASK_ANYHOW == 0 or not self._irq():
                try:
                    if self._ready():
                        if self._fetch(self._view, parser):
                            return True
                        if parser.damaged:
                            return False
                        looks = 0
                        continue
                except OSError as error:
                    fault = error
            looks += 1
            # The chip was asked after `left` was taken: an answer that came in time is never missed.
            if left <= 0:
                if fault:
                    raise fault
                return False
            await self._timing.sleep(min(left, self._look_ms))

    def drain(self):
        pass  # nothing is kept here, and the chip drops what was not fetched when it gets a command

    def _take(self, parser, start, count):
        """Feed `count` bytes of the buffer from `start`, which are all there is of a frame; whether they are one."""
        parser.feed(self._view, start, start + count)
        if not parser.kind:
            parser.damaged = True
        return parser.kind
