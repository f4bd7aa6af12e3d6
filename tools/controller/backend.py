"""The back end: an OCPP 2.1 charging station that keeps what it has to tell until it is answered."""

import asyncio
import base64
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from ocpp.exceptions import NotImplementedError as NotImplementedByUs
from ocpp.exceptions import OCPPError, UnknownCallErrorCodeError
from ocpp.routing import on
from ocpp.v21 import ChargePoint, call, call_result
from ocpp.v21.enums import Action
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tools.controller.store import Store
from tools.controller.transactions import VENDOR_ID, id_token, now

ANSWER_S = 10  # the back end has that long for an answer; a connection without one is made anew
ATTEMPTS = 3  # an event that the back end answers with an error so often is set aside
AGAIN_S = 1  # between two attempts to send the same event
FIRST_WAIT_S, LONGEST_WAIT_S = 1, 60  # between two attempts to connect
MODEL = "OSDP controller"
_ERRORS = (OCPPError, UnknownCallErrorCodeError)  # what the back end's answer may be instead of one

logging.getLogger("ocpp").setLevel(logging.CRITICAL)  # it would log every message, and tickets with them


class _Station(ChargePoint):
    """Our side of one connection."""

    def __init__(self, name: str, connection: Any, stop: Callable[[str], bool]):
        super().__init__(name, connection, response_timeout=ANSWER_S)
        self._stop = stop

    async def _handle_call(self, msg: Any) -> Any:
        if msg.action not in self.route_map:  # the package leaves such a call of OCPP 2.1 without any answer
            raise NotImplementedByUs(details={"cause": f"no {msg.action} here"})
        return await super()._handle_call(msg)

    @on(Action.request_stop_transaction)
    def on_stop(self, transaction_id: str, **_: Any) -> call_result.RequestStopTransaction:
        stops = self._stop(transaction_id)
        return call_result.RequestStopTransaction(status="Accepted" if stops else "Rejected")  # pyright: ignore[reportArgumentType]

    @on(Action.request_start_transaction)
    def on_start(self, **_: Any) -> call_result.RequestStartTransaction:
        info = {"reason_code": "NoTicket", "additional_info": "only a ticket at the reader begins a session"}
        return call_result.RequestStartTransaction(status="Rejected", status_info=info)  # pyright: ignore[reportArgumentType]


class Backend:
    """Stays connected to `url`/`identity`. stop: ends the transaction of that id, False where none runs.

    statuses: {EVSE id: ConnectorStatus} as they are now.
    """

    def __init__(
        self, url: str, identity: str, store: Store, stop: Callable[[str], bool],
        statuses: Callable[[], dict[int, str]], say: Callable[[str], None], password: str | None = None,
        serial_number: str = "",
    ):  # fmt: skip
        self._url = f"{url.rstrip('/')}/{quote(identity, safe='*')}"
        self._identity, self._store, self._stop, self._statuses = identity, store, stop, statuses
        self._say, self._serial = say, serial_number
        self._headers = {}
        if password is not None:
            pair = base64.b64encode(f"{identity}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        self._booted = False
        self._station: _Station | None = None

    @property
    def online(self) -> bool:
        """Connected, and accepted by the back end."""
        return self._station is not None

    async def authorize(self, evse_id: int, provider: str, ticket: str, ticket_key: str) -> bool | None:
        """The back end's word on a ticket; None where it has none."""
        station = self._station
        if station is None:
            return None
        custom = {"vendor_id": VENDOR_ID, "evse_id": evse_id}
        request = call.Authorize(id_token=id_token(provider, ticket, ticket_key), custom_data=custom)  # pyright: ignore[reportArgumentType]
        try:
            answer = await station.call(request, suppress=False)
        except (*_ERRORS, TimeoutError, WebSocketException, OSError):
            return None
        return answer.id_token_info["status"] == "Accepted" if answer else None

    async def run(self) -> None:
        """Connects, boots, tells, for ever; ends by being cancelled."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                async with connect(
                    self._url, subprotocols=["ocpp2.1"], additional_headers=self._headers, open_timeout=ANSWER_S  # pyright: ignore[reportArgumentType]
                ) as socket:  # fmt: skip
                    if socket.subprotocol != "ocpp2.1":
                        raise OSError("it speaks no ocpp2.1")
                    wait_s = FIRST_WAIT_S
                    await self._serve(_Station(self._identity, socket, self._stop))
            except Exception as error:  # noqa: BLE001  nothing that it sends, nor a full disk, ends what runs here
                if self.online or wait_s == FIRST_WAIT_S:
                    self._say(f"back end: {str(error).splitlines()[0] if str(error) else 'no answer'}; offline")
            finally:
                self._station = None
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _serve(self, station: _Station) -> None:
        listening = asyncio.create_task(station.start())
        telling = asyncio.create_task(self._tell(station))
        try:
            done, _ = await asyncio.wait((listening, telling), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._station = None
            for task in (listening, telling):
                task.cancel()
            await asyncio.gather(listening, telling, return_exceptions=True)

    async def _tell(self, station: _Station) -> None:
        interval_s = await self._boot(station)
        self._station = station
        self._say(f"back end: online, {self._store.waiting()} events to tell")
        clock = asyncio.get_running_loop().time
        heard_at = clock()
        told: dict[int, str] = {}
        while True:
            for evse_id, status in self._statuses().items():
                if told.get(evse_id) != status:
                    told[evse_id] = status
                    about: Any = {"evse_id": evse_id, "connector_id": 1, "connector_status": status, "timestamp": now()}
                    await station.call(call.StatusNotification(**about))  # refused or not: events come first
                    heard_at = clock()
            if await self._tell_event(station):
                heard_at = clock()
            elif clock() - heard_at >= interval_s:
                await station.call(call.Heartbeat(), suppress=False)
                heard_at = clock()
            else:
                await asyncio.sleep(0.1)

    async def _boot(self, station: _Station) -> float:
        """Until the back end accepts us; the heartbeat's interval in seconds."""
        if self._booted:
            return self._interval_s
        while True:
            about = {"model": MODEL, "vendor_name": VENDOR_ID, "serial_number": self._serial[:25] or None}
            answer: Any = await station.call(
                call.BootNotification(charging_station=about, reason="PowerUp"),  # pyright: ignore[reportArgumentType]
                suppress=False,
            )
            self._interval_s = max(answer.interval, 1) if answer.interval else 300
            if answer.status == "Accepted":
                self._booted = True
                return self._interval_s
            self._say(f"back end: answers {answer.status} to the boot notification")
            await asyncio.sleep(self._interval_s)

    async def _tell_event(self, station: _Station) -> bool:
        """The oldest event that waits; it goes from the store once it is answered. False where none waits."""
        waiting = self._store.next_event()
        if waiting is None:
            return False
        number, event = waiting
        try:
            await station.call(call.TransactionEvent(**event), suppress=False)
        except _ERRORS as error:
            if self._store.failed(number, str(error)[:200], ATTEMPTS):
                self._say(f"back end: refuses event {number}, which is set aside: {error}")
            await asyncio.sleep(AGAIN_S)
        else:
            self._store.sent(number)
        return True
