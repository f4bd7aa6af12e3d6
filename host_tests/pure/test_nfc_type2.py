"""Type 2 tags: the capability container, the walk over TLVs, and reading no more than needed."""

from nfc_fakes import CWT, JWS, Link, Tag2, raised, reader_of, record, ticket, tlv

import nfc.type2 as type2
from nfc.errors import NO_NDEF, NOT_A_TICKET, UNSUPPORTED_CARD, CardError, CardGone, NoTicket

LOCK = b"\x01\x03\xa0\x0c\x34"  # as NTAG213 has it from the factory
END = b"\xfe"


read, problem, cause = reader_of(type2)


def test_tickets_of_all_sizes_around_the_block_edges():
    for size in tuple(range(40)) + tuple(range(210, 226)) + (500, 830):
        tag = Tag2(tlv(3, record(JWS, ticket(size))) + END)
        assert read(tag) == ("jws", ticket(size)), size


def test_without_fast_read_it_reads_all_the_same():
    for size in (0, 3, 30, 300, 800):
        link = Link(Tag2(tlv(3, record(CWT, ticket(size))) + END, fast=False))
        assert read(link.tag, link) == ("cwt", ticket(size))
        assert link.anew == 1, "a tag that refused a command has to be activated anew"
        assert len([1 for c in link.tag.commands if c[0] == 0x3A]) == 1, "it is not asked twice"


def test_fast_read_stays_within_16_pages_and_the_data_area():
    tag = Tag2(tlv(3, record(JWS, ticket(820))) + END, size=0x6D)
    read(tag)
    for command in tag.commands:
        if command[0] == 0x3A:
            assert 4 <= command[1] <= command[2] < 4 + 0x6D * 2
            assert command[2] - command[1] < 16


def test_reads_no_further_than_the_ticket():
    tag = Tag2(tlv(3, record(JWS, ticket(20))) + END, size=0x6D)
    read(tag)
    assert tag.commands == [b"\x30\x00", b"\x3a\x04\x13", b"\x30\x00"]
    tag = Tag2(tlv(3, record(JWS, ticket(20), last=False) + record(b"a/b", bytes(600), False)) + END, size=0x6D)
    read(tag)
    assert len(tag.commands) == 3, "what follows the ticket is not read"


def test_null_lock_memory_and_foreign_tlvs_are_passed_over():
    value = record(JWS, ticket(50))
    for before in (
        b"\x00",
        bytes(30),
        LOCK,
        LOCK + b"\x02\x03\xf0\x02\x34",
        b"\xfd\x02ab",
        tlv(0xFD, bytes(300)),
        tlv(0x55, b"xyz", long=True),
        tlv(1, b"\xa0\x0c\x34" + bytes(9)),
        tlv(1, b"\xa0\x0c\x34", long=True),
    ):
        assert read(Tag2(before + tlv(3, value) + END)) == ("jws", ticket(50)), before


def test_three_byte_lengths_even_where_one_would_do():
    assert read(Tag2(tlv(3, record(JWS, ticket(9)), long=True) + END)) == ("jws", ticket(9))


def test_a_message_may_end_with_the_area_without_terminator():
    data = tlv(3, record(JWS, ticket(76)))
    assert len(data) % 8 == 0
    assert read(Tag2(data)) == ("jws", ticket(76))
    data = bytes(4) + data[:-4]
    assert cause(Tag2(data)) == NO_NDEF, "and not behind it"


def test_a_tlv_at_the_very_end_of_the_area():
    data = bytes(8 * 20 - 2)
    assert cause(Tag2(data + b"\x03\x00")) == NO_NDEF
    assert cause(Tag2(data + b"\x00\x03")) == NO_NDEF
    assert cause(Tag2(data + b"\x03\xff")) == NO_NDEF
    assert cause(Tag2(data + b"\x03\x01")) == NO_NDEF
    assert cause(Tag2(data + b"\x00\xfe")) == NO_NDEF
    assert cause(Tag2(data + b"\x00\x00")) == NO_NDEF


def test_an_empty_message_before_another_is_none():
    assert cause(Tag2(b"\x03\x00" + tlv(3, record(JWS, b"t")) + END)) == NO_NDEF


def test_reserved_bytes_in_the_middle_belong_to_no_tlv():
    # Lock bytes at page 8, byte 2: 9 bits, so 2 bytes; reserved memory at page 10, 6 bytes. Pages of 4 bytes.
    lock = b"\x01\x03\x82\x09\x02"
    memory = b"\x02\x03\xa0\x06\x02"
    plain = lock + memory + tlv(3, record(JWS, ticket(40))) + END
    holes = ((8 * 4 + 2 - 16, 2), (10 * 4 - 16, 6))
    data = plain
    for at, size in holes:
        data = data[:at] + b"\xee" * size + data[at:]
    assert read(Tag2(data)) == ("jws", ticket(40))


