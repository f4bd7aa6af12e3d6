"""The virtual PN532 itself, frame by frame. That it is like the real one, other people's drivers say in peers/."""

import pytest

from host_tests.host.pn532_host import WAKE_UP, Desk
from tools.virtual.cards import ApduCard, MifareClassic, Ntag, PaymentCard, Type4Tag
from tools.virtual.pn532 import ACK, ERROR, NACK, FrameParser, frame
from tools.virtual.rf import crc_a

VERSION = bytes.fromhex("32010607")
ASK_VERSION = frame(b"\xd4\x02")
NTAG = bytes.fromhex("04a1b2c3d4e580")


def test_crc_a_is_that_of_the_standard():
    assert crc_a(b"\x00\x00") == b"\xa0\x1e"  # ISO/IEC 14443-3 annex B
    assert crc_a(b"\x12\x34") == b"\x26\xcf"


def test_a_sleeping_chip_loses_what_comes_before_its_wake_up():
    desk = Desk(ready=False)
    assert desk.raw(ASK_VERSION) == b"", "a frame's own edges wake it at best, the frame is lost"
    assert desk.raw(WAKE_UP + ASK_VERSION) == ACK + frame(b"\xd5\x03" + VERSION)


def test_a_wake_up_that_leaves_no_time_to_wake_is_in_vain():
    desk = Desk(ready=False)
    assert desk.raw(b"\x55" + ASK_VERSION) == b""
    assert desk.raw(ASK_VERSION) == ACK + frame(b"\xd5\x03" + VERSION)


def test_in_low_vbat_no_card_is_ever_found():
    desk = Desk(Ntag(215), ready=False)
    desk.raw(WAKE_UP)
    desk.retries(0)
    assert desk.command(0x4A, b"\x01\x00", seconds=5) is None
    assert desk.command(0x14, b"\x01") == b""
    assert desk.command(0x4A, b"\x01\x00") is not None


@pytest.mark.parametrize("before", [b"", b"\x00", bytes(40), b"\x00\xff\x12\x34", b"\xff\xff\x00\x00\x55"])
@pytest.mark.parametrize("after", [b"", bytes(7), b"\xaa"])
def test_any_preamble_and_postamble_will_do(before, after):
    desk = Desk()
    assert desk.raw(before + ASK_VERSION[1:-1] + after) == ACK + frame(b"\xd5\x03" + VERSION)


@pytest.mark.parametrize("at", range(3, 8))
def test_a_frame_with_a_wrong_length_or_checksum_is_passed_over(at):
    desk = Desk()
    broken = bytearray(ASK_VERSION)
    broken[at] ^= 1
    got = desk.raw(bytes(broken))
    assert got == b""
    assert desk.raw(bytes(300) + ASK_VERSION).endswith(frame(b"\xd5\x03" + VERSION))


@pytest.mark.parametrize(
    "data",
    [
        "d4",
        "d442"[:2] + "20",
        "d5" + "02",
        "d40e01",
        "d41409",
        "d44a",
        "d44a0300",
        "d44a0105",
        "d43205ff01",
        "d41009",
        "d403",
    ],
)
def test_what_is_no_command_gets_an_ack_and_an_error_frame(data):
    assert Desk().raw(frame(bytes.fromhex(data))) == ACK + ERROR


def test_extended_frames_go_both_ways():
    desk = Desk()
    echo = bytes(1) + bytes(value & 0xFF for value in range(262))
    assert desk.command(0x00, echo) == echo
    assert desk.raw(frame(b"\xd4\x00" + echo + b"!"), 0.2) == b"", "266 bytes are more than a frame may carry"


def test_an_extended_frame_may_be_short():
    assert Desk().raw(bytes.fromhex("0000ffffff0002fed4022a00")) == ACK + frame(b"\xd5\x03" + VERSION)


def test_the_hosts_ack_ends_a_command_and_nothing_more_comes_of_it():
    desk = Desk()
    assert desk.raw(frame(b"\xd4\x4a\x01\x00"), 1) == ACK
    assert desk.raw(ACK) == b""
    desk.field.put(Ntag(215))
    assert desk.raw(b"", 1) == b""
    assert desk.command(0x02) == VERSION


def test_a_new_command_takes_the_place_of_the_running_one():
    desk = Desk()
    assert desk.raw(frame(b"\xd4\x4a\x01\x00"), 1) == ACK
    assert desk.raw(ASK_VERSION) == ACK + frame(b"\xd5\x03" + VERSION)


def test_a_nack_brings_the_last_response_again():
    desk = Desk()
    desk.command(0x02)
    assert desk.raw(NACK) == frame(b"\xd5\x03" + VERSION)
    assert desk.raw(NACK) == frame(b"\xd5\x03" + VERSION)


def test_the_parser_survives_any_bytes():
    parser = FrameParser()
    for value in range(65536):
        for byte in (0x00, 0xFF, value >> 8, value & 0xFF):
            parser.feed(byte)
    for byte in bytes(300):
        parser.feed(byte)
    assert [found for byte in ASK_VERSION if (found := parser.feed(byte))] == [("data", b"\xd4\x02", ASK_VERSION[1:-1])]


