"""A browser's Bluetooth on the virtual air: what tools/virtual/web_bluetooth.js calls, done by bumble's central.

Operations and what they are given and give, as JSON; `error` and `name` (of a DOMException) where one fails:

| operation | given | gives |
|---|---|---|
| scan | uuid of a service | name of the first that advertises it |
| connect | | connection: a number |
| service | connection, uuid | |
| read | connection, uuid of a characteristic | value, in hexadecimal digits |
| write | connection, uuid, value | |
| subscribe | connection, uuid | |
| events | connection | values: [uuid, value] of each notification; gone: whether the connection is lost |
| disconnect | connection | |
"""

import asyncio
import os
import queue
from collections.abc import Callable
from typing import Any

from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.device import Connection, Device, Peer
from bumble.gatt_client import CharacteristicProxy, ServiceProxy

from tools.virtual.radio import Air
from tools.virtual.world import World

_PATIENCE_S = 30  # for a call
_FOUND_S = 5  # how long a station is looked for, and waited for
_NAMED_S = 0.5  # and how long for its name
_MTU = 517  # what Chrome asks for on Android
_LAST = 2  # flag of a frame that ends a message: an answer is due
_LISTS = (
    AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
)
_ANSWER_S = {"virtual": 1.0, "real": 0.05}  # how long `events` waits, by the world's pace


