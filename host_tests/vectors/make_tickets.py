"""Makes tickets.json: signed tickets in both forms, with the reason that each must get, for any implementation.

    python host_tests/vectors/make_tickets.py

Keys are fixed and Ed25519 is deterministic, so the file comes out the same each time (a test compares it).
"""

import copy
import json
from pathlib import Path

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.util import urlsafe_b64encode

FILE = Path(__file__).with_name("tickets.json")
ISSUER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
DRIVER = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))

SITE = {
    "operator": "DE*ABC",
    "pool": "DE*ABC*P1",
    "station": "DE*ABC*S1",
    "evse": "DE*ABC*E1*1",
    "evseKind": "AC",
    "now": "2026-11-22T12:00:00Z",
    "weekday": "Sunday",
    "enforced": ["maxEnergy", "maxPower", "maxCurrent", "maxDuration"],
}
ISSUER_ENTRY = {
    "kid": "issuer-1",
    "x": urlsafe_b64encode(ISSUER.public_key().public_bytes_raw()).decode(),
    "providers": ["DE*XYZ"],
    "places": ["DE*ABC"],
    "maxLifetime": 86400,
    "limits": {"maxEnergy": 60000},
}
TICKET = {
    "id": "DE-XYZ-CT-019ac0de-0000-7000-8000-000000000001",
    "providerId": "DE-XYZ",
    "created": "2026-11-22T10:00:00Z",
    "notBefore": "2026-11-22T11:00:00Z",
    "notAfter": "2026-11-22T13:00:00Z",
    "multiUsage": "NotAllowed",
    "validationMethod": "OfflineChargingAllowed",
    "validEVSEIds": ["DE*ABC*E1*1"],
    "maxDuration": 240,
}
DRIVER_KEY = {"kty": "OKP", "crv": "Ed25519", "x": urlsafe_b64encode(DRIVER.public_key().public_bytes_raw()).decode()}
ENFORCED = {"maxEnergy": 60000, "maxDuration": 240}

# Name, members that differ from TICKET (None: left out), reason, limits of a grant.
CASES = (
    ("a ticket for one EVSE", {}, "GRANTED", ENFORCED),
    ("ids without separators", {"validEVSEIds": ["deabce11"], "providerId": "de*xyz"}, "GRANTED", ENFORCED),
    ("a limit below the issuer's", {"maxEnergy": 20000}, "GRANTED", {"maxEnergy": 20000, "maxDuration": 240}),
    ("texts that decide nothing", {"description": [{"language": "de", "text": "Süß ⚡"}]}, "GRANTED", ENFORCED),
    ("free custom data", {"customData": {"anything": [1, {"goes": None}]}}, "GRANTED", ENFORCED),
    ("an unknown member", {"onlyOnTuesdays": True}, "UNKNOWN_CLAIM", None),
    ("an unknown usage", {"multiUsage": "Twice"}, "BAD_CLAIM", None),
    ("no end", {"notAfter": None}, "BAD_CLAIM", None),
    ("an empty list", {"validEVSEIds": []}, "BAD_CLAIM", None),
    ("an end before the beginning", {"notAfter": "2026-11-22T11:00:00Z"}, "BAD_CLAIM", None),
    ("another provider", {"providerId": "DE-XYA"}, "ISSUER_NOT_ALLOWED", None),
    ("a limit above the issuer's", {"maxEnergy": 60001}, "ISSUER_NOT_ALLOWED", None),
    ("over a day long", {"notAfter": "2026-11-23T10:00:01Z"}, "LIFETIME_TOO_LONG", None),
    ("not yet valid", {"notBefore": "2026-11-22T12:00:01Z"}, "NOT_YET_VALID", None),
    ("valid from this second", {"notBefore": "2026-11-22T12:00:00Z"}, "GRANTED", ENFORCED),
    ("expired this second", {"notAfter": "2026-11-22T12:00:00Z"}, "EXPIRED", None),
    ("another day", {"daysOfWeek": ["Monday", "Saturday"]}, "WRONG_DAY", None),
    ("another operator", {"validOperators": ["DE*ABD"]}, "WRONG_OPERATOR", None),
    ("excluded, although allowed", {"invalidEVSEIds": ["DE*ABC*E11"]}, "EXCLUDED_PLACE", None),
    ("another EVSE by its separators", {"validEVSEIds": ["DE*ABC*E11*"]}, "WRONG_PLACE", None),
    ("this pool", {"validEVSEIds": ["DE*ABC*E2"], "validChargingPools": ["DE*ABC*P1"]}, "GRANTED", ENFORCED),
    ("another kind of EVSE", {"evseKind": "DC"}, "WRONG_EVSE_KIND", None),
    ("a signed meter", {"meterValueSignatures": "Mandatory"}, "METER_SIGNATURE_REQUIRED", None),
    (
        "an encrypted channel",
        {"driverPublicKey": DRIVER_KEY, "e2eCommunicationSecurity": "EphemeralKeyAgreement"},
        "ENCRYPTION_REQUIRED",
        None,
    ),
    ("a price", {"maxPrice": {"amount": "10.00", "currency": "EUR"}}, "LIMIT_NOT_ENFORCEABLE", None),
    ("a driver's key on a card", {"driverPublicKey": DRIVER_KEY}, "HOLDER_PROOF_REQUIRED", None),
)  # fmt: skip

