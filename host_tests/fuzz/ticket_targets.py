"""Targets that the bytes of a ticket or of a trust bundle reach."""

import json
from collections.abc import Callable

from host_tests.fuzz import HOST_TESTS
from host_tests.fuzz.base import target
from host_tests.fuzz.nfc_targets import present_seeds
from ticket import b64url, cbor, form, scope, strictjson, times, utf8
from ticket.envelope import Envelope
from ticket.verdict import Refused
from trust import bundle, signed


def _cases() -> list[dict]:
    return json.loads((HOST_TESTS / "vectors" / "tickets.json").read_text())["cases"]


def _payloads() -> list[bytes]:
    return [json.dumps(case["claims"], ensure_ascii=False).encode() for case in _cases() if case.get("claims")]


def _cwts() -> list[bytes]:
    return [bytes.fromhex(case["cwt"]) for case in _cases() if case.get("cwt")]


@target(lambda: [case["jws"].encode() for case in _cases() if case.get("jws")] + _cwts())
def ticket_forms(data: bytes) -> None:
    """A ticket in either form, its claims too, as if its signature were good."""
    try:
        found = form.read(data)
        form.claims(found)
    except Refused:
        return


@target(_payloads)
def ticket_claims(data: bytes) -> None:
    """A JWS payload behind a good signature."""
    try:
        form.claims(Envelope("jws", "issuer", b"", b"", data))
    except Refused:
        return


def _cwt_payloads() -> list[bytes]:
    return [form.read(data).payload for data in _cwts() if not _refused(lambda data=data: form.read(data))]


@target(_cwt_payloads)
def cwt_claims(data: bytes) -> None:
    """A CWT payload behind a good signature; what is taken is strict CBOR."""
    try:
        form.claims(Envelope("cwt", "issuer", b"", b"", data))
    except Refused:
        return
    cbor.loads(data)


@target(lambda: [*_payloads(), b'[1,-0,1e5,"\\u00e4\\ud83d\\ude00",{"a":{}},null,true]'])
def strict_json(data: bytes) -> None:
    """What is taken, json takes too and reads the same; both ways of reading take the same."""
    try:
        found = strictjson.loads(data)
    except Refused:
        assert _refused(lambda: strictjson.loads(data, raw=True))
        return
    strictjson.loads(data, raw=True)
    assert _plain(found) == json.loads(data, parse_float=str, parse_int=_integer, parse_constant=_constant)


def _refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except Refused:
        return True
    return False


def _integer(text: str) -> int | str:
    return int(text) if len(text.lstrip("-")) <= 18 else text


def _constant(text: str) -> None:
    raise AssertionError("no JSON: " + text)


def _plain(value):
    if isinstance(value, strictjson.Number):
        return str(value.text, "ascii") if isinstance(value.text, bytes) else value.text
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return [_plain(member) for member in value] if isinstance(value, list) else value


@target(lambda: [*_cwts(), *present_seeds(), cbor.dumps({"a": [1, -1, b"", None, True], 2: {}})])
def strict_cbor(data: bytes) -> None:
    """What is taken has one serialisation only, but for the order of keys: the one that was read."""
    try:
        found = cbor.loads(data)
    except Refused:
        assert _refused(lambda: cbor.loads(data, raw=True))
        return
    cbor.loads(data, raw=True)
    again = cbor.dumps(found)
    assert sorted(again) == sorted(data) and cbor.loads(again) == found


@target(lambda: [b"DE*ABC*E1*1", b"2026-11-22T12:00:00.123Z", b"aGFsbG8", "ä€😀".encode()])
def texts(data: bytes) -> None:
    """base64url, UTF-8, times and ids."""
    decoded = b64url.decode(data)
    assert decoded is None or b64url.encode(decoded).rstrip() == data
    text = utf8.decode(data)
    assert (text is None) == (_decoded(data) is None)
    if text is not None:
        at = times.parse(text)
        assert at is None or at >= 0
        for kind in (scope.OPERATOR, scope.PROVIDER, scope.POOL, scope.STATION, scope.EVSE):
            scope.parse(kind, text)


def _decoded(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _bundle() -> bytes:
    issuer = {
        "kid": "issuer-1", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg", "providers": ["DE-XYZ"],
        "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2027-01-01T00:00:00Z", "maxLifetime": 86400,
        "places": ["DE*ABC"], "limits": {"maxEnergy": 1, "maxPrice": {"amount": "1", "currency": "EUR"}},
    }  # fmt: skip
    payload = {
        "version": 1, "created": "2026-01-01T00:00:00Z", "notAfter": "2027-01-01T00:00:00Z", "issuers": [issuer],
        "retiredRoots": ["old"], "revokedKeys": ["k"], "revokedTickets": [{"providerId": "DE-XYZ", "id": "1"}],
    }  # fmt: skip
    return json.dumps(payload).encode()


@target(lambda: [_bundle()])
def trust_bundle(data: bytes) -> None:
    """A bundle's payload behind a good signature."""
    try:
        found = bundle.parse(Envelope("jws", "root", b"", b"", data))
    except Refused:
        return
    assert found.version >= 1


@target(lambda: [case["jws"].encode() for case in _cases() if case.get("jws")][:1])
def trust_envelope(data: bytes) -> None:
    for kind in (signed.BUNDLE, signed.TIME, signed.FIRMWARE):
        try:
            signed.envelope(data, kind, {"root": bytes(32)})
        except Refused:
            continue
