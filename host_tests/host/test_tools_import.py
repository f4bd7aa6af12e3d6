"""Upstream tickets, in the spelling of their writer and of their reader, and what is refused rather than guessed."""

import json

import pytest

from host_tests.host.tools_cli import issued, verdict

COMMON = {
    "id": "DE-XYZ-CT-1",
    "providerId": "DE-XYZ",
    "providerName": [{"language": "en", "content": "Example"}],
    "providerURL": "https://example.org/",
    "description": {"en": "A ticket", "de": "Ein Ticket"},
    "created": "2026-11-22T10:00:00.000Z",
    "notBefore": "2026-11-22T11:00:00.500Z",
    "validOperators": ["DE*ABC"],
    "daysOfWeek": ["Sunday", "Monday"],
    "validationMethod": "OfflineChargingAllowed",
    "smartChargingMode": "Smart",
    "maxPrice": {"exclTax": 16.81, "inclTax": 20.00},
    "signatures": [{"keyId": "x", "value": "y"}],
    "customData": {"a": 1.50},
}
TARIFFS = [{"tariffId": "T1", "currency": "EUR", "energy": {"prices": [{"priceKwh": 0.39}]}}]
WRITTEN = {
    **COMMON,
    "tariffs": TARIFFS,
    "notAftere": "2026-11-22T14:00:00+01:00",
    "validEVSEIds": ["DE*ABC*E1*1"],
    "invalidEVSEIds": ["DE*ABC*E2*1"],
    "evseKind": "AC",
    "maxEnergy": 12500.0,
    "maxPower": 11000,
    "maxCurrent": 16,
    "maxDuration": 90.0,
    "multiUsage": "NotAllowed",
    "meterValueSignatures": "WhenAvailable",
    "e2eCommunicationSecurity": "Unencrypted",
}
READ = {
    **COMMON,
    "chargingTariffs": TARIFFS,
    "notAfter": "2026-11-22T13:00:00Z",
    "validEVSEs": ["DE*ABC*E1*1"],
    "invalidEVSEs": ["DE*ABC*E2*1"],
    "EVSEKind": "AC",
    "maxKWh": 12.5,
    "MaxKW": 11,
    "maxDuration": 5400,
    "multipleSessions": "NotAllowed",
    "MeterValueSignatureMode": "WhenAvailable",
    "evDriverCommunication": "Unencrypted",
}
CLAIMS = {
    "id": "DE-XYZ-CT-1",
    "providerId": "DE-XYZ",
    "created": "2026-11-22T10:00:00Z",
    "notBefore": "2026-11-22T11:00:00.500Z",
    "notAfter": "2026-11-22T13:00:00Z",
    "multiUsage": "NotAllowed",
    "validationMethod": "OfflineChargingAllowed",
    "validOperators": ["DE*ABC"],
    "validEVSEIds": ["DE*ABC*E1*1"],
    "invalidEVSEIds": ["DE*ABC*E2*1"],
    "evseKind": "AC",
    "maxEnergy": 12500,
    "maxPower": 11000,
    "maxCurrent": 16,
    "maxDuration": 90,
    "maxPrice": {"amount": "20.00", "currency": "EUR"},
    "daysOfWeek": ["Sunday", "Monday"],
    "smartChargingMode": "Smart",
    "meterValueSignatures": "WhenAvailable",
    "e2eCommunicationSecurity": "Unencrypted",
    "tariffs": TARIFFS,
    "providerName": [{"language": "en", "text": "Example"}],
    "providerURL": "https://example.org/",
    "description": [{"language": "en", "text": "A ticket"}, {"language": "de", "text": "Ein Ticket"}],
    "customData": {"a": 1.5},
}


def text(content: dict) -> bytes:
    return json.dumps(content).replace("20.0}", "20.00}").encode()


@pytest.fixture
def imported(ask):
    return lambda content, *options: ask("import", "-", *options, stdin=text(content))


@pytest.mark.parametrize(("content", "missing"), [(WRITTEN, []), (READ, ["maxCurrent"])])
def test_either_spelling_gives_the_same_claims(imported, content, missing):
    answer = imported(content)
    assert answer.code == 0, answer.err
    assert json.loads(answer.out) == {name: CLAIMS[name] for name in CLAIMS if name not in missing}
    assert "left out: signatures" in answer.err