@pytest.mark.parametrize(
    ("card", "listed"),
    [
        (Ntag(215, uid=NTAG), "0101" + "0044" + "00" + "07" + NTAG.hex()),
        (Type4Tag(uid=NTAG), "0101" + "0044" + "20" + "07" + NTAG.hex() + "0575008000"),
        (MifareClassic(), "0101" + "0004" + "08" + "04" + "c0ffee42"),
        (PaymentCard(), "0101" + "0044" + "20" + "04" + "08a0b0c0" + "097500800080318065"),
        (Ntag(215, uid=bytes.fromhex("04000000000001")), "0101" + "0044" + "00" + "07" + "04000000000001"),
    ],
)
def test_a_card_is_listed_as_the_chip_writes_it(card, listed):
    assert Desk(card).activate().hex() == listed


def test_without_a_card_the_list_is_empty_after_the_retries_and_never_for_ff():
    desk = Desk()
    desk.retries(0x03)
    before_us = desk.world.now_us
    assert desk.command(0x4A, b"\x01\x00") == b"\x00"
    assert 10_000 < desk.world.now_us - before_us < 60_000
    desk.retries(0xFF)
    assert desk.command(0x4A, b"\x01\x00", seconds=3600) is None
    desk.field.put(Ntag(215))
    desk.got.clear()
    desk.world.run(0.1)
    assert desk.got.startswith(b"\x00\x00\xff") and NTAG in desk.got


def test_other_technologies_find_nothing():
    desk = Desk(Ntag(215))
    desk.retries(0x01)
    assert desk.command(0x4A, b"\x01\x03\x00") == b"\x00"
    assert desk.command(0x4A, b"\x01\x01\x00\xff\xff\x01\x00") == b"\x00"
    assert desk.command(0x60, b"\x01\x01\x11\x23") == b"\x00"
    polled = desk.command(0x60, b"\x02\x01\x23\x10")
    assert polled == b"\x01\x10\x0c\x01\x00\x44\x00\x07" + NTAG


def test_two_cards_are_told_apart_and_both_can_be_read():
    first, second = Ntag(215, b"one", NTAG), Type4Tag(b"two", bytes.fromhex("08a1b2c3"))
    desk = Desk(first, second)
    desk.retries(0x02)
    listed = desk.command(0x4A, b"\x02\x00")
    assert listed is not None and listed[0] == 2
    assert NTAG in listed and b"\x08\xa1\xb2\xc3" in listed
    ntag = 1 if listed.index(NTAG) < 12 else 2
    for _ in range(2):
        assert desk.command(0x40, bytes((ntag, 0x30, 4))) == b"\x00" + first.memory[16:32]
        assert desk.command(0x40, bytes((3 - ntag,)) + bytes.fromhex("00a4040007d2760000850101")) == b"\x00\x90\x00"


def test_one_card_where_two_might_be_is_listed_and_read():
    tag = Ntag(215, b"alone")
    desk = Desk(tag)
    desk.retries(0x02)
    assert desk.command(0x4A, b"\x02\x00") == b"\x01\x01\x00\x44\x00\x07" + NTAG
    assert desk.exchange(b"\x30\x04") == b"\x00" + tag.memory[16:32]


def test_a_wanted_uid_finds_that_card_among_others():
    other = Ntag(213, uid=bytes.fromhex("04ffffffffffff"))
    desk = Desk(other, Ntag(215, uid=NTAG))
    desk.retries(0x02)
    listed = desk.command(0x4A, b"\x01\x00\x88" + NTAG)
    assert listed is not None and listed[-7:] == NTAG
    assert desk.command(0x4A, b"\x01\x00\x88" + bytes(7)) == b"\x00"


def test_what_is_not_listed_cannot_be_addressed():
    desk = Desk(Ntag(215))
    assert desk.exchange(b"\x30\x00") == b"\x27"
    desk.activate()
    assert desk.command(0x40, b"\x02\x30\x00") == b"\x27"
    for code in (0x44, 0x52, 0x54):
        assert desk.command(code, b"\x02") == b"\x27"


@pytest.mark.parametrize("card", [Ntag(215), Type4Tag()])
@pytest.mark.parametrize("code", [0x44, 0x52])
def test_a_card_that_was_let_go_is_halted_until_the_field_was_off(card, code):
    desk = Desk(card)
    desk.activate()
    assert desk.command(code, b"\x00") == b"\x00"
    assert desk.command(0x4A, b"\x01\x00") == b"\x00"
    desk.field_off()
    desk.activate()


def test_a_deselected_target_is_selected_again_when_it_is_addressed():
    desk = Desk(Type4Tag())
    desk.activate()
    assert desk.command(0x44, b"\x01") == b"\x00"
    assert desk.exchange(bytes.fromhex("00a4040007d2760000850101")) == b"\x00\x90\x00"
    assert desk.command(0x54, b"\x01") == b"\x00"


