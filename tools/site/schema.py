"""What site.toml may say: its JSON schema, and errors that name the member, its line and the remedy."""

import difflib
import json
import re
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.exceptions import best_match

from station.config import LONGEST_SESSION_MIN
from ticket import scope
from ticket.claims import decimal
from tools import ROOT
from tools.problem import Problem, shown
from tools.site.zones import zone
from tools.units import duration_s, instant_ms

MAPS = ROOT / "firmware" / "relay" / "maps"

_FORMATS = FormatChecker(formats=())
_KINDS = {
    "operator": scope.OPERATOR,
    "provider": scope.PROVIDER,
    "pool": scope.POOL,
    "station": scope.STATION,
    "evse": scope.EVSE,
}


def _format(name: str, is_right):
    def check(value) -> bool:
        return not isinstance(value, str) or bool(is_right(value))

    _FORMATS.checks(name, raises=Problem)(check)


def is_id(kind: str, text: str) -> bool:
    """Whether the text is an id of that kind by the firmware's grammar: operator, provider, pool, station or evse."""
    return scope.parse(_KINDS[kind], text) is not None


def _is_place(text: str) -> bool:
    return any(is_id(kind, text) for kind in ("operator", "pool", "station", "evse"))


for _kind in _KINDS:
    _format(_kind, partial(is_id, _kind))
_format("place", _is_place)
_format("instant", lambda text: instant_ms(text) >= 0)
_format("duration", lambda text: duration_s(text) > 0)
_format("zone", zone)
_format("amount", decimal)
_format("kid", lambda text: 1 <= len(text.encode()) <= 64)
_format("reader", re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}").fullmatch)

# What a good value looks like, by format: the remedy of a bad one.
EXAMPLES = {
    "operator": "an operator id such as DE*ABC",
    "provider": "a provider id such as DE-XYZ",
    "pool": "a pool id such as DE*ABC*P1",
    "station": "a station id such as DE*ABC*S1",
    "evse": "an EVSE id such as DE*ABC*E1*1",
    "place": "an operator, pool, station or EVSE id such as DE*ABC or DE*ABC*P1",
    "instant": 'a UTC time such as "2026-11-22T12:00:00Z"',
    "duration": 'a duration such as "24h" or "7d"',
    "zone": "an IANA time zone such as Europe/Berlin",
    "amount": 'an amount as text, such as "20.00"',
    "kid": "a key id of 1 to 64 bytes",
    "reader": "a name of 1 to 32 letters, digits, . _ or -, unique per operator",
}

