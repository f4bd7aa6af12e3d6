"""The closed schema: every member of every kind of wrong value, at its edges, in both forms."""

import json

from ticket_support import FULL, KEY, MINIMAL, changed, claims_of, claims_set, cwt, jws, read, refusal

from ticket import b64url, cbor, form, scope, times
from ticket.claims import PRIVATE, PRIVATE_CLAIM, REGISTERED, TABLE, tariffs_json
from ticket.verdict import BAD_CLAIM, MALFORMED, UNKNOWN_CLAIM

KINDS = {"operators": "OPERATOR", "charging_pools": "POOL", "charging_stations": "STATION", "evse_ids": "EVSE"}
CAMEL = {"operators": "Operators", "charging_pools": "ChargingPools", "charging_stations": "ChargingStations"}
CAMEL["evse_ids"] = "EVSEIds"
BASE = changed(MINIMAL, driverPublicKey=FULL["driverPublicKey"])  # a short ticket to change one member of
TEXTS = [{"language": "de", "text": "x"}]


def why(members):
    return refusal(claims_of, members)


def bad(name, *values):
    for value in values:
        assert why(changed(BASE, **{name: value})) == (BAD_CLAIM, name), (name, value)


def good(name, *values):
    for value in values:
        assert why(changed(BASE, **{name: value})) == ("", ""), (name, value)


def with_private(key, value):
    """The claims set of a full ticket with this at one of its private claims."""
    made = claims_set(FULL)
    made[PRIVATE_CLAIM][key] = value
    return made


def test_a_full_ticket_is_read_from_both_forms():
    for ticket in (jws(FULL), cwt(claims_set(FULL))):
        claims = read(ticket)
        assert claims.id == b"DE-XYZ-CT-1" and claims.provider_id == b"DE-XYZ"
        assert claims.created_ms == 1795341600000 and claims.not_before_ms == 1795345200000
        assert claims.not_after_ms == 1795352400000
        assert claims.multi_usage == "NotAllowed" and claims.validation_method == "OfflineChargingAllowed"
        assert claims.driver_public_key == KEY
        for name in ("operators", "charging_pools", "charging_stations", "evse_ids"):
            kind = getattr(scope, KINDS[name])
            member = "valid" + CAMEL[name]
            assert getattr(claims, "valid_" + name) == [scope.parse(kind, text) for text in FULL[member]]
            if name != "operators":
                found = getattr(claims, "invalid_" + name)
                assert found == [scope.parse(kind, text) for text in FULL["in" + member]] and None not in found
        assert claims.evse_kind == "AC"
        assert (claims.max_energy_wh, claims.max_power_w, claims.max_current_a) == (50000, 22000, 32)
        assert claims.max_duration_min == 240 and claims.max_price == ("25.00", "EUR")
        assert claims.days_of_week == ["Monday", "Sunday"] and claims.smart_charging_mode == "Smart"
        assert claims.meter_value_signatures == "Mandatory"
        assert claims.e2e_communication_security == "EphemeralKeyAgreement"
        assert claims.tariffs == [b"T-1", b"T-2"] and json.loads(tariffs_json(claims)) == ["T-1", "T-2"]


def test_what_a_ticket_leaves_out_is_none():
    for ticket in (jws(MINIMAL), cwt(claims_set(MINIMAL))):
        claims = read(ticket)
        names = ("driver_public_key", "valid_operators", "valid_evse_ids", "evse_kind", "max_energy_wh", "max_price")
        names += ("days_of_week", "tariffs", "received_tariffs", "e2e_communication_security")
        for name in names:
            assert getattr(claims, name) is None, name
        assert tariffs_json(claims) is None


def test_mandatory_members():
    for name in MINIMAL:
        assert why(changed(MINIMAL, **{name: ...})) == (BAD_CLAIM, name)
        assert refusal(read, cwt(claims_set(changed(MINIMAL, **{name: ...})))) == (BAD_CLAIM, name)
    for name in FULL:
        if name not in MINIMAL and name != "driverPublicKey":
            assert why(changed(FULL, **{name: ...})) == ("", ""), name
    assert why({}) == (BAD_CLAIM, "id") and refusal(read, cwt({})) == (BAD_CLAIM, "id")