def test_a_length_field_may_be_split_by_reserved_bytes():
    # Reserved: page 5, byte 2, three bytes: area offset 6…8.
    memory = b"\x02\x03\x52\x03\x02"
    plain = memory + tlv(3, record(JWS, ticket(300))) + END
    data = plain[:6] + b"\xee\xee\xee" + plain[6:]
    assert read(Tag2(data)) == ("jws", ticket(300))


def test_control_tlvs_that_are_broken_or_too_many():
    value = tlv(3, record(JWS, b"t")) + END
    assert cause(Tag2(b"\x01\x02\xa0\x0c" + value)) == NO_NDEF
    assert cause(Tag2(b"\x02\x00" + value)) == NO_NDEF
    assert read(Tag2(LOCK * 8 + value))[0] == "jws"
    assert cause(Tag2(LOCK * 9 + value)) == NO_NDEF


def test_an_area_that_is_reserved_whole_has_no_message():
    memory = b"\x02\x03\x50\x00\x02"  # from page 5 on, 256 bytes
    assert cause(Tag2(memory + tlv(3, record(JWS, b"t")) + END, size=20)) == NO_NDEF


def test_capability_containers():
    good = tlv(3, record(JWS, b"t")) + END
    assert read(Tag2(good, cc=b"\xe1\x10\x12\x00"))[0] == "jws"
    assert read(Tag2(good, cc=b"\xe1\x11\x12\x0f"))[0] == "jws", "read-only is as good to us"
    assert cause(Tag2(good, cc=b"\xe1\x20\x12\x00")) == UNSUPPORTED_CARD
    assert cause(Tag2(good, cc=b"\xe1\x10\x12\xf0")) == UNSUPPORTED_CARD
    assert cause(Tag2(good, cc=b"\x00\x00\x00\x00")) == NO_NDEF
    assert cause(Tag2(good, cc=b"\xe1\x10\x00\x00")) == NO_NDEF
    for size in range(4):
        assert raised(type2.parse_cc, b"\xe1\x10\x12\x00"[:size]).cause == NO_NDEF


def test_beyond_what_one_page_number_reaches():
    data = tlv(0xFD, bytes(1000)) + tlv(3, record(JWS, ticket(300)))
    assert cause(Tag2(data, size=0xFF, pages=512)) == UNSUPPORTED_CARD
    assert read(Tag2(tlv(3, record(JWS, ticket(900))), size=0xFF)) == ("jws", ticket(900))


def test_a_tlv_longer_than_the_area_is_refused_before_it_is_read():
    tag = Tag2(b"\x03\xff\x40\x00" + record(JWS, b"t"), size=0x12)
    assert cause(tag) == NO_NDEF
    assert len(tag.commands) == 2


def test_ndef_that_is_no_ticket():
    assert cause(Tag2(tlv(3, record(b"U", b"\x04example.org", tnf=1)) + END)) == NOT_A_TICKET
    assert cause(Tag2(tlv(3, record(JWS, ticket(4096))[:600]) + END)) == NOT_A_TICKET, "a record cut by its TLV"


def test_another_tag_in_the_middle_is_noticed():
    tag = Tag2(tlv(3, record(JWS, ticket(300))) + END)
    answer = tag.answer

    def swap(command):
        got = answer(command)
        if len(tag.commands) == 3:
            tag.memory[0:8] = b"\x04\x99\x22\x37\x33\x44\x55\x66"
        return got

    tag.answer = swap
    assert isinstance(problem(tag), CardError)


def test_a_tag_whose_memory_is_not_that_of_the_activated_one_is_refused():
    tag = Tag2(tlv(3, record(JWS, b"t")) + END)
    tag.memory[5] ^= 1
    assert isinstance(problem(tag), CardError)


def test_a_tag_that_goes_away_at_any_command_is_gone():
    tag = Tag2(tlv(3, record(JWS, ticket(300))) + END)
    read(tag)
    for count in range(len(tag.commands)):
        assert isinstance(problem(tag, Link(tag, gone_after=count)), CardGone), count


def test_answers_of_a_wrong_length_are_refused():
    for size in (0, 1, 15, 17, 60, 65):
        tag = Tag2(tlv(3, record(JWS, ticket(100))) + END)
        tag.answer = lambda command, size=size: bytes(size)
        assert isinstance(problem(tag), CardError)


def test_any_memory_at_all_gives_a_ticket_or_a_named_cause():
    base = LOCK + b"\x02\x03\x52\x03\x02\x00" + tlv(3, record(JWS, ticket(60))) + END
    state = 1
    for _ in range(400):
        data = bytearray(base)
        for _ in range(3):
            state = (state * 1103 + 12345) & 0xFFFFF
            data[(state >> 8) % len(data)] = (0, 1, 2, 3, 0xFE, 0xFF, state & 255, state & 15)[state >> 5 & 7]
        try:
            assert read(Tag2(bytes(data), size=1 + (state & 63)))[0] in ("jws", "cwt")
        except NoTicket:
            pass
