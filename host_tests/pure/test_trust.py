"""Signed documents, issuers, the trust bundle, and when one bundle may take the place of another."""

import json

import time_text
from ticket_support import MINIMAL, NOW_MS, changed, claims_of, compact, refusal

from ticket import b64url, rules, times
from ticket.envelope import Envelope
from ticket.verdict import (
    BAD_CLAIM,
    BAD_SIGNATURE,
    MALFORMED,
    TOO_LARGE,
    UNKNOWN_CLAIM,
    UNKNOWN_ISSUER,
    UNSUPPORTED_ALGORITHM,
)
from trust import bundle, issuers, signed

ROOTS = {"root-a": b"a" * 32, "root-b": b"b" * 32}
HEADER = {"alg": "Ed25519", "kid": "root-a", "typ": "charging-trust+jws"}
ISSUER = {
    "kid": "issuer-1",
    "x": b64url.encode(b"k" * 32).decode(),
    "providers": ["DE-XYZ"],
    "notBefore": "2026-01-01T00:00:00Z",
    "notAfter": "2027-01-01T00:00:00Z",
    "maxLifetime": 86400,
}
PAYLOAD = {"version": 7, "created": "2026-11-01T00:00:00Z", "issuers": [ISSUER]}


def token(payload, **header):
    """A bundle; its fake signature says which key made it."""
    header = changed(HEADER, **header)
    payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return compact(json.dumps(header).encode(), payload, ROOTS.get(header["kid"], b"z" * 32) * 2)


def fake_verify(key, message, signature):
    return signature == key * 2 and bytes(message).count(b".") == 1


def load(payload, **header):
    return bundle.read(token(payload, **header), ROOTS, verify=fake_verify)


def parsed(payload):
    return bundle.parse(Envelope("jws", "root-a", b"", b"", json.dumps(payload).encode()))


def schema(payload):
    """Why a payload is refused whose envelope and signature are good."""
    return refusal(parsed, payload)


def test_a_large_bundle_is_read_in_many_small_steps():
    issuers = [changed(ISSUER, kid="issuer-%d" % n, places=["DE*ABC"] * 40) for n in range(20)]
    payload = changed(PAYLOAD, issuers=issuers, revokedKeys=["key-%d" % n for n in range(80)])
    data = json.dumps(payload).encode()
    steps = list(bundle.parse_steps(Envelope("jws", "root-a", b"", b"", data)))
    # of 32 strings each, then of 8 items of a list
    assert steps == [None] * len(steps) and len(steps) >= data.count(b'"') // 64 + 20 * 5 + 80 // 8
    assert len(parsed(payload).issuers) == 20


def why(payload, **header):
    return refusal(lambda: load(payload, **header))


def with_issuer(**members):
    return changed(PAYLOAD, issuers=[changed(ISSUER, **members)])


def test_a_bundle_is_read():
    found = load(changed(PAYLOAD, notAfter="2027-06-01T00:00:00Z", retiredRoots=["root-b"], revokedKeys=["issuer-0"]))
    assert (found.version, found.root, found.retired_roots) == (7, "root-a", {"root-b"})
    assert found.created_ms == times.parse("2026-11-01T00:00:00Z")
    issuer = found.issuer("issuer-1", NOW_MS)
    assert issuer.public_key == b"k" * 32 and issuer.providers == ["DE-XYZ"] and issuer.max_lifetime_s == 86400
    assert issuer.places is None and issuer.limits == {} and issuer.table is None
    assert refusal(found.issuer, "issuer-2", NOW_MS)[0] == UNKNOWN_ISSUER


def test_only_a_root_that_is_known_and_not_retired_signs():
    assert why(PAYLOAD, kid="root-c") == (UNKNOWN_ISSUER, "root-c")
    assert refusal(signed.envelope, token(PAYLOAD), signed.BUNDLE, ROOTS, {"root-a"}) == (UNKNOWN_ISSUER, "root-a")
    assert refusal(bundle.read, token(PAYLOAD), {"root-a": b"x" * 32}, fake_verify) == (BAD_SIGNATURE, "root-a")


def test_documents_are_told_apart_by_their_typ():
    for typ in ("charging-time+jws", "charging-firmware+jws", "charging-ticket+jws", "CHARGING-TRUST+JWS", "JWT", ""):
        assert why(PAYLOAD, typ=typ) == (MALFORMED, "typ"), typ
    for typ in (signed.TIME, signed.FIRMWARE):
        assert refusal(signed.verified, token(PAYLOAD), typ, ROOTS, (), fake_verify) == (MALFORMED, "typ")


