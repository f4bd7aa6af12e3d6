"""The reference controller's OCPP 2.1 against the other side of the package ocpp, with the schemas that it ships."""

import asyncio
import time
from contextlib import asynccontextmanager
from typing import Any

import pytest
from ocpp.v21 import call

from host_tests.peers.csms import Csms
from tools.controller import backend as backend_module
from tools.controller import messages, transactions
from tools.controller.backend import Backend
from tools.controller.evse import SimulatedEvse
from tools.controller.sessions import Sessions
from tools.controller.store import Store

KEY = bytes(range(32))
GRANT = {
    "session": 42, "evse": 0, "holder": 1, "smart": 0, "lease_s": 60, "limits": 25, "max_energy_wh": 11000,
    "max_power_w": 0, "max_current_a": 0, "max_duration_min": 90, "ticket_key": KEY, "provider": "DE-XYZ",
    "ticket": "DE-XYZ-CT-1",
    "price": "20.00", "currency": "EUR", "tariffs": b'["T1"]',
}  # fmt: skip


class Station:
    """A controller without a reader: sessions and a back end on one store, as after each start of the process."""

    def __init__(self, path, csms, **options):
        self.store = Store(path)
        self.said = []
        self.statuses = {1: "Available"}
        self.backend = Backend(
            csms.url, "DE*ABC*S1", self.store, self._stop, lambda: self.statuses, self.said.append, **options
        )
        self.sessions = Sessions(
            "reader-1", [SimulatedEvse()], self.store, lambda *message, **values: None, time.monotonic,
            self.said.append, pass_unenforced=True, is_online=lambda: self.backend.online,
        )  # fmt: skip

    def _stop(self, transaction):
        return self.sessions.stop(transaction)

    def session(self, number):
        """A whole one."""
        self.sessions.grant(1, {**GRANT, "session": number})
        self.sessions.renew(2, {"session": number, "lease_s": 60})
        self.sessions.end(3, {"session": number, "cause": messages.STOPPED_BY_DRIVER})

    @asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.backend.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.store.close()


