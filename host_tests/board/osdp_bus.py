"""Controllers on the RS-485 bus of a virtual board, for the tests of OSDP."""

import json
import struct
import sys
from pathlib import Path

from tools.virtual.image import mounted
from tools.virtual.world import Wire, World

sys.path.append(str(Path(__file__).resolve().parents[1] / "pure"))

import osdp_panel

KEY = bytes(range(100, 116))
ADDRESS = 5
BAUD = 9600


def make_osdp(bench, address=ADDRESS, key=KEY, baud=BAUD, **more):
    """While the board is off: it becomes an OSDP reader."""
    with mounted(bench.image) as fs:
        with fs.open("/site.json", "rb") as file:
            config = json.loads(file.read())
        config["relay"] = {"kind": "osdp", "address": address, "baud": baud, **more}
        with fs.open("/site.json", "wb") as file:
            file.write(json.dumps(config).encode())
    bench.write("/keys/osdp.key", key)


class BusPanel(osdp_panel.Panel):
    """Polls the reader at its end of a wire. `answers_us`: from the last byte of a packet to the last of its answer.
    What it is told it keeps in `told`, and it behaves as a controller does; `refuse` is its result for grants."""

    def __init__(self, world: World, wire: Wire, address=ADDRESS, key=KEY):
        super().__init__(address, key)
        self.world = world
        self.end = wire.end("panel")
        self.end.on_data = self._hear
        self._heard = b""
        self.answers_us: list[int] = []
        self.missed = 0
        self.pause_s = 0.05  # between polls, as libosdp
        self.idle_us: list[int] = []  # when each poll began that brought nothing
        self.first_us: dict[int, tuple[int, int]] = {}  # by message: begin and end of the poll of its first fragment
        self.told: list[tuple[int, bytes]] = []
        self.refuse = 0
        self.validates = 1  # its answer to a VALIDATE
        self.energy = 0
        self.runs: set[int] = set()
        self._body = b""

    def _hear(self, data):
        self._heard += data

    def _whole(self):
        return len(self._heard) > 4 and len(self._heard) >= struct.unpack("<H", self._heard[2:4])[0]

    def put(self, data, wait_s=0.4):
        self._heard = b""
        self.end.write(data)
        self.world.run(len(data) * 10 / self.end.wire.baud)
        sent_us = self.world.now_us
        if not self.world.run_until(self._whole, wait_s):
            self.missed += 1
            return self._heard
        self.answers_us.append(self.world.now_us - sent_us)
        return self._heard

    def serve(self, seconds, until=lambda: False):
        """Polls, and does what a controller has to; whether `until` came true."""
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

    def _take(self, data):
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

    def heard(self, id):
        return [body for told, body in self.told if told == id]
