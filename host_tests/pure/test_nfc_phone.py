"""Phones: APDUs out and in, piece by piece, with patience and with an end to it."""

from nfc_fakes import JWS, Bus, Clock, Tag4, record, run

from nfc.errors import CARD_GONE, NOT_A_TICKET, READ_ERROR, UNSUPPORTED_CARD
from nfc.ndef import MAX_MESSAGE
from nfc.phone import Phone
from nfc.pn532 import Pn532
from nfc.reader import Reader
from present.session import Session
from ticket import cbor

E1 = "DE*ABC*E1*1"
SELECT = b"\x00\xa4\x04\x00\x08\xf0CHGTKT\x01\x00"
NOT_YET = b"\x69\x85"
OK = b"\x90\x00"


class App:
    """A phone in the field. `script`: {number of the APDU, from 0: answer instead of the right one}."""

    listed = bytes((0x03, 0x44, 0x20, 4)) + b"\x08\x01\x02\x03" + b"\x05\x78\x80\x70\x02"

    def __init__(self, message, most=253, version=b"\x01", later=0):
        self.stream = len(message).to_bytes(2, "big") + message
        self.most = most
        self.version = version
        self.later = later  # so many times it asks for patience before PRESENT
        self.script = {}
        self.apdus = []
        self.got = {0x10: b"", 0x14: b""}

    def answer(self, command):
        if command == b"\xb2":
            return b"\xa2"
        command = bytes(command)
        self.apdus.append(command)
        assert len(command) <= 255
        number = len(self.apdus) - 1
        if number in self.script:
            return self.script[number]
        if command == SELECT:
            self.got = {0x10: b"", 0x14: b""}
            return self.version + OK
        if command[0] != 0x80:
            return b"\x6a\x82"
        offset = command[2] << 8 | command[3]
        if command[1] == 0x12:
            assert command[4:] == b"\x00"
            if self.later:
                self.later -= 1
                return NOT_YET
            return self.stream[offset : offset + self.most] + OK
        data = command[5:]
        assert len(data) == command[4] and offset == len(self.got[command[1]])
        self.got[command[1]] += data
        return OK

    def message(self, instruction):
        stream = self.got[instruction]
        assert stream[0] << 8 | stream[1] == len(stream) - 2
        return cbor.loads(stream[2:])


def present(ticket=b"a ticket", **more):
    whole = {0: 1, 5: ticket}
    if more:
        whole[7] = more["signature"]
    return cbor.dumps(whole)


class Desk:
    """A reader with a phone handler, and what is laid on it."""

    def __init__(self, card, evses=(E1,), reader_id="reader-1"):
        self.clock = Clock()
        self.bus = Bus(self.clock)
        self.sessions = 0

        async def offer():
            return self.session(list(evses), reader_id)

        phone = Phone(offer, self.clock)
        self.reader = Reader(Pn532(self.bus, self.clock), phone)
        assert run(self.reader.read()) is None
        self.card = card
        self.bus.cards = [card]
        self.clock.slept = 0

    def session(self, evses, reader_id):
        self.sessions += 1
        nonce = bytes((self.sessions,)) * 32
        return Session(reader_id, evses, lambda: nonce, self.clock)

    def read(self):
        return run(self.reader.read())

    def tell(self, found, reason="GRANTED", **more):
        return run(self.reader.tell(found, found.session.verdict(reason, **more)))


def test_one_presentation_from_select_to_verdict():
    app = App(present(signature=bytes(64)))
    desk = Desk(app)
    found = desk.read()
    assert (found.kind, found.cause, found.presentation.ticket) == ("phone", "", b"a ticket")
    assert (found.presentation.carrier, found.presentation.proof.nonce) == ("phone", b"\x01" * 32)
    assert desk.tell(found, limits={"maxDuration": 60}, evse_id=E1)
    hello, verdict = app.message(0x10), app.message(0x14)
    assert hello == {0: 1, 1: "reader-1", 2: [E1], 3: b"\x01" * 32}
    assert verdict == {0: 1, 6: E1, 10: "GRANTED", 11: {13: 60}}
    size = len(app.got[0x10])
    assert app.apdus == [
        SELECT,
        b"\x80\x10\x00\x00" + bytes((size,)) + app.got[0x10],
        b"\x80\x12\x00\x00\x00",
        b"\x80\x14\x00\x00" + bytes((len(app.got[0x14]),)) + app.got[0x14],
    ]