def test_unknown_members_come_before_bad_ones():
    for name in ("x", "", "Id", "notafter", "notAftere", "validEVSEs", "chargingTariffs", "signatures", "€", "id\x00"):
        told = "".join([letter if " " <= letter <= "~" else "?" for letter in name])
        assert why(changed(FULL, **{name: 1})) == (UNKNOWN_CLAIM, told), name
        assert why(changed(FULL, **{name: 1, "id": 7})) == (UNKNOWN_CLAIM, told), name
    inside = (
        ("driverPublicKey", changed(FULL["driverPublicKey"], kid="x")),
        ("driverPublicKey", changed(FULL["driverPublicKey"], d="x")),
        ("maxPrice", {"amount": "1", "currency": "EUR", "vat": 1}),
        ("providerName", [TEXTS[0], {"language": "en", "text": "x", "format": "HTML"}]),
        ("description", [{"text": 1, "": 1}]),
    )
    for name, value in inside:
        assert why(changed(FULL, id=7, **{name: value})) == (UNKNOWN_CLAIM, name), name
        assert why(changed(FULL, **{name: value})) == (UNKNOWN_CLAIM, name), name


def test_unknown_claims_of_a_cwt():
    for key in (2, 3, 9, 0, -1, -65536, "id", "", PRIVATE_CLAIM - 1, 1 << 40):
        changed_set = claims_set(FULL)
        changed_set[key] = 1
        changed_set[7] = 1
        assert refusal(read, cwt(changed_set)) == (UNKNOWN_CLAIM, str(key)), key
    for key in (0, 25, -1, "multiUsage", 7 << 8, PRIVATE_CLAIM):
        changed_set = claims_set(FULL)
        changed_set[PRIVATE_CLAIM][key] = 1
        changed_set[7] = 1
        assert refusal(read, cwt(changed_set)) == (UNKNOWN_CLAIM, str(key)), key
    for key in ({1: {1: 1, -1: 6, -2: KEY}, 2: 1}, {1: {1: 1, -1: 6, -2: KEY, 3: -8}}, {3: b"kid"}):
        changed_set = claims_set(FULL)
        changed_set[8] = key
        assert refusal(read, cwt(changed_set)) == (UNKNOWN_CLAIM, "driverPublicKey"), key
    for key in (20, 22):
        texts = with_private(key, [{"language": "en", "text": "x", "format": "HTML"}])
        assert refusal(read, cwt(texts)) == (UNKNOWN_CLAIM, "providerName" if key == 20 else "description")
    assert refusal(read, cwt({1: "DE-XYZ", 9: 1, PRIVATE_CLAIM: 1})) == (UNKNOWN_CLAIM, "9")
    for private in (None, 1, [], "", True):
        assert refusal(read, cwt(changed_private(private))) == (BAD_CLAIM, "-65537"), private


def test_a_claims_set_is_strict_cbor_whatever_its_claims():
    """What is judged as it is read is read no less strictly."""
    whole = cbor.dumps(claims_set(FULL))
    for size in range(len(whole)):
        assert refusal(read, cwt(whole[:size]))[0] == MALFORMED, size
    every = cbor.dumps(claims_set(FULL)[PRIVATE_CLAIM])
    assert every[:2] == b"\xb8\x18" and every in whole
    assert refusal(read, cwt(whole.replace(every, b"\xb8\x17" + every[2:])))[0] == MALFORMED
    assert refusal(read, cwt(whole)) == ("", "") and refusal(read, cwt(whole + b"\0"))[0] == MALFORMED
    registered, private = claims_set(FULL), claims_set(FULL)[PRIVATE_CLAIM]
    del registered[PRIVATE_CLAIM], private[22], private[24]
    key = b"\x3a\0\1\0\0"
    top, rest = cbor.dumps(registered)[1:], cbor.dumps(private)
    count = rest[0] - 0xA0
    first = cbor.dumps({16: private.pop(16)})
    assert count < 23 and refusal(read, cwt(b"\xa7" + top + key + rest)) == ("", "")
    one, tariffs = b"\x6bDE*ABC*E1*1", b"\x63T-1\x63T-2"
    assert b"\x05\x81" + one in rest and b"\x01\x82" + tariffs in rest and b"\x0d\x18\xf0" in rest
    for wrong in (
        b"\xa8" + top + key + first + key + cbor.dumps(private),  # the private map in two
        b"\xa8" + top + key + b"\xa0" + key + rest,
        b"\xa8" + top + b"\x01\x66DE-XYZ" + key + rest,  # a member twice
        b"\xa7" + top + key + bytes((rest[0] + 1,)) + rest[1:] + first[1:],
        b"\xa7" + top + key + bytes((0xB8, count)) + rest[1:],  # longer heads than need be
        b"\xa7" + top + key + bytes((rest[0] + 1,)) + rest[1:] + b"\x18\x05\xa0",
        b"\xa7" + top + key + rest.replace(b"\x0d\x18\xf0", b"\x0d\x19\x00\xf0"),
        b"\xa7" + top + key + rest.replace(b"\x10\x00", b"\x10\x18\x00", 1),
        b"\xa7" + top + key + rest.replace(b"\x05\x81", b"\x05\x98\x01"),
        b"\xa7" + top + key + rest.replace(one, b"\x78\x0b" + one[1:]),
        b"\xa7" + top + key + rest.replace(tariffs, b"\x63T-1\x63T-\xc3"),
        b"\xa7" + top + key + rest.replace(b"provider.example/", b"provider.example\xc3"),
        b"\xa7" + top.replace(b"\x66DE-XYZ", b"\x78\x06DE-XYZ") + key + rest,
        b"\xa7" + top.replace(b"\x58\x20" + KEY, b"\x59\x00\x20" + KEY) + key + rest,
    ):
        assert refusal(read, cwt(wrong))[0] == MALFORMED, wrong


