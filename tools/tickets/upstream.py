"""`import`: the ticket of the upstream OCPP extension, in either of its spellings, as claims ready to sign.

Its writer and its reader (WWCP_OCPP, ChargingTicketsExtensions) disagree about names and units. Nothing is guessed:
what could mean two things, or would lose a restriction, is refused.
"""

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ticket import form as ticket_form
from ticket.claims import MAX_INTEGER
from ticket.envelope import Envelope
from ticket.verdict import Refused
from tools.problem import Problem, shown
from tools.site.keys import load_key
from tools.terminal import say
from tools.tickets import mint
from tools.tickets.cwt_claims import WORDS
from tools.units import instant_ms, wire_time

EXAMPLES = """Examples:

  python -m tools import upstream.json > claims.json

  python -m tools import upstream.json | python -m tools issue --site site --claims - > ticket.jws

  python -m tools import upstream.json --driver driver.jwk --currency EUR > claims.json"""

Unit = Literal["minutes", "seconds"]


def _number(factor: int) -> Callable[[str, Any], int]:
    def convert(name: str, value: Any) -> int:
        if not isinstance(value, int | Decimal) or isinstance(value, bool):
            raise Problem(f"{name}: {shown(value)} is no number")
        scaled = Decimal(value) * factor
        if scaled != scaled.to_integral_value() or not 0 <= scaled <= MAX_INTEGER:
            raise Problem(f"{name}: {value} is not a whole number of the ticket's unit; round it to what you mean")
        return int(scaled)

    return convert


def _ampere_in_doubt(name: str, value: Any) -> int:
    raise Problem(f"{name}: upstream reads it as thousands of amperes; write maxCurrent, in amperes, instead")


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Problem(f"{name}: {shown(value)} is no text")
    return value


def _time(name: str, value: Any) -> str:
    text = _text(name, value)
    if not text.endswith("Z") and "+" not in text[10:] and "-" not in text[10:]:
        raise Problem(f"{name}: {text} has no time zone; write UTC as 2026-11-22T12:00:00Z")
    fraction = text[19:].lstrip(".").rstrip("Z").partition("+")[0].partition("-")[0]
    if fraction[3:].strip("0"):
        raise Problem(f"{name}: {text} is finer than milliseconds; round it to what you mean")
    return wire_time(instant_ms(text, name))


def _word(claim: str) -> Callable[[str, Any], str]:
    def convert(name: str, value: Any) -> str:
        if value not in WORDS[claim]:
            raise Problem(f"{name}: {shown(value)} is none of {', '.join(WORDS[claim])}")
        return value

    return convert


def _list(name: str, value: Any) -> list:
    if not isinstance(value, list) or not value:
        raise Problem(
            f"{name}: {shown(value)} is no list with entries; leave the member out where it restricts nothing"
        )
    return value


def _texts(name: str, value: Any) -> list:
    """`[{language, text}]` of that, of `[{language, content}]`, or of `{language: text}`."""
    if isinstance(value, dict):
        value = [{"language": language, "text": text} for language, text in value.items()]
    texts = []
    for entry in _list(name, value):
        entry = entry if isinstance(entry, dict) else {}
        text = entry.get("text", entry.get("content"))
        texts.append({"language": _text(name, entry.get("language")), "text": _text(name, text)})
    return texts


def _as_it_is(name: str, value: Any) -> Any:
    return value


