"""The reader: what one look at the field finds, card by card, and when a card has left."""

from nfc_fakes import ACK, CWT, JWS, Bus, Clock, Tag2, Tag4, raised, record, run, tlv

from nfc.errors import CARD_GONE, NO_NDEF, NOT_A_TICKET, READ_ERROR, TOO_LARGE, TWO_CARDS, UNSUPPORTED_CARD, CardError
from nfc.pn532 import Pn532
from nfc.reader import Found, Reader

TICKET = bytes((i * 31) & 255 for i in range(300))


class Classic:
    listed = b"\x00\x04\x08\x04\xc0\xff\xee\x42"

    def answer(self, command):
        return None


def ready(*cards, phone=None):
    """A started reader with the cards put on it, and its bus."""
    clock = Clock()
    bus = Bus(clock)
    reader = Reader(Pn532(bus, clock), phone)
    assert run(reader.read()) is None and reader.fault == ""
    bus.cards = list(cards)
    fresh(bus)
    return reader, bus


def fresh(bus):
    bus.writes.clear()
    bus.commands.clear()
    bus.clock.slept = 0


def paper():
    return Tag2(tlv(3, record(JWS, TICKET)) + b"\xfe")


def found(*cards):
    reader, bus = ready(*cards)
    got = run(reader.read())
    assert bus.clock.slept < 3000
    return got


def test_nothing_is_none():
    assert found() is None


def test_tickets_of_both_kinds_of_card():
    got = found(paper())
    assert (got.kind, got.form, got.ticket, got.cause) == ("type2", "jws", TICKET, "")
    got = found(Tag4(record(CWT, TICKET)))
    assert (got.kind, got.form, got.ticket, got.cause) == ("type4", "cwt", TICKET, "")


def test_a_ticket_outlives_the_next_read():
    reader, bus = ready(paper())
    got = run(reader.read())
    bus.cards = [Tag4(record(JWS, bytes(300)))]
    assert run(reader.read()).ticket == bytes(300)
    assert got.ticket == TICKET


def test_cards_without_a_ticket_say_why():
    assert found(paper(), Tag4(b"")).cause == TWO_CARDS
    assert found(Classic()).cause == UNSUPPORTED_CARD
    assert found(Tag2(b"\xfe")).cause == NO_NDEF
    assert found(Tag2(tlv(3, record(b"a/b", b"x")))).cause == NOT_A_TICKET
    assert found(Tag4(record(JWS, bytes(4097)))).cause == TOO_LARGE


def test_a_card_that_answers_badly_once_is_read_again():
    reader, bus = ready(paper())
    bus.faults = {2: lambda reply: ACK + b"\x00\x00\xff\x03\xfd\xd5\x41\x02\xe8\x00"}  # status 02: CRC
    got = run(reader.read())
    assert got.ticket == TICKET and reader.chip.counters["card_errors"] == 1


def test_a_card_that_leaves_in_the_middle_is_gone():
    for after in (1, 2, 3, 5):
        card = paper()
        reader, bus = ready(card)
        answer = card.answer

        def leave(command, answer=answer, after=after, card=card, bus=bus):
            if len(card.commands) >= after:
                bus.cards = []
                return None
            return answer(command)

        card.answer = leave
        got = run(reader.read())
        assert got.cause == CARD_GONE and got.ticket is None and reader.fault == ""
        assert bus.clock.slept < 1000


def test_a_card_that_never_answers_right_is_a_read_error():
    card = paper()
    card.answer = lambda command: b"\x00"
    reader, bus = ready(card)
    assert run(reader.read()).cause == READ_ERROR
    assert bus.count(0x4A) == 3


def test_a_card_that_dawdles_is_given_up():
    card = Tag4(record(JWS, TICKET), most=1)
    card.files[b"\xe1\x03"] = b"\x00\x0f" + card.files[b"\xe1\x03"][2:]
    reader, bus = ready(card)
    answer = card.answer

    def slowly(command):
        bus.clock.pass_(300)
        return answer(command)

    card.answer = slowly
    card.most = 255
    run(reader.read())
    card.most = 15  # long enough for the CC, and 23 reads for the rest
    fresh(bus)
    got = run(reader.read())
    assert got.cause == READ_ERROR and bus.clock.slept < 3200


def test_a_swapped_card_is_never_half_a_ticket():
    first, second = paper(), Tag2(tlv(3, record(JWS, bytes(300))) + b"\xfe", fast=False)
    second.listed = b"\x00\x44\x00\x07\x04\x99\x22\x33\x44\x55\x66"
    second.memory[0:8] = b"\x04\x99\x22\x37\x33\x44\x55\x66"
    for after in range(1, 9):
        reader, bus = ready(first)
        first.commands.clear()
        first.answer = lambda command, after=after, bus=bus: swap(command, after, bus)

        def swap(command, after, bus):
            if len(first.commands) >= after:
                bus.cards = [second]
                return second.answer(command)
            return Tag2.answer(first, command)

        got = run(reader.read())
        assert got.ticket in (TICKET, bytes(300)), (after, got.cause)


def test_a_dead_chip_is_reported_and_comes_back():
    reader, bus = ready()
    bus.dead = True
    assert run(reader.read()) is None and reader.fault == "silent"
    assert bus.clock.slept < 100
    assert run(reader.read()) is None, "a start was tried"
    writes = len(bus.writes)
    assert run(reader.read()) is None and len(bus.writes) == writes, "and not again at once"
    bus.dead = False
    bus.cards = [paper()]
    bus.clock.pass_(500)
    assert run(reader.read()).ticket == TICKET and reader.fault == ""


