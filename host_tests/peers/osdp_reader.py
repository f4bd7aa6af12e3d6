"""A reader made of libosdp's peripheral device on a pseudo-terminal, which says what OSDP.md says."""

import os
import struct
import threading
import time
import tty
from collections.abc import Callable
from typing import Any

import osdp

from tools.controller.messages import VENDOR, Id, pack_body, unpack_body

ADDRESS = 5
_FRAGMENT = 58


class _End(osdp.Channel):
    def __init__(self, handle: int):
        super().__init__()
        self.id = 1
        self._handle = handle

    def read(self, max_bytes: int) -> bytes:
        try:
            return os.read(self._handle, max_bytes)
        except OSError:  # nothing there, or nobody at the other end
            return b""

    def write(self, buf: bytes) -> int:
        try:
            return os.write(self._handle, buf)
        except OSError:
            return 0

    def flush(self) -> None:
        """Nothing."""


class FakeReader:
    """What the document asks of a reader, by hand: `say` and `serve`. `path` is what its controller opens."""

    def __init__(self, key: bytes, evses: list[str], name: str = "reader-1"):
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self.name, self.evses = name, evses
        self.heard: list[tuple[Id, int, dict]] = []
        self.documents: list[bytes] = []
        self._document = b""
        self._lock = threading.Lock()
        self._number = 0
        capabilities = osdp.PDCapabilities([(osdp.Capability.CommunicationSecurity, 1, 1)])
        info = osdp.PDInfo(ADDRESS, _End(self._master), scbk=key, flags=[osdp.LibFlag.EnforceSecure])
        self._device = osdp.PeripheralDevice(info, capabilities, log_level=osdp.LogLevel.Emergency)
        self._device.set_command_handler(self._obey)
        self._device.start()
        self._device.register_file_ops(
            {"open": self._open, "read": lambda size, offset: b"", "write": self._write, "close": self._close}
        )

    def _open(self, file_id: int, size: int) -> int:
        self._document, self._size = b"", size
        return 0 if file_id == 0x80 else -1

    def _write(self, data: bytes, offset: int) -> int:
        self._document = self._document[:offset] + bytes(data)
        return len(data)

    def _close(self, file_id: int) -> int:
        self.documents.append(self._document)
        return 0

    def _obey(self, command: dict) -> Any:
        if command["command"] == osdp.Command.Manufacturer and command["vendor_code"] == VENDOR:
            data = bytes(command["data"])
            id, number, length, offset = struct.unpack("<BBHH", data[:6])
            if (length, offset) == (len(data) - 6, 0):
                with self._lock:
                    self.heard.append((Id(id), number, unpack_body(Id(id), data[6:])))
        return 0, None

    def secure(self, seconds: float = 10) -> None:
        self.wait(self._device.is_sc_active, seconds)

    @staticmethod
    def wait(what: Callable[[], object], seconds: float = 5) -> None:
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, "did not come about"
            time.sleep(0.02)

    def put(self, data: bytes) -> None:
        event = {"event": osdp.Event.ManufacturerReply, "vendor_code": VENDOR, "data": data}
        self.wait(lambda: self._device.submit_event(event))

    def tamper(self, level: int) -> None:
        """Its housing is opened or closed."""
        local = {"type": osdp.StatusReportType.Local, "report": bytes((level, 0)), "nr_entries": 2}
        self.wait(lambda: self._device.submit_event({"event": osdp.Event.Status, **local}))

    def say(self, id: Id, **values: object) -> int:
        """A message in its fragments; the number that it got."""
        self._number = self._number % 255 + 1
        body = pack_body(id, **values)
        for offset in range(0, max(len(body), 1), _FRAGMENT):
            self.put(struct.pack("<BBHH", id, self._number, len(body), offset) + body[offset : offset + _FRAGMENT])
        return self._number

    def ask(self, id: Id, answer: Id, seconds: float = 5, **values: object) -> dict:
        """The controller's answer, which has to repeat the number."""
        number = self.say(id, **values)
        return self.hear(answer, seconds, number)

    def hear(self, id: Id, seconds: float = 5, number: int | None = None) -> dict:
        """The first message of that id that nobody has taken yet."""
        found: list[tuple[Id, int, dict]] = []

        def look() -> bool:
            with self._lock:
                found[:] = [entry for entry in self.heard if entry[0] == id and number in (None, entry[1])][:1]
                for entry in found:
                    self.heard.remove(entry)
            return bool(found)

        self.wait(look, seconds)
        self.last_number = found[0][1]
        return found[0][2]

    def greet(self, **more: object) -> dict:
        values = {"version": 1, "starts": 7, "count": len(self.evses), "reader": self.name, "evses": self.evses}
        return self.ask(Id.READER, Id.CONTROLLER, **{**values, **more})

    def pause(self, seconds: float) -> None:
        """It says nothing for so long."""
        self._device.stop()
        time.sleep(seconds)
        self._device.start()

    def close(self) -> None:
        self._device.teardown()
        os.close(self._master)
        os.close(self._slave)
