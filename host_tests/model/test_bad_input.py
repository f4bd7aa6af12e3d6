"""Every member, and every part of a member, with every wrong value: the firmware gives the model's reason."""

import copy
from collections.abc import Iterator
from itertools import islice

import pytest

from host_tests.model.claims import CLAIMS, Refusal, check_claims
from host_tests.model.lives import START_MS, WRONG, instant
from host_tests.model.minting import Minted, NoCwtForm, mint, unpadded
from ticket import form
from ticket.verdict import Refused

KEY = {"kty": "OKP", "crv": "Ed25519", "kid": "issuer-1", "x": unpadded(bytes(32)), "d": unpadded(bytes(32))}
FULL = {
    "id": "T1",
    "providerId": "DE-XYZ",
    "created": instant(START_MS - 3_600_000),
    "notBefore": instant(START_MS),
    "notAfter": instant(START_MS + 3_600_000),
    "multiUsage": "NotAllowed",
    "validationMethod": "OfflineChargingAllowed",
    "driverPublicKey": {"kty": "OKP", "crv": "Ed25519", "x": unpadded(bytes(range(32)))},
    "validOperators": ["DE*ABC"],
    "validChargingPools": ["DE*ABC*P1"],
    "validChargingStations": ["DE*ABC*S1"],
    "validEVSEIds": ["DE*ABC*E1"],
    "invalidChargingPools": ["DE*ABC*P2"],
    "invalidChargingStations": ["DE*ABC*S2"],
    "invalidEVSEIds": ["DE*ABC*E2"],
    "evseKind": "AC",
    "maxEnergy": 1,
    "maxPower": 1,
    "maxCurrent": 1,
    "maxDuration": 1,
    "maxPrice": {"amount": "1.00", "currency": "EUR"},
    "daysOfWeek": ["Monday"],
    "smartChargingMode": "Smart",
    "meterValueSignatures": "Off",
    "e2eCommunicationSecurity": "Unencrypted",
    "tariffs": ["T-1"],
    "providerName": [{"language": "en", "text": "Provider"}],
    "providerURL": "https://provider.example",
    "description": [{"language": "en", "text": "Ticket"}],
    "customData": {"any": 1},
}
MORE = [
    "a" * 35, "a" * 36, "x" * 60, "x" * 61, "x" * 64, "x" * 65, "1" * 20, "1" * 21, "\u0000", "\U0001f50c",
    "Monday ", "monday", "notallowed", "0", "00", "0.", ".0", "0.0", "1e1", "+1", "\u0661", "EUR", "eur", "EURO",
    "DE*ABC", "DEABC", "DE-ABC", "de*abc", "DE*ABCD", "D*ABC", "1E*ABC", "DE*AB\u00c7", "DE**ABC", "*DE*ABC", "DE*ABC*",
    "DE*ABC*P1", "DE*ABC*P", "DE*ABC*P*", "DEABCP1*", "DE*ABCP" + "1" * 30, "DE*ABCP" + "1" * 31, "DE-ABC*P1",
    "DE*ABC*S" + "1" * 50, "DE*ABC*S" + "1" * 51, "DE*ABC*E" + "*" * 29 + "1", "DE*ABC*E" + "*" * 30 + "1",
    "DE*ABC**E1", "DE*ABC*E1*1", "de*abc*e1*1", "DE*ABC*E1-1", "DE*ABC*E1 ", "http://", "http:///", "https://x",
    "HTTPS://x", "ftp://x", "https://x y", "https://x\n", unpadded(bytes(31)), unpadded(bytes(33)),
    unpadded(bytes(32))[:-1] + "B", unpadded(bytes(32)) + "=", "2026-11-22T12:00:00.000Z", "2026-11-22T12:00:00.1Z",
    "2026-11-22T12:00:00.0000Z", "2026-11-22T12:00:00", "2026-11-22 12:00:00Z", "2026-11-22T12:00:00z",
    "2026-11-31T12:00:00Z", "2026-13-01T12:00:00Z", "2026-00-01T12:00:00Z", "2026-11-00T12:00:00Z",
    "2100-02-29T00:00:00Z", "2000-02-29T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z", "2026-11-22T12:60:00Z", "+026-11-22T12:00:00Z", "20261-1-22T12:00:00Z",
    "2026-11-22T12:00:0\u0660Z", 60, 2**32, 2**64, -(2**31), 1e3, -0.0, 10**17, 10**18, 10**400,
]  # fmt: skip
ALL = WRONG + MORE


def changed() -> Iterator[tuple[str, dict]]:
    """A full ticket with one thing changed, and what."""
    for name in CLAIMS:
        yield f"{name} missing", {other: FULL[other] for other in FULL if other != name}
        for value in ALL:
            yield f"{name} = {value!r}", {**FULL, name: value}
            if isinstance(FULL[name], list):
                yield f"{name} = [{value!r}]", {**FULL, name: [value]}
                yield f"{name} with {value!r}", {**FULL, name: [*FULL[name], value]}
        part = FULL[name][0] if isinstance(FULL[name], list) else FULL[name]
        if isinstance(part, dict) and name != "customData":
            yield from inside(name, part)


def inside(name: str, part: dict) -> Iterator[tuple[str, dict]]:
    for member in (*part, "", "other"):
        for value in (..., *ALL):
            new = copy.deepcopy(part)
            new.pop(member, None)
            if value is not ...:
                new[member] = value
            yield f"{name}.{member} = {value!r}", {**FULL, name: [new] if isinstance(FULL[name], list) else new}


def expected(claims: dict) -> str:
    try:
        check_claims(claims)
    except Refusal as refusal:
        return refusal.reason
    return ""


def found(ticket: bytes) -> str:
    try:
        form.claims(form.read(ticket))
    except Refused as refused:
        return refused.reason
    return ""


@pytest.mark.parametrize("which", ["jws", "cwt"])
def test_one_thing_wrong_is_found_whatever_it_is(which, soak):
    """Every third of them here, all with --soak."""
    tried, wrong = 0, []
    for what, claims in islice(changed(), 0, None, 1 if soak else 3):
        try:
            ticket = mint(claims, KEY, Minted(which))
        except NoCwtForm:
            continue
        tried += 1
        if found(ticket) != expected(claims):
            wrong.append((what, found(ticket), expected(claims)))
    assert wrong == []
    print(tried, "tickets")
    assert tried > (5000 if soak else 1700)