KEYS = {
    "tariffs": 1, "validOperators": 2, "validChargingPools": 3, "validChargingStations": 4, "validEVSEIds": 5,
    "invalidChargingPools": 6, "invalidChargingStations": 7, "invalidEVSEIds": 8, "evseKind": 9, "maxEnergy": 10,
    "maxPower": 11, "maxCurrent": 12, "maxDuration": 13, "maxPrice": 14, "daysOfWeek": 15, "multiUsage": 16,
    "validationMethod": 17, "smartChargingMode": 18, "meterValueSignatures": 19, "providerName": 20, "providerURL": 21,
    "description": 22, "e2eCommunicationSecurity": 23, "customData": 24, "onlyOnTuesdays": 99,
}  # fmt: skip
WORDS = {
    "multiUsage": ["NotAllowed", "OnlyAtTheSameEVSE", "AfterOnlineValidation", "Allowed"],
    "validationMethod": ["OfflineChargingAllowed", "ShouldBeValidated", "MustBeValidated"],
    "evseKind": ["AC", "DC"],
    "daysOfWeek": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    "smartChargingMode": ["NotAllowed", "Smart", "Bidirectional"],
    "meterValueSignatures": ["WhenAvailable", "Mandatory", "Off"],
    "e2eCommunicationSecurity": ["Unencrypted", "EphemeralKeyAgreement"],
}


def unix_s(text):
    """Seconds since 1970 of a ticket's time."""
    from datetime import datetime

    return int(datetime.fromisoformat(text).timestamp())


def cwt_value(name, value):
    """The CBOR value of a member of the private claim; a word that is none keeps an index that is none."""
    if name in WORDS:
        words = WORDS[name]
        index = [
            words.index(word) if word in words else len(words) for word in (value if type(value) is list else [value])
        ]
        return index if type(value) is list else index[0]
    return [value["amount"], value["currency"]] if name == "maxPrice" else value


def claims_set(ticket):
    """The CWT claims of a JSON ticket."""
    registered = {"providerId": 1, "notAfter": 4, "notBefore": 5, "created": 6, "id": 7, "driverPublicKey": 8}
    out, private = {}, {}
    for name, value in ticket.items():
        if name not in registered:
            private[KEYS[name]] = cwt_value(name, value)
        elif name == "id":
            out[7] = value.encode()
        elif name == "driverPublicKey":
            out[8] = {1: {1: 1, -1: 6, -2: DRIVER.public_key().public_bytes_raw()}}
        else:
            out[registered[name]] = value if name == "providerId" else unix_s(value)
    return out | {-65537: private}


