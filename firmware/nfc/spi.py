"""The PN532 on SPI (UM0701-02 section 6.2.5): mode 0, lowest bit first, at most 5 MHz; chip select is low.

    01 frame…           the host sends a frame
    02 → status[1]      01 when a frame waits
    03 → frame…         the host fetches it

Each is one chip select. The bytes here are as the manual has them: the order of bits is the hardware's business,
and an ESP32's SPI knows `firstbit=SPI.LSB`.
"""

from micropython import const

import nfc.frames as frames
from nfc.polled import EXTENDED, HEAD, Polled, rest

_WRITE = b"\x01"
_STATUS = b"\x02"
_READ = b"\x03"
_READY = const(0x01)
_BYTE_NS = const(8_000)  # 8 clocks at 1 MHz
_LOOK_MS = const(1)


class Spi(Polled):
    """`spi` is a `machine.SPI` (mode 0, LSB first) or anything with its write() and readinto(); `select(level)`."""

    def __init__(self, spi, timing, select, irq=None):
        super().__init__(timing, irq, _BYTE_NS, _LOOK_MS)
        self._spi = spi
        self._select = select
        self._status = bytearray(1)

    def _put(self, data):
        self._select(0)
        try:
            self._spi.write(_WRITE)
            self._spi.write(data)
        finally:
            self._select(1)

    def _ready(self):
        self._select(0)
        try:
            self._spi.write(_STATUS)
            self._spi.readinto(self._status)
        finally:
            self._select(1)
        return self._status[0] == _READY

    def _fetch(self, view, parser):
        """The length stands in the frame, and the clock is ours: all of it in one chip select, and nothing more."""
        self._select(0)
        try:
            self._spi.write(_READ)
            self._spi.readinto(view[:HEAD])
            count = HEAD
            more = rest(view)
            if more == EXTENDED:
                self._spi.readinto(view[HEAD : frames.HEADER])
                count = frames.HEADER
                more = min((view[5] << 8 | view[6]) + 2, frames.BUFFER - count)
            elif more < 0:
                more = frames.BUFFER - count  # no frame: what waits is fetched, so that it does not come again
            if more:  # no transfer of nothing: an ESP32 raises ValueError
                self._spi.readinto(view[count : count + more])
        finally:
            self._select(1)
        return self._take(parser, 0, count + more)
