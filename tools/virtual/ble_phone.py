"""A phone over Bluetooth, as firmware/ble/README.md has it: bumble's central, with the wallet that phone.py has.

Everything that talks is a coroutine of the air's: `air.run(phone.present())`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import cbor2
from bumble.core import UUID, BaseBumbleError
from bumble.device import Connection, Device, Peer
from bumble.gatt_client import CharacteristicProxy

from tools.virtual.phone import Wallet
from tools.virtual.radio import Air, Radio

SERVICE, INFO, INBOX, OUTBOX = (f"b02b000{number}-8bd3-431f-9ede-7dc389a5640a" for number in (1, 2, 3, 4))
FIRST, LAST = 1, 2
LONGEST_FRAME = 512
LOST = "LOST"  # the outcome of an exchange that ended without a verdict


class Lost(Exception):
    """The reader hung up, or was not heard in time."""


def frames(message: bytes, first: int, size: int) -> list[bytes]:
    """flags[1] ‖ seq[1] ‖ total[2], first only ‖ data; `first` is the first one's number."""
    cut, at = [], 0
    while not cut or at < len(message):
        head = len(message).to_bytes(2, "big") if not cut else b""
        piece = message[at : at + size - 2 - len(head)]
        at += len(piece)
        flags = (0 if cut else FIRST) | (LAST if at >= len(message) else 0)
        cut.append(bytes((flags, (first + len(cut)) & 0xFF)) + head + piece)
    return cut


class BlePhone:
    """address: its own, unlike all others on the air. mtu: what it asks for; 23 asks for nothing.

    change: given the frames of each message, gives those that are written in their place. step: awaited with a name
    before each thing that the phone does; what it raises ends the exchange there.
    """

    def __init__(self, air: Air, wallet: Wallet, address: str = "C0:00:00:00:00:01", mtu: int = 247):
        self.air = air
        self.wallet = wallet
        self.address = address
        self.mtu = mtu
        self.writes = 0
        self.hello: dict[int, Any] = {}
        self.change: Callable[[list[bytes]], list[bytes]] = lambda cut: cut
        self.step: Callable[[str], Awaitable[None]] = self._nothing
        self.connection: Connection | None = None
        self._device: Device | None = None
        self._sent = 0
        self._heard = bytearray()
        self._next = 0
        self._total = 0
        self._messages: asyncio.Queue[bytes] | None = None

    async def _nothing(self, name: str) -> None:
        pass

    async def connect(self, timeout_s: float = 10) -> None:
        """Connects, exchanges the MTU, discovers and subscribes. Lost: it is not there, or hung up meanwhile."""
        if self._device is None:
            self._device = self.air.device("phone " + self.address, self.address)
            await self._device.power_on()
        self._sent = self._next = 0
        self._heard, self._messages = bytearray(), asyncio.Queue()
        await self.step("connect")
        try:
            self.connection = await self._device.connect(Radio.ADDRESS, timeout=timeout_s)
            self._closed = asyncio.get_running_loop().create_future()
            self.connection.on("disconnection", self._on_disconnection)
            peer = Peer(self.connection)
            await self.step("mtu")
            if self.mtu > 23:
                await self._while_there(peer.request_mtu(self.mtu))
            await self.step("discover")
            (service,) = await self._while_there(peer.discover_service(SERVICE))
            await self._while_there(service.discover_characteristics())
            self._info, self._inbox, self._outbox = (
                self._one(service.get_characteristics_by_uuid(UUID(uuid))) for uuid in (INFO, INBOX, OUTBOX)
            )
            await self.step("subscribe")
            await self._while_there(self._outbox.subscribe(self._on_notification))
        except (BaseBumbleError, TimeoutError, ValueError) as error:
            raise Lost(str(error)) from None

    @staticmethod
    def _one(found: list[CharacteristicProxy]) -> CharacteristicProxy:
        (one,) = found
        return one

    def _on_disconnection(self, reason: int) -> None:
        self.connection = None
        if not self._closed.done():
            self._closed.set_result(reason)

    async def _while_there(self, doing, timeout_s: float = 12) -> Any:
        """The result of something that takes the reader's answer. Lost when it hangs up first."""
        task = asyncio.ensure_future(doing)
        done, _ = await asyncio.wait({task, self._closed}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if task not in done:
            task.cancel()
            raise Lost("the reader hung up" if done else "the reader fell silent")
        try:
            return task.result()
        except (BaseBumbleError, asyncio.CancelledError) as error:  # bumble gives up what waits as the link ends
            raise Lost(str(error)) from None

    async def info(self) -> dict[int, Any]:
        """Who the reader is and which EVSEs it serves: what the driver is asked to confirm."""
        await self.step("info")
        return cbor2.loads(await self._while_there(self._info.read_value()))

    async def send(self, message: bytes) -> None:
        """Writes a message, in frames as long as the MTU allows."""
        if self.connection is None:
            raise Lost("not connected")
        cut = frames(message, self._sent, min(self.connection.att_mtu - 3, LONGEST_FRAME))
        self._sent += len(cut)
        for frame in self.change(cut):
            await self.write(frame)

    async def write(self, frame: bytes) -> None:
        await self.step("write")
        if self.connection is None:
            raise Lost("not connected")
        self.writes += 1
        await self._while_there(self._inbox.write_value(frame, with_response=True))

    async def receive(self) -> bytes:
        """The next message of the reader's."""
        await self.step("receive")
        assert self._messages is not None
        if self._messages.empty() and self.connection is None:
            raise Lost("the reader hung up")
        return await self._while_there(self._messages.get())

    def _on_notification(self, value: bytes) -> None:
        flags, number, data = value[0], value[1], bytes(value[2:])
        if (
            number != self._next
            or flags > (FIRST | LAST)
            or bool(flags & FIRST) != (not self._heard and not self._total)
        ):
            return  # a broken stream: nothing will come of it
        self._next = (self._next + 1) & 0xFF
        if flags & FIRST:
            self._total, data = int.from_bytes(data[:2], "big"), data[2:]
        self._heard += data
        if flags & LAST and len(self._heard) == self._total and self._messages is not None:
            self._messages.put_nowait(bytes(self._heard))
            self._heard, self._total = bytearray(), 0

    async def exchange(self) -> str:
        """From the start to the verdict, on a connection that is there. The reason code. Raises Lost."""
        self.wallet.begin()
        await self.send(self.wallet.opening() if self.wallet.encrypt else b"")
        self.hello = cbor2.loads(await self.receive())
        await self.send(self.wallet.present(self.hello))
        self.wallet.verdict = None
        self.wallet.told(await self.receive())
        return self.wallet.reason

    async def present(self) -> str:
        """One whole presentation: the reason code, or LOST."""
        try:
            await self.connect()
            await self.info()
            return await self.exchange()
        except Lost:
            return LOST
        finally:
            await self.leave()

    async def leave(self) -> None:
        if self.connection is not None:
            try:
                await self.connection.disconnect()
            except BaseBumbleError:
                self.connection = None  # it went first
