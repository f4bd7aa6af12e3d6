"""The virtual cards by what they answer on the air, asked through the virtual PN532."""

import pytest
from ndef import message_decoder

from host_tests.host.pn532_host import Desk
from tools.virtual.cards import LOCK_TLV, ApduCard, MifareClassic, Ntag, PaymentCard, Type4Tag, ndef_message
from tools.virtual.cards_iso import Apdu
from tools.virtual.rf import Card, Frame, answer

NDEF_APPLICATION = bytes.fromhex("00a4040007d276000085010100")


def on_desk(card: Card) -> Desk:
    desk = Desk(card)
    desk.activate()
    return desk


def test_an_ndef_message_is_what_ndeflib_reads():
    (record,) = message_decoder(ndef_message("application/vnd.example", b"payload" * 99))
    assert (record.type, record.data) == ("application/vnd.example", b"payload" * 99)


@pytest.mark.parametrize(("kind", "pages", "size"), [(213, 45, 144), (215, 135, 504), (216, 231, 888)])
def test_an_ntag_has_the_memory_of_its_kind(kind, pages, size):
    tag = Ntag(kind, bytes(range(100)), bytes.fromhex("04112233445566"))
    desk = on_desk(tag)
    first = desk.exchange(b"\x30\x00")
    assert first is not None
    assert first[1:10] == bytes.fromhex("041122") + bytes((0x88 ^ 0x04 ^ 0x11 ^ 0x22,)) + b"\x33\x44\x55\x66\x44"
    assert first[13:15] == b"\xe1\x10" and first[15] * 8 in (size, size - 8, size - 16)
    assert desk.exchange(b"\x30\x04") == b"\x00\x03\x64" + bytes(range(14))
    last = desk.exchange(bytes((0x30, pages - 1)))
    assert last is not None and last[5:] == first[1:13], "reading rolls over to page 0"
    assert last[1:5] == bytes(4), "password and acknowledge are not for reading"
    assert desk.exchange(bytes((0x30, pages))) == b"\x13"
    assert len(tag.memory) == pages * 4
    Ntag(kind, raw=bytes(size))
    with pytest.raises(ValueError, match="do not fit"):
        Ntag(kind, raw=bytes(size + 1))


def test_after_a_nak_an_ntag_is_mute_until_it_is_selected_again():
    desk = on_desk(Ntag(215))
    assert desk.exchange(b"\x30\xff") == b"\x13"
    assert desk.exchange(b"\x30\x04") == b"\x01"
    desk.activate()
    assert desk.exchange(b"\x30\x04") != b"\x01"


def test_long_messages_have_a_length_of_three_bytes_and_may_come_behind_other_tlvs():
    message = bytes(range(256)) + b"!"
    plain, behind = Ntag(216, message), Ntag(216, message, leading=b"\x00" + LOCK_TLV[216])
    assert plain.memory[16:20] == b"\x03\xff\x01\x01" and plain.memory[20 : 20 + 257] == message
    assert plain.memory[277] == 0xFE
    assert behind.memory[16:26] == b"\x00\x01\x03\xe8\x0e\x66\x03\xff\x01\x01"
    assert Ntag(213, bytes(142)).memory[16:18] == b"\x03\x8e", "a full tag has no room for a terminator"


def test_fast_read_gives_a_range_and_get_version_the_kind():
    tag = Ntag(213, bytes(range(120)))
    desk = on_desk(tag)
    assert desk.thru(b"\x3a\x04\x13") == b"\x00" + tag.memory[16:80]
    assert desk.thru(b"\x60") == bytes.fromhex("000004040201000f03")
    assert desk.exchange(b"\x3a\x04\x05") == b"\x27", "the chip's own command set does not have it"
    assert desk.thru(b"\x3a\x05\x04") == b"\x02"


def test_writing_is_kept_and_locks_hold():
    tag = Ntag(215, b"old")
    desk = on_desk(tag)
    assert desk.exchange(b"\xa2\x05abcd") == b"\x00"
    assert tag.memory[20:24] == b"abcd" and tag.writes == 1
    assert desk.exchange(b"\xa2\x00abcd") == b"\x13", "the UID is not for writing"
    desk.activate()
    assert desk.exchange(b"\xa2\x02\x00\x00\x20\x00") == b"\x00"
    assert desk.exchange(b"\xa2\x05efgh") == b"\x13"
    assert tag.memory[20:24] == b"abcd"
    locked = Ntag(213, b"fixed", read_only=True)
    for page in (4, 15, 16, 0x27):
        assert on_desk(locked).exchange(bytes((0xA2, page)) + b"abcd") == b"\x13"
    assert locked.memory[15] == 0x0F and not locked.writes


