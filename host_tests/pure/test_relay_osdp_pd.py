import struct

from osdp_line import Line
from osdp_panel import (
    CAP,
    COMSET,
    ID,
    ISTAT,
    KEYSET,
    LED,
    LSTAT,
    MFG,
    NAK,
    OSTAT,
    OUI,
    OUT,
    POLL,
    crc,
    packet,
)  # fmt: skip

from support import folder

REFUSED = (NAK, b"\x06")


def test_handshake_proves_the_key_on_both_sides():
    line = Line(folder())
    assert line.greet()
    assert line.command(POLL)[0] == 0x90  # READER waits
    assert line.relay.link.heard()


def test_identity_and_capabilities_are_told_in_clear_and_in_the_channel():
    line = Line(folder())
    identity = line.clear(b"\x61\x00")
    assert identity[0] == 0x45 and identity[1][:5] == OUI + b"\x01\x01" and len(identity[1]) == 12
    capabilities = line.clear(b"\x62\x00")
    rows = [capabilities[1][at : at + 3] for at in range(0, len(capabilities[1]), 3)]
    assert rows == [
        b"\x01\x01\x02",
        b"\x02\x01\x02",
        b"\x08\x01\x00",
        b"\x09\x01\x00",
        b"\x0a\x00\x01",
        b"\x10\x02\x00",
    ]
    line.greet()
    assert line.command(ID, b"\0") == identity and line.command(CAP, b"\0") == capabilities


def test_nothing_but_the_handshake_is_done_in_clear_text():
    line = Line(folder())
    for connected in (False, True):
        if connected:
            line.connect()
        line.sequence, secure = 0, line.sequence
        for id in range(256):
            if id in (ID, CAP):
                continue
            for data in (b"", bytes(8), bytes(16), OUI + struct.pack("<BBHHI", 0x88, 1, 4, 0, 1_795_392_000)):
                assert line.clear(bytes((id,)) + data) == REFUSED, (id, data)
        assert line.services.done == [] and bool(line.relay.fault) is not connected
        line.sequence = secure
        if connected:  # and the channel has not noticed
            assert line.command(POLL)[0] == 0x40


def test_default_key_is_refused_before_anything_is_computed():
    line = Line(folder())
    for block, body in ((b"\x03\x11\x00", b"\x76" + bytes(8)), (b"\x03\x13\x00", b"\x77" + bytes(16))):
        assert line.clear(body, block) == (NAK, b"\x05")
    assert line.services.drawn == 0


def test_wrong_key_does_not_open_and_does_not_disturb_who_has_the_right_one():
    line = Line(folder())
    line.connect()
    thief = (line.sequence, line.keys, line.theirs)
    line.key = bytes(15) + b"\x01"
    assert not line.greet()
    assert line.clear(b"\x76RANDOM-B", b"\x03\x11\x01")[0] == 0x76
    assert line.clear(b"\x77" + bytes(16), b"\x03\x13\x01") == (NAK, b"\x05")
    line.sequence, line.keys, line.theirs = thief
    assert line.command(POLL)[0] == 0x40 and line.relay.fault == ""


def test_challenge_serves_one_proof_and_each_has_another_random_number():
    line = Line(folder())
    line.greet()
    proof = line.last
    line.sequence = 0
    first = line.clear(b"\x76RANDOM-A", b"\x03\x11\x01")
    line.sequence = 0
    line.clear(b"\x61\x00")
    line.sequence = 0
    assert line.clear(b"\x76RANDOM-A", b"\x03\x11\x01")[1][8:16] != first[1][8:16]
    line.sequence = 3
    assert line.clear(proof[8:-2], b"\x03\x13\x01") == (NAK, b"\x04")  # of another handshake, and not its turn
    line.sequence = 1
    assert line.clear(proof[8:-2], b"\x03\x13\x01") == (NAK, b"\x05")
    line.sequence = 2
    assert line.clear(b"\x77" + bytes(16), b"\x03\x13\x01") == (NAK, b"\x05")


def test_standard_commands_in_the_channel():
    line = Line(folder())
    line.connect()
    assert line.command(LSTAT) == (0x48, b"\0\0")
    assert line.command(ISTAT) == (0x49, b"\0\0") and line.command(OSTAT) == (0x4A, b"\0\0")
    assert line.command(OUT, b"\0\x02\0\0") == (0x4A, b"\0\0")
    assert line.command(LED, bytes(14)) == (0x40, b"") and line.command(0x6A, bytes(5)) == (0x40, b"")
    assert line.command(COMSET, b"\x09" + struct.pack("<I", 115200)) == (0x54, b"\x05" + struct.pack("<I", 9600))
    assert line.command(KEYSET, b"\x01\x10" + bytes(16)) == (NAK, b"\x03")
    assert line.command(MFG, b"\x01\x02\x03" + bytes(10)) == (NAK, b"\x03")
    line.services.open = 1
    assert line.command(POLL) == (0x48, b"\x01\0") and line.command(POLL) == (0x40, b"")
    line.greet()
    assert line.command(POLL) == (0x48, b"\x01\0") and line.command(POLL)[0] == 0x90  # a new one is told, too
    line.services.open = 0
    assert line.command(LSTAT) == (0x48, b"\0\0") and line.command(POLL) == (0x40, b"")


