"""A scripted controller that polls a reader over OSDP, as firmware/relay/OSDP.md says."""

import struct
from collections.abc import Callable

from tools.portable import osdp_panel
from tools.virtual.world import Wire, World


class Controller(osdp_panel.Panel):
    """On a wire to the reader at `address`, whose OSDP key is `key`. `told`: what the reader has said, (id, body);
    `runs`: the sessions that are energised here; `missed`: polls without an answer; `answers_us`: from the last byte of
    each packet to the last of its answer.

    Behaviour to be set: `pause_s` between polls; `refuse`, its result for grants; `validates`, its answer to a
    VALIDATE; `energy`, what its meter says.
    """

    def __init__(self, world: World, wire: Wire, address: int, key: bytes):
        super().__init__(address, key)
        self.world = world
        self.end = wire.end("panel")
        self.end.on_data = self._hear
        self._heard = b""
        self.answers_us: list[int] = []
        self.missed = 0
        self.pause_s = 0.05  # as libosdp
        self.idle_us: list[int] = []  # when each poll began that brought nothing
        self.first_us: dict[int, tuple[int, int]] = {}  # by message: begin and end of the poll of its first fragment
        self.told: list[tuple[int, bytes]] = []
        self.refuse = 0
        self.validates = 1
        self.energy = 0
        self.runs: set[int] = set()
        self._body = b""

    def _hear(self, data: bytes) -> None:
        self._heard += data

    def _whole(self) -> bool:
        return len(self._heard) > 4 and len(self._heard) >= struct.unpack("<H", self._heard[2:4])[0]

    def put(self, data: bytes, wait_s: float = 0.4) -> bytes:
        """Sends a packet; what came back within that time."""
        self._heard = b""
        self.end.write(data)
        self.world.run(len(data) * 10 / self.end.wire.baud)
        sent_us = self.world.now_us
        if not self.world.run_until(self._whole, wait_s):
            self.missed += 1
            return self._heard
        self.answers_us.append(self.world.now_us - sent_us)
        return self._heard

    def run_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """As that of the world, for a station that is served meanwhile."""
        return self.serve(timeout_s, condition)

    def serve(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Polls, and does what a controller has to; whether `until` came true."""
        if self.keys is None:
            self.connect()
        end_us = self.world.now_us + int(seconds * 1e6)
        while self.world.now_us < end_us:
            polled_us = self.world.now_us
            data = self.poll()
            if data is None:
                self.idle_us.append(polled_us)
            elif data[4:6] == bytes(2):
                self.first_us.setdefault(data[0], (polled_us, self.world.now_us))
            while data is not None:
                data = self._take(data)
            if until():
                return True
            self.world.run(self.pause_s)
        return False

    def _take(self, data: bytes) -> bytes | None:
        """One fragment; what came with the answer to it, if it had to be answered."""
        total, offset = struct.unpack("<HH", data[2:6])
        self._body = data[6:] if offset == 0 else self._body + data[6:]
        if len(self._body) < total:
            return None
        id, number, body = data[0], data[1], self._body
        self.told.append((id, body))
        session = struct.unpack("<I", body[:4])[0] if len(body) >= 4 else 0
        if id == 2:
            return self.say(0x82, struct.pack("<IB", session, self.refuse), number)
        if id == 3:
            self.runs.add(session)
            return self.say(0x83, struct.pack("<IBIIB", session, 0, 1, self.energy, 1), number)
        if id == 4:
            self.runs.discard(session)
            return self.say(0x84, struct.pack("<III", session, 9, self.energy), number)
        if id == 6:
            return self.say(0x86, bytes((self.validates,)), number)
        if id == 7:
            gone = session not in self.runs
            return self.say(0x83, struct.pack("<IBIIB", session, gone, 30, self.energy, 1), number)
        return None

    def heard(self, id: int) -> list[bytes]:
        """The bodies of all messages of that id."""
        return [body for told, body in self.told if told == id]
