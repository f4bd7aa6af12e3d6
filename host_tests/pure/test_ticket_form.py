"""Envelopes: what is read of a ticket before its signature is checked."""

from ticket_support import FULL, HEADER, MINIMAL, SIGNATURE, changed, claims_set, compact, cose, jws, reason, refusal
from ticket_support import cwt as make_cwt

from ticket import b64url, cbor, cwt, form
from ticket.verdict import MALFORMED, TOO_LARGE, UNSUPPORTED_ALGORITHM

PROTECTED = {1: -19, 4: b"issuer-1"}


def why(ticket):
    return refusal(form.read, ticket)


def test_the_envelope_of_a_jws():
    ticket = jws(MINIMAL)
    envelope = form.read(ticket)
    assert (envelope.form, envelope.kid, envelope.signature) == ("jws", "issuer-1", SIGNATURE)
    assert bytes(envelope.signed) + b"." + b64url.encode(SIGNATURE) == ticket
    assert b64url.encode(envelope.payload) == ticket.split(b".")[1]
    assert form.read(jws(MINIMAL, alg="EdDSA")).kid == "issuer-1"


def test_the_envelope_of_a_cwt():
    payload = cbor.dumps(claims_set(MINIMAL))
    ticket = cose(PROTECTED, payload)
    tagged = [start + ticket for start in (b"", b"\xd2", b"\xd8\x3d\xd2", b"\xd8\x3d")]
    for ticket in tagged:
        envelope = form.read(ticket)
        assert (envelope.form, envelope.kid, envelope.signature) == ("cwt", "issuer-1", SIGNATURE)
        assert envelope.payload == payload
        assert cbor.loads(envelope.signed) == ["Signature1", cbor.dumps(PROTECTED), b"", payload]
    assert form.read(cose({1: -8, 4: b"issuer-1"}, payload)).kid == "issuer-1"
    assert form.read(cose({1: -8, 4: "ä".encode()}, payload)).kid == "ä"


