"""Both forms of the same claims, minted by libraries that nobody here wrote, against the firmware's readers."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import cbor2
import pytest
from cwt import COSE, COSEKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as jose
from joserfc.jwk import OKPKey

from crypto import ed25519
from ticket import b64url, cbor, form, rules, scope, strictjson, times, utf8
from ticket.claims import DAYS, Claims
from ticket.verdict import REASONS, Refused
from tools.portable import time_text

VECTORS = Path(__file__).parent.parent / "vectors"
SPEC = spec_from_file_location("make_tickets", VECTORS / "make_tickets.py")
assert SPEC and SPEC.loader
make_tickets = module_from_spec(SPEC)
SPEC.loader.exec_module(make_tickets)

KEY = OKPKey.generate_key("Ed25519")
PUBLIC = b64url.decode(str(KEY.as_dict(private=False)["x"]).encode())
COSE_KEYS = {
    alg: COSEKey.from_jwk({**KEY.as_dict(private=True), "alg": name, "use": "sig"})
    for alg, name in ((-8, "EdDSA"), (-19, "Ed25519"))
}

alphanumerics = st.text("ABCDEFGHJKLabcdefg0123456789", min_size=3, max_size=3)
separators = st.sampled_from(["*", ""])
suffixes = st.text("ABCabc019*", min_size=1, max_size=30).filter(lambda text: text.strip("*"))


def places(kind):
    """Ids of a place, with and without separators."""
    return st.builds(
        lambda country, first, owner, second, suffix: country + first + owner + second + kind + suffix,
        st.sampled_from(["DE", "at", "Ch"]), separators, alphanumerics, separators, suffixes,
    )  # fmt: skip


def lists(strategy):
    """One to three of them."""
    return st.lists(strategy, min_size=1, max_size=3)


def words(name):
    """The words of an enumerated member."""
    return st.sampled_from(make_tickets.WORDS[name])


operators = st.builds(lambda country, star, owner: country + star + owner, st.sampled_from(["DE", "nl"]),
                      st.sampled_from(["*", ""]), alphanumerics)  # fmt: skip
providers = st.builds(lambda country, dash, owner: country + dash + owner, st.sampled_from(["DE", "nl"]),
                      st.sampled_from(["*", "-", ""]), alphanumerics)  # fmt: skip
seconds = st.integers(min_value=0, max_value=times.LAST_MS // 1000).map(lambda second: time_text.text(second * 1000))
texts = st.text(max_size=20).filter(lambda text: not any(0xD800 <= ord(one) < 0xE000 for one in text))
limits = st.integers(min_value=0, max_value=2**31 - 1)
free = st.recursive(st.none() | st.booleans() | st.integers(-(2**40), 2**40) | texts,
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
                    max_leaves=5)  # fmt: skip
tickets = st.fixed_dictionaries(
    {
        "id": texts.filter(lambda text: 1 <= len(text.encode()) <= 64),
        "providerId": providers,
        "created": seconds,
        "notBefore": seconds,
        "notAfter": seconds,
        "multiUsage": words("multiUsage"),
        "validationMethod": words("validationMethod"),
    },
    optional={
        "validOperators": lists(operators),
        "validChargingPools": lists(places("P")),
        "validChargingStations": lists(places("S")),
        "validEVSEIds": lists(places("E")),
        "invalidChargingPools": lists(places("P")),
        "invalidChargingStations": lists(places("s")),
        "invalidEVSEIds": lists(places("e")),
        "evseKind": words("evseKind"),
        "maxEnergy": limits,
        "maxPower": limits,
        "maxCurrent": limits,
        "maxDuration": limits,
        "maxPrice": st.fixed_dictionaries({
            "amount": st.decimals(0, 10**6, places=2).map(str), "currency": st.sampled_from(["EUR", "CHF"])
        }),
        "daysOfWeek": lists(st.sampled_from(DAYS)),
        "smartChargingMode": words("smartChargingMode"),
        "meterValueSignatures": words("meterValueSignatures"),
        "e2eCommunicationSecurity": words("e2eCommunicationSecurity"),
        "driverPublicKey": st.just(make_tickets.DRIVER_KEY),
        "tariffs": lists(st.text("T-123", min_size=1, max_size=60)),
        "providerName": lists(st.fixed_dictionaries({"language": st.sampled_from(["de", "zh-Hans"]), "text": texts})),
        "providerURL": st.sampled_from(["https://provider.example", "http://x.example/ä?b"]),
        "description": lists(st.fixed_dictionaries({"language": st.just("en"), "text": texts})),
        "customData": st.dictionaries(texts, free, max_size=3),
    },
)  # fmt: skip


def mint(ticket, alg="Ed25519", cose_alg=-19):
    """The ticket as JWS by joserfc and as CWT by the cwt package."""
    header = {"alg": alg, "kid": "issuer-1", "typ": "charging-ticket+jws"}
    token = jose.serialize_compact(header, json.dumps(ticket, ensure_ascii=False).encode(), KEY, algorithms=[alg])
    payload = cbor2.dumps(make_tickets.claims_set(ticket))
    protected = {1: cose_alg, 4: b"issuer-1"}
    signed = COSE.new().encode_and_sign(payload, COSE_KEYS[cose_alg], protected=protected, unprotected={})
    assert isinstance(signed, bytes)
    return token.encode(), signed


def read(ticket):
    """ticket -> Claims, or the reason and detail of its refusal. Anything but Refused is a failure."""
    try:
        return form.claims(form.read(ticket))
    except Refused as refused:
        assert refused.reason in REASONS and isinstance(refused.detail, str)
        return refused.reason, refused.detail


def comparable(claims):
    """Everything a ticket says that decides or is passed on; tariffs are compared as ids."""
    if not isinstance(claims, Claims):
        return claims
    return {name: value for name, value in claims._asdict().items() if name != "received_tariffs"}


@pytest.mark.parametrize(("alg", "cose_alg"), [("Ed25519", -19), ("EdDSA", -8), ("Ed25519", -8)])
def test_tickets_minted_by_other_libraries_are_read_and_their_signatures_hold(alg, cose_alg):
    for ticket in mint(make_tickets.TICKET, alg, cose_alg):
        envelope = form.read(ticket)
        assert envelope.kid == "issuer-1"
        assert ed25519.verify(PUBLIC, envelope.signed, envelope.signature)
        assert not ed25519.verify(PUBLIC, bytes(envelope.signed) + b"x", envelope.signature)
        assert form.claims(envelope).valid_evse_ids == [scope.parse(scope.EVSE, "DE*ABC*E1*1")]


def test_a_cwt_with_its_tags_is_read():
    _, plain = mint(make_tickets.TICKET)
    plain = plain.removeprefix(b"\xd2")
    for tags in (b"", b"\xd2", b"\xd8\x3d\xd2"):
        assert comparable(read(tags + plain)) == comparable(read(plain))


class Issuer:
    """Bounds that let most through."""

    providers, places, limits, max_lifetime_s = (
        ["DE-ABC"],
        None,
        {"maxEnergy": 2**30, "maxPrice": ("500000", "EUR")},
        2**31,
    )


def verdict(claims, here):
    """The limits, or the reason and detail of the refusal."""
    if not isinstance(claims, Claims):
        return claims
    issuer = Issuer()
    issuer.providers = [claims.provider_id.decode()]
    try:
        return rules.check(claims, issuer, here)
    except Refused as refused:
        return refused.reason, refused.detail


@given(tickets, st.integers(0, times.LAST_MS), st.integers(0, 6), st.sampled_from(["AC", "DC"]), st.booleans())
def test_both_forms_decode_to_the_same_claims_and_get_the_same_verdict(ticket, now_ms, weekday, kind, holder):
    as_jws, as_cwt = (read(one) for one in mint(ticket))
    assert comparable(as_jws) == comparable(as_cwt)
    here = rules.Situation()
    here.now_ms, here.clock, here.weekday, here.evse_kind = now_ms, "SET", weekday, kind
    here.operator, here.pool, here.station, here.evse = "DE*ABC", "DE*ABC*P1", "DE*ABC*S1", "DE*ABC*E1*1"
    here.holder, here.encrypted, here.pass_unenforced = "proven" if holder else "passive", holder, True
    here.revoked_ticket = here.evse_busy = False
    assert verdict(as_jws, here) == verdict(as_cwt, here)


@given(tickets)
def test_generated_tickets_are_good_unless_their_times_or_keys_are_not(ticket):
    found = read(mint(ticket)[0])
    if ticket["notBefore"] >= ticket["notAfter"]:
        assert found == ("BAD_CLAIM", "notAfter")
    elif ticket.get("e2eCommunicationSecurity") == "EphemeralKeyAgreement" and "driverPublicKey" not in ticket:
        assert found == ("BAD_CLAIM", "driverPublicKey")
    elif isinstance(found, Claims):
        assert found.id == ticket["id"].encode()
        assert found.tariffs == (ticket.get("tariffs") and [one.encode() for one in ticket["tariffs"]])
    else:
        assert found[0] in ("TOO_LARGE", "MALFORMED") and (found[0] == "TOO_LARGE" or found[1] == "nesting")


@given(st.binary(max_size=300))
def test_random_bytes_are_only_ever_refused(data):
    for one in (data, b"\x84" + data, b"\xd2\x84\x43" + data, data + b"." + data + b"." + data):
        assert not isinstance(read(one), Claims)


BASES = mint({**make_tickets.TICKET, "tariffs": ["T"], "description": [{"language": "de", "text": 'ä"\\'}]})


def sealed(base, payload):
    """The ticket with another payload, as if it had been signed."""
    if base[0] < 0x80:
        head, _, signature = base.split(b".")
        return b".".join((head, b64url.encode(payload), signature))
    parts = cbor2.loads(base).value
    return cbor2.dumps([parts[0], {}, payload, parts[3]])


@given(
    st.sampled_from(BASES), st.integers(0, 5000), st.integers(0, 3), st.binary(min_size=1, max_size=4), st.booleans()
)
def test_mutated_tickets_are_read_or_refused_and_nothing_else(base, where, how, junk, inside):
    data = form.read(base).payload if inside else base
    where %= len(data)
    kept = (data[where + len(junk) :], data[where:], data[where + 1 :], b"")[how]
    mutated = data[:where] + (junk if how < 2 else b"") + kept
    read(sealed(base, mutated) if inside else mutated)


@given(st.binary(max_size=80))
def test_base64url_takes_what_it_gives_and_no_more(data):
    assert b64url.decode(b64url.encode(data)) == data
    found = b64url.decode(data)
    assert found is None or b64url.encode(found) == data


@given(
    st.binary(max_size=80) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.integers(0, 200),
)
def test_utf8_is_that_of_cpython(data, before):
    for one in (data, b"x" * before + data, ("ä" * before).encode() + data):
        try:
            wanted = one.decode()
        except ValueError:
            wanted = None
        assert utf8.decode(one) == wanted
        assert not one or utf8._strict(one) == (wanted is not None)


def refuse_constants(word):
    """NaN and the infinities are no JSON."""
    raise ValueError(word)


def no_duplicates(pairs):
    """Pairs -> dict, as strict as ours."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


