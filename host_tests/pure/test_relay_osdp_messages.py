import struct

from osdp_delivery import E1, E2, Delivery, sleeping
from osdp_line import KEY, Line, need_aes

from support import folder


class Claims:
    provider_id = "DE-XYZ"
    id = "DE-XYZ-CT-1"
    validation_method = "MustBeValidated"


@sleeping
def test_online_validation_takes_the_controllers_word_for_five_seconds(line):
    line.connect()
    for result, word in ((1, "yes"), (0, "no"), (7, "no")):
        asked = Delivery(line, line.relay.online(Claims, E2))
        asked.step()
        number, body = line.await_message(6)
        assert body == b"\x01\x01" + bytes(range(32)) + b"\x06DE-XYZ\x0bDE-XYZ-CT-1"
        line.say(0x86, bytes((1,)), number % 255 + 1)  # the answer to another question
        line.say(0x86, bytes((result,)), number)
        asked.step()
        assert asked.over and asked.value == word
    asked = Delivery(line, line.relay.online(Claims, E2))
    asked.step()
    asked.until(4900)
    assert not asked.over
    asked.until(200)
    assert asked.value == "silent"


@sleeping
def test_controller_that_does_not_validate_is_not_asked(line):
    line.connect(flags=0)
    asked = Delivery(line, line.relay.online(Claims, E1))
    asked.step()
    assert asked.value == "silent" and line.poll() is None


@sleeping
def test_controller_says_which_limits_it_enforces(line):
    enforces = line.relay.enforces
    assert not line.relay.accepts(E1, {})
    body = line.connect(limits=0b10001)
    assert body == struct.pack("<BIB", 1, 7, 2) + b"\x08reader-1\x0bDE*ABC*E1*1\x0bDE*ABC*E1*2"
    assert enforces == ["maxEnergy", "maxDuration", "maxPrice"] and line.relay.accepts(E1, {})
    line.say(0x81, b"\x01\x00\x00", 9)
    assert enforces == ["maxDuration"]
    assert line.say(0x81, b"\x02\x1f\x00", 9)[:2] == b"\x0f\x09"


@sleeping
def test_controller_sets_the_time_asks_the_status_and_says_what_it_has_collected(line):
    line.connect()
    assert line.say(0x88, struct.pack("<I", 1_795_392_000), 10) == struct.pack("<BBHHBI", 8, 10, 5, 0, 0, 1_795_392_000)
    assert line.say(0x88, struct.pack("<I", 1), 11)[6:] == struct.pack("<BI", 1, 1)
    assert line.say(0x8D, b"", 12) == struct.pack("<BBHH", 13, 12, 8, 0) + b"\x01status\x00"
    assert line.say(0x8C, struct.pack("<I", 40), 13) == struct.pack("<BBHHBII", 12, 13, 9, 0, 0, 41, 44)


@sleeping
def test_journal_comes_in_pieces_and_lets_everything_else_pass(line):
    line.connect()
    nonce = bytes(range(16))
    pieces = [line.say(0x8B, struct.pack("<II", 3, 9) + nonce, 12)]
    assert line.services.done == [("journal", 3, 9, nonce)]
    assert line.say(0x8D, b"", 1)[0] == 13
    while len(pieces[-1]) > 6:
        pieces.append(line.poll())
    got = b""
    for piece in pieces:
        assert piece[:6] == struct.pack("<BBI", 11, 12, len(got)) and len(piece) <= 64
        got += piece[6:]
    assert got == b"\xaa" * 100 + b"\xbb" * 16 and len(pieces) == 3 and line.poll() is None


@sleeping
def test_journal_under_way_ends_with_its_channel(line):
    line.connect()
    line.say(0x8B, bytes(24), 12)
    line.connect()
    assert line.poll() is None


def file(kind, size, offset, data):
    return struct.pack("<BIIH", kind, size, offset, len(data)) + data


def status(answer):
    assert answer[0] == 0x7A and answer[1][:3] == b"\x01\0\0" and answer[1][5:] == b"\0\0"
    return struct.unpack("<h", answer[1][3:5])[0]


