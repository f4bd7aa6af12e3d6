"""The readers underneath: UTF-8, base64url, JSON, CBOR, times, ids."""

import time_text
from ticket_support import refusal

from ticket import b64url, cbor, scope, span, span_plain, strictjson, times, utf8
from ticket.verdict import MALFORMED


def test_utf8_is_strict():
    good = ("", "plain", "ä", "€", "😀", "\x00", "\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff")
    for text in good:
        assert utf8.decode(text.encode()) == text
    bad = (
        "80",
        "bf",
        "c0af",
        "c1bf",
        "c280c2",
        "e09f80",
        "e28",
        "eda080",
        "edbfbf",
        "f08f8080",
        "f4908080",
        "f5808080",
    )
    for digits in bad:
        data = bytes([int(digits[i : i + 2], 16) for i in range(0, len(digits), 2)])
        for around in (b"", b"x", "ä".encode()):
            assert utf8.decode(around + data) is None, data
            assert utf8.decode(data + b"x" + around) is None, data
    for byte in (0xFE, 0xFF, 0xF8, 0xFC):
        assert utf8.decode(bytes([0x41, byte, 0x80, 0x80, 0x80, 0x80, 0x80])) is None


def test_base64url_goes_there_and_back():
    for size in range(70):
        data = bytes([(i * 37 + size) & 255 for i in range(size)])
        text = b64url.encode(data)
        assert b64url.decode(text) == data
        assert b"=" not in text and b"+" not in text and b"/" not in text
    assert b64url.encode(b"\xfb\xff\xbf") == b"-_-_"


def test_base64url_has_one_text_for_one_value():
    # spare bits, padding, the other alphabet, white space, characters in between, length 1 modulo 4
    bad = (
        b"QR",
        b"QUJ",
        b"QQ==",
        b"QUI=",
        b"+/+/",
        b"QUJD\n",
        b" QUJD",
        b"QU JD",
        b"QU!JD",
        b"A",
        b"QUJDR",
        b"=",
        b"====",
    )
    for text in bad:
        assert b64url.decode(text) is None, text
    for byte in range(256):
        if b64url.decode(b"QUJ" + bytes([byte]) + b"QUJD") is not None:
            assert byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", byte


def test_json_values():
    good = (
        (b"0", 0),
        (b"-0", 0),
        (b"-12", -12),
        (b"999999999999999999", 999999999999999999),
        (b" \t\r\n[ ] \n", []),
        (b"{ }", {}),
        (b'{"a":1 , "b" :[ true,false , null]}', {"a": 1, "b": [True, False, None]}),
        (b'""', ""),
        (b'"\\u00e4\\"\\\\\\/\\b\\f\\n\\r\\t"', 'ä"\\/\b\f\n\r\t'),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\uD834\\uDd1E x"', "\U0001d11e x"),
        (b'"\\u0000"', "\x00"),
        ('"ä€😀"'.encode(), "ä€😀"),
        (b'{"a\\"b":{"c":"\\\\"}}', {'a"b': {"c": "\\"}}),
        (b'"\x7f"', "\x7f"),
    )
    for text, value in good:
        assert strictjson.loads(text) == value, text


def test_json_numbers_that_are_no_integers_stay_text():
    for text in ("1.5", "-0.0", "1e3", "1E+3", "0e-0", "12.50E02", "1" * 19, "-" + "9" * 300):
        value = strictjson.loads(text.encode())
        assert isinstance(value, strictjson.Number) and value.text == text.encode()
        assert strictjson.loads(b"[%s]" % text.encode()) == [strictjson.Number(text.encode())]
    assert strictjson.Number(b"1.0") != strictjson.Number(b"1.00") and strictjson.Number(b"1.0") != 1