# The claim, its names where upstream writes and where it reads, and what makes the claim of a value of each.
_WRITER, _READER = 0, 1
_MEMBERS: dict[str, tuple[dict[str, Callable[[str, Any], Any]], dict[str, Callable[[str, Any], Any]]]] = {
    "id": ({"id": _text}, {"id": _text}),
    "providerId": ({"providerId": _text}, {"providerId": _text}),
    "created": ({"created": _time}, {"created": _time}),
    "notBefore": ({"notBefore": _time}, {"notBefore": _time}),
    "notAfter": ({"notAftere": _time}, {"notAfter": _time}),
    "multiUsage": ({"multiUsage": _word("multiUsage")}, {"multipleSessions": _word("multiUsage")}),
    "validationMethod": (
        {"validationMethod": _word("validationMethod")},
        {"validationMethod": _word("validationMethod")},
    ),
    "validOperators": ({"validOperators": _list}, {"validOperators": _list}),
    "validChargingPools": ({"validChargingPools": _list}, {"validChargingPools": _list}),
    "validChargingStations": ({"validChargingStations": _list}, {"validChargingStations": _list}),
    "validEVSEIds": ({"validEVSEIds": _list}, {"validEVSEs": _list}),
    "invalidChargingPools": ({"invalidChargingPools": _list}, {"invalidChargingPools": _list}),
    "invalidChargingStations": ({"invalidChargingStations": _list}, {"invalidChargingStations": _list}),
    "invalidEVSEIds": ({"invalidEVSEIds": _list}, {"invalidEVSEs": _list}),
    "evseKind": ({"evseKind": _word("evseKind")}, {"EVSEKind": _word("evseKind")}),
    "maxEnergy": ({"maxEnergy": _number(1)}, {"maxKWh": _number(1000)}),
    "maxPower": ({"maxPower": _number(1)}, {"MaxKW": _number(1000)}),
    "maxCurrent": ({"maxCurrent": _number(1)}, {"MaxCurrent": _ampere_in_doubt}),
    "daysOfWeek": ({"daysOfWeek": _list}, {"daysOfWeek": _list}),
    "smartChargingMode": (
        {"smartChargingMode": _word("smartChargingMode")},
        {"smartChargingMode": _word("smartChargingMode")},
    ),
    "meterValueSignatures": (
        {"meterValueSignatures": _word("meterValueSignatures")},
        {"MeterValueSignatureMode": _word("meterValueSignatures")},
    ),
    "e2eCommunicationSecurity": (
        {"e2eCommunicationSecurity": _word("e2eCommunicationSecurity")},
        {"evDriverCommunication": _word("e2eCommunicationSecurity")},
    ),
    "tariffs": ({"tariffs": _list}, {"chargingTariffs": _list}),
    "providerName": ({"providerName": _texts}, {"providerName": _texts}),
    "providerURL": ({"providerURL": _text}, {"providerURL": _text}),
    "description": ({"description": _texts}, {"description": _texts}),
    "customData": ({"customData": _as_it_is}, {"customData": _as_it_is}),
}
_RAW = ("tariffs", "customData")  # forwarded: their numbers stay what JSON makes of them
_DROPPED = ("signatures",)
_OTHERS = ("maxDuration", "maxPrice", "driverPublicKey")


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The upstream ticket, one JSON object, or -")],
    duration_unit: Annotated[
        Unit | None,
        typer.Option(
            help="What maxDuration counts.", show_default="minutes in its writer's spelling, seconds in its reader's"
        ),
    ] = None,
    currency: Annotated[
        str | None, typer.Option(metavar="CUR", help="Of maxPrice.", show_default="that of the tariffs")
    ] = None,
    driver: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The driver's Ed25519 JWK, in the place of driverPublicKey.")
    ] = None,
    bearer: Annotated[
        bool, typer.Option("--bearer", help="Leave driverPublicKey out: whoever holds the ticket may use it.")
    ] = False,
):
    """Turn an upstream ticket (OCPP charging tickets extension) into claims for `issue --claims`.

    It is taken in the spelling of its writer (tariffs, notAftere, maxEnergy …) or of its reader (chargingTariffs,
    notAfter, maxKWh …). Where both stand there they must agree.
    """
    say_dropped, claims = convert(_content(file), duration_unit, currency, driver, bearer)
    for name in say_dropped:
        say(f"left out: {name}, a signature of another scheme; `issue` signs anew")
    print(json.dumps(claims, indent=2, ensure_ascii=False))


def convert(
    text: bytes, duration_unit: str | None, currency: str | None, driver: Path | None, bearer: bool
) -> tuple[list[str], dict]:
    """(members left out, claims) of an upstream ticket's JSON. Raises Problem."""
    try:
        raw = json.loads(text, object_pairs_hook=mint.no_doubles)
        exact = json.loads(text, parse_float=_exact, object_pairs_hook=mint.no_doubles)
    except (ValueError, RecursionError) as error:
        raise Problem(f"this is no JSON: {error}") from None
    if not isinstance(raw, dict):
        raise Problem("an upstream ticket is one JSON object")
    known = {name for spellings in _MEMBERS.values() for names in spellings for name in names}
    for name in raw:
        if name not in known and name not in _OTHERS + _DROPPED:
            raise Problem(f"{name}: no such member is known; it might be a restriction, so it is not left out")
    claims = {}
    for claim, (written, read) in _MEMBERS.items():
        values = {}
        for name, make in {**written, **read}.items():
            if name in exact:
                values[name] = make(name, (raw if claim in _RAW else exact)[name])
        _agree(values)
        if values:
            claims[claim] = next(iter(values.values()))
    if "maxDuration" in exact:
        claims["maxDuration"] = _minutes(exact, duration_unit)
    if "maxPrice" in exact:
        claims["maxPrice"] = _price(exact["maxPrice"], currency, claims.get("tariffs", []))
    key = _driver(exact, driver, bearer)
    if key:
        claims["driverPublicKey"] = key
    _check(claims)
    return [name for name in _DROPPED if name in raw], claims