def test_both_spellings_may_stand_there_if_they_agree(imported):
    both = {**READ, **WRITTEN}
    assert json.loads(imported(both, "--duration-unit", "minutes").out) == CLAIMS
    assert "say which with --duration-unit" in imported(both).error


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("notAfter", "2026-11-22T13:00:01Z"),
        ("validEVSEs", ["DE*ABC*E1*2"]),
        ("invalidEVSEs", ["DE*ABC*E1*2"]),
        ("EVSEKind", "DC"),
        ("maxKWh", 12.501),
        ("MaxKW", 22),
        ("multipleSessions", "Allowed"),
        ("MeterValueSignatureMode", "Mandatory"),
        ("evDriverCommunication", "EphemeralKeyAgreement"),
        ("chargingTariffs", [{"tariffId": "T2"}]),
    ],
)
def test_doubles_that_say_different_things_are_refused(imported, name, value):
    answer = imported({**WRITTEN, name: value}, "--duration-unit", "minutes")
    assert answer.code == 2 and "say different things" in answer.error and name in answer.error


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"maxEnergy": 12500.5}, "maxEnergy: 12500.5 is not a whole number"),
        ({"maxEnergy": None, "maxKWh": 0.0005}, "maxKWh: 0.0005 is not a whole number"),
        ({"maxPower": -1}, "maxPower"),
        ({"maxPower": 2**31}, "maxPower"),
        ({"maxPower": True}, "is no number"),
        ({"maxPower": "11000"}, "is no number"),
        ({"maxCurrent": None, "MaxCurrent": 16}, "thousands of amperes"),
        ({"maxDuration": 0.5}, "maxDuration"),
        ({"maxPrice": {"exclTax": 1}}, "inclTax is wanted"),
        ({"maxPrice": {"inclTax": "1"}}, "no number"),
        ({"maxPrice": {"inclTax": 1, "tip": 2}}, "inclTax is wanted"),
        ({"maxPrice": {"amount": 1.5, "currency": "EUR"}}, "maxPrice.amount: 1.5 is no text"),
        ({"tariffs": None}, "--currency"),
        ({"tariffs": [*TARIFFS, {"tariffId": "T2", "currency": "CHF"}]}, "--currency"),
        ({"tariffs": [{"tariffId": "T1", "currency": ["EUR"]}]}, "BAD_CLAIM (maxPrice)"),
        ({"created": "2026-11-22T10:00:00"}, "has no time zone"),
        ({"created": "2026-11-22T10:00:00.0001Z"}, "finer than milliseconds"),
        ({"created": "yesterday Z"}, "is no time"),
        ({"created": 1}, "is no text"),
        ({"multiUsage": "Never"}, "multiUsage"),
        ({"multiUsage": ["Allowed"]}, "multiUsage"),
        ({"evseKind": "ac"}, "none of AC, DC"),
        ({"validOperators": []}, "restricts nothing"),
        ({"validOperators": ["nobody"]}, "BAD_CLAIM (validOperators)"),
        ({"daysOfWeek": ["Caturday"]}, "BAD_CLAIM (daysOfWeek)"),
        ({"description": [{"language": "en"}]}, "description"),
        ({"startTimeOfDay": "10:00"}, "might be a restriction"),
        ({"driverPublicKey": {"curve": "secp256r1", "publicKey": "00"}}, "--driver FILE"),
        ({"notAftere": None}, "no notAfter"),
        ({"providerId": None}, "no providerId"),
        ({"notAftere": "2026-11-22T10:00:00Z"}, "BAD_CLAIM"),
    ],
)
def test_what_could_mean_two_things_or_lose_a_restriction_is_refused(imported, changes, said):
    content = {name: value for name, value in {**WRITTEN, **changes}.items() if value is not None}
    answer = imported(content)
    assert answer.code == 2 and said in answer.error and answer.out == ""


def test_seconds_that_are_no_whole_minutes_are_refused(imported):
    assert "not whole minutes" in imported({**READ, "maxDuration": 5401}).error
    assert json.loads(imported({**READ, "maxDuration": 7}, "--duration-unit", "minutes").out)["maxDuration"] == 7


def test_a_currency_and_a_driver_can_be_named(imported, site):
    key = json.loads((site / "driver.jwk").read_text())
    content = {**WRITTEN, "driverPublicKey": {"curve": "secp256r1"}}
    content.pop("tariffs")
    claims = json.loads(imported(content, "--currency", "CHF", "--driver", site / "driver.jwk").out)
    assert claims["maxPrice"]["currency"] == "CHF"
    assert claims["driverPublicKey"] == {"kty": "OKP", "crv": "Ed25519", "x": key["x"]}
    assert "driverPublicKey" not in json.loads(imported(content, "--currency", "CHF", "--bearer").out)
    own = {**WRITTEN, "driverPublicKey": {name: key[name] for name in ("kty", "crv", "x", "kid")}}
    assert json.loads(imported(own).out)["driverPublicKey"]["x"] == key["x"]


@pytest.mark.parametrize(
    "broken", [b"", b"[]", b"{", b"\xff", b'{"id": "1", "id": "2"}', b"[" * 5000, b'{"maxEnergy": 1e99999}']
)
def test_what_is_no_object_is_refused(ask, broken):
    answer = ask("import", "-", stdin=broken)
    assert answer.code == 2 and answer.error


def test_an_imported_ticket_is_signed_and_granted(ask, site, imported):
    content = {name: value for name, value in WRITTEN.items() if name not in ("maxPrice", "maxEnergy", "maxPower")}
    content.pop("maxCurrent")
    content["daysOfWeek"] = ["Sunday"]
    (site / "claims.json").write_text(imported(content).out)
    ticket = issued(ask, site, "--claims", site / "claims.json")
    assert verdict(ask, site, ticket, "--at", "2026-11-22T12:00:00Z") == {
        "granted": True,
        "reason": "GRANTED",
        "limits": {"maxDuration": 90},
    }
