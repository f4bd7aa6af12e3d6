"""PN532 frames: what the parser takes, what it passes over, and what the builder makes."""

from nfc_fakes import ACK, NACK, SYNTAX_ERROR, frame, raised

import nfc.frames as frames

VERSION = b"\xd5\x03\x32\x01\x06\x07"
# UM0701-02 gives this exchange as its example of GetFirmwareVersion.
ASK_VERSION = b"\x00\x00\xff\x02\xfe\xd4\x02\x2a\x00"
VERSION_FRAME = b"\x00\x00\xff\x06\xfa\xd5\x03\x32\x01\x06\x07\xe8\x00"


def parse(data, parser=None):
    """[(kind, data)] of all frames in `data`, and the parser."""
    parser = parser or frames.Parser()
    found = []
    at = 0
    while at < len(data):
        at = parser.feed(data, at, len(data))
        if parser.kind:
            found.append((parser.kind, bytes(parser.data()) if parser.kind == frames.DATA else b""))
            parser.clear()
    return found, parser


def build(data):
    buffer = bytearray(frames.BUFFER)
    buffer[frames.HEADER : frames.HEADER + len(data)] = data
    assert len(buffer) == frames.BUFFER
    return bytes(frames.build(buffer, len(data)))


def test_the_manual_s_own_frames():
    assert build(b"\xd4\x02") == ASK_VERSION
    assert parse(VERSION_FRAME)[0] == [(frames.DATA, VERSION[1:])]
    assert frame(VERSION) == VERSION_FRAME


def test_short_frames_are_told_apart():
    assert parse(ACK)[0] == [(frames.ACK, b"")]
    assert parse(NACK)[0] == [(frames.NACK, b"")]
    assert parse(SYNTAX_ERROR)[0] == [(frames.ERROR, b"")]


def test_built_frames_of_every_length_are_those_of_the_manual_s_rule():
    for length in range(1, frames.MAX_LENGTH + 1):
        data = bytes((0xD4,) + tuple((i * 7 + length) & 255 for i in range(length - 1)))
        assert build(data) == frame(data), length


def test_a_length_out_of_range_is_not_built():
    for length in (0, -1, frames.MAX_LENGTH + 1):
        assert isinstance(raised(frames.build, bytearray(frames.BUFFER), length), ValueError)


def test_frames_of_every_length_are_parsed():
    parser = frames.Parser()
    for length in range(2, frames.MAX_LENGTH + 1):
        data = bytes((0xD5,) + tuple((i * 5 + length) & 255 for i in range(length - 1)))
        assert parse(frame(data), parser)[0] == [(frames.DATA, data[1:])], length


def test_frames_come_in_pieces_of_any_size():
    line = ACK + VERSION_FRAME + frame(b"\xd5\x41\x00" + bytes(range(255))) + NACK
    whole = parse(line)[0]
    assert len(whole) == 4
    for size in range(1, 20):
        parser = frames.Parser()
        found = []
        for at in range(0, len(line), size):
            found += parse(line[at : at + size], parser)[0]
        assert found == whole, size


def test_feeding_ends_with_the_frame_and_leaves_the_rest():
    parser = frames.Parser()
    line = ACK[:-1] + VERSION_FRAME
    assert parser.feed(line, 0, len(line)) == len(ACK) - 1
    assert parser.kind == frames.ACK
    assert parser.feed(line, 5, len(line)) == 5, "a frame in hand is not run over"


def test_preamble_postamble_and_noise_do_not_matter():
    for noise in (b"", b"\x00", bytes(40), b"\xff", b"\x55\x55\x00", b"\x00\xff\x12\x34", b"\x00\x00\xff\x00\x00"):
        found, _parser = parse(noise + VERSION_FRAME + noise + ACK)
        assert found == [(frames.DATA, VERSION[1:]), (frames.ACK, b"")], noise


def test_noise_is_counted():
    parser = parse(b"\x55\x55\x00\x12" + ACK)[1]
    assert parser.stray == 3