def test_a_password_protects_from_its_page_on():
    tag = Ntag(215, bytes(40), password=b"open", protect_from=8, protect_reads=True)
    desk = on_desk(tag)
    assert desk.exchange(b"\x30\x04") == b"\x00" + tag.memory[16:32]
    assert desk.exchange(b"\x30\x08") == b"\x13"
    desk.field_off()
    desk.activate()
    assert desk.thru(b"\x1bshut") == b"\x02"
    desk.activate()
    assert desk.thru(b"\x1bopen") == b"\x00\x00\x00"
    assert desk.exchange(b"\x30\x08") == b"\x00" + tag.memory[32:48]
    assert desk.exchange(b"\xa2\x08abcd") == b"\x00"


def test_a_classic_opens_with_its_key_alone():
    desk = on_desk(MifareClassic(key=b"secret"))
    uid = bytes.fromhex("c0ffee42")
    assert desk.exchange(b"\x30\x04") == b"\x13"
    desk.activate()
    assert desk.exchange(b"\x60\x04" + b"guess!" + uid) == b"\x14"
    desk.activate()
    assert desk.exchange(b"\x60\x04" + b"secret" + uid) == b"\x00"
    assert desk.exchange(b"\xa0\x04" + bytes(range(16))) == b"\x00"
    assert desk.exchange(b"\x30\x04") == b"\x00" + bytes(range(16))
    assert desk.exchange(b"\x30\x08") == b"\x13", "another sector wants its own authentication"


def test_a_payment_card_does_not_know_us():
    desk = on_desk(PaymentCard())
    for aid in ("d2760000850101", "d2760000850100", "f0010203040506"):
        assert desk.exchange(bytes.fromhex("00a4040007" + aid + "00")) == b"\x00\x6a\x82"
    directory = desk.exchange(b"\x00\xa4\x04\x00\x0e2PAY.SYS.DDF01\x00")
    assert directory is not None and directory.endswith(b"\x90\x00") and directory[1] == 0x6F


@pytest.mark.parametrize(
    ("apdus", "last"),
    [
        (["00a4040007d276000085010000"], "6a82"),
        (["00a4000c02e103"], "6a82"),
        ([NDEF_APPLICATION.hex(), "00a4000c02e105"], "6a82"),
        ([NDEF_APPLICATION.hex(), "00b0000002"], "6982"),
        ([NDEF_APPLICATION.hex(), "00a4000c02e103", "00b000000f"], "000f200040003404" + "06e10401000" + "0ff9000"),
        ([NDEF_APPLICATION.hex(), "00a4000c02e104", "00b0010001"], "6b00"),
        ([NDEF_APPLICATION.hex(), "00a4000c02e104", "00b0000041"], "6700"),
        ([NDEF_APPLICATION.hex(), "00a4000c02e104", "00b000fe04"], "00006282"),
        ([NDEF_APPLICATION.hex(), "00a4000c02e104", "00b0000006"], "000568656c6c9000"),
        ([NDEF_APPLICATION.hex(), "00a4000c02e104", "00d6000002ffff"], "6982"),
        ([NDEF_APPLICATION.hex(), "00a4020c02e104"], "6a86"),
        (["00ca000000"], "6d00"),
        (["80a4040007d276000085010100"], "6e00"),
        (["00a404"], "6700"),
        (["00a4040009d276"], "6700"),
    ],
)
def test_a_type_4_tag_keeps_to_its_files(apdus, last):
    desk = on_desk(Type4Tag(b"hello", mle=64, mlc=52, size=256))
    got = [desk.exchange(bytes.fromhex(apdu)) for apdu in apdus]
    assert got[-1] == b"\x00" + bytes.fromhex(last)


def test_a_writable_type_4_tag_takes_what_fits():
    tag = Type4Tag(b"hello", mlc=4, size=16, writable=True)
    desk = on_desk(tag)
    desk.exchange(NDEF_APPLICATION)
    desk.exchange(bytes.fromhex("00a4000c02e104"))
    assert desk.exchange(bytes.fromhex("00d6000203") + b"HEL") == b"\x00\x90\x00"
    assert tag.files[0xE104][:7] == b"\x00\x05HELlo"
    assert desk.exchange(bytes.fromhex("00d6000205") + b"HELLO") == b"\x00\x67\x00"
    assert desk.exchange(bytes.fromhex("00d6000e03") + b"abc") == b"\x00\x6b\x00"