def changed_private(private):
    changed_set = claims_set(MINIMAL)
    changed_set[PRIVATE_CLAIM] = private
    return changed_set


def test_a_word_of_another_member_is_no_word():
    for name, word in (("evseKind", "Smart"), ("daysOfWeek", ["AC"]), ("smartChargingMode", "Allowed")):
        assert why(changed(FULL, **{name: word})) == (BAD_CLAIM, name)


def test_every_member_with_every_wrong_json_type():
    values = (
        None,
        True,
        False,
        0,
        -1,
        7,
        1.5,
        1 << 70,
        "",
        "x",
        [],
        ["x"],
        [1],
        [None],
        {},
        {"x": 1},
        [[]],
        [{}],
        " ",
    )
    right = {
        "id": ("x", " "),
        "maxEnergy": (0, 7),
        "maxPower": (0, 7),
        "maxCurrent": (0, 7),
        "maxDuration": (0, 7),
        "tariffs": (["x"],),
        "customData": ({}, {"x": 1}),
    }
    for name in FULL:
        for value in values:
            wanted = "" if _among(value, right.get(name, ())) else BAD_CLAIM
            if isinstance(value, (dict, list)) and _unknown_inside(name, value):
                wanted = UNKNOWN_CLAIM
            assert why(changed(BASE, **{name: value}))[0] == wanted, (name, value)


def _among(value, values):
    """Equal and of one type, since True == 1."""
    return any(type(value) is type(one) and value == one for one in values)


def _unknown_inside(name, value):
    return name in ("maxPrice", "providerName", "description") and value == {"x": 1}


def test_every_member_with_every_wrong_cbor_type():
    values = (None, True, False, -1, b"", b"x", "", [], [None], [True], ["x", 1], {}, {1: 1}, [-1], [99], 1 << 40, "AC")
    registered, private = list(REGISTERED), list(PRIVATE)
    for row, (name, _, _) in enumerate(TABLE):
        name = str(name, "utf-8")
        for value in values:
            changed_set = claims_set(BASE)
            if row in registered:
                changed_set[registered.index(row)] = value
            else:
                changed_set[PRIVATE_CLAIM][private.index(row)] = value
            reason, detail = refusal(read, cwt(changed_set))
            if (name, value) in (("id", b"x"), ("customData", {}), ("customData", {1: 1})):
                assert reason == "", (name, value)
            elif value == {1: 1} and name in ("providerName", "description"):
                assert (reason, detail) == (UNKNOWN_CLAIM, name), (name, value)
            else:
                assert (reason, detail) == (BAD_CLAIM, name), (name, value)


def test_numbers_with_point_or_exponent_stand_only_in_tariffs_and_custom_data():
    for text in ("1.0", "1e1", "1E0", "-0.0", "10000000000000000000"):
        for name in FULL:
            payload = json.dumps(changed(BASE, **{name: "@"})).replace('"@"', text).encode()
            assert refusal(claims_of, payload) == (BAD_CLAIM, name), (name, text)
        inside = changed(
            FULL, customData={"x": "@"}, tariffs=[{"tariffId": "t", "energy": {"prices": [{"priceKwh": "@"}]}}]
        )
        payload = json.dumps(inside).replace('"@"', text).encode()
        claims = claims_of(payload)
        assert claims.tariffs == [b"t"] and text.encode() in tariffs_json(claims)


def test_ids_of_tickets_have_1_to_64_bytes():
    good("id", "x", "x" * 64, "ä" * 32, "😀" * 16, "\x00", "a\nb")
    bad("id", "", "x" * 65, "ä" * 32 + "x", "😀" * 17)
    for wrong in (b"", b"x" * 65, b"\xff", b"\xc0\x80", b"\xed\xa0\x80"):
        changed_set = claims_set(MINIMAL)
        changed_set[7] = wrong
        assert refusal(read, cwt(changed_set)) == (BAD_CLAIM, "id"), wrong


