"""A back end made of the ocpp package's other side; it checks every message against the schemas of the OCA."""

import json
from typing import Any

from ocpp.messages import MessageType, get_validator
from ocpp.routing import on
from ocpp.v21 import ChargePoint, call, call_result
from ocpp.v21.enums import Action
from websockets.asyncio.server import Server, serve
from websockets.exceptions import ConnectionClosed

from tools.controller.transactions import now


class _Peer(ChargePoint):
    def __init__(self, name: str, connection: Any, csms: "Csms"):
        super().__init__(name, connection, response_timeout=5)
        self._csms = csms

    async def route_message(self, raw_msg: Any) -> None:
        message = json.loads(raw_msg)
        if message[0] == MessageType.Call:
            get_validator(MessageType.Call, message[2], "2.1").validate(message[3])
            self._csms.heard.append((message[2], message[3]))
            if self._csms.instead is not None and message[2] in ("TransactionEvent", "Authorize"):
                await self._connection.send(
                    json.dumps([message[1] if part == "id" else part for part in self._csms.instead])
                )
                return
        elif message[0] == MessageType.CallError:
            self._csms.errors.append(message[2])
        await super().route_message(raw_msg)

    @on(Action.boot_notification)
    def on_boot(self, **_: Any):
        return call_result.BootNotification(current_time=now(), interval=self._csms.interval_s, status=self._csms.boot)

    @on(Action.heartbeat)
    def on_heartbeat(self, **_: Any):
        return call_result.Heartbeat(current_time=now())

    @on(Action.status_notification)
    def on_status(self, **_: Any):
        if self._csms.refuses_status:
            raise ValueError("no such EVSE")
        return call_result.StatusNotification()

    @on(Action.authorize)
    async def on_authorize(self, **_: Any):
        if self._csms.word is None:
            raise ValueError("no word")
        info: Any = {"status": self._csms.word}
        return call_result.Authorize(id_token_info=info)

    @on(Action.transaction_event)
    def on_event(self, **_: Any):
        if self._csms.broken:
            raise ValueError("broken")
        return call_result.TransactionEvent()


class Csms:
    """Listens on the loopback's `port` (0: any). word: its status for a ticket, None for an error in its place."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.errors: list[str] = []
        self.peers: list[_Peer] = []
        self.word: Any = "Accepted"
        self.boot: Any = "Accepted"
        self.interval_s = 300
        self.broken = False
        self.instead: list[Any] | None = (
            None  # what events and tickets are answered with, whatever OCPP says; "id": theirs
        )
        self.refuses_status = False
        self.asked: list[tuple[str, str | None]] = []  # path and Authorization of each connection
        self._server: Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp"

    async def open(self) -> None:
        self._server = await serve(self._take, "127.0.0.1", self.port, subprotocols=["ocpp2.1"])  # pyright: ignore[reportArgumentType]
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def close(self) -> None:
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    async def _take(self, socket: Any) -> None:
        self.asked.append((socket.request.path, socket.request.headers.get("Authorization")))
        peer = _Peer("station", socket, self)
        self.peers.append(peer)
        try:
            await peer.start()
        except ConnectionClosed:
            pass
        finally:
            self.peers.remove(peer)

    def told(self, action: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.heard if name == action]

    def events(self) -> list[dict[str, Any]]:
        return self.told("TransactionEvent")

    async def stop(self, transaction: str) -> str:
        answer: Any = await self.peers[-1].call(call.RequestStopTransaction(transaction_id=transaction))
        return answer.status