class WebRadio:
    """One browser. Its calls let the world run until they are done, so they come from the thread that owns the world.

    address: its own, unlike all others on the air.
    """

    def __init__(self, air: Air, address: str = "C0:00:00:00:00:BB"):
        self._air = air
        self._address = address
        self._device: Device | None = None
        self._found: Any = None  # the address of the station
        self._connection: Connection | None = None
        self._service_proxy: ServiceProxy | None = None
        self._number = 0
        self._values: list[list[str]] = []
        self._asked = False  # a message was sent whole, and none has come since

    def call(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        """One operation."""
        do = self._OPERATIONS.get(operation)
        if do is None:
            return {"error": "no such operation", "name": "NotSupportedError"}
        if "connection" in given and (given["connection"] != self._number or self._connection is None):
            return {"values": [], "gone": True} if operation == "events" else _failed("not connected")
        try:
            return do(self, given) or {}
        except (BaseBumbleError, TimeoutError, asyncio.CancelledError, LookupError, ValueError) as error:
            return _failed(str(error) or type(error).__name__)

    async def _central(self) -> Device:
        if self._device is None:
            self._device = self._air.device("browser", self._address)
            await self._device.power_on()
        return self._device

    def _scan(self, given: dict[str, Any]) -> dict[str, Any]:
        wanted, heard, names = UUID(given["uuid"]), [], {}

        def hear(advertisement: Any) -> None:
            data, address = advertisement.data, str(advertisement.address)
            # the name comes with the answer to the scan, which is an advertisement of its own
            if name := data.get(AdvertisingData.COMPLETE_LOCAL_NAME):
                names[address] = name
            if wanted in [one for kind in _LISTS for one in data.get(kind) or ()]:
                heard.append(advertisement.address)

        async def scan(on: bool) -> None:
            central = await self._central()
            if on:
                central.on("advertisement", hear)
                await central.start_scanning(active=True)
            else:
                central.remove_listener("advertisement", hear)
                await central.stop_scanning()

        self._air.run(scan(True))
        self._air.world.run_until(lambda: bool(heard), _FOUND_S)
        self._air.world.run_until(lambda: not heard or str(heard[0]) in names, _NAMED_S)
        self._air.run(scan(False))
        if not heard:
            return {"error": "no station is in reach", "name": "NotFoundError"}
        self._found = heard[0]
        return {"name": names.get(str(self._found), "")}

    def _connect(self, _: dict[str, Any]) -> dict[str, Any]:
        self._disconnect({})

        async def connect() -> Connection:
            central = await self._central()
            connection = await central.connect(self._found, timeout=_FOUND_S)
            await Peer(connection).request_mtu(_MTU)
            return connection

        connection = self._air.run(connect(), 2 * _FOUND_S)
        self._number += 1
        self._connection, self._values, self._asked = connection, [], False

        def gone(_: int) -> None:
            if self._connection is connection:
                self._connection = None

        connection.on("disconnection", gone)
        return {"connection": self._number}

    def _disconnect(self, _: dict[str, Any]) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._air.start(_hang_up(connection))

    def _service(self, given: dict[str, Any]) -> None:
        async def discover() -> ServiceProxy:
            assert self._connection is not None
            peer = Peer(self._connection)
            (service,) = await peer.discover_service(given["uuid"])
            await service.discover_characteristics()
            return service

        self._service_proxy = self._air.run(discover(), _FOUND_S)

    def _one(self, given: dict[str, Any]) -> CharacteristicProxy:
        if self._service_proxy is None:
            raise ValueError("no service was asked for")
        (one,) = self._service_proxy.get_characteristics_by_uuid(UUID(given["uuid"]))
        return one

    def _read(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"value": self._air.run(self._one(given).read_value(), _FOUND_S).hex()}

    def _write(self, given: dict[str, Any]) -> None:
        value = bytes.fromhex(given["value"])
        self._air.run(self._one(given).write_value(value, with_response=True), _FOUND_S)
        self._asked = bool(value[0] & _LAST)

    def _subscribe(self, given: dict[str, Any]) -> None:
        def hear(value: bytes) -> None:
            self._values.append([given["uuid"], bytes(value).hex()])
            self._asked = not value[0] & _LAST

        self._air.run(self._one(given).subscribe(hear), _FOUND_S)

    def _events(self, _: dict[str, Any]) -> dict[str, Any]:
        # With virtual pace the time passes only for the station's answer, not for what the page takes to think.
        world = self._air.world
        if self._asked or world.pace == "real":
            world.run_until(lambda: bool(self._values) or self._connection is None, _ANSWER_S[world.pace])
        values, self._values = self._values, []
        return {"values": values, "gone": self._connection is None}

    _OPERATIONS: dict[str, Callable[["WebRadio", dict[str, Any]], dict[str, Any] | None]] = {
        "scan": _scan,
        "connect": _connect,
        "service": _service,
        "read": _read,
        "write": _write,
        "subscribe": _subscribe,
        "events": _events,
        "disconnect": _disconnect,
    }


def _failed(text: str) -> dict[str, Any]:
    return {"error": text, "name": "NetworkError"}


async def _hang_up(connection: Connection) -> None:
    try:
        await connection.disconnect()
    except BaseBumbleError:
        pass  # the station went first


class Counter:
    """Calls from any thread, done one after the other by the thread that owns the world."""

    def __init__(self, world: World, call: Callable[[str, dict[str, Any]], dict[str, Any]]):
        self._world = world
        self._call = call
        self._waiting: queue.SimpleQueue[tuple[str, dict[str, Any], queue.SimpleQueue]] = queue.SimpleQueue()
        self._bell, self._ring = os.pipe()  # wakes a world that waits
        world.add_reader(self._bell, self._answer_bell)

    def _answer_bell(self) -> None:
        os.read(self._bell, 4096)

    def call(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        """From any thread; waits for the answer."""
        answer: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._waiting.put((operation, given, answer))
        try:
            os.write(self._ring, b"!")
            return answer.get(timeout=_PATIENCE_S)
        except (OSError, queue.Empty):  # it has closed, or is busy
            return _failed("the virtual station does not answer")

    def serve(self) -> None:
        """From the world's thread, between its steps: what waits is done."""
        while not self._waiting.empty():
            operation, given, answer = self._waiting.get()
            answer.put(self._call(operation, given))

    def close(self) -> None:
        self._world.remove_reader(self._bell)
        os.close(self._bell)
        os.close(self._ring)
