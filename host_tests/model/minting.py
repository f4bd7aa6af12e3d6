"""Tickets for the model's lives: both forms of any claims, good or bad, signed by other people's software.

Its own reading of `firmware/ticket/README.md`, since the firmware's and the tools' tables are what is under test.
"""

import base64
import json
import re
from dataclasses import dataclass

import cbor2

from host_tests.model.claims import instant_ms
from tools.tickets.signing import TICKET_TYPE, sign_bytes, sign_cose, sign_jws

WORDS = {
    "multiUsage": ["NotAllowed", "OnlyAtTheSameEVSE", "AfterOnlineValidation", "Allowed"],
    "validationMethod": ["OfflineChargingAllowed", "ShouldBeValidated", "MustBeValidated"],
    "evseKind": ["AC", "DC"],
    "smartChargingMode": ["NotAllowed", "Smart", "Bidirectional"],
    "meterValueSignatures": ["WhenAvailable", "Mandatory", "Off"],
    "e2eCommunicationSecurity": ["Unencrypted", "EphemeralKeyAgreement"],
}
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
PRIVATE = {
    "tariffs": 1, "validOperators": 2, "validChargingPools": 3, "validChargingStations": 4, "validEVSEIds": 5,
    "invalidChargingPools": 6, "invalidChargingStations": 7, "invalidEVSEIds": 8, "evseKind": 9, "maxEnergy": 10,
    "maxPower": 11, "maxCurrent": 12, "maxDuration": 13, "maxPrice": 14, "daysOfWeek": 15, "multiUsage": 16,
    "validationMethod": 17, "smartChargingMode": 18, "meterValueSignatures": 19, "providerName": 20,
    "providerURL": 21, "description": 22, "e2eCommunicationSecurity": 23, "customData": 24,
}  # fmt: skip
REGISTERED = {"providerId": 1, "notAfter": 4, "notBefore": 5, "created": 6, "id": 7, "driverPublicKey": 8}
_NO_WORD = 99


class NoCwtForm(Exception):
    """These claims can only be said in JSON."""


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _seconds(value):
    ms = instant_ms(value)
    if ms is None:
        return "no time"
    if ms % 1000:
        raise NoCwtForm("fractions of a second")
    return ms // 1000


def _key(value):
    if not isinstance(value, dict):
        return value
    known = {"kty": 1, "crv": -1, "x": -2}
    told = {}
    for name, part in value.items():
        if name == "x" and isinstance(part, str) and re.fullmatch("[A-Za-z0-9_-]{2,}", part) and len(part) % 4 != 1:
            told[-2] = base64.urlsafe_b64decode(part + "==")
            if unpadded(told[-2]) != part:
                raise NoCwtForm("spare bits")
        elif name in known:
            told[known[name]] = {"OKP": 1, "Ed25519": 6}.get(str(part), "other")
        else:
            told[7] = part
    return {1: told}


def _price(value):
    if not isinstance(value, dict):
        return value
    if set(value) - {"amount", "currency"}:
        raise NoCwtForm("a price with more members")
    return [value[name] for name in ("amount", "currency") if name in value]


def _word(words, value):
    if isinstance(value, str):
        return words.index(value) if value in words else value
    return _NO_WORD if type(value) is int else value


def _told(name, value):
    if name in ("created", "notBefore", "notAfter"):
        return _seconds(value)
    if name == "id":
        return value.encode() if isinstance(value, str) else value
    if name == "driverPublicKey":
        return _key(value)
    if name == "maxPrice":
        return _price(value)
    if name in WORDS:
        return _word(WORDS[name], value)
    if name == "daysOfWeek" and isinstance(value, list):
        return [_word(DAYS, day) for day in value]
    if name == "tariffs" and isinstance(value, list):
        return [entry.get("tariffId", 0) if isinstance(entry, dict) else entry for entry in value]
    return value


def _only_json(value) -> bool:
    if isinstance(value, dict):
        return any(_only_json(part) for part in value.values())
    if isinstance(value, list):
        return any(_only_json(part) for part in value)
    return type(value) is float or (type(value) is int and not -(2**64) <= value < 2**64)


def cwt_payload(claims: dict) -> bytes:
    """The claims set. Raises NoCwtForm."""
    top, private = {}, {}
    for name, value in claims.items():
        if _only_json(value):
            raise NoCwtForm("numbers")
        if name in REGISTERED:
            top[REGISTERED[name]] = _told(name, value)
        else:
            private[PRIVATE.get(name, 25)] = _told(name, value)
    top[-65537] = private
    return cbor2.dumps(top)


@dataclass
class Minted:
    """How a ticket is signed. odd: "" for as it should be, or what is wrong with it: see `mint`."""

    form: str
    alg: str = "Ed25519"
    odd: str = ""


ODD = ("signature", "alg", "typ", "header", "not an object", "broken", "twice", "trailing")


def mint(claims: dict, key: dict, how: Minted) -> bytes:
    """The ticket's bytes. Raises NoCwtForm."""
    return _cwt(claims, key, how) if how.form == "cwt" else _jws(claims, key, how)


def _jws(claims: dict, key: dict, how: Minted) -> bytes:
    payload = json.dumps(claims, ensure_ascii=False).encode()
    if how.odd == "not an object":
        payload = b"[" + payload + b"]"
    elif how.odd == "broken":
        payload = payload[:-1]
    elif how.odd == "twice":
        payload = payload[:-1] + b',"id":"other","id":"other"}'
    elif how.odd == "trailing":
        payload += b"0"
    if how.odd not in ("alg", "header"):
        typ = "JWT" if how.odd == "typ" else TICKET_TYPE
        ticket = sign_jws(payload, key, typ, how.alg)
        if how.odd == "signature":
            head, _, last = ticket.rpartition(b".")
            ticket = head + b"." + (b"B" if last[:1] == b"A" else b"A") + last[1:]
        return ticket
    header = {"alg": "ES256" if how.odd == "alg" else how.alg, "kid": key["kid"], "typ": TICKET_TYPE}
    if how.odd == "header":
        header["crit"] = ["exp"]
    signed = unpadded(json.dumps(header).encode()) + "." + unpadded(payload)
    return (signed + "." + unpadded(sign_bytes(signed.encode(), key))).encode()


def _cwt(claims: dict, key: dict, how: Minted) -> bytes:
    payload = cwt_payload(claims)
    if how.odd == "not an object":
        payload = b"\x81" + payload
    elif how.odd == "broken":
        payload = payload[:-1]
    elif how.odd == "twice":
        payload = bytes((payload[0] + 2,)) + payload[1:] + b"\x03\x00\x03\x00"
    elif how.odd == "trailing":
        payload += b"\x00"
    if how.odd not in ("alg", "header", "typ"):
        ticket = sign_cose(payload, key, how.alg)
        if how.odd == "signature":
            ticket = ticket[:-1] + bytes((ticket[-1] ^ 1,))
        return ticket
    protected = {1: -7 if how.odd == "alg" else -19, 4: key["kid"].encode()}
    if how.odd == "header":
        protected[3] = 0
    head = cbor2.dumps(protected)
    signature = sign_bytes(cbor2.dumps(["Signature1", head, b"", payload]), key)
    unprotected = {3: 0} if how.odd == "typ" else {}
    return cbor2.dumps(cbor2.CBORTag(18, [head, unprotected, payload, signature]))