def test_apdus_are_taken_apart_in_every_form():
    assert (Apdu(bytes(4)).data, Apdu(bytes(4)).le) == (b"", 0)
    assert Apdu(bytes.fromhex("0000000000")).le == 256
    assert Apdu(bytes.fromhex("00000000000100")).le == 256
    assert Apdu(bytes.fromhex("00000000000000")).le == 65536
    short, extended = Apdu(bytes.fromhex("0000000002aabb05")), Apdu(bytes.fromhex("00000000000002aabb0005"))
    assert short.data == extended.data == b"\xaa\xbb" and short.le == extended.le == 5


class Air:
    """A host that speaks ISO/IEC 14443-4 itself, block by block, over InCommunicateThru."""

    def __init__(self, card: Card, rats: str = "e080"):
        self.desk = Desk(card)
        assert self.desk.command(0x12, b"\x00") == b"", "no automatic RATS"
        self.desk.activate()
        assert self.say(rats)[:1] == "0"

    def say(self, block: str) -> str:
        """The answer's bytes, or "silence"."""
        got = self.desk.thru(bytes.fromhex(block))
        assert got is not None
        return got[1:].hex() if got[0] == 0 else "silence"


def test_blocks_are_numbered_repeated_and_acknowledged():
    air = Air(ApduCard(lambda apdu: apdu + b"\x90\x00"))
    assert air.say("b2") == "a3", "a presence check before the first block"
    assert air.say("02cafe") == "02cafe9000"
    assert air.say("b2") == "02cafe9000", "lost, and sent once more"
    assert air.say("b3") == "a2", "a presence check"
    assert air.say("03beef") == "03beef9000"
    assert air.say("12aa") == "a2"
    assert air.say("13bb") == "a3"
    assert air.say("02cc") == "02aabbcc9000"
    assert air.say("ff00") == "silence"
    assert air.say("c2") == "c2"
    assert air.say("02cafe") == "silence"


def test_a_card_chains_what_exceeds_the_readers_frame():
    air = Air(ApduCard(lambda apdu: bytes(range(30)) + b"\x90\x00"), rats="e000")
    whole = bytes(range(30)).hex() + "9000"
    assert air.say("0200") == "12" + whole[:26]
    assert air.say("a3") == "13" + whole[26:52]
    assert air.say("b3") == "13" + whole[26:52]
    assert air.say("a2") == "02" + whole[52:]


def test_time_is_asked_for_and_must_be_granted():
    card = ApduCard(lambda apdu: (b"\x90\x00", 30_000), fwi=5)
    air = Air(card)
    assert air.say("0200") == "f204"
    assert air.say("0200") == "silence", "it is at work"
    assert air.say("f204") == "029000"
    assert card.apdus == [(b"\x00", b"\x90\x00")]


def test_an_apdu_card_learns_when_its_session_ends():
    ended = []
    desk = Desk(ApduCard(lambda apdu: b"\x90\x00", on_deselect=lambda: ended.append(1)))
    desk.activate()
    ended.clear()
    assert desk.command(0x52, b"\x00") == b"\x00"
    assert len(ended) == 1
    desk.field.take()
    assert len(ended) == 2


def test_a_card_is_gone_after_as_many_frames_as_it_was_put_for():
    for frames in range(12):
        card = Ntag(215)
        desk = Desk()
        desk.field.put(card, frames)
        desk.retries(0x02)
        listed = desk.command(0x4A, b"\x01\x00")
        assert listed is not None
        assert listed[0] == int(frames >= 5), "REQA and twice anticollision and select"
        reads = 0
        while listed[0] and desk.exchange(b"\x30\x04") != b"\x01":
            reads += 1
        assert reads == max(0, frames - 5)
        assert card.frames <= frames and card not in desk.field.cards


def test_cards_know_the_states_of_the_standard():
    card = Ntag(215)
    hear = lambda data, bits=None, crc=True: card.hear(Frame(data, bits or 8 * len(data), crc))  # noqa: E731
    assert hear(b"\x26", 7) is None, "without a field"
    card.reset("IDLE")
    assert hear(b"\x30\x00") is None
    assert hear(b"\x26", 7, False) is not None and card.state == "READY"
    assert hear(b"\x26", 7, False) is None and card.state == "IDLE"
    hear(b"\x52", 7, False)
    for level, part in enumerate(card.cascade()):
        select = bytes((0x93 + 2 * level,))
        assert hear(select + b"\x20", crc=False) is not None
        assert hear(select + b"\x70" + part) == answer(b"\x04" if not level else b"\x00")
    assert card.state == "ACTIVE"
    assert hear(b"\x50\x00") is None and card.state == "HALT"
    assert hear(b"\x26", 7, False) is None
    assert hear(b"\x52", 7, False) is not None
    assert hear(b"\x93\x70" + bytes(5)) is None and card.state == "HALT"