def test_with_the_field_off_nothing_is_left_of_the_targets():
    desk = Desk(Ntag(215))
    desk.activate()
    desk.field_off()
    assert desk.exchange(b"\x30\x00") == b"\x27"


def test_a_card_that_goes_times_out_and_a_lost_session_is_not_acceptable():
    select = bytes.fromhex("00a4040007d2760000850101")
    desk = Desk(Type4Tag())
    desk.activate()
    desk.field.take()
    assert desk.exchange(select) == b"\x01"
    assert desk.exchange(select) == b"\x27"


def test_a_card_can_go_in_the_middle_of_its_answer():
    desk = Desk(Ntag(215))
    desk.activate()
    desk.got.clear()
    desk.world.call_later(2_200, desk.field.take)
    assert desk.exchange(b"\x30\x04") == b"\x01"
    assert desk.field.trace[-1].sender == "reader"


@pytest.mark.parametrize("size", [1, 58, 59, 253, 262, 263, 600, 2000])
def test_long_data_goes_both_ways_in_pieces(size):
    sent = bytes(value * 7 & 0xFF for value in range(size))
    desk = Desk(ApduCard(lambda apdu: apdu[::-1] + b"\x90\x00"))
    desk.activate()
    answer: bytes | None = b""
    for at in range(0, size, 262):
        more = 0x40 if at + 262 < size else 0
        answer = desk.command(0x40, bytes((1 | more,)) + sent[at : at + 262])
        assert answer is not None
        assert not more or answer == b"\x00"
    assert answer
    got = answer[1:]
    while answer[0] & 0x40:
        assert len(answer) == 263
        answer = desk.exchange(b"")
        assert answer
        got += answer[1:]
    assert got == sent[::-1] + b"\x90\x00" and answer[0] == 0


def test_a_slow_card_asks_for_time_and_gets_it():
    phone = ApduCard(lambda apdu: (b"\x90\x00", 400_000), fwi=7)
    desk = Desk(phone)
    desk.activate()
    before_us = desk.world.now_us
    assert desk.exchange(b"\x00\xa4\x04\x00") == b"\x00\x90\x00"
    assert 400_000 < desk.world.now_us - before_us < 480_000
    assert phone.wtx_sent >= 1


def test_registers_hold_what_is_written_and_crc_can_be_switched_off():
    desk = Desk(Ntag(215))
    desk.activate()
    assert desk.command(0x06, b"\x63\x02\x63\x03\x63\x04") == b"\x80\x80\x03"
    assert desk.thru(b"\x30\xf0") == b"\x02", "four bits are no frame with a CRC"
    desk.field_off()
    desk.activate()
    assert desk.command(0x08, b"\x63\x03\x00") == b""
    version = bytes.fromhex("0004040201001103")
    assert desk.thru(b"\x60") == b"\x00" + version + crc_a(version)
    assert desk.thru(b"\x30\xf0") == b"\x00\x00", "the NAK itself"


def test_the_serial_speed_changes_with_the_hosts_ack():
    desk = Desk()
    assert desk.command(0x10, b"\x07") == b""
    assert desk.wire.baud == 115200
    desk.raw(ACK)
    assert desk.wire.baud == 921600
    assert desk.command(0x02) == VERSION


def test_power_down_ends_with_a_wake_up_and_keeps_the_configuration():
    desk = Desk(Ntag(215))
    desk.retries(0x01)
    assert desk.command(0x16, b"\x10") == b"\x00"
    assert desk.raw(ASK_VERSION) == b""
    assert desk.raw(WAKE_UP + ASK_VERSION) == ACK + frame(b"\xd5\x03" + VERSION)
    assert desk.command(0x4A, b"\x01\x00") is not None


def test_the_reset_pin_makes_a_new_chip_of_it():
    desk = Desk()
    desk.command(0x10, b"\x07")
    desk.raw(ACK)
    desk.chip.reset_pin(0)
    assert desk.raw(WAKE_UP + ASK_VERSION) == b""
    desk.chip.reset_pin(1)
    assert desk.wire.baud == 115200
    desk.world.run(0.01)
    assert desk.raw(WAKE_UP + ASK_VERSION) == ACK + frame(b"\xd5\x03" + VERSION)


def test_general_status_tells_of_field_targets_and_the_last_error():
    desk = Desk(Ntag(215))
    assert desk.command(0x04) == b"\x00\x00\x00\x80"
    desk.activate()
    assert desk.exchange(b"\x30\xf0") == b"\x13"
    assert desk.command(0x04) == b"\x13\x01\x01\x01\x00\x00\x00\x80"


def test_a_page_takes_the_time_of_its_bits():
    desk = Desk(Ntag(215))
    desk.activate()
    start_us = desk.world.now_us
    desk.exchange(b"\x30\x04")
    frames, air_us = desk.field.cost(start_us)
    assert frames == 2
    # 4 and 18 bytes with their CRCs at 106 kbit/s, 9 bits each and 2 more, and the frame delay
    assert abs(air_us - ((4 * 9 + 2 + 18 * 9 + 2) * 9.44 + 92)) < 10
