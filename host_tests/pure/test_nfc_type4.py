"""Type 4 tags: applications, the capability container, and reading in pieces."""

from nfc_fakes import CWT, JWS, LINK, Link, Tag4, raised, reader_of, record, ticket

import nfc.type4 as type4
from nfc.errors import NO_NDEF, NOT_A_TICKET, TOO_LARGE, UNSUPPORTED_CARD, CardError, CardGone, NoTicket

read, problem, cause = reader_of(type4)


def reads(tag):
    """(offset, Le) of every READ BINARY of the NDEF file."""
    start = [i for i, c in enumerate(tag.commands) if c[:2] == b"\x00\xa4"][-1]
    return [(c[2] << 8 | c[3], c[4]) for c in tag.commands[start + 1 :]]


def test_tickets_of_many_sizes():
    for size in (0, 1, 15, 100, 209, 210, 211, 253, 254, 255, 256, 460, 461, 1300, 4096):
        assert read(Tag4(record(JWS, ticket(size)))) == ("jws", ticket(size)), size


def test_the_commands_of_one_read_are_those_of_the_standard():
    message = record(CWT, ticket(5))
    tag = Tag4(message)
    read(tag)
    assert tag.commands == [
        b"\x00\xa4\x04\x00\x07\xd2\x76\x00\x00\x85\x01\x01\x00",
        b"\x00\xa4\x00\x0c\x02\xe1\x03",
        b"\x00\xb0\x00\x00\x0f",
        b"\x00\xa4\x00\x0c\x02\xe1\x04",
        b"\x00\xb0\x00\x00\x02",
        b"\x00\xb0\x00\x02" + bytes((len(message),)),
    ]


def test_mapping_version_1_has_another_application():
    tag = Tag4(record(JWS, ticket(300)), version=0x10)
    assert read(tag) == ("jws", ticket(300))
    assert tag.commands[1] == b"\x00\xa4\x04\x00\x07\xd2\x76\x00\x00\x85\x01\x00"
    assert tag.commands[2] == b"\x00\xa4\x00\x00\x02\xe1\x03"


def test_mapping_version_3_has_four_byte_lengths():
    tag = Tag4(record(JWS, ticket(1300)), version=0x30)
    assert read(tag) == ("jws", ticket(1300))
    assert reads(tag)[:2] == [(0, 4), (4, 253)]


def test_no_piece_is_longer_than_the_tag_or_an_apdu_allows():
    for mle in (15, 59, 200, 253, 254, 255, 256, 1024, 65535):
        tag = Tag4(record(JWS, ticket(600)), mle=mle)
        assert read(tag) == ("jws", ticket(600))
        assert max(count for _, count in reads(tag)) == min(mle, 253)


def test_a_tag_that_answers_in_smaller_pieces_than_asked():
    for most in (2, 7, 100):
        tag = Tag4(record(JWS, ticket(300)), most=most)
        tag.files[b"\xe1\x03"] += bytes(3)
        assert problem(tag).cause == NO_NDEF if most < 15 else read(tag) == ("jws", ticket(300))


def test_reads_no_further_than_the_ticket():
    message = LINK + record(JWS, ticket(600), False, False) + record(b"a/b", bytes(3000), False)
    tag = Tag4(message)
    assert read(tag) == ("jws", ticket(600))
    at, count = reads(tag)[-1]
    assert at + count == 2 + len(message) - len(record(b"a/b", bytes(3000), False))


def test_without_an_ndef_application_or_its_files():
    tag = Tag4(record(JWS, b"t"))
    tag.application = b"\xa0\x00\x00\x00\x04\x10\x10"
    assert cause(tag) == NO_NDEF
    for file in (b"\xe1\x03", b"\xe1\x04"):
        tag = Tag4(record(JWS, b"t"))
        del tag.files[file]
        assert cause(tag) == NO_NDEF


