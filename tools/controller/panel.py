"""The OSDP bus: libosdp as the panel of one or several readers, each with its own key."""

import os
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import osdp
import serial
from serial.rs485 import RS485Settings

from tools.controller.messages import VENDOR
from tools.problem import Problem

_MOST_WAITING = 256  # messages for a reader: far more than are ever due; the oldest would be lost
DOCUMENTS = 0x80  # the file type of signed documents
# A reader without a channel for so long is called anew, since libosdp would wait for up to 300 s. That costs the other
# readers of the bus a handshake: for their sake a reader that stays away is called less and less often.
AGAIN_S, LONGEST_AGAIN_S = 15, 240


class _Port(osdp.Channel):
    """The serial line; libosdp calls it from its own thread. What breaks is told in `fault`."""

    def __init__(self, path: str, baud: int, rs485: bool):
        super().__init__()
        self.fault = ""
        try:
            self._line = serial.Serial(path, baud, timeout=0, write_timeout=1, exclusive=True)
            if rs485:
                self._line.rs485_mode = RS485Settings()
        except (serial.SerialException, OSError, ValueError) as error:
            code = getattr(error, "errno", None)
            detail = os.strerror(code) if code else str(error).splitlines()[0]
            raise Problem(f"cannot use {path}: {detail.lower()}; is it this controller's, and not in use?") from None

    def read(self, max_bytes: int) -> bytes:
        try:
            return self._line.read(max_bytes)
        except (serial.SerialException, OSError, TypeError) as error:
            self.fault = str(error) or "closed"
            return b""

    def write(self, buf: bytes) -> int:
        try:
            return self._line.write(buf) or 0
        except (serial.SerialException, OSError, TypeError) as error:
            self.fault = str(error) or "closed"
            return 0

    def flush(self) -> None:
        """Nothing: what was received belongs to somebody."""

    def close(self) -> None:
        self._line.close()


class Panel:
    """Polls the readers {address: key of 16 bytes} on a serial port, through the secure channel and no other way."""

    def __init__(self, path: str, keys: Mapping[int, bytes], baud: int = 9600, rs485: bool = False):
        self._port = _Port(path, baud, rs485)
        self._waiting: dict[int, deque[dict[str, Any]]] = {address: deque(maxlen=_MOST_WAITING) for address in keys}
        self._files: dict[int, bytes] = {}
        self._secure = dict.fromkeys(keys, False)
        self._open = dict.fromkeys(keys, False)
        self._called_at = dict.fromkeys(keys, time.monotonic())
        self._patience = dict.fromkeys(keys, AGAIN_S)
        flags = [osdp.LibFlag.EnforceSecure]
        self._infos = [osdp.PDInfo(address, self._port, scbk=key, flags=flags) for address, key in keys.items()]
        self._cp = self._begin()

    def _begin(self) -> osdp.ControlPanel:
        panel = osdp.ControlPanel(self._infos, log_level=osdp.LogLevel.Emergency)
        panel.start()
        return panel

    @property
    def fault(self) -> str:
        """What is wrong with the line; "" where nothing is."""
        return self._port.fault

    def secure(self, address: int) -> bool:
        """Whether the channel to that reader stood at the last `poll`."""
        return self._secure[address]

    def tampered(self, address: int) -> bool:
        """Whether that reader has said, in this channel, that its housing is open."""
        return self._open[address]

    def poll(self) -> list[tuple[int, bytes]]:
        """What readers have sent since the last call, as (address, data); sends what waits. Several times a second."""
        heard = []
        for address in self._secure:
            while (event := self._cp.get_event(address, timeout=-1)) is not None:
                if event.get("event") == osdp.Event.ManufacturerReply and event["vendor_code"] == VENDOR:
                    heard.append((address, bytes(event["data"])))
                elif event.get("event") == osdp.Event.Status and event["type"] == osdp.StatusReportType.Local:
                    self._open[address] = bytes(event["report"][:1]) == b"\x01"
            self._look_after(address)
            waiting = self._waiting[address]
            while waiting and self._cp.submit_command(address, waiting[0]):
                waiting.popleft()
        self._call_anew()
        return heard

    def _look_after(self, address: int) -> None:
        now = time.monotonic()
        secure = self._cp.is_sc_active(address)
        if secure:
            self._called_at[address], self._patience[address] = now, AGAIN_S
        elif self._secure[address]:
            self._waiting[address].clear()  # what is still true is said again in the next channel
            self._open[address] = False
        self._secure[address] = secure

    def _call_anew(self) -> None:
        """With a panel that has forgotten how long it wanted to wait; enabling a device once more does not help."""
        now = time.monotonic()
        late = [at for at, called in self._called_at.items() if now - called >= self._patience[at]]
        if late:
            self._cp.teardown()
            self._cp = self._begin()
            for address in late:
                self._called_at[address] = now
                if any(self._secure.values()):
                    self._patience[address] = min(2 * self._patience[address], LONGEST_AGAIN_S)
            for address in self._secure:
                self._secure[address] = self._open[address] = False
                self._waiting[address].clear()

    def send(self, address: int, data: bytes) -> None:
        """A manufacturer message for a reader; lost where there is no channel to it."""
        if self._secure[address]:
            command = {"command": osdp.Command.Manufacturer, "vendor_code": VENDOR, "data": data}
            self._waiting[address].append(command)

    def send_file(self, address: int, document: bytes) -> bool:
        """Begins to send a signed document; False where that cannot begin now."""
        self._files[address] = document
        files = {
            "open": lambda file_id, size: len(self._files[address]),
            "read": lambda size, offset: self._files[address][offset : offset + size],
            "write": lambda data, offset: -1,
            "close": lambda file_id: 0,
        }
        if not (self._secure[address] and self._cp.register_file_ops(address, files)):
            return False
        return self._cp.submit_command(address, {"command": osdp.Command.FileTransfer, "id": DOCUMENTS, "flags": 0})

    def close(self) -> None:
        self._cp.teardown()
        self._port.close()
