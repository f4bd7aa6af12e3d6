"""Tickets for tests, without signatures: what is under test here comes before or after the signature check."""

import json

from ticket import b64url, cbor, form, rules
from ticket.claims import DAYS, PRIVATE, PRIVATE_CLAIM, REGISTERED, TABLE
from ticket.envelope import Envelope
from ticket.verdict import Refused

HEADER = {"alg": "Ed25519", "kid": "issuer-1", "typ": "charging-ticket+jws"}
SIGNATURE = bytes(range(64))
KEY = bytes(range(100, 132))
NOW_MS = 1795348800000  # 2026-11-22T12:00:00Z, a Sunday

MINIMAL = {
    "id": "DE-XYZ-CT-1",
    "providerId": "DE-XYZ",
    "created": "2026-11-22T10:00:00Z",
    "notBefore": "2026-11-22T11:00:00Z",
    "notAfter": "2026-11-22T13:00:00Z",
    "multiUsage": "NotAllowed",
    "validationMethod": "OfflineChargingAllowed",
}
FULL = {
    "driverPublicKey": {"kty": "OKP", "crv": "Ed25519", "x": b64url.encode(KEY).decode()},
    "validOperators": ["DE*ABC", "DE*XXX"],
    "validChargingPools": ["DE*ABC*P1"],
    "validChargingStations": ["DE*ABC*S1", "DE*ABC*S2"],
    "validEVSEIds": ["DE*ABC*E1*1"],
    "invalidChargingPools": ["DE*ABC*P9"],
    "invalidChargingStations": ["DE*ABC*S9"],
    "invalidEVSEIds": ["DE*ABC*E9*1"],
    "evseKind": "AC",
    "maxEnergy": 50000,
    "maxPower": 22000,
    "maxCurrent": 32,
    "maxDuration": 240,
    "maxPrice": {"amount": "25.00", "currency": "EUR"},
    "daysOfWeek": ["Monday", "Sunday"],
    "smartChargingMode": "Smart",
    "meterValueSignatures": "Mandatory",
    "e2eCommunicationSecurity": "EphemeralKeyAgreement",
    "tariffs": ["T-1", "T-2"],
    "providerName": [{"language": "de", "text": "Straßenstrom"}],
    "providerURL": "https://provider.example/",
    "description": [{"language": "en", "text": "Day ticket"}],
    "customData": {"vendor": {"anything": [1, None, True]}},
}
FULL.update(MINIMAL)


def changed(base, **members):
    """A copy of `base` with members set, or left out where the value is `...`."""
    copy = dict(base)
    copy.update(members)
    return {name: copy[name] for name in copy if copy[name] is not ...}


def compact(header, payload, signature=SIGNATURE):
    """JWS of bytes."""
    return b".".join([b64url.encode(part) for part in (header, payload, signature)])


def jws(members, **header):
    """JWS of a dict or of the payload's bytes, with the header's members changed."""
    payload = members if isinstance(members, bytes) else json.dumps(members).encode()
    return compact(json.dumps(changed(HEADER, **header)).encode(), payload)


def cose(protected, payload, signature=SIGNATURE, unprotected=None):
    """COSE_Sign1 of a header dict and the payload's bytes."""
    return cbor.dumps([cbor.dumps(protected), unprotected or {}, payload, signature])


def cwt(claims_set):
    """CWT of a claims set as a dict or as bytes."""
    payload = claims_set if isinstance(claims_set, bytes) else cbor.dumps(claims_set)
    return cose({1: -19, 4: b"issuer-1"}, payload)


def claims_set(members):
    """A JSON ticket -> the dict of its CWT claims set. Whole seconds only."""
    from ticket import times

    out, private = {}, {}
    registered, of_private = list(REGISTERED), list(PRIVATE)
    for row, (name, _, argument) in enumerate(TABLE):
        name = str(name, "utf-8")
        if name not in members:
            continue
        value = members[name]
        if name == "id":
            value = value.encode()
        elif name in ("created", "notBefore", "notAfter"):
            at_ms = times.parse(value)
            assert at_ms is not None
            value = at_ms // 1000
        elif name == "driverPublicKey":
            value = {1: {1: 1, -1: 6, -2: b64url.decode(value["x"].encode())}}
        elif name == "maxPrice":
            value = [value["amount"], value["currency"]]
        elif name == "daysOfWeek":
            value = [DAYS.index(day) for day in value]
        elif isinstance(argument, tuple) and value in argument:
            value = argument.index(value)
        if row in registered:
            out[registered.index(row)] = value
        else:
            private[of_private.index(row)] = value
    out[PRIVATE_CLAIM] = private
    return out


def read(ticket):
    """ticket -> Claims, as if its signature had been good."""
    return form.claims(form.read(ticket))


def claims_of(members):
    """Dict of a JSON ticket, or its payload's bytes -> Claims, without the cost of an envelope."""
    payload = members if isinstance(members, bytes) else json.dumps(members).encode()
    return form.claims(Envelope("jws", "issuer-1", b"", SIGNATURE, payload))


def refusal(function, *arguments):
    """The (reason, detail) with which a call is refused, or ("", "") where it is not."""
    try:
        function(*arguments)
    except Refused as refused:
        return refused.reason, refused.detail
    return "", ""


def reason(ticket):
    """The reason with which a ticket is refused by form or claims, "" where it is read."""
    return refusal(read, ticket)[0]


class Bounds:
    """An issuer that may sign everything that these tests mint."""

    def __init__(self, **changes):
        self.providers = ["DE*XYZ"]
        self.places = None
        self.limits = {}
        self.max_lifetime_s = 86400
        for name, value in changes.items():
            setattr(self, name, value)


def situation(**changes):
    """A situation in which `FULL` is granted."""
    here = rules.Situation()
    here.now_ms, here.clock, here.weekday = NOW_MS, "SET", 6
    here.operator, here.pool, here.station, here.evse = "DE*ABC", "DE*ABC*P1", "DE*ABC*S1", "DE*ABC*E1*1"
    here.evse_kind, here.meter_signs = "AC", True
    here.enforced = ("maxEnergy", "maxPower", "maxCurrent", "maxDuration", "maxPrice")
    here.revoked_ticket, here.holder, here.encrypted, here.evse_busy = False, "proven", True, False
    for name, value in changes.items():
        assert hasattr(here, name), name
        setattr(here, name, value)
    return here