def test_tickets_of_many_sizes_in_pieces_of_many_sizes():
    for size in (0, 1, 200, 244, 245, 246, 247, 500, 1300, 4096):
        for most in (7, 100, 253):
            app = App(present(bytes(i & 255 for i in range(size))), most)
            found = Desk(app).read()
            assert found.presentation.ticket == bytes(i & 255 for i in range(size)), (size, most)
            offsets = [c[2] << 8 | c[3] for c in app.apdus if c[1] == 0x12]
            assert offsets == list(range(0, len(app.stream), most))


def test_a_long_hello_goes_in_pieces():
    app = App(cbor.dumps({0: 1, 5: b"a ticket", 6: "y" * 56}))
    desk = Desk(app, ["x" * 56, "y" * 56, "z" * 56], "r" * 32)
    assert desk.read().presentation.evse_id == "y" * 56
    pieces = [c for c in app.apdus if c[1] == 0x10]
    assert [(c[2] << 8 | c[3], c[4]) for c in pieces] == [(0, 250), (250, len(app.got[0x10]) - 250)]
    assert app.message(0x10)[2] == ["x" * 56, "y" * 56, "z" * 56]


def test_a_phone_without_our_application_is_read_as_a_tag_at_once():
    tag = Tag4(record(JWS, b"from the tag"))
    found = Desk(tag).read()
    assert (found.kind, found.ticket) == ("type4", b"from the tag")
    assert tag.commands[0] == SELECT and tag.commands[1][:2] == b"\x00\xa4"


def test_an_answer_to_select_that_is_not_ours_falls_through_to_ndef():
    app = App(b"", version=b"\x6f\x0a\x84\x08")
    app.script = {1: b"\x6a\x82", 2: b"\x6a\x82"}
    found = Desk(app).read()
    assert (found.kind, found.cause) == ("type4", "NO_NDEF")
    assert [c[:2] for c in app.apdus] == [b"\x00\xa4"] * 3


def test_a_phone_of_another_version_is_named():
    desk = Desk(App(b"", version=b"\x02"))
    found = desk.read()
    assert (found.kind, found.cause, found.detail) == ("type4", UNSUPPORTED_CARD, "version")
    assert desk.sessions == 0


def test_a_phone_that_is_not_ready_is_asked_again():
    app = App(present(), later=60)
    desk = Desk(app)
    assert desk.read().presentation.ticket == b"a ticket"
    assert 6_000 <= desk.clock.slept < 7_000
    assert desk.sessions == 1


def test_that_a_driver_has_to_confirm_is_told_once_and_only_of_a_present():
    for later, told in ((0, 0), (1, 1), (30, 1)):
        app = App(present(bytes(600)), later=later)
        desk = Desk(app)
        desk.reader._phone._waiting = lambda desk=desk: desk.waited.append(desk.clock.slept)
        desk.waited = []
        found = desk.read()
        assert len(desk.waited) == told and found.presentation.ticket == bytes(600)
        assert all(at < 100 for at in desk.waited), "at the first word of it"
        app.script = {len(app.apdus): NOT_YET}
        assert desk.tell(found) and len(desk.waited) == told


def test_a_phone_that_is_never_ready_is_given_up_after_ten_seconds():
    app = App(present(), later=1 << 20)
    desk = Desk(app)
    found = desk.read()
    assert (found.cause, found.presentation) == (READ_ERROR, None)
    assert 10_000 <= desk.clock.slept < 11_000
    assert desk.sessions == 1, "no second wait of ten seconds"


def test_an_answer_that_comes_when_the_nonce_has_ended_is_no_presentation():
    app = App(present())
    desk = Desk(app)
    right = app.answer

    def slow(command):
        if bytes(command[:2]) == b"\x80\x12":
            desk.clock.pass_(10_000)
        return right(command)

    app.answer = slow
    found = desk.read()
    assert (found.cause, found.presentation) == (READ_ERROR, None)