def test_the_envelope_is_strict():
    assert why(PAYLOAD, alg="EdDSA") == (UNSUPPORTED_ALGORITHM, "EdDSA")
    assert why(PAYLOAD, crit=[])[0] == MALFORMED
    for payload in (b"", b"[]", b"1", b'{"version":1,"version":2}', b"{} "[:-2]):
        assert why(payload)[0] == MALFORMED, payload
    assert refusal(bundle.read, b"x" * 16385, ROOTS, fake_verify)[0] == TOO_LARGE
    assert refusal(bundle.read, b"x" * 16384, ROOTS, fake_verify)[0] == MALFORMED
    assert refusal(signed.envelope, b"x" * 1025, signed.TIME, ROOTS)[0] == TOO_LARGE


def test_the_schema_is_closed():
    assert schema(changed(PAYLOAD, extra=1)) == (UNKNOWN_CLAIM, "extra")
    assert schema(with_issuer(extra=1)) == (UNKNOWN_CLAIM, "extra")
    assert schema(with_issuer(limits={"maxSpeed": 1})) == (UNKNOWN_CLAIM, "maxSpeed")
    assert schema(changed(PAYLOAD, revokedTickets=[{"providerId": "DE-XYZ", "id": "1", "x": 1}])) == (
        UNKNOWN_CLAIM,
        "x",
    )


def test_every_member_of_a_wrong_kind_is_refused():
    wrong = (None, True, -1, 1.5, "", "x", {}, [None], [1], [""], {"a": 1}, 1 << 31, 1 << 70)
    for name in ("version", "created", "issuers", "notAfter", "retiredRoots", "revokedKeys", "revokedTickets"):
        for value in wrong:
            reason = schema(changed(PAYLOAD, **{name: value}))[0]
            assert reason in (BAD_CLAIM, UNKNOWN_CLAIM), (name, value, reason)
    for name in ("kid", "x", "providers", "notBefore", "notAfter", "maxLifetime", "places", "limits"):
        for value in wrong:
            if (name, value) not in (("kid", "x"), ("limits", {})):
                reason = schema(with_issuer(**{name: value}))[0]
                assert reason in (BAD_CLAIM, UNKNOWN_CLAIM), (name, value, reason)
    for name in ("version", "created", "issuers"):
        assert schema(changed(PAYLOAD, **{name: ...})) == (BAD_CLAIM, name)
    for name in ("kid", "x", "providers", "notBefore", "notAfter", "maxLifetime"):
        assert schema(with_issuer(**{name: ...})) == (BAD_CLAIM, name)


def test_edges_of_members():
    assert schema(changed(PAYLOAD, version=0))[0] == BAD_CLAIM
    assert parsed(changed(PAYLOAD, version=2147483647)).version == 2147483647
    assert parsed(with_issuer(kid="k" * 64)).issuers["k" * 64]
    assert schema(with_issuer(kid="k" * 65)) == (BAD_CLAIM, "kid")
    assert schema(with_issuer(kid="ä" * 33)) == (BAD_CLAIM, "kid")
    assert schema(with_issuer(x=b64url.encode(b"k" * 31).decode())) == (BAD_CLAIM, "x")
    assert schema(with_issuer(x=ISSUER["x"] + "=")) == (BAD_CLAIM, "x")
    assert schema(with_issuer(places=[])) == (BAD_CLAIM, "places")
    assert schema(with_issuer(providers=[])) == (BAD_CLAIM, "providers")
    assert schema(with_issuer(notAfter=ISSUER["notBefore"])) == (BAD_CLAIM, "notAfter")
    euro = {"amount": "1", "currency": "EUR"}
    for price in (
        {"amount": "1"},
        changed(euro, currency="eur"),
        changed(euro, x=1),
        changed(euro, amount=1),
        changed(euro, currency=978),
        ["1", "EUR"],
        "1EUR",
        1,
        True,
    ):
        assert schema(with_issuer(limits={"maxPrice": price})) == (BAD_CLAIM, "maxPrice")
    for name in ("maxEnergy", "maxPower", "maxCurrent", "maxDuration"):
        for limit in (-1, 1 << 31, 1 << 70, True, "1", [1], {}):
            assert schema(with_issuer(limits={name: limit})) == (BAD_CLAIM, name)
        assert parsed(with_issuer(limits={name: (1 << 31) - 1})).issuers["issuer-1"].limits == {name: (1 << 31) - 1}
    assert schema(changed(PAYLOAD, issuers=[ISSUER, ISSUER])) == (BAD_CLAIM, "kid")
    assert schema(changed(PAYLOAD, retiredRoots=["root-a"])) == (BAD_CLAIM, "retiredRoots")
    assert parsed(changed(PAYLOAD, issuers=[])).issuers == {}


