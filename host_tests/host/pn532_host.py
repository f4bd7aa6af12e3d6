"""A host for the virtual PN532 that is as plain as can be: it sends bytes, lets time pass and looks at what came."""

from tools.virtual.pn532 import ACK, Pn532, frame
from tools.virtual.rf import Card
from tools.virtual.world import Wire, World

WAKE_UP = b"\x55\x55" + bytes(14)


class Desk:
    """A world with one chip on a wire at 115,200 baud; `ready` has woken and configured it."""

    def __init__(self, *cards: Card, ready: bool = True):
        self.world = World()
        self.wire = Wire(self.world)
        self.chip = Pn532(self.world, self.wire.end("pn532"))
        self.field = self.chip.field
        self._end = self.wire.end("host")
        self._end.on_data = self._heard
        self.got = bytearray()
        self.world.run(0.01)
        for card in cards:
            self.field.put(card)
        if ready:
            assert self.raw(WAKE_UP + frame(b"\xd4\x14\x01")) == ACK + frame(b"\xd5\x15")

    def _heard(self, data: bytes) -> None:
        self.got += data

    def raw(self, data: bytes, seconds: float = 0.1) -> bytes:
        """Everything that comes within so many seconds of the world after these bytes were handed to the wire."""
        self.got.clear()
        self._end.write(data)
        self.world.run(seconds)
        return bytes(self.got)

    def command(self, code: int, data: bytes = b"", seconds: float = 10) -> bytes | None:
        """The response data of a command; None when it got none in that time. Checks the frames on the way."""
        self.got.clear()
        self._end.write(frame(bytes((0xD4, code)) + data))
        self.world.run_until(lambda: len(self.got) > len(ACK), seconds)
        got = bytes(self.got)
        assert got[: len(ACK)] == ACK, got.hex()
        if len(got) == len(ACK):
            return None
        response = got[len(ACK) :]
        start = 8 if response[3:5] == b"\xff\xff" else 5
        assert response == frame(response[start:-2]), response.hex()
        assert response[start : start + 2] == bytes((0xD5, code + 1)), response.hex()
        return response[start + 2 : -2]

    def retries(self, passive: int, exchange: int = 0) -> None:
        assert self.command(0x32, bytes((0x05, 0xFF, 0x01, passive))) == b""
        assert self.command(0x32, bytes((0x04, exchange))) == b""

    def field_off(self) -> None:
        assert self.command(0x32, b"\x01\x00") == b""

    def exchange(self, data: bytes, seconds: float = 10) -> bytes | None:
        """InDataExchange with target 1: status and data."""
        return self.command(0x40, b"\x01" + data, seconds)

    def thru(self, data: bytes) -> bytes | None:
        return self.command(0x42, data)

    def activate(self) -> bytes:
        """Lists one card at 106A."""
        self.retries(0x02)
        listed = self.command(0x4A, b"\x01\x00")
        assert listed and listed[0] == 1, listed
        return listed
