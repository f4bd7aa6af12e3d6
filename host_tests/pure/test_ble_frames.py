"""Frames over Bluetooth: what is put together, what is refused and why, and that nothing grows beyond its limits."""

from ble.frames import MAX_KEPT, MAX_MESSAGE, BadFrame, Inbox, Room, cut

_START = (1 << 29) - 700  # close to where ticks wrap on 32-bit boards
_WRAP = 1 << 30


class Clock:
    """`after` and `left` of a tick counter that wraps."""

    def __init__(self):
        self.now = _START

    def after(self, ms):
        return (self.now + ms) % _WRAP

    def left(self, deadline):
        return (deadline - self.now + _WRAP // 2) % _WRAP - _WRAP // 2

    def pass_ms(self, ms):
        self.now = (self.now + ms) % _WRAP


def inbox(room=6000):
    clock = Clock()
    return Inbox(clock, Room(room)), clock


def whole(frames):
    """The message that these frames are, one by one."""
    box, _ = inbox()
    ends = [box.take(frame) for frame in frames]
    assert ends == [False] * (len(frames) - 1) + [True]
    return box.message()


def refused(box, frame):
    try:
        box.take(frame)
    except BadFrame as bad:
        return str(bad)
    except MemoryError:
        return "no room"
    return "taken"


def test_messages_of_every_size_survive_frames_of_every_size():
    for size in list(range(20)) + [100, 1407, MAX_KEPT]:
        message = bytes(i & 0xFF for i in range(size))
        for longest in (20, 182, 244, 512):
            frames = list(cut(message, 0, longest))
            assert whole(frames) == message
            assert max(len(frame) for frame in frames) <= longest
            assert len(frames) == 1 + max(0, -(-(size - (longest - 4)) // (longest - 2)))


def test_the_bytes_are_those_of_the_readme():
    assert list(cut(b"", 0, 20)) == [b"\x03\x00\x00\x00"]
    assert list(cut(b"abc", 255, 20)) == [b"\x03\xff\x00\x03abc"]
    assert list(cut(bytes(17), 254, 20)) == [b"\x01\xfe\x00\x11" + bytes(16), b"\x02\xff\x00"]
    assert list(cut(bytes(36), 254, 20))[2] == b"\x02\x00" + bytes(2)


def test_numbers_go_on_from_message_to_message_and_wrap():
    box, _ = inbox()
    number = 0
    for _ in range(40):
        frames = list(cut(bytes(150), number, 20))
        number += len(frames)
        assert [box.take(frame) for frame in frames][-1]
        assert box.message() == bytes(150)
    assert number > 256


def test_a_frame_that_is_lost_doubled_swapped_or_of_another_message_is_refused():
    frames = list(cut(bytes(60), 0, 20))
    for order in ([0, 2], [0, 0], [0, 1, 1], [0, 1, 3], [1], [3]):
        box, _ = inbox()
        for number in order[:-1]:
            box.take(frames[number])
        assert refused(box, frames[order[-1]]) == "sequence", order
    box, _ = inbox()
    assert refused(box, b"\x00\x00\x01") == "first"
    box.take(frames[0])
    assert refused(box, b"\x01\x01\x00\x05abc") == "first"


def test_odd_frames_are_refused():
    for frame, why in (
        (b"", "size"),
        (b"\x03", "size"),
        (b"\x03\x00", "size"),
        (b"\x03\x00\x00", "size"),
        (b"\x03\x00\x00\x00" + bytes(509), "size"),
        (b"\x07\x00\x00\x00", "flags"),
        (b"\x80\x00\x00\x00", "flags"),
        (b"\x03\x00\x00\x01", "length"),
        (b"\x01\x00\x00\x00", "length"),
        (b"\x01\x00\x00\x05", "length"),
        (b"\x03\x00\x00\x01ab", "length"),
        (b"\x01\x00\x00\x02ab", "length"),
        (b"\x03\x00\x00\x03ab", "length"),
    ):
        box, _ = inbox()
        assert refused(box, frame) == why, frame
    for frame in (b"\x00\x01", b"\x02\x01", b"\x02\x01a", b"\x00\x01ab", b"\x02\x01abc"):
        box, _ = inbox()
        box.take(b"\x01\x00\x00\x04ab")
        assert refused(box, frame) == "length", frame


def test_a_message_over_the_limit_is_refused_at_its_first_frame_and_one_over_a_present_is_not_kept():
    box, _ = inbox()
    try:
        box.take(b"\x01\x00" + (MAX_MESSAGE + 1).to_bytes(2, "big") + b"a")
        assert False, "taken"
    except BadFrame as bad:
        assert bad.too_long
    for size in (MAX_KEPT + 1, MAX_MESSAGE):
        room = Room(100)
        box = Inbox(Clock(), room)
        assert [box.take(frame) for frame in cut(bytes(size), 0, 512)][-1]
        assert room.free == 100
        assert box.message() is None


def test_all_phones_together_take_no_more_than_the_room_until_they_are_judged():
    room = Room(1000)
    boxes = [Inbox(Clock(), room) for _ in range(3)]
    for box in boxes[:2]:
        box.take(next(cut(bytes(400), 0, 20)))
    assert room.free == 200
    assert refused(boxes[2], next(cut(bytes(201), 0, 20))) == "no room"
    boxes[0].clear()
    assert room.free == 600
    for frame in list(cut(bytes(400), 0, 20))[1:]:
        boxes[1].take(frame)
    assert boxes[1].message() == bytes(400)
    assert room.free == 600  # it is being judged
    assert boxes[1].take(bytes((3, 0xFF & len(list(cut(bytes(400), 0, 20))), 0, 0)))
    assert room.free == 1000
    boxes[0].clear()
    assert room.free == 1000


def test_silence_is_late_after_two_seconds():
    box, clock = inbox()
    clock.pass_ms(2000)
    assert not box.late()
    clock.pass_ms(1)
    assert box.late()
    box.heard()
    assert not box.late()


def test_a_message_may_take_two_seconds_and_one_for_150_bytes_and_ten_at_most():
    for gap_ms, size, longest, end_ms in ((1900, 4000, 20, 2300), (500, 4000, 60, 9000), (500, 4000, 200, 10_050)):
        box, clock = inbox()
        frames = list(cut(bytes(size), 0, longest))
        taken = spent = 0
        while not box.late() and taken < len(frames):
            box.take(frames[taken])
            taken += 1
            for _ in range(gap_ms // 50):
                clock.pass_ms(50)
                spent += 50
                if box.late():
                    break
        assert box.late() and spent <= end_ms, (gap_ms, spent)
        assert spent > end_ms // 2, (gap_ms, spent)
