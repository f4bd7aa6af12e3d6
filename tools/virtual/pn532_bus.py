"""I2C and SPI framing around the same virtual PN532 (UM0701-02 sections 6.2.4 and 6.2.5).

A port is called once per bus transaction by whoever models the bus's own speed, and never waits. A chip has one
port: `I2cPort(Chip(world))`. What the host does not fetch is overwritten by what it sends next.
"""

import errno
from collections.abc import Callable

from .pn532 import WAKE_US, Chip

READY, BUSY = 0x01, 0x00
STRETCH_US = 440
WAKE_BY_I2C, WAKE_BY_SPI = 0x80, 0x20
_LSB_FIRST = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


class _Outbox:
    """Frames that wait for the host. One that was not read to its checksum is given again from its start.

    `on_irq(level)` is told when the interrupt line changes. `bus_fault()` is asked at each transaction: the number
    of the OSError that it ends in, or 0.
    """

    def __init__(self, chip: Chip):
        self.chip = chip
        self.on_irq: Callable[[int], None] = lambda level: None
        self.bus_fault: Callable[[], int] = lambda: 0
        self._frames: list[bytes] = []
        self._level = 1
        chip.send = self._queue

    def _queue(self, data: bytes) -> None:
        self._frames.append(data)
        self._tell()

    def _tell(self) -> None:
        level = int(not self._frames)
        if level != self._level:
            self._level = level
            self.on_irq(level)

    def _may_fail(self) -> None:
        number = self.bus_fault()
        if number:
            raise OSError(number, "bus fault")

    @property
    def ready(self) -> bool:
        if self.chip.deaf or self.chip.asleep:
            self._frames.clear()
            self._tell()
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
            self._tell()
        return waiting[:size].ljust(size, b"\x00")

    def _take(self, data: bytes) -> None:
        self._frames.clear()
        self._tell()
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
        self._may_fail()
        woken = self._wakes(WAKE_BY_I2C)
        if self.chip.deaf or self.chip.asleep:
            raise OSError(errno.ENODEV, "no device acknowledges")
        return WAKE_US + STRETCH_US if woken else STRETCH_US


class SpiPort(_Outbox):
    """SPI mode 0, lowest bit first: the first byte of a chip select says 01 write, 02 status or 03 read.

    A chip select is `select`, any number of `exchange`, `deselect`; a frame is one, however it is clocked.
    A sleeping chip wakes by it, and hears nothing.
    """

    def __init__(self, chip: Chip):
        super().__init__(chip)
        self._sent: bytearray | None = None  # of this chip select; None: the chip does not listen
        self._given = 0
        self._frame = b""

    def select(self) -> None:
        hears = not (self._wakes(WAKE_BY_SPI) or self.chip.deaf or self.chip.asleep)
        self._sent = bytearray() if hears else None
        self._given = 0
        self._frame = self._frames[0] if self.ready else b""

    def exchange(self, sent: bytes, mode: int) -> bytes:
        """As many bytes come back as went out."""
        self._may_fail()
        if self._sent is None or mode:
            return bytes(len(sent))
        answer = bytearray()
        for byte in sent.translate(_LSB_FIRST):
            answer.append(self._next())
            self._sent.append(byte)
        return bytes(answer).translate(_LSB_FIRST)

    def _next(self) -> int:
        """What the chip says while it hears the next byte."""
        if not self._sent or self._sent[0] not in (0x02, 0x03):
            return 0
        if self._sent[0] == 0x02:
            return READY if self.ready else BUSY
        self._given += 1
        return self._frame[self._given - 1] if self._given <= len(self._frame) else 0

    def deselect(self) -> None:
        sent, self._sent = self._sent, None
        if not sent:
            return
        if sent[0] == 0x01:
            self._take(bytes(sent[1:]))
        elif self._given:
            self._give(self._given)

    def transfer(self, sent: bytes) -> bytes:
        """One whole chip select."""
        self.select()
        answer = self.exchange(sent, 0)
        self.deselect()
        return answer