def test_a_wrong_length_checksum_is_passed_over():
    for position in (3, 4):
        broken = bytearray(VERSION_FRAME)
        broken[position] ^= 0x10
        found, parser = parse(bytes(broken))
        assert found == [] and parser.damaged and parser.bad_headers == 1
        parser.clear()
        assert parse(VERSION_FRAME, parser)[0] == [(frames.DATA, VERSION[1:])]


def test_every_flipped_bit_of_the_body_is_noticed():
    for position in range(5, len(VERSION_FRAME) - 1):
        for bit in range(8):
            broken = bytearray(VERSION_FRAME)
            broken[position] ^= 1 << bit
            found, parser = parse(bytes(broken) + ACK)
            assert found == [(frames.ACK, b"")]
            assert parser.bad_checksums == 1


def test_extended_frames_check_both_length_bytes():
    good = frame(b"\xd5\x41" + bytes(260))
    for position in (5, 6, 7):
        broken = bytearray(good)
        broken[position] ^= 1
        found, parser = parse(bytes(broken))
        assert found == [] and parser.bad_headers == 1


def test_a_frame_longer_than_the_chip_has_is_refused_at_its_header():
    parser = frames.Parser()
    head = frame(b"\xd5" + bytes(frames.MAX_LENGTH))[:8]
    assert parse(head, parser)[0] == []
    assert parser.too_long == 1 and parser.damaged
    assert parser.missing() == 0
    parser.clear()
    assert parse(VERSION_FRAME, parser)[0] == [(frames.DATA, VERSION[1:])]


def test_an_empty_extended_frame_is_refused():
    parser = parse(b"\x00\x00\xff\xff\xff\x00\x00\x00\x00\x00")[1]
    assert parser.bad_headers == 1


def test_frames_of_others_are_counted_and_dropped():
    found, parser = parse(ASK_VERSION + frame(b"\x12\x34") + frame(b"\xd5") + frame(b"\x7f\x00") + ACK)
    assert found == [(frames.ACK, b"")]
    assert parser.foreign == 4


def test_after_a_cut_frame_clear_makes_ready_for_the_next():
    for cut in range(1, len(VERSION_FRAME) - 1):
        parser = frames.Parser()
        assert parse(VERSION_FRAME[:cut], parser)[0] == []
        parser.clear()
        assert parse(VERSION_FRAME, parser)[0] == [(frames.DATA, VERSION[1:])]


def test_after_a_cut_frame_as_many_zeros_as_it_lacks_make_ready_for_the_next():
    for cut in range(1, len(VERSION_FRAME) - 1):
        found = parse(VERSION_FRAME[:cut] + bytes(frames.MAX_LENGTH) + VERSION_FRAME)[0]
        assert found[-1] == (frames.DATA, VERSION[1:]), cut


def test_missing_tells_how_much_of_a_begun_frame_is_to_come():
    parser = frames.Parser()
    assert parser.missing() == 0
    parse(b"\x00\x00", parser)
    assert parser.missing() == 0
    parse(b"\xff", parser)
    assert parser.missing() > 0
    parse(VERSION_FRAME[3:5], parser)
    assert parser.missing() == 7  # TFI, five bytes, checksum
    parse(VERSION_FRAME[5:8], parser)
    assert parser.missing() == 4


def test_any_bytes_at_all_are_survived():
    parser = frames.Parser()
    state = 12345
    for _ in range(300):
        noise = bytearray(40)
        for i in range(len(noise)):
            state = (state * 1103 + 12345) & 0xFFFFF
            # Mostly the bytes that frames are made of, so that the deeper states are reached.
            noise[i] = (0, 0, 0xFF, 0xFF, 0xD5, 1, 0xFE, state & 255)[state >> 10 & 7]
        for kind, _ in parse(bytes(noise), parser)[0]:
            assert kind in (frames.ACK, frames.NACK, frames.ERROR, frames.DATA)
    parser.clear()
    assert parse(VERSION_FRAME, parser)[0] == [(frames.DATA, VERSION[1:])]