_X = {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$", "remedy": "the x of an Ed25519 JWK, 43 base64url characters"}


def _text(form: str) -> dict:
    return {"type": "string", "format": form, "remedy": EXAMPLES[form]}


def _whole(low: int, high: int) -> dict:
    return {"type": "integer", "minimum": low, "maximum": high, "remedy": f"a whole number from {low} to {high}"}


def _table(required: list[str], **members) -> dict:
    return {"type": "object", "required": required, "properties": members, "additionalProperties": False}


def _list(items: dict, **bounds) -> dict:
    return {"type": "array", "items": items, **bounds}


_YES_NO = {"type": "boolean", "remedy": "true or false"}
_LIMIT = _whole(0, 2**31 - 1)

_PRICE = _table(
    ["amount", "currency"],
    amount=_text("amount"),
    currency={"type": "string", "pattern": "^[A-Z]{3}$", "remedy": 'a currency of ISO 4217, such as "EUR"'},
)
LIMITS = _table([], maxEnergy=_LIMIT, maxPower=_LIMIT, maxCurrent=_LIMIT, maxDuration=_LIMIT, maxPrice=_PRICE)

SCHEMA = _table(
    ["operator", "pool", "station", "reader", "timezone", "evse", "root", "issuer", "nfc", "relay"],
    operator=_text("operator"),
    pool=_text("pool"),
    station=_text("station"),
    reader=_text("reader"),
    timezone=_text("zone"),
    accept_clock_floor=_YES_NO,
    meter_signs=_YES_NO,
    pass_unenforced=_YES_NO,
    max_duration_min=_whole(1, LONGEST_SESSION_MIN),
    cooldown_ms=_whole(0, 60_000),
    encrypt=_YES_NO,
    nfc=_table(
        ["bus"],
        bus={"enum": ["hsu", "i2c", "spi"], "remedy": '"hsu", "i2c" or "spi", as the PN532\'s switches are set'},
        poll_ms=_whole(20, 1000),
        rf_off=_YES_NO,
    ),
    relay=_table(
        ["kind"],
        kind={"enum": ["gpio", "osdp", "modbus"], "remedy": '"gpio", "osdp" or "modbus", as the relay is reached'},
        heartbeat=_YES_NO,
        feedback={"enum": ["contactor", "controller"], "remedy": '"contactor" or "controller", as who closes it'},
        map={"enum": sorted(path.stem for path in MAPS.glob("*.json")), "remedy": "a device of firmware/relay/maps"},
        unit=_whole(1, 245),
        baud={"enum": [1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400], "remedy": "a speed such as 19200"},
        parity={"enum": ["none", "even", "odd"], "remedy": '"none", "even" or "odd"'},
        stop=_whole(1, 2),
        amps=_whole(6, 63),
        address=_whole(0, 126),
        enable=_YES_NO,
        enforces=_list({"enum": sorted(LIMITS["properties"]), "remedy": "a limit of tickets, such as maxEnergy"}),
    ),
    ble=_table(
        [],
        presence={
            "enum": ["cable", "button", "code", "none"],
            "remedy": '"cable", "button" or "code", what shows that the driver is there; "none" asks for nothing',
        },
        code={
            "type": "string",
            "pattern": "^[!-~]{4,8}$",
            "remedy": "the code printed on the station, 4 to 8 characters",
        },
    ),
    rtc=_table(["kind"], kind={"enum": ["ds3231"], "remedy": '"ds3231", the clock chip that this reader knows'}),
    journal=_table([], keep_tickets=_text("duration")),
    trust=_table(
        [],
        valid_for=_text("duration"),
        accept_ended=_YES_NO,
        revoked_keys=_list(_text("kid")),
        retired_roots=_list(_text("kid")),
        revoked_ticket=_list(
            _table(
                ["provider", "id"], provider=_text("provider"), id={"type": "string", "minLength": 1, "maxLength": 64}
            )
        ),
    ),
    evse=_list(
        _table(["id", "kind"], id=_text("evse"), kind={"enum": ["AC", "DC"], "remedy": '"AC" or "DC"'}),
        minItems=1,
        maxItems=3,
        remedy="one to three [[evse]] tables",
    ),
    root=_list(
        _table(["kid", "x"], kid=_text("kid"), x=_X),
        minItems=1,
        maxItems=2,
        remedy="one [[root]] table, or two while one takes over from the other",
    ),
    issuer=_list(
        _table(
            ["kid", "x", "providers", "valid_from", "valid_until", "max_lifetime"],
            kid=_text("kid"),
            x=_X,
            providers=_list(_text("provider"), minItems=1, remedy="a list of provider ids that is not empty"),
            valid_from=_text("instant"),
            valid_until=_text("instant"),
            max_lifetime=_text("duration"),
            places=_list(_text("place"), minItems=1, remedy="a list of ids that is not empty, or no such line at all"),
            limits=LIMITS,
        )
    ),
)

_VALIDATOR = Draft202012Validator(SCHEMA, format_checker=_FORMATS)
_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a table",
}