def jws(payload, header=None, key=ISSUER):
    """A JWS of bytes."""
    header = {"alg": "Ed25519", "kid": "issuer-1", "typ": "charging-ticket+jws"} | (header or {})
    signed = b".".join(urlsafe_b64encode(part) for part in (compact(header), payload))
    return (signed + b"." + urlsafe_b64encode(key.sign(signed))).decode()


def cwt(payload, header=None, key=ISSUER):
    """A CWT of bytes, without tags, as hexadecimal digits."""
    protected = cbor2.dumps({1: -19, 4: b"issuer-1"} | (header or {}))
    signature = key.sign(cbor2.dumps(["Signature1", protected, b"", payload]))
    return cbor2.dumps([protected, {}, payload, signature]).hex()


def compact(value):
    """JSON without white space."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def envelopes():
    """Tickets that go wrong around the claims."""
    json_payload, cbor_payload = compact(TICKET), cbor2.dumps(claims_set(TICKET))
    good = jws(json_payload)
    yield (
        "EdDSA, the older name",
        {"jws": jws(json_payload, {"alg": "EdDSA"}), "cwt": cwt(cbor_payload, {1: -8})},
        "GRANTED",
    )
    yield "tags 61 and 18", {"cwt": "d83dd2" + cwt(cbor_payload)}, "GRANTED"
    yield "no algorithm", {"jws": good.rsplit(".", 1)[0] + "."}, "MALFORMED"
    yield (
        "alg none",
        {"jws": jws(json_payload, {"alg": "none"}), "cwt": cwt(cbor_payload, {1: -7})},
        "UNSUPPORTED_ALGORITHM",
    )
    yield "another typ", {"jws": jws(json_payload, {"typ": "charging-trust+jws"})}, "MALFORMED"
    yield "one more header", {"jws": jws(json_payload, {"crit": []}), "cwt": cwt(cbor_payload, {2: []})}, "MALFORMED"
    yield "padding", {"jws": good + "=="}, "MALFORMED"
    yield "spare bits", {"jws": good[:-1] + chr(ord(good[-1]) + 1)}, "MALFORMED"
    yield "one byte more", {"cwt": cwt(cbor_payload) + "00"}, "MALFORMED"
    stranger = {"kid": "issuer-2"}, {4: b"issuer-2"}
    yield "a stranger", {"jws": jws(json_payload, stranger[0]), "cwt": cwt(cbor_payload, stranger[1])}, "UNKNOWN_ISSUER"
    forged = {"jws": jws(json_payload, key=OTHER), "cwt": cwt(cbor_payload, key=OTHER)}
    yield "signed by another", forged, "BAD_SIGNATURE"
    repeated = json_payload[:-1] + b',"maxDuration":241}'
    yield "a member twice", {"jws": jws(repeated), "cwt": cwt(b"\xa2\x01\x01\x01\x01")}, "MALFORMED"
    yield "a float", {"cwt": cwt(cbor2.dumps({1: 1.5}))}, "MALFORMED"
    point = json_payload.replace(b"240", b"240.0")
    yield "a number with a point", {"jws": jws(point)}, "BAD_CLAIM"
    too_long = copy.deepcopy(TICKET) | {"customData": {"x": "x" * 4096}}
    yield "too large", {"jws": jws(compact(too_long)), "cwt": cwt(cbor2.dumps(claims_set(too_long)))}, "TOO_LARGE"


def make():
    """The file's text."""
    cases = []
    for name, changes, reason, limits in CASES:
        ticket = {key: value for key, value in (copy.deepcopy(TICKET) | changes).items() if value is not None}
        forms = {"jws": jws(compact(ticket)), "cwt": cwt(cbor2.dumps(claims_set(ticket)))}
        cases.append({"name": name, "claims": ticket, **forms, "reason": reason, "limits": limits})
    for name, forms, reason in envelopes():
        cases.append({"name": name, **forms, "reason": reason, "limits": ENFORCED if reason == "GRANTED" else None})
    return json.dumps({"site": SITE, "issuer": ISSUER_ENTRY, "cases": cases}, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(make(), encoding="utf-8")