def test_a_chip_that_lost_its_settings_hangs_no_longer_than_its_deadline():
    reader, bus = ready()
    bus.overrides[0x4A] = None
    assert run(reader.read()) is None and reader.fault == "deadline"
    assert bus.clock.slept < 1000
    bus.overrides.clear()
    bus.cards = [paper()]
    assert run(reader.read()).ticket == TICKET


def test_a_chip_that_fails_under_a_card_is_a_read_error_of_that_tap():
    reader, bus = ready(paper())
    bus.overrides[0x42] = b"\x0d"
    got = run(reader.read())
    assert got.cause == READ_ERROR and reader.fault == "status"
    bus.overrides.clear()
    assert run(reader.read()).ticket == TICKET


def test_a_fault_at_every_write_of_a_tap_gives_the_ticket_or_none_and_then_the_ticket():
    reader, bus = ready(paper())
    run(reader.read())
    writes = len(bus.writes)
    assert writes > 8
    damage = lambda reply: reply[:-3] + bytes((reply[-3] ^ 4,)) + reply[-2:]  # noqa: E731
    faults = (
        lambda reply: b"",
        lambda reply: reply[: len(reply) // 2],
        lambda reply: reply[:6],
        damage,
        lambda reply: reply + reply,
        lambda reply: b"\x00\x00\xff\xff\x00\x00",
        lambda reply: ACK + b"\x00\x00\xff\x01\xff\x7f\x81\x00",
        lambda reply: b"\xff\x00\xff\x55" + reply,
        OSError(116),
    )
    for number in range(1, writes + 1):
        for kind, fault in enumerate(faults):
            reader, bus = ready(paper())
            bus.faults = {number: fault}
            got = run(reader.read())
            assert got is None or got.ticket == TICKET or got.cause in (READ_ERROR, CARD_GONE), (number, kind)
            bus.faults = {}
            for _ in range(3):
                if not got or got.ticket != TICKET:
                    got = run(reader.read())
            assert got.ticket == TICKET, (number, kind)
            assert bus.clock.slept < 3000, (number, kind)


def test_a_quiet_chip_is_set_up_anew_every_minute_and_that_is_no_fault():
    reader, bus = ready()
    faults = []

    async def wake(deadline):
        faults.append(reader.fault)

    bus.wake = wake
    for _ in range(5):
        bus.clock.pass_(20_000)
        run(reader.read())
    assert reader.chip.counters["starts"] == 2 and faults == [""]
    assert bus.count(0x14) == 1


def test_a_card_left_on_the_reader_has_not_gone():
    for card in (paper(), Tag4(record(JWS, TICKET)), Classic()):
        reader, _bus = ready(card)
        run(reader.read())
        for _ in range(20):
            assert not run(reader.gone())


def test_a_card_has_gone_after_three_looks_in_a_row():
    reader, bus = ready(paper())
    run(reader.read())
    card, bus.cards = bus.cards, []
    assert [run(reader.gone()) for _ in range(2)] == [False, False]
    bus.cards = card
    assert not run(reader.gone()), "it was only at the edge of the field"
    bus.cards = []
    assert [run(reader.gone()) for _ in range(3)] == [False, False, True]
    bus.cards = card
    assert run(reader.read()).ticket == TICKET
    bus.cards = []
    assert not run(reader.gone()), "each card is missed three times"


def test_of_two_cards_both_have_to_go():
    reader, bus = ready(paper(), paper())
    assert run(reader.read()).cause == TWO_CARDS
    for left in (2, 1):
        bus.cards = bus.cards[:left]
        assert not any([run(reader.gone()) for _ in range(5)])
    bus.cards = []
    assert [run(reader.gone()) for _ in range(3)] == [False, False, True]


def test_a_chip_that_dies_meanwhile_does_not_make_the_card_gone():
    reader, bus = ready(paper())
    run(reader.read())
    bus.dead = True
    for _ in range(10):
        bus.clock.pass_(600)
        assert not run(reader.gone())
    assert reader.fault
    bus.dead = False
    bus.clock.pass_(600)
    assert not run(reader.gone()) and not reader.fault


class Phone:
    def __init__(self, result):
        self.result = result
        self.asked = 0

    async def present(self, link, buffer):
        self.asked += 1
        data, status = await link.apdu(b"\x00\xa4\x04\x00\x08\xf0CHGTKT\x01\x00")
        assert status == 0x6A82 and len(data) == 0
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def test_a_phone_is_asked_before_ndef_and_only_on_iso_dep():
    phone = Phone(Found("phone", "jws", b"from the phone"))
    reader, bus = ready(Tag4(record(JWS, TICKET)), phone=phone)
    got = run(reader.read())
    assert (got.kind, got.ticket) == ("phone", b"from the phone")
    assert bus.count(0x40) == 1
    phone.result = None
    assert run(reader.read()).ticket == TICKET
    bus.cards = [paper()]
    assert run(reader.read()).ticket == TICKET
    assert phone.asked == 2
    phone.result = CardError("x")
    bus.cards = [Tag4(record(JWS, TICKET))]
    assert run(reader.read()).cause == READ_ERROR


def test_a_programming_error_is_not_swallowed():
    phone = Phone(KeyError("x"))
    reader, _ = ready(Tag4(record(JWS, TICKET)), phone=phone)
    assert isinstance(raised(run, reader.read()), KeyError)
