"""The virtual board's I2C and SPI buses, seen from the devices that hang on them."""

import struct
from typing import Protocol

from tools.virtual.pins import Pins

_LSB_FIRST = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


class I2CDevice(Protocol):
    """Something at an address. Both calls raise OSError(ENODEV) where it does not acknowledge."""

    def write(self, data: bytes) -> int:
        """Returns for how many µs it held the clock."""
        ...

    def read(self, size: int) -> tuple[bytes, int]:
        """Returns what it gave, and for how many µs it held the clock."""
        ...


class SPIDevice(Protocol):
    """Something with a chip select of its own."""

    def select(self) -> None: ...

    def exchange(self, sent: bytes, mode: int) -> bytes:
        """As many bytes as were sent; bits in the order of the wire, the first is the highest. SPI mode 0 to 3.
        An OSError is the controller's own, since nothing on the bus can make one."""
        ...

    def deselect(self) -> None: ...


class I2CBus:
    """Devices by address on one pair of pins."""

    def __init__(self) -> None:
        self.devices: dict[int, I2CDevice] = {}

    def transfer(self, payload: bytes) -> tuple[int, bytes]:
        """(µs of clock stretching, or a negative error number; bytes read) for the board's request."""
        _, _, address, count, _ = struct.unpack_from("<BBBHB", payload)
        data = payload[6:]
        device = self.devices.get(address)
        if device is None:
            return -19, b""  # ENODEV
        try:
            stretch_us = device.write(data) if data or not count else 0
            given, more_us = device.read(count) if count else (b"", 0)
        except OSError as error:
            return -(error.errno or 5), b""
        return stretch_us + more_us, given


class SPIBus:
    """Devices by chip select pin on three pins. With none selected the line is read as ones."""

    def __init__(self, pins: Pins) -> None:
        self._devices: dict[int, SPIDevice] = {}
        self._pins = pins

    def attach(self, pin: int, device: SPIDevice) -> None:
        """`pin` is the device's chip select, low when selected."""
        self._devices[pin] = device
        self._pins.watch(pin, lambda level: (device.select if level == 0 else device.deselect)())

    def transfer(self, payload: bytes) -> tuple[int, bytes]:
        """(0, or a negative error number; bytes read) for the board's request."""
        mode, lsb_first = payload[3], payload[4]
        sent = payload[5:].translate(_LSB_FIRST) if lsb_first else payload[5:]
        selected = [device for pin, device in self._devices.items() if self._pins.level(pin) == 0]
        try:
            given = selected[0].exchange(sent, mode) if selected else b"\xff" * len(sent)
        except OSError as error:
            return -(error.errno or 5), b""
        return 0, given.translate(_LSB_FIRST) if lsb_first else given