def _exact(text: str) -> Decimal:
    """For `json.loads`: a number with a point or exponent. ValueError where it would fill the memory if written out."""
    exponent = text.lower().partition("e")[2].lstrip("+-0")
    if len(exponent) > 3:
        raise ValueError(f"{text} is out of all bounds")
    return Decimal(text)


def _agree(values: dict) -> None:
    if any(value != next(iter(values.values())) for value in values.values()):
        said = " and ".join(f"{name} ({shown(value)})" for name, value in values.items())
        raise Problem(f"{said} say different things; remove the wrong one")


def _minutes(found: dict, unit: str | None) -> int:
    if unit is None:
        spellings = [set(), set()]
        for written, read in _MEMBERS.values():
            spellings[_WRITER] |= set(written) - set(read)
            spellings[_READER] |= set(read) - set(written)
        writer, reader = (bool(names & set(found)) for names in spellings)
        if writer == reader:
            raise Problem("maxDuration: upstream writes minutes and reads seconds; say which with --duration-unit")
        unit = "minutes" if writer else "seconds"
    value = _number(1)("maxDuration", found["maxDuration"])
    if unit == "seconds" and value % 60:
        raise Problem(f"maxDuration: {value} seconds are not whole minutes; round it to what you mean")
    return value // 60 if unit == "seconds" else value


def _price(found: Any, currency: str | None, tariffs: list) -> dict:
    if isinstance(found, dict) and set(found) == {"amount", "currency"}:
        return {name: _text(f"maxPrice.{name}", found[name]) for name in found}
    if not isinstance(found, dict) or not {"inclTax"} <= set(found) <= {"exclTax", "inclTax", "taxRate"}:
        raise Problem("maxPrice: an object with inclTax is wanted, since that is what a driver pays")
    amount = found["inclTax"]
    if not isinstance(amount, int | Decimal) or isinstance(amount, bool):
        raise Problem(f"maxPrice.inclTax: {shown(amount)} is no number")
    named = [tariff.get("currency") for tariff in tariffs if isinstance(tariff, dict)]
    if currency is None:
        if not named or named != named[:1] * len(named):
            raise Problem("maxPrice has no currency, and its tariffs do not name one; say which with --currency")
        currency = named[0]
    return {"amount": format(Decimal(amount), "f"), "currency": currency}


def _driver(found: dict, driver: Path | None, bearer: bool) -> dict | None:
    if driver is not None:
        found = {"driverPublicKey": load_key(driver, private=False)}
    elif bearer or "driverPublicKey" not in found:
        return None
    key = found["driverPublicKey"]
    if not isinstance(key, dict) or (key.get("kty"), key.get("crv")) != ("OKP", "Ed25519"):
        raise Problem(
            "driverPublicKey is no Ed25519 key, the only kind that readers know; name the driver's with --driver FILE, "
            "or issue a ticket for whoever holds it with --bearer"
        )
    return {name: key.get(name) for name in ("kty", "crv", "x")}


def _check(claims: dict) -> None:
    """Reads the claims as a reader does, with those that `issue` adds. Raises Problem for what no reader would take."""
    whole = {**mint.defaults("DE-XYZ", 0, 0, 1), **claims}
    if "notAfter" not in claims or "providerId" not in claims:
        raise Problem("the ticket has no providerId or no notAfter")
    payload = json.dumps(whole, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        ticket_form.claims(Envelope("jws", "", b"", b"", payload))
    except Refused as refused:
        detail = f" ({refused.detail})" if refused.detail else ""
        raise Problem(f"every reader would refuse these claims: {refused.reason}{detail}; put that right") from None


def _content(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise Problem(f"cannot read {name}: {(error.strerror or str(error)).lower()}") from None