def test_json_that_is_none_is_refused():
    bad = (
        '"a""b"', '["a""b"]', '{"a""b":1}', '{"a":"b""c"}', '{"a" "b":1}', '[1"a"]', '{"a":1"b"}',
        '"a"1', '["a"1]', '["a"[]]',
        ":1", "[:1]", "[1:2]", '["a":1]', '["a":"b"]', '{"a"::1}', "{:1}", '{"a":1:2}',
        '{"a":"b":"c"}', "[[]:1]", "[1]:1",
        ",", "[,]", "[1,]", "[1,,2]", "{,}", '{"a":1,}', '{"a":1,,"b":2}', "1,2", '"a","b"',
        "[1],", "[1}", '{"a":1]', "]", "}",
        "[]]", "{}}", '{"a"}', '{"a":}', '{"a":[}', '{"a",1}', "{1:2}", "{[]:1}", "{null:1}",
        "", " ", "nul", "True", "truex", "true false", "1 2", "01", "-", "-01", "+1", ".5", "1.", "1.e1", "1e", "1e+",
        "--1", "1-1", "0x10", "1_0", "NaN", "Infinity", "{", "}", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]",
        "{1:2}", "{'a':1}", '{"a"}', '{"a":}', '{"a":1', '{"a":1,', '{"a":1,}', '{"a" 1}', '{,}', '{"a":1 "b":2}',
        '"', '"a', '"a\\', '"a\\"', '"\\x"', '"\\u"', '"\\u12"', '"\\u12g4"', '"\\u 123"', '"\\u+123"', '"\\u1_23"',
        '"\\U0041"', '"\\\'"', '"a\nb"', '"\t"', '"\x00"', '"\x1f\\n"', '{"a\tb":1}', "\x00", "1\x00", "// c\n1",
        "/**/1", "\x0b1", "\x0c1", "\xa01",
    )  # fmt: skip
    for text in bad:
        assert refusal(strictjson.loads, text.encode())[0] == MALFORMED, text


def test_json_surrogates_stand_in_pairs():
    for text in (
        r"\ud800",
        r"\ud800x",
        r"\ude00",
        r"\ud83d\ud83d",
        r"\ude00\ud83d",
        r"\ud83d\n",
        r"\ud83d\u0041",
        r"\udfff",
    ):
        assert refusal(strictjson.loads, ('"' + text + '"').encode())[0] == MALFORMED, text
        assert refusal(strictjson.loads, ('{"' + text + '":1}').encode())[0] == MALFORMED, text


def test_json_is_utf8_without_bom():
    for data in (
        b"\xef\xbb\xbf{}",
        b'"\xc0\xaf"',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        '"ä"'.encode()[:-2] + b'"',
        b"\xff\xfe{\0}\0",
    ):
        assert refusal(strictjson.loads, data)[0] == MALFORMED, data
    assert refusal(strictjson.loads, '{"a":1}'.encode("utf-8") + "ä".encode())[0] == MALFORMED


def test_json_members_are_not_repeated():
    for text in (b'{"a":1,"a":1}', b'{"a":1,"b":{"c":1,"c":2}}', b'[{"x":1,"\\u0078":2}]', b'{"":1,"":2}'):
        assert refusal(strictjson.loads, text) == (MALFORMED, "duplicate member"), text
    assert strictjson.loads(b'{"a":{"a":1},"A":2}') == {"a": {"a": 1}, "A": 2}