def test_a_ticket_has_at_most_4096_bytes():
    for ticket in (b"x" * 4097, jws(MINIMAL) + b"A" * 4097, b"\xd2" * 5000):
        assert why(ticket) == (TOO_LARGE, "")
    assert why(b"x" * 4096) == (MALFORMED, "jws")
    start = len(jws(b""))
    for payload in range((4096 - start) * 3 // 4 - 1, 4096):
        ticket = jws(b" " * payload)
        if len(ticket) > 4096:
            assert why(ticket)[0] == TOO_LARGE
            break
        assert form.read(ticket).kid == "issuer-1"


def test_what_is_no_ticket_is_malformed():
    ticket = jws(MINIMAL)
    bad = (
        b"",
        b".",
        b"..",
        b"a.b.c",
        b"....",
        b"hello",
        ticket + b"\n",
        b" " + ticket,
        ticket + b".",
        ticket.replace(b".", b"..", 1),
    )
    for data in bad:
        assert why(data)[0] == MALFORMED, data
    for size in range(len(ticket)):
        assert why(ticket[:size])[0] == MALFORMED, size
    for data in (ticket[:-1] + b"=", ticket + b"==", ticket[:-2], ticket.replace(b".", b"-", 1)):
        assert why(data)[0] == MALFORMED, data
    for size in (0, 63, 65):
        assert (
            why(compact(b'{"alg":"EdDSA","kid":"k","typ":"charging-ticket+jws"}', b"{}", b"x" * size))[0] == MALFORMED
        )


def test_the_jws_header_has_three_members_and_no_other():
    for name in HEADER:
        assert why(jws(MINIMAL, **{name: ...})) == (MALFORMED, "header")
        assert why(jws(MINIMAL, **{name: ..., "crit": "x"})) == (MALFORMED, "header")
        for value in (None, 1, True, [], {}, ["Ed25519"]):
            assert why(jws(MINIMAL, **{name: value})) == (MALFORMED, name)
    for extra in ("crit", "jwk", "b64", "x5c", "jku", "cty", ""):
        assert why(jws(MINIMAL, **{extra: "x"})) == (MALFORMED, "header")
    for typ in ("JWT", "charging-trust+jws", "Charging-Ticket+JWS", "application/charging-ticket+jws", ""):
        assert why(jws(MINIMAL, typ=typ)) == (MALFORMED, "typ")
    for header in (
        b"",
        b"[]",
        b"null",
        b'"x"',
        b'{"alg":"EdDSA","alg":"EdDSA","kid":"k","typ":"charging-ticket+jws"}',
        b"\xff",
    ):
        assert why(compact(header, b"{}"))[0] == MALFORMED, header


def test_the_unsigned_header_has_few_bytes_and_items():
    kid = "k" * (512 - len('{"alg":"EdDSA","kid":"","typ":"charging-ticket+jws"}'))
    header = '{"alg":"EdDSA","kid":"%s","typ":"charging-ticket+jws"}'
    assert form.read(compact((header % kid).encode(), b"{}")).kid == kid
    assert why(compact((header % (kid + "k")).encode(), b"{}")) == (MALFORMED, "header")
    assert form.read(compact((header % ("," * 30)).encode(), b"{}")).kid == "," * 30
    assert why(compact((header % ("," * 31)).encode(), b"{}")) == (MALFORMED, "header")
    assert why(compact(b"[" * 512, b"{}")) == (MALFORMED, "nesting")
    for header in (b"[" + b"0," * 100 + b"0]", b'{"alg":[' + b"0," * 40 + b"0]}"):
        assert why(compact(header, b"{}")) == (MALFORMED, "header"), header
    for size, found in ((250, ("", "")), (251, (MALFORMED, "header"))):
        assert why(cose({1: -19, 4: b"k" * size}, b"\xa0")) == found
    # outside of what is signed there are no items but three strings and an empty map
    for outer in (b"\x84" * 100, b"\x84" + b"\x80" * 4000, b"\x84\x40\xa0\x9a\x00\x00\x0f\x00" + b"\x00" * 3840):
        assert why(outer)[0] == MALFORMED, outer[:8]


def test_other_algorithms_are_unsupported():
    for alg in ("none", "None", "", "HS256", "ES256", "RS256", "Ed448", "ed25519", "EDDSA", "EdDSA ", "ES512"):
        assert why(jws(MINIMAL, alg=alg)) == (UNSUPPORTED_ALGORITHM, alg), alg
    # Other algorithms have other lengths of signature.
    assert why(compact(b'{"alg":"none","kid":"k","typ":"charging-ticket+jws"}', b"{}", b"")) == (
        UNSUPPORTED_ALGORITHM,
        "none",
    )
    for alg in (-7, -50, 5, 0, "Ed25519", -53):
        assert why(cose({1: alg, 4: b"k"}, b"\xa0"))[0] == UNSUPPORTED_ALGORITHM, alg
    # What is malformed is so before its algorithm is looked at.
    assert why(jws(MINIMAL, alg="none", typ="JWT"))[0] == MALFORMED


def test_the_cose_header_has_two_members_and_no_other():
    for header in ({}, {1: -19}, {4: b"k"}, {1: -19, 4: b"k", 2: []}, {1: -19, 4: b"k", "x": 1}, {1: -19, 5: b"k"}):
        assert why(cose(header, b"\xa0")) == (MALFORMED, "header"), header
    for header in (
        {1: -19, 4: "k"},
        {1: None, 4: b"k"},
        {1: b"", 4: b"k"},
        {1: True, 4: b"k"},
        {1: -19, 4: 1},
        [1, -19],
        7,
    ):
        assert why(cose(header, b"\xa0")) == (MALFORMED, "header"), header
    assert why(cose({1: -19, 4: b"\xff"}, b"\xa0")) == (MALFORMED, "kid")
    assert why(cose(PROTECTED, b"\xa0", unprotected={4: b"k"})) == (MALFORMED, "unprotected header")


def test_cose_sign1_is_four_parts_of_their_types():
    parts = [cbor.dumps(PROTECTED), {}, b"\xa0", SIGNATURE]
    assert form.read(cbor.dumps(parts))
    for at in range(4):
        for wrong in (None, 1, "x", [], True):
            assert why(cbor.dumps(parts[:at] + [wrong] + parts[at + 1 :]))[0] == MALFORMED, (at, wrong)
    for wrong in (parts[:3], parts + [b""]):
        assert refusal(cwt.read, cbor.dumps(wrong)) == (MALFORMED, "cose")
    for size in (0, 63, 65):
        assert why(cose(PROTECTED, b"\xa0", b"x" * size)) == (MALFORMED, "signature")
    ticket = cbor.dumps(parts)
    assert why(ticket + b"\0")[0] == MALFORMED
    for size in range(len(ticket)):
        assert why(ticket[:size])[0] == MALFORMED, size
    for tags in (b"\xd2\xd2", b"\xd8\x3d\xd8\x3d", b"\xd2\xd8\x3d", b"\xd1", b"\xd8\x12", b"\xd8\x62", b"\xd9\x00\x3d"):
        assert why(tags + ticket)[0] == MALFORMED, tags


def test_payloads_that_are_no_object_are_malformed():
    for payload in (
        b"",
        b"[]",
        b"null",
        b"1",
        b'""',
        b"{}{}",
        b'{"id":1,"id":1}',
        b"{",
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
    ):
        assert reason(jws(payload)) == MALFORMED, payload
    for payload in (
        b"",
        b"\x80",
        b"\xf6",
        b"\x01",
        b"\x40",
        b"\xa0\xa0",
        b"\xa2\x01\x01\x01\x01",
        b"\xa1",
        b"\xbf\xff",
        b"\xd8\x3d\xa0",
    ):
        assert reason(make_cwt(payload)) == MALFORMED, payload
    deep = changed(FULL, customData={"a": [[[[[[1]]]]]]})
    assert reason(jws(deep)) == ""
    assert reason(jws(changed(deep, customData={"a": [[[[[[[1]]]]]]]}))) == MALFORMED
