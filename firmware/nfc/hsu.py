"""The PN532 on a UART ("high speed UART", HSU): 8N1, 115200 baud after a reset, then faster (UM0701-02 section 6.2.3).

A bus, whichever it is, has these members; `i2c.py` and `spi.py` have the same, less `hasten`:

    line_ms(count)                      -> milliseconds that `count` bytes take on the line, rounded up
    async wake(deadline)                makes a sleeping or confused chip listen to the next frame
    async write(frame, deadline)        sends one whole frame
    async receive(parser, deadline)     -> True once `parser` holds a frame; False at the deadline, or as soon
                                        as the parser is `damaged` (also by a begun frame that stalls)
    drain()                             throws away what was received and not yet parsed
    fast                                parameter of SetSerialBaudRate for the bus's higher speed, or None
    hasten(on)                          the host's side of that speed, or of the one after a reset

`deadline` comes from `timing.after`. Bus faults are OSError, which the driver counts and survives.
"""

from micropython import const

# Wake-up needs a few edges (55 55), then the oscillator up to about 1 ms: 14 zeros last 1.2 ms at 115200 baud.
WAKE = b"\x55\x55" + bytes(14)
# A chip that lost bytes of a frame waits for the rest of it. Zeros complete any frame (wrongly, so it is
# dropped) and are preamble to a chip that waits for none: as many as the longest frame has.
_FLUSH = const(280)
_BAUD = const(115200)
_FAST_BAUD = const(460800)  # a 1.3 KB ticket comes 90 ms sooner; wires on one bench pass this
_CHUNK = const(64)  # bytes taken from the UART at once
# No answer is longer than 275 bytes: after this many bytes without a frame the line carries noise, and
# the loop is given back so that noise cannot hold it.
_NOISE = const(512)
# The chip sends a frame without pauses. A gap this long in one, after the time that its bytes need, is a
# lost end. It covers another task that holds the loop, and the delay of a UART's receive FIFO.
_STALL_MS = const(25)


class Hsu:
    """`uart` is a `machine.UART` at 115200 baud or anything with its any(), readinto(), write() and init().

    Its receive buffer has to hold one answer whole (300 bytes), since other tasks may hold the loop that long.
    """

    fast = b"\x06"  # 460800

    def __init__(self, uart, timing):
        self._uart = uart
        self._timing = timing
        self._per_ms = _BAUD // 10_000  # 10 bits a byte, 1000 ms a second
        self._buffer = bytearray(_CHUNK)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0

    def line_ms(self, count):
        return count // self._per_ms + 1

    def hasten(self, on):
        baudrate = _FAST_BAUD if on else _BAUD
        self._uart.init(baudrate=baudrate)
        self._per_ms = baudrate // 10_000

    async def wake(self, deadline):
        await self.write(bytes(_FLUSH), deadline)
        await self.write(WAKE, deadline)
        # The UART may have taken them faster than it sends them.
        await self._timing.sleep(self.line_ms(_FLUSH + len(WAKE)))

    async def write(self, frame, deadline):
        """Raises OSError when the UART does not take the whole frame in time."""
        view = memoryview(frame)
        sent = 0
        while True:
            sent += self._uart.write(view[sent:]) or 0
            if sent >= len(view):
                return
            if self._timing.left(deadline) <= 0:
                raise OSError("UART takes no bytes")
            await self._timing.sleep(1)

    async def receive(self, parser, deadline):
        stall = None
        noise = 0
        while True:
            if self._feed(parser):
                return True
            if parser.damaged:
                return False
            if noise < _NOISE and self._fill():
                noise += self._end
                stall = None
                continue
            noise = 0
            # Only here, with nothing left to read, may a deadline be judged: the answer may have come long
            # before this task got its turn.
            left = self._timing.left(deadline)
            if left <= 0:
                return False
            missing = parser.missing()
            if not missing:
                await self._timing.readable(self._uart, left)
                continue
            if stall is None:
                stall = self._timing.after(_STALL_MS + self.line_ms(missing))
            elif self._timing.left(stall) <= 0:
                parser.damaged = True
                return False
            # A begun frame comes at line speed: one sleep for all of it, rather than a wake-up per byte.
            await self._timing.sleep(min(left, self.line_ms(missing)))

    def drain(self):
        for _ in range(_NOISE // _CHUNK):  # bounded, since a chattering line must not hold the loop
            if not self._fill():
                break
        self._start = self._end = 0

    def _fill(self):
        waiting = self._uart.any()
        if not waiting:
            return 0
        count = self._uart.readinto(self._view[: min(waiting, _CHUNK)]) or 0
        self._start = 0
        self._end = count
        return count

    def _feed(self, parser):
        """Feed what is in hand; True once there is a frame. Bytes after it stay for the next."""
        self._start = parser.feed(self._view, self._start, self._end)
        return parser.kind
