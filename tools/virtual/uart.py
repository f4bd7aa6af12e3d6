"""A UART of the virtual board, seen from the wire."""

from collections.abc import Callable

from tools.virtual.world import End


class Uart:
    """Give `connect` an End of a Wire. Bytes that come while the chip's buffers are full are lost (`dropped`).

    A peer that runs at another speed (more than 3 % off) is heard as noise.
    """

    def __init__(self) -> None:
        self.end: End | None = None
        self.baud = 0  # 0: not in use by the board
        self.dropped = 0
        self.on_bytes: Callable[[], None] = lambda: None
        self._capacity = 0
        self._received = bytearray()

    def connect(self, end: End) -> None:
        self.end = end
        end.on_data = self._receive

    def disconnect(self) -> None:
        if self.end is not None:
            self.end.on_data = lambda data: None
            self.end = None

    def open(self, baud: int, capacity: int) -> None:
        """The board's doing; baud 0 closes."""
        self.baud = baud
        self._capacity = capacity
        self._received.clear()

    def _heard(self, data: bytes) -> bytes:
        if self.end is None or abs(self.end.wire.baud - self.baud) * 100 <= 3 * self.baud:
            return data
        return bytes((byte * 73 ^ 0xA5) & 0xFF for byte in data)

    def _receive(self, data: bytes) -> None:
        if not self.baud:
            return
        room = self._capacity - len(self._received)
        self.dropped += max(0, len(data) - room)
        self._received += self._heard(data[:room])
        self.on_bytes()

    def send(self, data: bytes) -> None:
        if self.end is not None and self.baud:
            self.end.write(self._heard(data))

    @property
    def pending(self) -> bool:
        """Whether something was received that the board has not been given."""
        return bool(self._received)

    def take(self) -> bytes:
        """What was received since the last time."""
        data = bytes(self._received)
        self._received.clear()
        return data