def test_capability_containers():
    good = b"\x00\x0f\x20\x00\x3b\x00\x34\x04\x06\xe1\x04\x00\x64\x00\x00"
    found = type4.parse_cc(good)
    assert (found.file, found.size, found.prefix, found.le) == (0xE104, 100, 2, 59)
    assert type4.parse_cc(good[:-1] + b"\xff").file == 0xE104, "read-only is as good to us"
    bad = (
        (b"", NO_NDEF),
        (good[:-1], NO_NDEF),
        (b"\x00\x0e" + good[2:], NO_NDEF),
        (b"\x00\x10" + good[2:], NO_NDEF),
        (good[:2] + b"\x40" + good[3:], UNSUPPORTED_CARD),
        (good[:2] + b"\x00" + good[3:], UNSUPPORTED_CARD),
        (good[:3] + b"\x00\x0e" + good[5:], NO_NDEF),
        (good[:5] + b"\x00\x00" + good[7:], NO_NDEF),
        (good[:7] + b"\x05" + good[8:], NO_NDEF),
        (good[:8] + b"\x07" + good[9:], NO_NDEF),
        (good[:13] + b"\x80\x00", UNSUPPORTED_CARD),
        (good[:7] + b"\x06\x08" + good[9:], NO_NDEF),
    )
    for cc, why in bad:
        error = raised(type4.parse_cc, cc)
        assert isinstance(error, NoTicket) and error.cause == why, cc
    wide = b"\x00\x11\x30\x00\xff\x00\x34\x06\x08\xe1\x04\x00\x01\x00\x00\x00\x00"
    found = type4.parse_cc(wide)
    assert (found.size, found.prefix, found.le) == (0x10000, 4, 253)
    for size in range(len(wide)):
        assert isinstance(raised(type4.parse_cc, wide[:size]), NoTicket)


def test_a_long_capability_container_is_read_as_far_as_needed():
    tag = Tag4(record(JWS, b"t"))
    cc = tag.files[b"\xe1\x03"]
    for length in (23, 63, 64, 500):
        tag.files[b"\xe1\x03"] = length.to_bytes(2, "big") + cc[2:] + bytes(length - 15)
        assert read(tag) == ("jws", b"t")


def test_lengths_beyond_the_file_and_no_message():
    assert cause(Tag4(record(JWS, b"t"), nlen=0)) == NO_NDEF
    assert cause(Tag4(record(JWS, b"t"), nlen=60000)) == NO_NDEF
    assert cause(Tag4(record(JWS, b"t"), size=1)) == NO_NDEF
    message = record(JWS, b"t")
    assert read(Tag4(message, size=len(message) + 2)) == ("jws", b"t")
    assert cause(Tag4(message, size=len(message) + 1)) == NO_NDEF


def test_a_file_shorter_than_its_length_says_is_an_error_of_the_card():
    message = record(JWS, ticket(300))
    assert isinstance(problem(Tag4(message[:100], nlen=len(message), size=1000)), CardError)


def test_no_ticket_and_too_large_are_known_early():
    assert cause(Tag4(record(b"U", b"\x04example.org", tnf=1))) == NOT_A_TICKET
    tag = Tag4(record(JWS, bytes(4097)))
    assert cause(tag) == TOO_LARGE
    assert len(reads(tag)) == 2
    big = record(b"image/png", bytes(5000), last=False) + record(JWS, b"t", False)
    assert cause(Tag4(big)) == NOT_A_TICKET, "behind what the buffer holds"


def test_a_tag_that_goes_away_at_any_command_is_gone():
    tag = Tag4(record(JWS, ticket(600)))
    read(tag)
    for count in range(len(tag.commands)):
        assert isinstance(problem(tag, Link(tag, gone_after=count)), CardGone), count


def test_status_words_other_than_9000_are_errors():
    tag = Tag4(record(JWS, b"t"))
    answer = tag.answer
    tag.answer = lambda command: b"\x6c\x02" if command[:2] == b"\x00\xb0" else answer(command)
    assert isinstance(problem(tag), CardError)


def test_any_files_at_all_give_a_ticket_or_a_named_cause():
    state = 7
    for _ in range(300):
        tag = Tag4(LINK + record(JWS, ticket(60), False), version=(0x20, 0x30)[state & 1])
        for file in tag.files:
            data = bytearray(tag.files[file])
            state = (state * 1103 + 12345) & 0xFFFFF
            data[(state >> 8) % len(data)] = (0, 1, 4, 6, 0x7F, 0xFF, state & 255, state & 15)[state >> 5 & 7]
            tag.files[file] = bytes(data)
        try:
            assert read(tag)[0] in ("jws", "cwt")
        except (NoTicket, CardError):
            pass