def test_bounds_of_an_issuer_are_read():
    limits = {"maxEnergy": 1, "maxPower": 2, "maxCurrent": 0, "maxDuration": 4}
    places = ["DE*ABC", "DE*ABC*P1", "DE*ABC*S1", "DE*ABC*E1*1"]
    issuer = parsed(with_issuer(limits=changed(limits, maxPrice={"amount": "9.5", "currency": "EUR"}), places=places))
    issuer = issuer.issuers["issuer-1"]
    assert issuer.limits == changed(limits, maxPrice=("9.5", "EUR")) and issuer.places == places


def test_an_issuer_key_is_valid_from_until_before():
    issuer = parsed(PAYLOAD).issuers["issuer-1"]
    start, end = issuer.not_before_ms, issuer.not_after_ms
    assert [issuer.valid_at(at) for at in (start - 1, start, end - 1, end, None)] == [False, True, True, False, True]


def test_an_ended_bundle_knows_no_issuer_unless_the_site_opts_out():
    found = parsed(changed(PAYLOAD, notAfter=time_text.text(NOW_MS)))
    assert found.issuer("issuer-1", NOW_MS - 1).kid == "issuer-1"
    assert refusal(found.issuer, "issuer-1", NOW_MS) == (UNKNOWN_ISSUER, "bundle ended")
    assert found.issuer("issuer-1", NOW_MS, ignore_end=True).kid == "issuer-1"
    assert found.issuer("issuer-1", None).kid == "issuer-1"


def test_tickets_and_keys_are_revoked():
    claims = claims_of(MINIMAL)
    found = load(
        changed(PAYLOAD, revokedKeys=["issuer-9"], revokedTickets=[{"providerId": "de*xyz", "id": MINIMAL["id"]}])
    )
    assert found.revokes("issuer-1", claims) and found.revokes("issuer-9", claims)
    other = claims_of(changed(MINIMAL, id="DE-XYZ-CT-2"))
    assert not found.revokes("issuer-1", other) and found.revokes("issuer-9", other)
    assert found.revoked_tickets == {rules.ledger_key(claims)}


def judged(present, offered, now_ms=NOW_MS, **options):
    def make(members):
        members = dict(members)
        root = members.pop("root", "root-a")
        return load(changed(PAYLOAD, **members), kid=root)

    return bundle.judge(present and make(present), make(offered), ROOTS, now_ms, **options)


def test_versions_rise():
    assert judged(None, {"version": 1}) == bundle.ACCEPTED
    assert judged({"version": 5}, {"version": 6}) == bundle.ACCEPTED
    assert judged({"version": 5}, {"version": 6, "root": "root-b"}) == bundle.ACCEPTED
    assert judged({"version": 5}, {"version": 5}) == bundle.OLD_VERSION
    assert judged({"version": 5}, {"version": 4, "root": "root-b"}) == bundle.OLD_VERSION


def test_a_bundle_that_newly_retires_the_other_root_needs_no_version():
    stolen = {"version": 2147483647, "root": "root-a"}
    assert judged(stolen, {"version": 1, "root": "root-b", "retiredRoots": ["root-a"]}) == bundle.ACCEPTED
    retired = {"version": 5, "root": "root-b", "retiredRoots": ["root-a"]}
    assert judged(retired, changed(retired, version=4)) == bundle.OLD_VERSION
    # A root that this reader does not have retires nobody.
    assert judged({"version": 5}, {"version": 4, "retiredRoots": ["root-z"]}) == bundle.OLD_VERSION


def test_a_retired_root_stays_retired():
    retired = {"version": 5, "root": "root-b", "retiredRoots": ["root-a"]}
    assert judged(retired, {"version": 6, "root": "root-a"}) == bundle.RETIRED_ROOT
    assert judged(retired, {"version": 6, "root": "root-a", "retiredRoots": ["root-b"]}) == bundle.RETIRED_ROOT
    assert judged(retired, {"version": 6, "root": "root-b"}) == bundle.FORGETS_RETIRED_ROOT
    assert judged(retired, changed(retired, version=6)) == bundle.ACCEPTED


def test_an_ended_bundle_is_not_taken():
    offered = {"version": 6, "notAfter": time_text.text(NOW_MS)}
    assert judged({"version": 5}, offered) == bundle.ENDED
    assert judged(None, offered) == bundle.ENDED
    assert judged({"version": 5}, offered, now_ms=NOW_MS - 1) == bundle.ACCEPTED
    assert judged({"version": 5}, offered, now_ms=None) == bundle.ACCEPTED
    assert judged({"version": 5}, offered, ignore_end=True) == bundle.ACCEPTED


def test_an_issuer_object_can_be_made_by_hand():
    issuer = issuers.Issuer("k", b"k" * 32, ["DE-XYZ"], 0, 1, 60)
    assert issuer.limits == {} and issuer.places is None