def test_providers_and_places():
    good("providerId", "DE-XYZ", "DE*XYZ", "DEXYZ", "de-xyz")
    bad("providerId", "DE-XY", "DE-XYZ ", "D-XYZ", "DE--XYZ", "DE-XYÄ", "DE*ABC*E1")
    good("validOperators", ["DE*ABC"], ["DEABC"] * 50)
    bad("validOperators", ["DE-ABC"], ["DE*ABC", "DE*ABC*E1"], ["DE*ABC", ""], "DE*ABC")
    for name, letter, longest in (("ChargingPools", "P", 30), ("ChargingStations", "S", 50), ("EVSEIds", "E", 30)):
        for prefix in ("valid", "invalid"):
            good(prefix + name, ["DE*ABC*" + letter + "1" * longest], ["DEABC" + letter + "*1"])
            bad(prefix + name, ["DE*ABC*" + letter + "1" * (longest + 1)], ["DE*ABC*" + letter])
            bad(prefix + name, ["DE*ABC*X1"], ["DE*ABC*" + letter + "*"], ["DE*ABC*" + letter + "1", None])


def test_times_of_tickets():
    for name in ("created", "notBefore", "notAfter"):
        bad(name, "2026-11-22T10:00:00", "2026-11-22T10:00:00+01:00", "2026-02-29T10:00:00Z", "2026-11-22", 1795341600)
    assert claims_of(changed(MINIMAL, notBefore="2026-11-22T11:00:00.250Z")).not_before_ms == 1795345200250
    good("created", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z")
    bad("notAfter", FULL["notBefore"], "2026-11-22T10:59:59.999Z")
    good("notAfter", "2026-11-22T11:00:00.001Z")
    for key in (4, 5, 6):
        for value in (-1, times.LAST_MS // 1000 + 1, 1 << 63):
            changed_set = claims_set(MINIMAL)
            changed_set[key] = value
            assert refusal(read, cwt(changed_set)) == (BAD_CLAIM, str(TABLE[REGISTERED[key]][0], "utf-8")), (key, value)
    changed_set = claims_set(MINIMAL)
    changed_set[4], changed_set[5], changed_set[6] = times.LAST_MS // 1000, 0, 0
    assert read(cwt(changed_set)).not_after_ms == times.LAST_MS - 999


def test_words():
    for row, (name, _, words) in enumerate(TABLE):
        name, key = str(name, "utf-8"), list(PRIVATE).index(row) if row in PRIVATE else 0
        if isinstance(words, tuple) and name != "daysOfWeek":
            good(name, *words)
            bad(name, words[0].lower() if words[0] != words[0].lower() else "X", words[0] + " ", "", 0, [words[0]])
            for index in range(len(words)):
                assert refusal(read, cwt(with_private(key, index))) == ("", ""), (name, index)
            for index in (-1, len(words), words[0], 1 << 32):
                assert refusal(read, cwt(with_private(key, index))) == (BAD_CLAIM, name), (name, index)
    good("daysOfWeek", ["Sunday"], ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"])
    bad("daysOfWeek", [], ["monday"], ["Monday", "Mon"], [0], "Monday", ["Monday", None])


def test_limits():
    for name in ("maxEnergy", "maxPower", "maxCurrent", "maxDuration"):
        good(name, 0, 1, 2147483647)
        bad(name, -1, 2147483648, 1 << 40, "1", True)
    for amount in ("0", "0.0", "0.10", "12", "12.5", "9" * 20):
        good("maxPrice", {"amount": amount, "currency": "EUR"})
    for amount in ("", "-1", "+1", "1.", ".5", "1,5", "1e3", "01", "00", "1 ", "٣", "1.2.3", "9" * 21, 1, None, "."):
        bad("maxPrice", {"amount": amount, "currency": "EUR"})
        assert refusal(read, cwt(with_private(14, [amount, "EUR"]))) == (BAD_CLAIM, "maxPrice"), amount
    for currency in ("", "EU", "EURO", "eur", "EU1", "€€€", None, 978):
        bad("maxPrice", {"amount": "1", "currency": currency})
    bad("maxPrice", {"amount": "1"}, {"currency": "EUR"}, {}, ["1", "EUR"], "1 EUR")
    for price in ([], ["1"], ["1", "EUR", 1], {"amount": "1", "currency": "EUR"}):
        assert refusal(read, cwt(with_private(14, price)))[0] == BAD_CLAIM, price


def test_driver_keys():
    key = FULL["driverPublicKey"]
    for name in ("kty", "crv", "x"):
        bad("driverPublicKey", changed(key, **{name: ...}))
        for value in (None, "", "x", 1, [], {}):
            bad("driverPublicKey", changed(key, **{name: value}))
    bad("driverPublicKey", changed(key, crv="Ed448"), changed(key, crv="X25519"), changed(key, kty="EC"))
    for x in (KEY[:31], KEY + b"x"):
        bad("driverPublicKey", changed(key, x=b64url.encode(x).decode()))
    bad(
        "driverPublicKey", changed(key, x=key["x"] + "="), changed(key, x=key["x"][:-1] + "!"), changed(key, x="ä" * 43)
    )
    for wrong in ({1: {1: 1, -1: 6}}, {1: {1: 1, -1: 6, -2: KEY[:31]}}, {1: {1: 2, -1: 6, -2: KEY}}, {1: {}}, {1: KEY}):
        changed_set = claims_set(FULL)
        changed_set[8] = wrong
        assert refusal(read, cwt(changed_set)) == (BAD_CLAIM, "driverPublicKey"), wrong
    for wrong in ({1: {1: True, -1: 6, -2: KEY}}, {1: {1: 1, -1: 7, -2: KEY}}, {1: {1: 1, -1: 6, -2: "x" * 32}}, {}):
        changed_set = claims_set(FULL)
        changed_set[8] = wrong
        assert refusal(read, cwt(changed_set)) == (BAD_CLAIM, "driverPublicKey"), wrong


def test_encryption_needs_a_driver_key():
    assert why(changed(FULL, driverPublicKey=...)) == (BAD_CLAIM, "driverPublicKey")
    assert why(changed(FULL, driverPublicKey=..., e2eCommunicationSecurity="Unencrypted")) == ("", "")
    assert why(changed(FULL, driverPublicKey=..., e2eCommunicationSecurity=...)) == ("", "")


def test_texts_and_urls():
    for name in ("providerName", "description"):
        good(name, TEXTS, [{"language": "zh-Hans-CN", "text": ""}, {"language": "x", "text": "ä" * 500}])
        bad(name, [], [{}], [{"language": "de"}], [{"text": "x"}], [{"language": "", "text": "x"}], ["x"], TEXTS[0])
        bad(
            name,
            [{"language": "d" * 36, "text": "x"}],
            [{"language": "de_DE", "text": "x"}],
            [{"language": 1, "text": "x"}],
        )
        bad(name, TEXTS + [{"language": "en", "text": 1}], TEXTS + [None])
    good("providerURL", "https://a", "http://a", "http://provider.example/x?y=1#z", "https://ä.example")
    bad(
        "providerURL",
        "",
        "https://",
        "http://",
        "ftp://x",
        "javascript:alert(1)",
        "https://a b",
        "https://a\n",
        " https://a",
        ["https://a"],
    )


def test_tariffs():
    good("tariffs", ["x"], ["x" * 60], [{"tariffId": "t", "currency": "EUR", "any": {"thing": [1.5, None]}}, "x"])
    bad("tariffs", [], [""], ["x" * 61], [1], [None], [[]], [{}], [{"tariffId": 1}], [{"tariffId": ""}], "x")
    bad("tariffs", {"tariffId": "t"})
    assert refusal(read, cwt(with_private(1, [{"tariffId": "t"}]))) == (BAD_CLAIM, "tariffs")


def test_ids_of_tariffs_count_characters():
    good("tariffs", ["x" * 60], ["ä" * 60, "x"])
    bad("tariffs", ["x" * 61], ["x", "ä" * 61])
    for text, wanted in (("ä" * 60, ""), ("ä" * 61, BAD_CLAIM), ("x" * 61, BAD_CLAIM)):
        changed_set = claims_set(MINIMAL)
        changed_set[PRIVATE_CLAIM][1] = [text]
        assert refusal(read, cwt(changed_set))[0] == wanted, text


def test_tariffs_are_kept_as_received():
    tariffs = b'[ {"tariffId":"t","energy" : {"prices":[{"priceKwh":0.30}]}},\n"u" ]'
    payload = json.dumps(changed(MINIMAL, tariffs="@")).encode().replace(b'"@"', b"  " + tariffs + b" ")
    claims = claims_of(payload)
    assert tariffs_json(claims) == tariffs and claims.tariffs == [b"t", b"u"]


def test_an_envelope_and_its_claims_are_read_apart():
    envelope = form.read(jws(b"{"))
    assert envelope.kid == "issuer-1"
    assert refusal(form.claims, envelope)[0] == MALFORMED
