"""Cards and phones that mean harm: whatever one answers, the loop goes on, nothing is granted, the next tap works."""

import pytest

from host_tests.board.nfc_faults import GRANT_LIMIT_S, FaultStation, make_card, refused_card
from tools.virtual.cards import MifareClassic, Ntag, PaymentCard, Type4Tag, ndef_message
from tools.virtual.cards_iso import OK, ApduCard, IsoDepCard
from tools.virtual.phone import AID, HELLO, NOT_YET, PRESENT, VERDICT, Phone, Wallet
from tools.virtual.rf import answer

MIME = "application/charging-ticket+jws"
SELECT = b"\x00\xa4\x04\x00\x08" + AID + b"\x00"
BLINK_S = 0.25
CARD_S, PHONE_S = 4, 14  # when the driver has been told at the latest: by a card, by a phone
SECOND_US = 1_000_000


class Endless(IsoDepCard):
    """Asks for more time, again and again: for an APDU, or only when the reader wants to let go of it."""

    name = "endless"

    def __init__(self, goodbye=False, **part4):
        self.goodbye = goodbye
        super().__init__(bytes.fromhex("08e0e0e0"), **part4)

    def apdu(self, command):
        return b"\x90" if self.goodbye else (OK, 10 * 3600 * SECOND_US)

    def block(self, data):
        if self.goodbye and data[:1] in (b"\xc2", b"\xf2"):
            return answer(b"\xf2\x3b", self.fwt_us // 2)
        return super().block(data)


class Dripping(IsoDepCard):
    """Chains every answer in blocks of one byte and takes its time for each."""

    name = "dripping"

    def apdu(self, command):
        return bytes(4000) + OK

    def _next(self, delay_us=0):
        part, self._rest = self._rest[:1], self._rest[1:]
        self._chaining = bool(self._rest)
        return self._send(bytes((0x02 | (0x10 if self._rest else 0) | self._number,)) + part, self.fwt_us * 9 // 10)


class Liar(Type4Tag):
    """Says something else of itself than is true: in its ATS, its CC, or the length of its file from read to read."""

    def __init__(self, message, lying_ats=None, mle=None, lengths=(), **part4):
        super().__init__(message, uid=bytes.fromhex("04c4c4c4c4c481"), **part4)
        self.lying_ats, self.lengths, self.true_length = lying_ats, list(lengths), len(message)
        if mle is not None:
            self.files[0xE103][3:5] = mle.to_bytes(2, "big")

    def ats(self):
        return super().ats() if self.lying_ats is None else self.lying_ats

    def apdu(self, command):
        if command[:2] == b"\x00\xb0" and self.lengths and self._file is self.files[0xE104]:
            self.files[0xE104][:2] = self.lengths.pop(0).to_bytes(2, "big")
        return super().apdu(command)


def teasing(present, later=1, step=1):
    """A phone that gives its PRESENT in pieces of `step` bytes and asks for patience before each."""
    asked = 0

    def apdu(command):
        nonlocal asked
        if command == SELECT:
            return b"\x01" + OK
        if command[1] == HELLO:
            return OK
        if command[1] in (PRESENT, VERDICT):
            asked += 1
            offset = command[2] << 8 | command[3]
            if asked % (later + 1) or command[1] == VERDICT:
                return NOT_YET
            return present[offset : offset + step] + OK
        return b"\x6a\x82"

    return ApduCard(apdu)


@pytest.fixture(scope="module")
def station(provisioned, tmp_path_factory):
    with FaultStation(provisioned, tmp_path_factory.mktemp("attacks"), "hsu") as made:
        yield made


def attack(station, card, limit_s, left_on_s=0.0):
    """Holds the card to the reader; what was said of it. Then a good card must be granted in time."""
    station.make_room(1)
    board, rises = station.board, station.rises()
    said, resets = len(board.console_log), len(board.resets)
    station.chip.field.put(card)
    assert station.world.run_until(lambda: bool(station.said_since(said)), limit_s), "the driver is told in time"
    verdict = station.said_since(said)
    station.world.run(left_on_s)
    assert station.rises() == rises, "nothing was granted"
    station.settle()
    assert "Traceback" not in board.console_log[said:]
    assert station.good_tap() <= GRANT_LIMIT_S
    assert len(board.resets) == resets, "no watchdog bit and no exception was raised"
    return verdict


def chip_resets(station):
    return sum(1 for _, pin, level in station.board.pins.trace if pin == station.pins["NFC_RESET"] and level == 0)


def test_what_holds_no_ticket_is_known_in_a_blink(station):
    foreign = {
        "UNSUPPORTED_CARD": MifareClassic(),
        "NO_NDEF": PaymentCard(),
        "NOT_A_TICKET": Ntag(215, ndef_message("text/plain", b"hello")),
    }
    for cause, card in foreign.items():
        assert attack(station, card, BLINK_S) == cause
    station.chip.field.put(Ntag(213))
    assert attack(station, PaymentCard(), BLINK_S) == "TWO_CARDS"
    assert attack(station, ApduCard(lambda command: b"\x6a\x82"), BLINK_S) == "NO_NDEF"


@pytest.mark.parametrize("fwi", [4, 8, 14])
def test_a_card_that_asks_for_more_time_for_ever(station, fwi):
    before = chip_resets(station)
    assert attack(station, Endless(fwi=fwi), CARD_S) == "CARD_GONE"
    if fwi < 14:
        assert attack(station, Endless(goodbye=True, fwi=fwi), CARD_S, left_on_s=5) in ("CARD_GONE", "READ_ERROR")
    assert chip_resets(station) <= before + 1, "the card is to blame, not the chip; once a minute it is set up anew"


def test_a_card_that_keeps_the_chip_from_listing_it_brings_no_grant_and_is_forgotten_when_it_leaves(station):
    """The chip seems to hang: that is started anew, as when it has lost its settings, until the card is gone."""
    said = len(station.board.console_log)
    station.make_room(1)
    rises, resets = station.rises(), len(station.board.resets)
    station.chip.field.put(Endless(goodbye=True, fwi=14))
    station.world.run(10)
    assert station.rises() == rises and not station.said_since(said)
    station.settle()
    assert station.good_tap() <= GRANT_LIMIT_S
    assert len(station.board.resets) == resets


def test_a_card_that_chains_its_answers_byte_by_byte(station):
    assert attack(station, Dripping(bytes.fromhex("08d0d0d0"), fwi=12), CARD_S) in ("CARD_GONE", "READ_ERROR")


@pytest.mark.parametrize("ats", [b"\x00", b"\xff", b"\x05\x7f\x00\xf0\x00", bytes(20)])
def test_a_card_that_lies_in_its_answer_to_select(station, ats):
    before = chip_resets(station)
    message = ndef_message(MIME, station.provisioned.ticket(validOperators=["DE*XYZ"]))
    assert attack(station, Liar(message, lying_ats=ats), CARD_S) in ("WRONG_OPERATOR", "READ_ERROR", "CARD_GONE")
    assert chip_resets(station) <= before + 1


@pytest.mark.parametrize("mle", [0, 1, 14])
def test_a_card_that_wants_to_be_read_in_pieces_of_next_to_nothing(station, mle):
    message = ndef_message(MIME, station.provisioned.ticket())
    assert attack(station, Liar(message, mle=mle), 1) == "NO_NDEF"


@pytest.mark.parametrize("lengths", [[0], [1], [0xFFFF], [3, 400, 0], [40, 0xFFFF, 2]])
def test_a_file_whose_length_changes_from_read_to_read(station, lengths):
    message = ndef_message(MIME, station.provisioned.ticket(validOperators=["DE*XYZ"]))
    verdict = attack(station, Liar(message, lengths=lengths), CARD_S)
    assert verdict in ("NO_NDEF", "NOT_A_TICKET", "WRONG_OPERATOR", "READ_ERROR")


def test_a_phone_that_gives_its_present_byte_by_byte_between_requests_for_patience(station):
    present = b"\x11\xfe" + bytes(0x11FE)
    assert attack(station, teasing(present), PHONE_S) == "READ_ERROR"
    assert attack(station, teasing(present, later=0), PHONE_S) == "READ_ERROR"


def test_a_phone_that_is_too_busy_to_hear_its_verdict(station):
    present = b"\x00\x01\xa0"
    assert attack(station, teasing(present, step=253), CARD_S) == "MALFORMED"


def test_a_phone_that_gives_its_present_when_its_time_is_over(station):
    late = Phone(Wallet(station.provisioned.ticket()), confirm_s=10.05)
    assert attack(station, late, PHONE_S) == "READ_ERROR"


@pytest.mark.parametrize("kind", ["type4", "ntag215", "phone"])
def test_a_second_card_that_comes_while_the_first_is_read(station, kind):
    """The first one's ticket, or none: never a mixture, and never a grant for the second."""
    provisioned = station.provisioned
    ticket = provisioned.ticket(validOperators=["DE*XYZ"])
    for after in (4, 9):
        first = Phone(Wallet(ticket)) if kind == "phone" else refused_card(kind, provisioned)
        second = make_card("ntag216", provisioned, validOperators=["DE*XYZ"])
        heard = first.hear

        def hear(frame, first=first, second=second, heard=heard, after=after):
            if first.frames == after:
                station.chip.field.put(second)
            return heard(frame)

        first.hear = hear
        verdict = attack(station, first, CARD_S)
        assert verdict in ("WRONG_OPERATOR", "TWO_CARDS", "CARD_GONE", "READ_ERROR"), (after, verdict)


def test_a_card_that_swaps_its_ticket_while_it_is_read(station):
    """The beginning of one and the end of another: the signature tells."""
    good = ndef_message(MIME, station.provisioned.ticket(validEVSEIds=["DE*ABC*E1*3"]))
    other = ndef_message(MIME, station.provisioned.ticket(validEVSEIds=["DE*ABC*E1*3"], maxDuration=2))
    assert len(good) == len(other)

    class Swapping(Ntag):
        reads = 0

        def hear(self, frame):
            self.reads += frame.data[:1] == b"\x3a"
            if self.reads == 2:
                self.memory[80 : 80 + len(other) - 64] = other[64:]
            return super().hear(frame)

    assert attack(station, Swapping(216, good), CARD_S) in ("BAD_SIGNATURE", "MALFORMED")
