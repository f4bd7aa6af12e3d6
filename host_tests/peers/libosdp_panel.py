"""libosdp, which nobody here wrote, as the controller on the RS-485 bus of virtual boards. Its clock is the wall's."""

import os
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any

import osdp

from tools.virtual.world import Pty, Wire, World

VENDOR = 0x544342  # 42 43 54


class _Port(osdp.Channel):
    """One end of a pseudo-terminal; every device of a bus shares it."""

    def __init__(self, path: str):
        super().__init__()
        self.id = 1
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def read(self, max_bytes: int) -> bytes:
        try:
            return os.read(self._fd, max_bytes)
        except BlockingIOError:
            return b""

    def write(self, buf: bytes) -> int:
        return os.write(self._fd, buf)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        os.close(self._fd)


class Libosdp:
    """Panel of the devices {address: key} on a wire. What it is told it keeps in `told`, whole messages as (address,
    id, body), and answers as a controller does; `pieces` are JOURNAL's."""

    def __init__(self, world: World, wire: Wire, keys: Mapping[int, Any], flags: list[int] | None = None):
        self.world = world
        self._pty = Pty(world, wire.end("libosdp"))
        self._port = _Port(self._pty.path)
        self._events: list[tuple[int, dict]] = []
        self._bodies: dict[int, bytes] = {}
        self.addresses = list(keys)
        self.told: list[tuple[int, int, bytes]] = []
        self.pieces: dict[int, bytes] = {}
        self.energy = 0
        self.runs: set[int] = set()
        chosen = [osdp.LibFlag.EnforceSecure] if flags is None else flags
        infos = [osdp.PDInfo(address, self._port, scbk=key, flags=chosen) for address, key in keys.items()]
        self.cp = osdp.ControlPanel(infos, log_level=osdp.LogLevel.Emergency, event_handler=self._event)
        self.cp.start()

    def _event(self, index: int, event: dict) -> int:
        self._events.append((self.addresses[index], event))
        return 0

    def close(self) -> None:
        self.cp.teardown()
        self._port.close()
        self._pty.close()

    def __enter__(self) -> "Libosdp":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def say(self, id: int, body: bytes, number: int = 1, address: int | None = None) -> None:
        data = struct.pack("<BBHH", id, number, len(body), 0) + body
        command = {"command": osdp.Command.Manufacturer, "vendor_code": VENDOR, "data": data}
        self.submit(command, self.addresses[0] if address is None else address)

    def submit(self, command: dict, address: int) -> None:
        """Waits for room in libosdp's own queue of four."""
        for _ in range(100):
            if self.cp.submit_command(address, command):
                return
            self.world.run(0.02)
        raise AssertionError("libosdp takes no command")

    def serve(self, seconds: float, until: Callable[[], object] = lambda: False) -> bool:
        """Time goes by on the wall; whether `until` came true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.world.run(0.02)
            while self._events:
                address, event = self._events.pop(0)
                if event.get("event") == osdp.Event.ManufacturerReply:
                    assert event["vendor_code"] == VENDOR
                    self._fragment(address, bytes(event["data"]))
            if until():
                return True
        return False

    def secure(self) -> bool:
        return self.cp.get_num_sc_active() == len(self.addresses)

    def heard(self, id: int, address: int | None = None) -> list[bytes]:
        return [body for at, told, body in self.told if told == id and address in (None, at)]

    def _fragment(self, address: int, data: bytes) -> None:
        id, number = data[0], data[1]
        if id == 0x0B:
            (offset,) = struct.unpack("<I", data[2:6])
            self.pieces[offset] = data[6:]
            return
        total, offset = struct.unpack("<HH", data[2:6])
        body = data[6:] if offset == 0 else self._bodies[address] + data[6:]
        self._bodies[address] = body
        if len(body) == total:
            self.told.append((address, id, body))
            self._act(address, id, number, body)

    def _act(self, address: int, id: int, number: int, body: bytes) -> None:
        session = struct.unpack("<I", body[:4])[0] if len(body) >= 4 else 0
        if id == 0x01:
            self.say(0x81, b"\x01\x1f\x01", number, address)
        elif id == 0x02:
            self.say(0x82, struct.pack("<IB", session, 0), number, address)
        elif id == 0x03:
            self.runs.add(session)
            self.say(0x83, struct.pack("<IBIIB", session, 0, 1, self.energy, 1), number, address)
        elif id == 0x04:
            self.runs.discard(session)
            self.say(0x84, struct.pack("<III", session, 7, self.energy), number, address)
        elif id == 0x06:
            self.say(0x86, b"\x01", number, address)