def test_repeated_packet_gets_the_same_answer_and_is_obeyed_once():
    line = Line(folder())
    line.connect()
    body = struct.pack("<BBHHI", 0x88, 1, 4, 0, 1_795_392_000)
    sent = line.pack(MFG, OUI + body)
    first = line.put(sent)
    for _ in range(3):
        assert line.put(sent) == first
    assert line.services.done == [("time", 1_795_392_000)]
    assert line.unpack(first)[0] == 0x90
    line.advance()
    assert line.command(POLL) == (0x40, b"")


def test_packets_out_of_order_are_refused_and_the_channel_lives():
    line = Line(folder())
    line.connect()
    old = line.pack(POLL)
    line.unpack(line.put(old))
    line.advance()
    due = line.sequence
    for sequence in (0, 1, 2, 3):
        if sequence != due:
            line.sequence = sequence
            assert line.unpack(line.put(line.pack(POLL))) == (NAK, b"\x04")
    line.sequence = due
    assert line.command(POLL) == (0x40, b"")


def test_replayed_packets_do_nothing_whatever_their_turn():
    line = Line(folder())
    line.connect()
    heard = []
    for now_s in range(1_795_392_000, 1_795_392_007):
        heard.append(line.pack(MFG, OUI + struct.pack("<BBHHI", 0x88, 1, 4, 0, now_s)))
        line.unpack(line.put(heard[-1]))
        line.advance()
    done = list(line.services.done)
    line.put(heard[-3])  # has the sequence number that is due
    assert line.services.done == done
    assert line.unpack(line.put(line.pack(POLL))) == REFUSED  # whoever replays can end a channel, no more
    line.connect()
    for sent in heard:
        line.put(sent)
    assert line.services.done == done


def test_packets_to_others_replies_and_broadcasts_are_not_answered():
    line = Line(folder())
    for address in (0, 4, 6, 0x7E, 0x7F, 0x85, 0x84, 0xFF):
        assert line.put(packet(address, 0, b"\x61\x00")) == b""
    assert line.put(packet(9, 0, packet(5, 0, b"\x61\x00"))) == b""  # hidden in a packet to another
    assert line.put(packet(5, 0, b"\x61\x00"))[:2] == b"\x53\x85"


def test_checksum_is_not_enough():
    line = Line(folder())
    assert line.put(packet(5, 0, b"\x61\x00", check="sum"))[5:7] == b"\x41\x01"


def test_driver_is_on_for_as_long_as_a_reply_takes():
    line = Line(folder())
    line.put(packet(5, 0, b"\x61\x00"))
    assert line.ports.driver == [1] and line.relay.link._driving == 21  # 20 bytes at 9600
    line.relay.link.serve()
    assert line.ports.driver == [1, 0]


def tampered(sent):
    """Each way in which the line can change one byte of a packet: (what it did, the bytes)."""
    for at in range(len(sent)):
        for value in (sent[at] ^ 1, sent[at] ^ 0x80, 0, 0xFF, 0x53):
            if value != sent[at]:
                yield "changed", sent[:at] + bytes((value,)) + sent[at + 1 :]
        yield "dropped", sent[:at] + sent[at + 1 :]
        for value in (0, 0x53, sent[at]):
            wrong = sent[:at] + bytes((value,)) + sent[at:]
            if sent not in wrong:  # noise before it is no harm
                yield "inserted", wrong


def mended(sent):
    """With a length and a CRC that fit: the attacker knows the rules of the line."""
    head = sent[:2] + struct.pack("<H", len(sent)) + sent[4:-2]
    return head + struct.pack("<H", crc(head))


def test_changed_packets_never_act_and_the_true_one_still_does():
    line = Line(folder())
    line.connect()
    stop = struct.pack("<BBHHI", 0x88, 1, 4, 0, 1_795_392_000)
    sent = line.pack(MFG, OUI + stop)
    for what, wrong in tampered(sent):
        line.put(wrong)
        line.ports.ticks += 200  # the panel waits for its answer, then asks again
        assert line.services.done == [], what
    assert line.unpack(line.put(sent))[0] == 0x90
    assert line.services.done == [("time", 1_795_392_000)]


def test_changed_packets_with_a_fitting_check_end_the_channel_at_worst():
    line = Line(folder())
    for what, at in [("any", at) for at in range(0, 400, 7)]:
        line.connect()
        sent = line.pack(MFG, OUI + struct.pack("<BBHHI", 0x88, 1, 4, 0, 1_795_392_000))
        every = [made for made in [mended(wrong) for _, wrong in tampered(sent)] if made != sent]
        for wrong in every[at % len(every) : at % len(every) + 7]:
            line.put(wrong)
            line.ports.ticks += 200
        assert line.services.done == [], what