JSON_PIECES = st.sampled_from([
    b"{", b"}", b"[", b"]", b":", b",", b'"', b'"a"', b'"b":', b"1", b"-", b"0", b".5", b"e3", b"true", b"null", b" ",
    b"\n", b"\\", b"\\u00e4", b"\\ud83d", b"\\ude00", b"\\n", b"\\\\", b'\\"', "ä".encode(), b"\x1f", b"\xff", b"[1,2]",
    b'{"a":1,"b":[]}',
])  # fmt: skip


@given(st.lists(JSON_PIECES, max_size=12).map(b"".join))
def test_json_is_that_of_cpython_but_stricter(data):
    try:
        wanted = json.loads(data.decode(), object_pairs_hook=no_duplicates, parse_constant=refuse_constants)
        json.dumps(wanted, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        wanted = Refused
    try:
        found = plain(strictjson.loads(data))
    except Refused as refused:
        found = Refused if refused.detail != "nesting" else wanted
    assert found == wanted or (found is not Refused and repr(found) == repr(wanted)), data


def plain(value):
    """Numbers as CPython reads them."""
    if isinstance(value, strictjson.Number):
        return json.loads(value.text)
    if isinstance(value, list):
        return [plain(one) for one in value]
    return {name: plain(one) for name, one in value.items()} if isinstance(value, dict) else value


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=30) | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts | st.integers(-(2**64), 2**64 - 1), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(values)
def test_cbor_is_that_of_cbor2(value):
    assert cbor2.loads(cbor.dumps(value)) == value
    assert cbor2.dumps(value, canonical=True) == cbor.dumps(value) or isinstance(value, (list, dict))
    try:
        assert cbor.loads(cbor2.dumps(value)) == value
    except Refused as refused:
        assert refused.detail == "nesting"


@given(st.binary(max_size=40))
def test_cbor_that_is_taken_is_in_preferred_serialisation(data):
    try:
        value = cbor.loads(data)
    except Refused:
        return
    assert len(cbor.dumps(value)) == len(data) and cbor2.loads(data) == value


def test_the_published_vectors_are_what_the_script_makes():
    assert (VECTORS / "tickets.json").read_text(encoding="utf-8") == make_tickets.make()