def test_a_phone_that_says_no_is_not_asked_again():
    for number in (1, 2):
        for status in (b"\x6a\x83", b"\x69\x82", b"\x6d\x00", b"\x6f\x00", b"\x61\x10"):
            app = App(present())
            app.script = {number: status}
            found = Desk(app).read()
            assert (found.cause, len(app.apdus)) == (NOT_A_TICKET, number + 1), status


def test_a_phone_that_breaks_the_protocol_is_tried_again_and_then_given_up():
    broken = (OK, b"\x05" + OK, b"", b"\x90", b"\x00\x03\x01\x02\x03\x04" + OK, b"\x00\xff" + bytes(252) + OK)
    for answer in broken:
        app = App(present())
        app.script = {2: answer}
        desk = Desk(app)
        assert desk.read().presentation.ticket == b"a ticket", answer
        assert desk.sessions == 2, "with a new nonce"
        app = App(present())
        app.script = {2: answer, 5: answer, 8: answer}
        found = Desk(app).read()
        assert (found.cause, found.presentation) == (READ_ERROR, None), answer


def test_what_is_no_present_is_a_ticket_of_no_form():
    for message in (b"", b"\x01", cbor.dumps({0: 2, 5: b"x"}), cbor.dumps({0: 1}), present() + b"\x00"):
        desk = Desk(App(message))
        found = desk.read()
        assert (found.cause, found.presentation.ticket, found.presentation.proof) == ("", b"", None)
        assert desk.tell(found, "MALFORMED") and desk.card.message(0x14)[10] == "MALFORMED"


def test_a_present_that_is_too_large_is_not_read():
    app = App(present())
    app.stream = (MAX_MESSAGE - 1).to_bytes(2, "big") + bytes(MAX_MESSAGE)
    found = Desk(app).read()
    assert len(found.presentation.ticket) == 4097
    assert len(app.apdus) == 3


def test_a_phone_that_leaves_is_gone_and_hears_no_verdict():
    for count in (1, 2, 3, 4):
        app = App(present(bytes(600)))
        desk = Desk(app)
        right = app.answer
        app.answer = lambda command, right=right, app=app, count=count: (
            None if len(app.apdus) >= count else right(command)
        )
        found = desk.read()
        assert (found.cause, found.presentation) == (CARD_GONE, None), count
    desk = Desk(App(present()))
    found = desk.read()
    desk.bus.cards = []
    assert desk.tell(found) is False and desk.reader.fault == ""


def test_a_verdict_waits_a_second_for_a_phone_that_is_busy():
    app = App(present())
    app.script = {3: NOT_YET, 4: NOT_YET}
    desk = Desk(app)
    assert desk.tell(desk.read())
    app = App(present())
    for number in range(3, 100):
        app.script[number] = NOT_YET
    desk = Desk(app)
    found = desk.read()
    desk.clock.slept = 0
    assert desk.tell(found) is False
    assert 1_000 <= desk.clock.slept < 1_200


def test_a_chip_that_dies_before_the_verdict_is_a_fault_of_the_reader():
    desk = Desk(App(present()))
    found = desk.read()
    desk.bus.dead = True
    assert desk.tell(found) is False
    assert desk.reader.fault == "silent"


def test_any_answers_at_all_give_a_presentation_or_a_named_cause():
    state = 99
    kinds = set()
    for _ in range(150):
        app = App(present(bytes(700)))
        for number in range(1, 30):
            state = (state * 1103515245 + 12345) & 0x3FFFFFFF
            if state >> 12 & 3 < 2 and number % 3 == 2:
                size = state >> 16 & 15
                app.script[number] = bytes(i * state & 255 for i in range(size)) + (OK, NOT_YET, b"\x6a\x82")[state % 3]
        found = Desk(app).read()
        kinds.add(found.cause or "presentation")
        assert (found.presentation is None) == bool(found.cause)
    assert {"presentation", NOT_A_TICKET} <= kinds <= {"presentation", NOT_A_TICKET, READ_ERROR, "NO_NDEF"}, kinds