def read(text: str, path: Path) -> dict:
    """What the text of a site.toml says. Raises Problem for no TOML, and for a member not as the schema has it."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Problem(f"{path} is no TOML: {error}") from None
    _check(content, text, path)
    return content


def _check(content: dict, text: str, path: Path) -> None:
    errors = list(_VALIDATOR.iter_errors(content))
    odd = [error for error in errors if error.validator == "additionalProperties"]
    error = best_match(
        odd or errors
    )  # a mistyped member is missed under its right name as well: the typo explains both
    where, what = _explain(error) if error else _double(content)
    if not what:
        where, what = _backwards(content)
    if not what:
        where, what = _relay(content["relay"])
    if what:
        line = line_of(text, where)
        at = f"{path}, line {line}" if line else f"{path}"
        raise Problem(": ".join(part for part in (at, _named(where), what) if part))


def _double(content: dict) -> tuple[list, str]:
    """(where, what is wrong) for a kid or an EVSE that stands there twice; nothing wrong: ([], "")."""
    for table, member in (("evse", "id"), ("root", "kid"), ("issuer", "kid")):
        seen = set()
        for index, entry in enumerate(content[table]):
            name = entry[member].upper() if member == "id" else entry[member]
            if name in seen:
                return [table, index, member], f"{shown(entry[member])} stands here twice; remove one"
            seen.add(name)
    return [], ""


def _backwards(content: dict) -> tuple[list, str]:
    """(where, what is wrong) for an issuer whose validity ends before it begins; nothing wrong: ([], "")."""
    for index, entry in enumerate(content["issuer"]):
        if instant_ms(entry["valid_until"]) <= instant_ms(entry["valid_from"]):
            return ["issuer", index, "valid_until"], f"write a time after valid_from, {entry['valid_from']}"
    return [], ""


# Members of [relay] by kind: those that must be there, those that may.
_RELAYS = {
    "gpio": ((), ("heartbeat", "feedback")),
    "osdp": (("address",), ("baud", "enable", "enforces")),
    "modbus": (("map", "unit", "baud"), ("parity", "stop", "amps")),
}


def _relay(relay: dict) -> tuple[list, str]:
    """(where, what is wrong) with [relay], whose members depend on its kind; nothing wrong: ([], "")."""
    kind = relay["kind"]
    must, may = _RELAYS[kind]
    for name in relay:
        if name not in ("kind", *must, *may):
            return ["relay", name], f"not with kind = {shown(kind)}; known there are {', '.join((*must, *may))}"
    for name in must:
        if name not in relay:
            remedy = SCHEMA["properties"]["relay"]["properties"][name]["remedy"]
            return ["relay"], f"the member {name} is missing; add {remedy}"
    low, high = relay_map(relay["map"]).get("amps", (0, 63)) if kind == "modbus" else (0, 63)
    if not low <= relay.get("amps", 0) <= high:
        return ["relay", "amps"], f"write what the installation bears: a whole number from {low} to {high}"
    return [], ""


_STEP = _table(
    ["write", "at", "value"],
    write={"enum": ["coil", "timer", "holding"]},
    at=_whole(0, 65535),
    value={"anyOf": [_whole(0, 65535), {"const": "amps"}]},
    times=_whole(1, 1000),
    check=_whole(0, 65535),
    bank={"const": 8},
)
_STEPS = _list(_STEP)
MAP_SCHEMA = _table(
    ["name", "failsafe", "each", "start", "on", "keep", "off"],
    name={"type": "string"},
    failsafe={"type": "string"},
    each={"enum": ["unit", "channel"]},
    amps=_list(_whole(0, 63), minItems=2, maxItems=2),
    energy=_table(["input", "wh"], input=_whole(0, 65534), wh=_whole(1, 1000)),
    start=_STEPS,
    on=_list(_STEP, minItems=1),
    keep=_list(_STEP, minItems=1),
    off=_list(_STEP, minItems=1),
)


def relay_map(name: str) -> dict:
    """The register map of that name as the reader takes it. Raises Problem where the file is not as MAP_SCHEMA."""
    path = MAPS / f"{name}.json"
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise Problem(f"{path} is no JSON: {error}; correct the map") from None
    if error := best_match(Draft202012Validator(MAP_SCHEMA).iter_errors(content)):
        raise Problem(f"{path}: {_named(list(error.absolute_path))}: {error.message}; correct the map")
    if any(step["value"] != 0 for step in content["off"]):
        raise Problem(f"{path}: what switches off writes 0, and nothing else")
    asking = [what for what in ("start", "on", "keep") for step in content[what] if step["value"] == "amps"]
    if asking and ("start" in asking or "amps" not in content):
        raise Problem(f'{path}: "amps" is a value of on and keep, where the map says which are the lowest and highest')
    return {key: value for key, value in content.items() if key not in ("name", "failsafe")}


def _explain(error: ValidationError) -> tuple[list, str]:
    """(where, what is wrong and what to write) of a schema's error."""
    where = list(error.absolute_path)
    schema: Any = error.schema
    value: Any = error.instance
    if error.validator == "required":
        missing = next(name for name in schema["required"] if name not in value)
        return where, f"the member {missing} is missing; add {schema['properties'][missing].get('remedy', 'its table')}"
    if error.validator == "additionalProperties":
        odd = sorted(set(value) - set(schema["properties"]))[0]
        near = difflib.get_close_matches(odd, schema["properties"], 1)
        meant = f"did you mean {near[0]}? " if near else ""
        return [*where, odd], f"no such member; {meant}known are {', '.join(sorted(schema['properties']))}"
    wanted = schema.get("remedy") or _TYPES.get(schema.get("type", ""), error.message)
    return where, f"{shown(value)} will not do; write {wanted}"


def _named(where: list) -> str:
    """`evse[2].kind` of ["evse", 1, "kind"], counting tables from 1 as people do."""
    name = ""
    for step in where:
        name += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if name else str(step)
    return name


def line_of(text: str, where: list) -> int | None:
    """The line (from 1) where that member of a TOML text stands, its table's line where it has none, or None."""
    path = [step for step in where if not isinstance(step, int)]
    index = next((step for step in where if isinstance(step, int)), 0)
    table, nth, best = [], None, None  # nth: which repetition of a [[table]] this is, None in what does not repeat
    count = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*(\[?)\[([\w.\-]+)\]", line):
            table = header[2].split(".")
            count[header[2]] = count.get(header[2], -1) + 1
            nth = count[header[2]] if header[1] else None
            if table == path[: len(table)] and nth in (None, index):
                best = number
        elif nth in (None, index) and (member := re.match(r"\s*([\w\-]+)\s*=", line)):
            here = [*table, member[1]]
            if here == path[: len(here)]:
                return number
    return best
