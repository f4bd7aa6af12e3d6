"""OCPP 2.1 TransactionEvents of a session, as keyword arguments of the ocpp package's `call.TransactionEvent`."""

import json
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from tools.controller import messages
from tools.controller.messages import CAUSES, DURATION_BIT, ENERGY_BIT, PRICE_BIT

VENDOR_ID = "charging-ticket-controller"  # of our customData
LONGEST_TARIFF_ID = 60

# cause of an end: (triggerReason, stoppedReason)
_ENDS = {
    messages.DURATION: ("TimeLimitReached", "TimeLimitReached"),
    messages.BY_ENERGY: ("EnergyLimitReached", "EnergyLimitReached"),
    messages.UNPLUGGED: ("EVCommunicationLost", "EVDisconnected"),
    messages.STOPPED_BY_DRIVER: ("StopAuthorized", "Local"),
    messages.STOPPED_BY_CONTROLLER: ("RemoteStop", "Remote"),
    messages.LEASE_LOST: ("AbnormalCondition", "Other"),
    messages.RESTART: ("AbnormalCondition", "PowerLoss"),
    messages.RELAY_FAULT: ("AbnormalCondition", "Other"),
    messages.PRICE: ("CostLimitReached", "Other"),
}


@dataclass
class Session:
    """A grant and what became of it. `state`: "accepted", "runs", "ended", "taken" (the reader knows of its end)."""

    session: int
    evse: int  # index of the reader's
    limits: int
    max_energy_wh: int
    max_power_w: int
    max_current_a: int
    max_duration_min: int
    ticket_key: str
    provider: str
    price: str
    currency: str
    tariffs: str
    ticket: str
    state: str = "accepted"
    transaction: str = ""
    events: int = 0
    seconds: int = 0
    energy_wh: int = messages.UNKNOWN_WH
    start_wh: int | None = None  # the meter's value at the start
    cause: int = messages.RESTART

    @classmethod
    def of_grant(cls, values: dict[str, Any]) -> "Session":
        names = {field.name for field in fields(cls)} & set(values)
        given = {name: values[name] for name in names}
        given |= {"ticket_key": values["ticket_key"].hex(), "tariffs": values["tariffs"].decode("utf-8", "replace")}
        return cls(**given)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def started(session: Session, evse_id: int, reader: str, meter_wh: int | None, plugged: bool | None) -> dict[str, Any]:
    """The contactor closes. Numbers the event."""
    event = _event(session, "Started", "Authorized", evse_id, reader, meter_wh, "Transaction.Begin")
    event["id_token"] = id_token(session.provider, session.ticket, session.ticket_key)
    event["transaction_info"] |= _limits(session)
    event["transaction_info"]["charging_state"] = "EVConnected" if plugged is False else "Charging"
    return event


def updated(session: Session, evse_id: int, reader: str, meter_wh: int | None) -> dict[str, Any]:
    """A meter value from within a session."""
    event = _event(session, "Updated", "MeterValuePeriodic", evse_id, reader, meter_wh, "Sample.Periodic")
    event["transaction_info"]["charging_state"] = "Charging"
    return event


def ended(session: Session, evse_id: int, reader: str, meter_wh: int | None) -> dict[str, Any]:
    """The session is over; `session.cause` says why."""
    trigger, stopped = _ENDS.get(session.cause, ("AbnormalCondition", "Other"))
    event = _event(session, "Ended", trigger, evse_id, reader, meter_wh, "Transaction.End")
    event["transaction_info"] |= {"stopped_reason": stopped, "charging_state": "Idle"}
    cause = CAUSES[session.cause] if session.cause < len(CAUSES) else str(session.cause)
    event["custom_data"] |= {"cause": cause, "energized_seconds": session.seconds}
    return event


def id_token(provider: str, ticket: str, ticket_key: str) -> dict[str, Any]:
    """The ticket as an idToken. The type is Central: known to whoever issued it, and read from no card's number."""
    more = [{"additional_id_token": ticket_key, "type": "TicketKey"}]
    if provider:
        more.append({"additional_id_token": provider, "type": "ProviderId"})
    return {"id_token": ticket, "type": "Central", "additional_info": more}


def now() -> str:
    """This moment as OCPP writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _event(
    session: Session, kind: str, trigger: str, evse_id: int, reader: str, meter_wh: int | None, context: str
) -> dict[str, Any]:
    event = {
        "event_type": kind,
        "timestamp": now(),
        "trigger_reason": trigger,
        "seq_no": session.events,
        "transaction_info": {"transaction_id": session.transaction, "time_spent_charging": session.seconds},
        "evse": {"id": evse_id, "connector_id": 1},
        "custom_data": {
            "vendor_id": VENDOR_ID,
            "ticket_key": session.ticket_key,
            "session": session.session,
            "reader": reader,
        },
    }
    if meter_wh is not None:
        sample = {
            "value": meter_wh,
            "context": context,
            "measurand": "Energy.Active.Import.Register",
            "unit_of_measure": {"unit": "Wh"},
        }
        event["meter_value"] = [{"timestamp": event["timestamp"], "sampled_value": [sample]}]
    session.events += 1
    return event


def _limits(session: Session) -> dict[str, Any]:
    """transactionLimit and tariffId of a grant, as far as OCPP has room for them."""
    limit: dict[str, Any] = {}
    if session.limits & ENERGY_BIT:
        limit["max_energy"] = session.max_energy_wh
    if session.limits & DURATION_BIT:
        limit["max_time"] = session.max_duration_min * 60
    if session.limits & PRICE_BIT:
        try:
            price = Decimal(session.price)
        except InvalidOperation:
            price = Decimal("NaN")
        if price.is_finite():  # else a broken message: the reader has checked it, and the limit is its to judge
            limit["max_cost"] = float(price)
    found: dict[str, Any] = {"transaction_limit": limit} if limit else {}
    try:
        first = json.loads(session.tariffs)[0]
        tariff = first["tariffId"] if isinstance(first, dict) else first
        if isinstance(tariff, str) and len(tariff) <= LONGEST_TARIFF_ID:
            found["tariff_id"] = tariff
    except (ValueError, LookupError, TypeError, RecursionError):
        pass  # no tariffs
    return found
