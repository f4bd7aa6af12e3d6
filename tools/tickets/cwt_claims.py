"""Ticket claims between their JSON names and the numbers of the CWT form (firmware/ticket/README.md)."""

import base64
from typing import Literal, get_args

import cbor2

from ticket import b64url, times
from tools.problem import Problem, shown
from tools.units import wire_time

PRIVATE = -65537  # the one private claim: a map with what CWT has no registered claim for
REGISTERED = {"providerId": 1, "notAfter": 4, "notBefore": 5, "created": 6, "id": 7, "driverPublicKey": 8}
# fmt: off
_NAMES = [  # in the order of their keys, from 1
    "tariffs", "validOperators", "validChargingPools", "validChargingStations", "validEVSEIds",
    "invalidChargingPools", "invalidChargingStations", "invalidEVSEIds", "evseKind", "maxEnergy", "maxPower",
    "maxCurrent", "maxDuration", "maxPrice", "daysOfWeek", "multiUsage", "validationMethod", "smartChargingMode",
    "meterValueSignatures", "providerName", "providerURL", "description", "e2eCommunicationSecurity", "customData",
]
# fmt: on
KEYS = {name: key for key, name in enumerate(_NAMES, 1)}
Use = Literal["NotAllowed", "OnlyAtTheSameEVSE", "AfterOnlineValidation", "Allowed"]
Validation = Literal["OfflineChargingAllowed", "ShouldBeValidated", "MustBeValidated"]
Kind = Literal["AC", "DC"]
Day = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
Smart = Literal["NotAllowed", "Smart", "Bidirectional"]
Meter = Literal["WhenAvailable", "Mandatory", "Off"]
Security = Literal["Unencrypted", "EphemeralKeyAgreement"]
WORDS: dict[str, list[str]] = {  # a word's number is its place here
    "multiUsage": list(get_args(Use)),
    "validationMethod": list(get_args(Validation)),
    "evseKind": list(get_args(Kind)),
    "daysOfWeek": list(get_args(Day)),
    "smartChargingMode": list(get_args(Smart)),
    "meterValueSignatures": list(get_args(Meter)),
    "e2eCommunicationSecurity": list(get_args(Security)),
}


def encode(claims: dict) -> bytes:
    """The CWT claims set of a ticket's JSON claims. Raises Problem for what has no CWT form."""
    top, private = {}, {}
    for name, value in claims.items():
        if name in REGISTERED:
            top[REGISTERED[name]] = _registered(name, value)
        elif name in KEYS:
            private[KEYS[name]] = _private(name, value)
        else:
            raise Problem(f"{name} has no CWT form; leave it out, or put it into customData")
    if private:
        top[PRIVATE] = private
    if _has_float(private):
        raise Problem("a number with a point has no CWT form; write it as text, or use --form jws")
    return cbor2.dumps(top)


def decode(content: object) -> dict:
    """JSON names for what a CWT claims set says, as far as it can be told; what has no name keeps its number."""
    if not isinstance(content, dict):
        return {"": content}
    claims = {}
    names = {key: name for name, key in REGISTERED.items()}
    for key, value in content.items():
        if key == PRIVATE and isinstance(value, dict):
            for number, inner in value.items():
                # bool is an int, and true would be read as 1
                known = type(number) is int and 1 <= number <= len(_NAMES)
                name = _NAMES[number - 1] if known else str(number)
                claims[name] = _worded(name, inner)
        else:
            name = names.get(key, str(key)) if type(key) is int else str(key)
            claims[name] = _plain(name, value)
    return claims


def _registered(name: str, value):
    if name in ("created", "notBefore", "notAfter"):
        ms = times.parse(value) if isinstance(value, str) else None
        if ms is None or ms % 1000:
            raise Problem(f"{name}: {shown(value)} has no CWT form; write whole seconds as 2026-11-22T12:00:00Z")
        return ms // 1000
    if name == "id" and isinstance(value, str):
        return value.encode()
    if name == "driverPublicKey":
        told = dict(value) if isinstance(value, dict) else {}
        x = b64url.decode(str(told.pop("x", "")).encode("ascii", "replace"))
        if told != {"kty": "OKP", "crv": "Ed25519"} or x is None or len(x) != 32:
            raise Problem("driverPublicKey has no CWT form; it must be a JWK of exactly kty OKP, crv Ed25519 and x")
        return {1: {1: 1, -1: 6, -2: x}}
    return value


def _private(name: str, value):
    words = WORDS.get(name)
    try:
        if name == "daysOfWeek" and words:
            return [words.index(word) for word in value]
        if words:
            return words.index(value)
        if name == "maxPrice":
            if len(value) != 2:  # what is dropped might be a restriction
                raise KeyError
            return [value["amount"], value["currency"]]
        if name == "tariffs":
            return [tariff["tariffId"] if isinstance(tariff, dict) else tariff for tariff in value]
    except (ValueError, KeyError, TypeError):
        raise Problem(f"{name}: {shown(value)} has no CWT form; check its words in `issue --help`") from None
    return value


def _has_float(value) -> bool:
    if isinstance(value, dict):
        return any(_has_float(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_has_float(inner) for inner in value)
    return isinstance(value, float)


def _worded(name: str, value):
    words = WORDS.get(name, [])

    def word(index):
        return words[index] if type(index) is int and 0 <= index < len(words) else index

    if name == "maxPrice" and isinstance(value, list) and len(value) == 2:
        return {"amount": value[0], "currency": value[1]}
    return [word(index) for index in value] if isinstance(value, list) and words else word(value)


def _plain(name: str, value):
    if name in ("created", "notBefore", "notAfter") and type(value) is int and 0 <= value <= times.LAST_MS // 1000:
        return wire_time(value * 1000)
    if name == "id" and isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if name == "driverPublicKey" and isinstance(value, dict):
        inner = value.get(1)
        x = inner.get(-2) if isinstance(inner, dict) else None
        if isinstance(x, bytes):
            return {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(x).rstrip(b"=").decode()}
    return value