@sleeping
def test_document_comes_as_a_file_and_its_outcome_as_a_message(line):
    line.connect()
    token = bytes(range(256)) * 2
    for outcome, result in (("ACCEPTED", 0), ("SAME", 0), ("FLOOR", 0), ("BAD_SIGNATURE", 1)):
        line.services.outcome = outcome
        assert status(line.command(0x7C, file(0x80, 512, 0, token[:200]))) == 0
        assert status(line.command(0x7C, file(0x80, 512, 200, token[200:400]))) == 0
        assert status(line.command(0x7C, file(0x80, 512, 400, token[400:]))) == 1
        assert status(line.command(0x7C, file(0x80, 512, 0, token[:200]))) == -1  # one is still being judged
        line.relay.link._judge()
        assert line.poll() is None
        line.relay.link._judge()
        data = line.poll()
        assert data[0] == 0x0A and data[6:] == bytes((result, len(outcome))) + outcome.encode()
    assert line.services.done == [("document", token)] * 4


@sleeping
def test_part_of_a_file_is_forgotten_with_its_channel(line):
    line.connect()
    for lost in (lambda: line.pass_ms(8100), line.connect):
        assert status(line.command(0x7C, file(0x80, 400, 0, bytes(200)))) == 0
        assert len(line.relay.link._file.held) == 400
        lost()
        assert not line.relay.link._file.held
        line.connect()
        assert status(line.command(0x7C, file(0x80, 400, 200, bytes(200)))) == -3


@sleeping
def test_file_that_is_not_as_it_should_be_is_refused(line):
    line.connect()
    part = bytes(100)
    for wrong, answer in (
        (file(0x01, 200, 0, part), -2),
        (file(0x80, 16385, 0, part), -1),
        (file(0x80, 99, 0, part), -3),
        (file(0x80, 200, 100, part), -3),
        (file(0x80, 200, 0, part) + b"\0", -3),
        (file(0x80, 200, 0, part)[:-1], -3),
        (file(0x80, 200, 0, b""), -3),
        (bytes(10), -3),
        (b"", -3),
    ):
        assert status(line.command(0x7C, wrong)) == answer, wrong[:11]
    assert status(line.command(0x7C, file(0x80, 200, 0, part))) == 0
    assert status(line.command(0x7C, file(0x80, 200, 50, part))) == -3
    assert status(line.command(0x7C, file(0x80, 200, 0, part))) == 0  # anew
    assert status(line.command(0x7C, file(0x80, 200, 100, part))) == 1
    line.relay.link._judge()
    assert line.services.done == [("document", bytes(200))]


@sleeping
def test_what_cannot_be_understood_is_rejected_and_changes_nothing(line):
    line.greet()
    line.await_message(1)
    assert line.say(0x88, bytes(4), 3)[6:] == b"\x88\x02"  # before CONTROLLER
    line.say(0x81, b"\x01\x1f\x01")
    for id, body, why in (
        (0x80, b"", 0),
        (0x8A, b"", 0),
        (0x8E, b"", 0),
        (0xFF, b"", 0),
        (0x01, b"", 0),
        (0x88, b"\0\0\0", 1),
        (0x88, bytes(5), 1),
        (0x87, b"\x02\0", 1),
        (0x85, struct.pack("<IBII", 42, 9, 0, 0), 1),
    ):
        assert line.say(id, body, 77) == struct.pack("<BBHHBB", 15, 77, 2, 0, id, why)
    assert line.services.done == [] and line.pass_ms(1000) == []


def test_key_that_everybody_knows_or_none_is_not_used():
    need_aes()
    for key in (b"0123456789:;<=>?", bytes(16), KEY[:-1], KEY + b"\0"):
        try:
            Line(folder(), key=key)
        except ValueError:
            continue
        raise AssertionError(key)


def test_address_and_speed_must_be_given_right():
    for config in ({}, {"address": 127}, {"address": -1}, {"address": True}, {"address": 1, "baud": 1200}):
        need_aes()
        from relay.osdp_setup import link

        try:
            link(config, None, None, None, "")
        except ValueError:
            continue
        raise AssertionError(config)
