"""The virtual board's Bluetooth radio, and the air: link, ATT and GATT are bumble's, the time is the world's.

The firmware's `bluetooth` (device/virtual_bluetooth.py) asks for what NimBLE does; a peripheral of bumble's does it.
Phones are centrals of bumble's on the same air (ble_phone.py).
"""

import asyncio
import math
import struct
from collections import deque
from collections.abc import Coroutine
from typing import Any

from bumble import ll
from bumble.controller import Controller
from bumble.core import BaseBumbleError
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink

from tools.virtual.board import Board
from tools.virtual.world import Timer, World

_ACTIVE, _REGISTER, _ADVERTISE, _DISCONNECT, _NOTIFY, _WRITE, _BUFFER, _MTU, _SILENCE = range(9)
_CONNECTED, _DISCONNECTED, _WRITTEN, _READ_REQUEST, _MTU_EXCHANGED = 1, 2, 3, 4, 21
_ENOMEM, _ENODEV, _EINVAL, _ENOTCONN = 12, 19, 22, 107
_SPREAD_S = 0.0001  # between two that hear an advertisement
_DEFAULT_BUFFER = 20  # bytes of a value, unless gatts_set_buffer asks for more


class _Loop(asyncio.SelectorEventLoop):
    """asyncio by the world's clock: `Air` lets it run whenever something is due."""

    def __init__(self, world: World):
        self.world = world
        super().__init__()

    def time(self) -> float:
        return self.world.now_us / 1e6


class Air(LocalLink):
    """What radios share. interval_s: a packet's time from one end of a connection to the other."""

    def __init__(self, world: World, interval_s: float = 0.0075):
        super().__init__()
        self.world = world
        self.interval_s = interval_s
        self.loop = _Loop(world)
        self._under_way: dict[tuple, deque] = {}
        self._arrives_s: dict[tuple, float] = {}
        self._next: Timer | None = None
        self._running = False

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task:
        """Makes a task of bumble's side; `world.run_until(task.done)` then lets it happen."""
        task = self.loop.create_task(coroutine)
        self.soon()
        return task

    def run(self, coroutine: Coroutine[Any, Any, Any], timeout_s: float = 60) -> Any:
        """Runs it to its end in the world's time, and gives its result. TimeoutError."""
        task = self.start(coroutine)
        if not self.world.run_until(task.done, timeout_s):
            task.cancel()
            raise TimeoutError("no end on the air")
        return task.result()

    def soon(self) -> None:
        """Something was put into the loop from outside."""
        self._wake_in(0)

    def _wake_in(self, delay_us: int) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = self.world.call_later(delay_us, self._pump)

    def _pump(self) -> None:
        if self._running:
            return
        self._running = True
        loop: Any = self.loop
        try:
            while True:
                loop.call_soon(loop.stop)
                loop.run_forever()
                due = [handle._when for handle in loop._scheduled if not handle._cancelled]
                if not loop._ready and (not due or min(due) > loop.time()):
                    break
        finally:
            self._running = False
        if due:
            self._wake_in(max(1, math.ceil((min(due) - loop.time()) * 1e6)))

    def __enter__(self) -> "Air":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self._pump()
        if self._next is not None:
            self._next.cancel()
        self.loop.close()

    # What bumble's link does at once takes its time here, and stays in order.

    def send_acl_data(self, sender_controller, destination_address, transport, data):
        way = sender_controller, str(destination_address)
        queue = self._under_way.setdefault(way, deque())
        queue.append(data)

        def arrive() -> None:
            super(Air, self).send_acl_data(sender_controller, destination_address, transport, queue.popleft())

        at_s = max(self.loop.time() + self.interval_s, self._arrives_s.get(way, 0) + 1e-5)
        self._arrives_s[way] = at_s
        self.loop.call_at(at_s, arrive)

    def send_ll_control_pdu(self, sender_address, receiver_address, packet):
        # After what was sent before it: an answer is heard although its sender hangs up at once.
        def arrive() -> None:
            if self.find_le_controller(receiver_address):
                super(Air, self).send_ll_control_pdu(sender_address, receiver_address, packet)

        self.loop.call_later(self.interval_s + 1e-3, arrive)

    def send_advertising_pdu(self, sender_controller, packet):
        if isinstance(packet, ll.ConnectInd):
            super().send_advertising_pdu(sender_controller, packet)
            return
        # One after the other, so that of two that want to connect only one believes that it has.
        for place, other in enumerate(self.listeners(sender_controller)):
            self.loop.call_later(place * _SPREAD_S, self._hear, sender_controller, other, packet)

    def listeners(self, sender) -> list[Controller]:
        """Who hears an advertisement, in the order of hearing it."""
        return [other for other in self.controllers if other is not sender]

    def _hear(self, sender, other, packet) -> None:
        if sender.le_legacy_advertiser.enabled or any(one.enabled for one in sender.advertising_sets.values()):
            other.on_ll_advertising_pdu(packet)

    def device(self, name: str, address: str) -> Device:
        """A radio of bumble's on this air; call it from within the loop."""
        controller = Controller(name, link=self, public_address=address)
        host = Host(controller, AsyncPipeSink(controller))
        return Device(name=name, address=Address(address), host=host)


