"""The PN532 on I2C (UM0701-02 section 6.2.4): address 24, 400 kHz, the chip may stretch the clock.

    write   frame
    read    ready[1] frame…    ready is 01 when a frame follows, else 00 and what follows means nothing

Every read begins with the ready byte. One that ends before the frame does makes the next read begin at the frame's
start again, so a frame is fetched whole in one transaction, after a look at its head in another.
"""

from micropython import const

import nfc.frames as frames
from nfc.polled import BROKEN, EXTENDED, HEAD, Polled, rest

_ADDRESS = const(0x24)
_READY = const(0x01)
_BYTE_NS = const(25_000)  # 9 clocks at 400 kHz, and a little stretching
_LOOK_MS = const(2)


class I2c(Polled):
    """`i2c` is a `machine.I2C` of at most 400 kHz or anything with its writeto() and readfrom_into()."""

    def __init__(self, i2c, timing, irq=None):
        super().__init__(timing, irq, _BYTE_NS, _LOOK_MS)
        self._i2c = i2c
        self._head = self._view[: HEAD + 1]

    def _put(self, data):
        self._i2c.writeto(_ADDRESS, data)

    def _ready(self):
        self._i2c.readfrom_into(_ADDRESS, self._head)
        return self._head[0] == _READY

    def _fetch(self, view, parser):
        """The head is in the buffer: `_ready` took both at once, which saves a transaction, and an ACK is whole."""
        more = rest(self._head[1:])
        if more:
            # Where the head does not tell the length, reading on behind the end of the frame does no harm.
            count = HEAD + more if more not in (BROKEN, EXTENDED) else frames.BUFFER
            self._i2c.readfrom_into(_ADDRESS, view[: count + 1])
            if view[0] == _READY:
                return self._take(parser, 1, count)
        return self._take(parser, 1, HEAD)