async def until(what, seconds=5.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "did not come about"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def csms_of(csms=None):
    csms = csms or Csms()
    await csms.open()
    try:
        yield csms
    finally:
        await csms.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(backend_module, "FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(backend_module, "AGAIN_S", 0.05)


def test_session_becomes_valid_transaction_events(tmp_path):
    async def play():
        async with csms_of() as csms, Station(tmp_path / "s", csms, password="secret").running() as station:
            await until(lambda: station.backend.online)
            station.sessions.grant(1, GRANT)
            station.sessions.renew(2, {"session": 42, "lease_s": 60})
            await until(lambda: len(csms.events()) == 1)
            transaction = csms.events()[0]["transactionInfo"]["transactionId"]
            assert await csms.stop("another") == "Rejected"
            assert await csms.stop(transaction) == "Accepted"
            station.sessions.end(3, {"session": 42, "cause": messages.STOPPED_BY_CONTROLLER})
            await until(lambda: len(csms.events()) == 2)
            return csms

    csms = asyncio.run(play())
    assert csms.asked == [("/ocpp/DE*ABC*S1", "Basic REUqQUJDKlMxOnNlY3JldA==")]
    assert [name for name, _ in csms.heard[:2]] == ["BootNotification", "StatusNotification"]
    started, ended = csms.events()
    assert (started["eventType"], started["seqNo"], started.get("offline", False)) == ("Started", 0, False)
    assert started["idToken"]["idToken"] == "DE-XYZ-CT-1" and started["idToken"]["type"] == "Central"
    assert started["customData"]["ticketKey"] == KEY.hex() and started["customData"]["session"] == 42
    info = started["transactionInfo"]
    assert info["transactionLimit"] == {"maxEnergy": 11000, "maxTime": 5400, "maxCost": 20.0}
    assert info["tariffId"] == "T1"
    assert (ended["eventType"], ended["seqNo"], ended["triggerReason"]) == ("Ended", 1, "RemoteStop")
    assert ended["transactionInfo"]["transactionId"] == info["transactionId"]
    assert ended["transactionInfo"]["stoppedReason"] == "Remote"
    assert ended["meterValue"][0]["sampledValue"][0]["context"] == "Transaction.End"


def test_events_of_a_time_without_a_back_end_come_in_order_after_a_restart(tmp_path):
    async def play():
        csms = Csms()
        async with csms_of(csms):
            pass  # it had that port, and is gone
        first = Station(tmp_path / "s", csms)
        async with first.running():
            for number in (1, 2):
                first.session(number)
            await asyncio.sleep(0.3)
            assert not first.backend.online and first.store.waiting() == 4
        second = Station(tmp_path / "s", csms)
        async with second.running():
            second.session(3)
            async with csms_of(csms):
                await until(lambda: len(csms.events()) == 6)
                second.session(4)
                await until(lambda: len(csms.events()) == 8 and second.store.waiting() == 0)
        return csms.events()

    events = asyncio.run(play())
    told = [(event["customData"]["session"], event["eventType"], event["seqNo"], event["offline"]) for event in events]
    assert told == [
        (number, kind, seq, number < 4) for number in (1, 2, 3, 4) for seq, kind in enumerate(("Started", "Ended"))
    ]
    assert len({event["transactionInfo"]["transactionId"] for event in events}) == 4


def test_event_that_was_not_answered_is_sent_again(tmp_path):
    async def play():
        csms = Csms()
        await csms.open()
        station = Station(tmp_path / "s", csms)
        async with station.running():
            await until(lambda: station.backend.online)
            csms.broken = True
            station.session(1)
            await until(csms.events)
            await csms.close()
            csms.broken = False
            before = len(csms.events())
            async with csms_of(csms):
                await until(lambda: station.store.waiting() == 0)
        return before, csms.events()

    before, events = asyncio.run(play())
    assert [event["seqNo"] for event in events[before:]] == [0, 1]


def test_event_that_the_back_end_keeps_refusing_holds_up_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(backend_module, "ATTEMPTS", 1)

    async def play():
        async with csms_of() as csms, Station(tmp_path / "s", csms).running() as station:
            csms.broken = True
            station.session(1)
            await until(lambda: station.store.waiting() == 0)
            assert sum("set aside" in said for said in station.said) == 2
            csms.broken = False
            station.session(2)
            await until(lambda: station.store.waiting() == 0)
            assert [event["seqNo"] for event in csms.events()] == [0, 1, 0, 1]

    asyncio.run(play())


@pytest.mark.parametrize(
    "instead", [[4, "id", "Nonsense", "", {}], [2, "x", ["a"], {}], [3, "id", {"x": 1}], [3, "id", None]], ids=str
)
def test_back_end_that_talks_nonsense_ends_nothing_and_is_told_all_once_it_talks_sense(tmp_path, monkeypatch, instead):
    monkeypatch.setattr(backend_module, "ANSWER_S", 0.3)
    monkeypatch.setattr(backend_module, "ATTEMPTS", 1000)

    async def play():
        async with csms_of() as csms, Station(tmp_path / "s", csms).running() as station:
            csms.refuses_status, csms.instead = True, instead
            await until(lambda: station.backend.online)
            station.session(1)
            await until(lambda: len(csms.events()) > 1)
            assert await station.backend.authorize(1, "DE-XYZ", "DE-XYZ-CT-1", KEY.hex()) is None
            csms.instead = None
            await until(lambda: station.store.waiting() == 0)
            assert [event["seqNo"] for event in csms.events()[-2:]] == [0, 1]

    asyncio.run(play())


@pytest.mark.parametrize(("word", "answer"), [("Accepted", True), ("Blocked", False), ("Unknown", False), (None, None)])
def test_validation_is_an_authorize(tmp_path, word, answer):
    async def play():
        async with csms_of() as csms, Station(tmp_path / "s", csms).running() as station:
            csms.word = word
            assert await station.backend.authorize(1, "DE-XYZ", "DE-XYZ-CT-1", KEY.hex()) is None
            await until(lambda: station.backend.online)
            assert await station.backend.authorize(1, "DE-XYZ", "DE-XYZ-CT-1", KEY.hex()) is answer
            (asked,) = csms.told("Authorize")
            assert asked["idToken"] == {
                "idToken": "DE-XYZ-CT-1",
                "type": "Central",
                "additionalInfo": [
                    {"additionalIdToken": KEY.hex(), "type": "TicketKey"},
                    {"additionalIdToken": "DE-XYZ", "type": "ProviderId"},
                ],
            }

    asyncio.run(play())


def test_rejected_boot_is_repeated_before_anything_is_told(tmp_path):
    async def play():
        csms = Csms()
        csms.boot, csms.interval_s = "Pending", 1
        async with csms_of(csms), Station(tmp_path / "s", csms).running() as station:
            station.session(1)
            await until(lambda: any("Pending" in said for said in station.said))
            assert not station.backend.online
            csms.boot = "Accepted"
            await until(lambda: station.store.waiting() == 0)
            await until(lambda: csms.told("Heartbeat"))
            assert len(csms.told("BootNotification")) == 2
            station.statuses = {1: "Faulted"}
            await until(lambda: len(csms.told("StatusNotification")) == 2)

    asyncio.run(play())


def test_what_is_not_offered_is_refused_with_an_answer(tmp_path):
    async def play():
        async with csms_of() as csms, Station(tmp_path / "s", csms).running() as station:
            await until(lambda: station.backend.online)
            assert await csms.peers[-1].call(call.Reset(type="Immediate")) is None and csms.errors == ["NotImplemented"]  # pyright: ignore[reportArgumentType]
            start = call.RequestStartTransaction(id_token={"idToken": "1", "type": "Central"}, remote_start_id=1)  # pyright: ignore[reportArgumentType]
            answer = await csms.peers[-1].call(start)
            assert answer and answer.status == "Rejected"

    asyncio.run(play())


@pytest.mark.parametrize("cause", range(9))
def test_every_cause_of_an_end_has_valid_words(cause):
    from ocpp.charge_point import remove_nones, serialize_as_dict, snake_to_camel_case
    from ocpp.messages import MessageType, get_validator

    session = transactions.Session.of_grant(GRANT)
    session.cause, session.transaction = cause, "t"
    event = call.TransactionEvent(**transactions.ended(session, 1, "reader-1", None))
    payload: Any = remove_nones(snake_to_camel_case(serialize_as_dict(event)))
    get_validator(MessageType.Call, "TransactionEvent", "2.1").validate(payload)
    assert "meterValue" not in payload and payload["customData"]["cause"] == messages.CAUSES[cause]