def test_json_nests_eight_deep():
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")):
        levels = opening.count(b"[") + opening.count(b"{")
        strictjson.loads(opening * (8 // levels) + b"1" + closing * (8 // levels))
        deep = opening * (8 // levels + 1)
        assert refusal(strictjson.loads, deep + b"1" + closing * (8 // levels + 1)) == (MALFORMED, "nesting")
    assert refusal(strictjson.loads, b"[" * 4096) == (MALFORMED, "nesting")


def test_json_keeps_the_text_of_members():
    texts = (b'[1.50, {"x":"]"}]', b'["\\"}"]', b"7", b'[""]', b'{"t":{}}', b"[ ]")
    for text in texts:
        for around in (b'{"a":{"t":0},"t":%s,"b":2}', b'{ "t" : %s }', b'{"t":%s}', b'{"b":"","t"\n:\n%s\n,"c":""}'):
            kept = {"t": None, "none": None}
            strictjson.loads(around.replace(b"%s", text), kept=kept)
            assert kept == {"t": text, "none": None}, (text, around)
            raw = {b"t": None}
            strictjson.loads(around.replace(b"%s", text), raw=True, kept=raw)
            assert raw == {b"t": text}


def test_json_left_raw():
    loaded = strictjson.loads('{"ä":["\\u00e4","x",1,1.5]}'.encode(), raw=True)
    assert loaded == {"ä".encode(): ["ä".encode(), b"x", 1, strictjson.Number(b"1.5")]}
    assert refusal(strictjson.loads, b'{"a":1,"\\u0061":1}', True) == (MALFORMED, "duplicate member")


def test_cbor_left_raw():
    loaded = cbor.loads(cbor.dumps({1: b"x", "ä": ["y", None]}), raw=True)
    assert loaded == {1: bytearray(b"x"), "ä".encode(): [b"y", None]}
    assert type(loaded[1]) is bytearray and type(loaded["ä".encode()][0]) is bytes
    assert refusal(cbor.loads, cbor.dumps({b"x": 1}), True) == (MALFORMED, "cbor key")
    for data in (b"\x61\xff", b"\x82\x61\xc3\x61\xa4"):  # the second: one character across two texts
        assert refusal(cbor.loads, data, True) == (MALFORMED, "utf-8")


def test_cbor_goes_there_and_back():
    values = (0, 23, 24, 255, 256, 65535, 65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, (1 << 64) - 1)
    for value in values:
        assert cbor.loads(cbor.dumps(value)) == value and cbor.loads(cbor.dumps(-1 - value)) == -1 - value
    value = {0: [1, -1, b"", b"x" * 300, "", "ä" * 12, True, False, None, []], "k": {-65537: {}}, 24: "24"}
    assert cbor.loads(cbor.dumps(value)) == value
    assert cbor.dumps((1, 2)) == cbor.dumps([1, 2]) == b"\x82\x01\x02"
    assert cbor.dumps({"b": 1, 2: 1, -1: 1, "a": 1, 1: 1}) == bytes(
        [0xA5, 1, 1, 2, 1, 0x20, 1, 0x61, 97, 1, 0x61, 98, 1]
    )
    assert cbor.dumps(bytearray(b"ab")) == cbor.dumps(memoryview(b"ab")) == b"\x42ab"
    for value in (1 << 64, -(1 << 64) - 1, object(), {1, 2}, [object()]):
        try:
            cbor.dumps(value)
        except ValueError:
            continue
        raise AssertionError(value)


def test_cbor_true_and_false_are_no_integers():
    loaded = cbor.loads(b"\x84\xf5\xf4\x01\x00")
    assert [type(value) for value in loaded] == [bool, bool, int, int]
    assert cbor.dumps(loaded) == b"\x84\xf5\xf4\x01\x00"


def test_cbor_that_is_not_strict_is_refused():
    bad = (
        "", "18", "1817", "1900ff", "1a0000ffff", "1b00000000ffffffff", "3817", "5800", "5817"+"00"*23, "7800",
        "9800", "b800", "1c", "1d", "1e", "1f", "3f", "5f", "7f", "9f", "bf", "ff", "5f40ff", "9f01ff", "bf0101ff",
        "fc", "fd", "f7", "f0", "e0", "f818", "f820", "f97e00", "fa00000000", "fb0000000000000000", "c001", "d201",
        "d83d01", "c240", "41", "61", "4241", "81", "8201", "a1", "a101", "a2010201", "5bffffffffffffffff",
        "9bffffffffffffffff", "bbffffffffffffffff", "0000", "61ff", "62c0af", "63eda080", "a201020103",
        "a2616101616102", "a1f501", "a1f601", "a1410001", "a1800001", "a1a001",
        "1c" + "ff" * 16, "1f" + "ff" * 128,
    )  # fmt: skip
    for digits in bad:
        data = bytes([int(digits[i : i + 2], 16) for i in range(0, len(digits), 2)])
        assert refusal(cbor.loads, data)[0] == MALFORMED, digits


def test_cbor_nests_eight_deep():
    assert cbor.loads(b"\x81" * 8 + b"\x01")
    assert refusal(cbor.loads, b"\x81" * 9 + b"\x01") == (MALFORMED, "nesting")
    assert refusal(cbor.loads, b"\xa1\x01" * 9 + b"\x01") == (MALFORMED, "nesting")
    assert refusal(cbor.loads, b"\x81" * 4096) == (MALFORMED, "nesting")
    assert refusal(cbor.loads, b"\x81" * 8 + b"\x80") == (MALFORMED, "nesting")


def test_times_go_there_and_back():
    for text, value in (
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.001Z", 1),
        ("2000-02-29T00:00:00Z", 951782400000),
        ("2026-11-22T12:00:00Z", 1795348800000),
        ("2024-02-29T23:59:59.999Z", 1709251199999),
        ("2038-01-19T03:14:08Z", 2147483648000),
        ("2100-03-01T00:00:00Z", 4107542400000),
        ("9999-12-31T23:59:59.999Z", times.LAST_MS),
    ):
        assert times.parse(text) == value, text
        assert time_text.text(value) == text
    assert times.parse("2026-11-22T12:00:00.000Z") == 1795348800000


def test_every_day_of_130_years_has_one_date():
    day = 0
    for year in range(1970, 2101):
        for month in range(1, 13):
            length = times.month_days(year, month)
            for date in (1, 2, length - 1, length):
                number = day + date - 1
                assert times.days(year, month, date) == number
                assert times.civil(number) == (year, month, date)
            day += length
    assert day == times.days(2101, 1, 1)


def test_weekdays():
    for text, wanted in (("1970-01-01", 3), ("2000-02-29", 1), ("2026-11-22", 6), ("2026-11-23", 0)):
        start = times.parse(text + "T00:00:00Z")
        assert start is not None
        assert times.weekday(start // 1000) == wanted and times.weekday(start // 1000 + 86399) == wanted


def test_times_that_are_none_are_refused():
    bad = (
        "", "2026-11-22", "2026-11-22T12:00:00", "2026-11-22T12:00:00z", "2026-11-22t12:00:00Z",
        "2026-11-22 12:00:00Z", "2026-11-22T12:00:00+00:00", "2026-11-22T12:00:00.1Z", "2026-11-22T12:00:00.1234Z",
        "2026-11-22T12:00:00,123Z", "2026-11-22T12:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z", "2026-04-31T00:00:00Z", "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z", "2024-02-30T00:00:00Z", "2026-11-22T24:00:00Z", "2026-11-22T12:60:00Z",
        "2026-11-22T23:59:60Z", "1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "-026-11-22T12:00:00Z",
        "+026-11-22T12:00:00Z", "20 6-11-22T12:00:00Z", "2_26-11-22T12:00:00Z", "2026-1 -22T12:00:00Z",
        "2026-11-22T12:00:00.-12Z", "2026-11-22T12:00:00.1_2Z", "٢٠٢٦-11-22T12:00:00Z", "2026-11-22T12:00:00Ä",
        "2026/11/22T12:00:00Z", "2026-11-22T12.00.00Z", "12026-11-22T12:00:00Z", "2026-11-22T12:00:00ZZ",
        "2026-11-22T12:00:00.12ZZ", "2026-11-22T+2:00:00Z", "2026-11-22T 2:00:00Z", "2026-11-22T1_:00:00Z",
        "2026-11-22T12:00:0xZ", "2026-11-22T12:::::00Z",
    )  # fmt: skip
    for text in bad:
        assert times.parse(text) is None, text


def test_ids_of_every_kind():
    good = (
        (scope.OPERATOR, ("DE*ABC", "DEABC", "de*a1c", "DE*123")),
        (scope.PROVIDER, ("DE-XYZ", "DE*XYZ", "DEXYZ", "de-0z9")),
        (scope.POOL, ("DE*ABC*P1", "DEABCP1", "DE*ABCP1", "DEABC*P1", "DE*ABC*P" + "1" * 30, "DE*ABC*P*1*")),
        (scope.STATION, ("DE*ABC*S1", "DE*ABC*S" + "1" * 50)),
        (scope.EVSE, ("DE*ABC*E1*1", "de*abc*eabc", "DE*ABC*EE", "DE*ABC*E" + "1" * 30)),
    )
    for kind, texts in good:
        for text in texts:
            assert scope.parse(kind, text), text
            if kind != scope.PROVIDER:
                assert scope.kind_of(text) == kind, text
    bad = (
        (scope.OPERATOR, ("", "DE", "DE*AB", "DE*ABCD", "DE-ABC", "D1*ABC", "DE**ABC", "DE*ABC*", "*DEABC", "DE*A*C",
        "DE*ÄBC")), (scope.PROVIDER, ("DE--XYZ", "DE-XY", "DE-XYZ-", "DE_XYZ", "DE-XY-", "DE-XYZ1", "DE XYZ",
        "DE-ſYZ", "ıE-XYZ", "D\x00XYZ")), (scope.POOL, ("DE*ABC*P", "DE*ABC*P*", "DE*ABC*P***", "DE*ABC**P1",
        "DE*ABC*E1", "DE*ABC*P1-1", "DE*ABC*P"+"1"*31)), (scope.STATION, ("DE*ABC*S", "DE*ABC*S"+"1"*51, "DE*ABC*S1 ",
        "DE*ABC*P1")), (scope.EVSE, ("DE*ABC*E", "DE*ABC*E"+"1"*31, "DE*ABC*E1\n", "DE-ABC-E1", "DE*ABC*Eä",
        "+49*810*000*438", "DE*ABC")),
    )  # fmt: skip
    for kind, texts in bad:
        for text in texts:
            assert scope.parse(kind, text) is None, (kind, text)
    for text in ("", "DE-XYZ", "DE*ABC*X1", "DE*ABC*E"):
        assert scope.kind_of(text) is None


def same(kind, one, other):
    return scope.same(scope.parse(kind, one), scope.parse(kind, other))


def test_ids_are_compared_pairwise():
    for one, other in (
        ("DE*GEF*E12*3", "DEGEFE123"),
        ("DEGEFE123", "DE*GEF*E1*23"),
        ("DE*GEF*E12*3", "DEGEF*E12*3"),
        ("DE*GEF*E12*3", "de*gef*e12*3"),
        ("DE*GEF*E*123", "DE*GEF*E123"),
    ):
        assert same(scope.EVSE, one, other) and same(scope.EVSE, other, one), (one, other)
    for one, other in (
        ("DE*GEF*E12*3", "DE*GEF*E1*23"),
        ("DE*GEF*E12*3", "DE*GEF*E12*3*"),
        ("DE*GEF*E*123", "DE*GEF*E123*"),
        ("DE*GEF*E12*3", "DE*GEF*E124"),
        ("DE*GEF*E123", "DE*GEG*E123"),
        ("DE*GEF*E123", "AT*GEF*E123"),
    ):
        assert not same(scope.EVSE, one, other) and not same(scope.EVSE, other, one), (one, other)
    for one, other in (("DE-XYZ", "DE*XYZ"), ("DE-XYZ", "dexyz")):
        assert same(scope.PROVIDER, one, other)
    assert same(scope.OPERATOR, "DE*ABC", "DEABC") and not same(scope.OPERATOR, "DE*ABC", "DE*ABD")
    assert not same(scope.EVSE, "no id", "no id")


def test_both_ways_to_ask_for_ids_and_base64url_answer_alike():
    ids = (b"DE*ABC", b"de-xyz", b"DE*ABC*E1*1", b"DEABCP1", b"DE*ABC*S" + b"1" * 50, b"DE*ABC*E*1*", b"d1*abc", b"")
    for text in ids:
        for at in range(len(text) + 1):
            for byte in b"*-A9a z\x1f\x7f\xc4[`{":
                changed = text[:at] + bytes((byte,)) + text[at + 1 :]
                longer = text[:at] + bytes((byte,)) + text[at:]
                for one in (changed, longer):
                    for kind in (0, scope.OPERATOR, scope.PROVIDER, scope.POOL, scope.STATION, scope.EVSE):
                        assert span.valid(one, len(one), kind) == span_plain.valid(one, len(one), kind), (one, kind)
    for size in range(7):
        for byte in range(256):
            text = (b"QUJDQUJD"[:size] + bytes((byte,)))[-size - 1 :]
            out, plain = bytearray(len(text) * 3 // 4), bytearray(len(text) * 3 // 4)
            good = span.base64url(text, len(text), out)
            assert good == span_plain.base64url(text, len(text), plain) and (not good or out == plain), text
