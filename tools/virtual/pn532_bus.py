"""I2C and SPI framing around the same virtual PN532 (UM0701-02 sections 6.2.4 and 6.2.5).

A port is called once per bus transaction by whoever models the bus's own speed, and never waits. A chip has one
port: `I2cPort(Chip(world))`. What the host does not fetch is overwritten by what it sends next.
"""

import errno

from .pn532 import WAKE_US, Chip

READY, BUSY = 0x01, 0x00
STRETCH_US = 440
WAKE_BY_I2C, WAKE_BY_SPI = 0x80, 0x20
_LSB_FIRST = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


class _Outbox:
    """Frames that wait for the host. One that was not read to its checksum is given again from its start."""

    def __init__(self, chip: Chip):
        self.chip = chip
        self._frames: list[bytes] = []
        chip.send = self._frames.append

    @property
    def ready(self) -> bool:
        if self.chip.deaf or self.chip.asleep:
            self._frames.clear()
        return bool(self._frames)

    @property
    def irq(self) -> int:
        """P70_IRQ: low while a frame waits."""
        return int(not self.ready)

    def _give(self, size: int) -> bytes:
        if not self.ready:
            return bytes(size)
        waiting = self._frames[0]
        if size >= len(waiting) - 1:  # the postamble may be left where it is
            self._frames.pop(0)
        return waiting[:size].ljust(size, b"\x00")

    def _take(self, data: bytes) -> None:
        self._frames.clear()
        self.chip.receive(data)

    def _wakes(self, source: int) -> bool:
        if self.chip.asleep and self.chip.wake_sources & source:
            self.chip.asleep = False
            return True
        return False


class I2cPort(_Outbox):
    """The chip at address 0x24. Reading always begins with a status byte, 01 when a frame follows.

    Both calls return what the transaction gave and the µs for which the chip held the clock; they raise
    OSError(ENODEV) where the chip does not acknowledge its address.
    """

    ADDRESS = 0x24

    def write(self, data: bytes) -> int:
        stretch_us = self._addressed()
        if data:
            self._take(data)
        return stretch_us

    def read(self, size: int) -> tuple[bytes, int]:
        stretch_us = self._addressed()
        status = READY if self.ready else BUSY
        return bytes((status,)) + self._give(size - 1) if size else b"", stretch_us

    def _addressed(self) -> int:
        woken = self._wakes(WAKE_BY_I2C)
        if self.chip.deaf or self.chip.asleep:
            raise OSError(errno.ENODEV, "no device acknowledges")
        return WAKE_US + STRETCH_US if woken else STRETCH_US


class SpiPort(_Outbox):
    """SPI mode 0, lowest bit first: the first byte of a chip select says 01 write, 02 status or 03 read."""

    def transfer(self, sent: bytes) -> bytes:
        """One chip select: as many bytes come back as went out. A sleeping chip wakes by it, and hears nothing."""
        sent = sent.translate(_LSB_FIRST)
        if self._wakes(WAKE_BY_SPI) or self.chip.deaf or self.chip.asleep or not sent:
            return bytes(len(sent))
        answer = b""
        if sent[0] == 0x01:
            self._take(sent[1:])
        elif sent[0] == 0x02:
            answer = bytes((READY if self.ready else BUSY,)) * (len(sent) - 1)
        elif sent[0] == 0x03 and len(sent) > 1:
            answer = self._give(len(sent) - 1)
        return (b"\x00" + answer).ljust(len(sent), b"\x00").translate(_LSB_FIRST)
