"""NDEF messages: which ticket is found, and which messages are none."""

from nfc_fakes import CWT, JWS, LINK, raised, record

import nfc.ndef as ndef
from nfc.errors import NOT_A_TICKET, TOO_LARGE, NoTicket


def parse(message):
    """Form and payload of the ticket in a whole message."""
    form, start, end = ndef.locate(memoryview(message), len(message), len(message))
    return form, bytes(message[start:end])


def cause(message):
    error = raised(parse, message)
    assert isinstance(error, NoTicket), error
    return error.cause


def test_both_forms():
    assert parse(record(JWS, b"a.b.c")) == ("jws", b"a.b.c")
    assert parse(record(CWT, b"\xd2\x84")) == ("cwt", b"\xd2\x84")


def test_short_and_long_records_with_and_without_id():
    for short in (True, False):
        for name in (b"", b"x", b"y" * 255):
            assert parse(record(JWS, b"ticket", name=name, short=short)) == ("jws", b"ticket")


def test_mime_types_have_no_case():
    assert parse(record(b"Application/Charging-Ticket+JWS", b"t")) == ("jws", b"t")


def test_the_first_ticket_counts_wherever_it_stands():
    two = LINK + record(CWT, b"first", False, False) + record(JWS, b"second", False)
    assert parse(two) == ("cwt", b"first")


def test_other_records_are_no_tickets():
    others = (
        record(b"text/plain", b"a.b.c"),
        record(JWS, b"t", tnf=1),
        record(JWS, b"t", tnf=4),
        record(JWS + b"x", b"t"),
        record(JWS[:-1] + b"x", b"t"),
        record(JWS[:-1], b"t"),
        record(b"", b"", tnf=0),
        record(b"", b"data", tnf=5),
        record(b"U", b"\x04example.org", tnf=1),
    )
    for message in others:
        assert cause(message) == NOT_A_TICKET


def test_an_empty_ticket_is_left_to_the_ticket_s_parser():
    assert parse(record(JWS, b"")) == ("jws", b"")


def test_chunks_are_refused():
    assert cause(record(JWS, b"t", last=False, flags=0x20) + record(b"", b"u", False, tnf=6)) == NOT_A_TICKET
    assert cause(record(b"U", b"u", last=False, tnf=1, flags=0x20) + record(JWS, b"t", False)) == NOT_A_TICKET
    assert cause(record(b"", b"t", tnf=6)) == NOT_A_TICKET
    assert cause(record(b"a/b", b"t", tnf=7)) == NOT_A_TICKET


def test_begin_and_end_flags_stand_where_they_belong():
    assert cause(record(JWS, b"t", first=False)) == NOT_A_TICKET
    assert cause(record(JWS, b"t", last=False)) == NOT_A_TICKET
    assert cause(record(JWS, b"t") + b"\x00") == NOT_A_TICKET
    assert cause(LINK + record(JWS, b"t")) == NOT_A_TICKET, "begins twice"
    assert cause(record(b"U", b"u", tnf=1) + record(JWS, b"t", False)) == NOT_A_TICKET, "ends before the ticket"


def test_empty_and_unknown_records_have_no_type():
    assert cause(record(b"x", b"", last=False, tnf=0) + record(JWS, b"t", False)) == NOT_A_TICKET
    assert cause(record(b"", b"x", last=False, tnf=0) + record(JWS, b"t", False)) == NOT_A_TICKET
    assert cause(record(b"x", b"", last=False, tnf=5) + record(JWS, b"t", False)) == NOT_A_TICKET
    assert cause(record(b"", b"x", last=False, tnf=2) + record(JWS, b"t", False)) == NOT_A_TICKET
    assert parse(record(b"", b"", last=False, tnf=0) + record(JWS, b"t", False)) == ("jws", b"t")
    assert parse(record(b"", b"x", last=False, tnf=5) + record(JWS, b"t", False)) == ("jws", b"t")


def test_every_cut_is_refused():
    for message in (record(JWS, b"ticket", name=b"id"), LINK + record(CWT, bytes(300), False)):
        for size in range(len(message)):
            assert cause(message[:size]) == NOT_A_TICKET, size


def test_a_ticket_of_4096_bytes_fits_and_one_more_does_not():
    assert parse(record(JWS, bytes(4096)))[1] == bytes(4096)
    assert cause(record(JWS, bytes(4097))) == TOO_LARGE


def test_a_ticket_that_ends_behind_the_buffer_is_too_large():
    before = record(b"a/b", bytes(600), last=False)
    assert cause(before + record(JWS, bytes(4096), False)) == TOO_LARGE
    assert parse(before + record(JWS, bytes(3900), False))[0] == "jws"


def test_lengths_of_four_gigabytes_are_just_wrong():
    message = bytearray(record(JWS, b"t", short=False))
    message[2:6] = b"\xff\xff\xff\xff"
    assert cause(message) == NOT_A_TICKET
    error = raised(ndef.locate, message, len(message), 0x7FFFFFFF)
    assert error.cause == NOT_A_TICKET


def test_too_large_is_known_before_the_payload_is_read():
    message = record(JWS, bytes(60000))
    error = raised(ndef.locate, message, 40, len(message))
    assert error.cause == TOO_LARGE


def test_only_so_many_records_are_walked():
    def many(count):
        out = record(b"", b"", last=False, tnf=0)
        for _ in range(count - 1):
            out += record(b"", b"", False, False, tnf=0)
        return out + record(JWS, b"t", False)

    assert parse(many(15)) == ("jws", b"t")
    assert cause(many(16)) == NOT_A_TICKET


def test_asks_for_just_what_it_needs_and_finds_the_same():
    for message in (record(JWS, b"ticket"), LINK + record(CWT, bytes(300), False, name=b"id"), record(JWS, b"")):
        have = 0
        form, start, end = ndef.locate(message, 0, len(message))
        while not form:
            assert have < end <= len(message)
            have = end
            # Nothing beyond what is there may be looked at.
            form, start, end = ndef.locate(message[:have], have, len(message))
        assert (form, message[start:end]) == parse(message)


def test_any_bytes_give_a_ticket_or_a_named_cause():
    message = bytearray(LINK + record(JWS, b"ticket", False, False) + record(b"U", b"u", False, tnf=1))
    for position in range(len(message)):
        for value in (0, 1, 0x10, 0x40, 0x80, 0xFF, message[position] ^ 8):
            old = message[position]
            message[position] = value
            try:
                form, payload = parse(message)
                assert form in ("jws", "cwt") and len(payload) <= len(message)
            except NoTicket as error:
                assert error.cause in (NOT_A_TICKET, TOO_LARGE)
            message[position] = old