class Radio:
    """The board's end. `pool`: how many notifications it holds until they are on the air."""

    ADDRESS = "F0:24:0A:C4:00:01"

    def __init__(self, board: Board, air: Air, pool: int = 6):
        self.air = air
        self.pool = pool
        self.log: list[tuple[int, str]] = []  # (time_us, what became of a connection)
        self._board = board
        self._device: Device | None = None
        self._mtu = 256
        self._values: dict[int, bytes] = {}
        self._buffers: dict[int, int] = {}
        self._attributes: dict[int, Characteristic] = {}
        self._connections: dict[int, Connection] = {}
        self._held = 0
        board.on_radio = self.request
        board.on_radio_off = self.off

    def request(self, operation: int, payload: bytes) -> tuple[int, bytes]:
        """(value or -errno, tail) of what the firmware asks for."""
        if operation == _ACTIVE:
            return self._activate(payload[0]), b""
        if self._device is None:
            return -_ENODEV, b""
        return self._OPERATIONS[operation](self, payload)

    def off(self) -> None:
        """The chip loses its radio: everybody is cut off, and nobody tells the firmware."""
        device, self._device = self._device, None
        if device is None or self.air.loop.is_closed():
            return
        connections, self._connections = list(self._connections.values()), {}
        for connection in connections:
            self._later(self._hang_up(connection))
        self._later(self._vanish(device))
        self._held = 0

    def _later(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.air.start(coroutine)

    async def _hang_up(self, connection: Connection) -> None:
        try:
            await connection.disconnect()
        except BaseBumbleError as error:  # it went first
            self.log.append((self.air.world.now_us, f"gone: {error}"))

    async def _vanish(self, device: Device) -> None:
        await device.stop_advertising()
        await asyncio.sleep(0.02)
        controller: Any = device.host.hci_sink
        controller = controller.sink if hasattr(controller, "sink") else controller
        self.air.controllers.discard(controller)

    def _activate(self, wanted: int) -> int:
        if wanted == 0:
            self.off()
        elif wanted == 1 and self._device is None:
            self._make()
        return int(self._device is not None)

    def _make(self) -> None:
        self._values, self._buffers, self._attributes = {}, {}, {}

        async def make() -> Device:
            device = self.air.device("reader", self.ADDRESS)
            device.on("connection", self._on_connection)
            return device

        # Made at once: it needs a running loop, and nothing of what others wait for.
        task = self.air.loop.create_task(make())
        self.air._pump()
        self._device = task.result()
        self._later(self._device.power_on())

    def _event(self, code: int, connection: int, rest: bytes = b"") -> None:
        self._board.radio_event(struct.pack("<BH", code, connection) + rest)

    def _on_connection(self, connection: Connection) -> None:
        handle = connection.handle
        peer = bytes([connection.peer_address.address_type & 1]) + bytes(connection.peer_address)[::-1]
        self._connections[handle] = connection
        self.log.append((self.air.world.now_us, f"connected {connection.peer_address}"))
        self._event(_CONNECTED, handle, peer)

        def gone(reason: int) -> None:
            self.log.append((self.air.world.now_us, f"left {connection.peer_address}"))
            if self._connections.pop(handle, None):
                self._event(_DISCONNECTED, handle, peer)

        connection.on("disconnection", gone)
        connection.on(
            "connection_att_mtu_update",
            lambda: self._event(_MTU_EXCHANGED, handle, struct.pack("<H", connection.att_mtu)),
        )

    def _handle_of(self, part: str) -> int:
        """The handle of the characteristic whose UUID has this part."""
        return next(handle for handle, one in self._attributes.items() if part in str(one.uuid))

    # What the firmware asks for

    def _register(self, payload: bytes) -> tuple[int, bytes]:
        device, handles, at = self._device, b"", 0
        assert device is not None

        def described() -> tuple[str, int]:
            nonlocal at
            size, number = payload[at : at + 2]
            at += 2 + size
            return payload[at - size : at].decode(), number

        while at < len(payload):
            uuid, count = described()
            characteristics = []
            for _ in range(count):
                one, flags = described()
                permissions = Characteristic.READABLE if flags & 2 else Characteristic.Permissions(0)
                permissions |= Characteristic.WRITEABLE if flags & 12 else Characteristic.Permissions(0)
                characteristics.append(
                    Characteristic(one, Characteristic.Properties(flags), permissions, CharacteristicValue())
                )
            device.gatt_server.max_mtu = self._mtu
            device.add_service(Service(uuid, characteristics))
            for characteristic in characteristics:
                handle = characteristic.handle
                characteristic.value = CharacteristicValue(
                    read=lambda connection, handle=handle: self._read(connection, handle),
                    write=lambda connection, value, handle=handle: self._written(connection, handle, value),
                )
                self._attributes[handle] = characteristic
                self._values[handle] = b""
                self._buffers[handle] = _DEFAULT_BUFFER
                handles += struct.pack("<H", handle)
        return 0, handles

    def _read(self, connection: Connection, handle: int) -> bytes:
        self._event(_READ_REQUEST, connection.handle, struct.pack("<H", handle))
        return self._values[handle]

    def _written(self, connection: Connection, handle: int, value: bytes) -> None:
        # As NimBLE under MicroPython: what is longer than the buffer is cut, and the phone is told that all is well.
        self._values[handle] = value = bytes(value)[: self._buffers[handle]]
        self._event(_WRITTEN, connection.handle, struct.pack("<H", handle) + value)

    def _advertise(self, payload: bytes) -> tuple[int, bytes]:
        interval_us, size = struct.unpack_from("<IB", payload)
        told, answer = payload[5 : 5 + size], payload[5 + size :]
        assert self._device is not None
        self._later(self._advertised(self._device, interval_us / 1000, told, answer))
        return 0, b""

    async def _advertised(self, device: Device, interval_ms: float, told: bytes, answer: bytes) -> None:
        await device.stop_advertising()
        if device is self._device:
            await device.start_advertising(
                advertising_data=told,
                scan_response_data=answer,
                advertising_interval_min=interval_ms,
                advertising_interval_max=interval_ms,
            )

    def _disconnect(self, payload: bytes) -> tuple[int, bytes]:
        connection = self._connections.get(struct.unpack("<H", payload)[0])
        if connection is None:
            return -_ENOTCONN, b""
        self._later(self._hang_up(connection))
        return 1, b""

    def _notify(self, payload: bytes) -> tuple[int, bytes]:
        connection, handle = struct.unpack_from("<HH", payload)
        to = self._connections.get(connection)
        if to is None:
            return -_ENOTCONN, b""
        if self._held >= self.pool:
            return -_ENOMEM, b""
        self._held += 1
        self._later(self._notified(to, self._attributes[handle], payload[4:]))
        return 0, b""

    async def _notified(self, to: Connection, attribute: Characteristic, value: bytes) -> None:
        device = self._device
        if device is not None:
            # To whoever subscribed or not, as NimBLE does; a phone that did not ask for it drops it.
            await device.gatt_server.notify_subscriber(to, attribute, value, force=True)
            await asyncio.sleep(self.air.interval_s)
            self._held = max(0, self._held - 1)

    def _write(self, payload: bytes) -> tuple[int, bytes]:
        self._values[struct.unpack_from("<H", payload)[0]] = payload[2:]
        return 0, b""

    def _buffer(self, payload: bytes) -> tuple[int, bytes]:
        handle, size = struct.unpack("<HH", payload)
        self._buffers[handle] = size
        return 0, b""

    def _set_mtu(self, payload: bytes) -> tuple[int, bytes]:
        (mtu,) = struct.unpack("<H", payload)
        if not 23 <= mtu <= 517:
            return -_EINVAL, b""
        self._mtu = mtu
        return 0, b""

    def _silence(self, payload: bytes) -> tuple[int, bytes]:
        assert self._device is not None
        self._later(self._device.stop_advertising())
        return 0, b""

    _OPERATIONS = {
        _REGISTER: _register,
        _ADVERTISE: _advertise,
        _DISCONNECT: _disconnect,
        _NOTIFY: _notify,
        _WRITE: _write,
        _BUFFER: _buffer,
        _MTU: _set_mtu,
        _SILENCE: _silence,
    }
