"""The real clock of the NFC code on MicroPython's own asyncio."""

import asyncio
import io
import time

import support
from nfc.timing import Timing

_POLL = 3  # the request of a stream's ioctl that asks for events
_READABLE = 1
_EINVAL = 22


class Stream(io.IOBase):
    """Readable from `at` (ticks) on."""

    def __init__(self, at):
        self.at = at
        self.taken = 0

    def ioctl(self, request, events):
        if request != _POLL:
            return -_EINVAL  # no descriptor to poll instead
        return events & _READABLE if time.ticks_diff(time.ticks_ms(), self.at) >= 0 else 0

    def readinto(self, buffer):
        self.taken += len(buffer)
        return len(buffer)


def only_micropython():
    if support.INTERPRETER != "micropython":
        raise support.Skip("asyncio takes such streams on MicroPython's own loop only")


def test_a_deadline_counts_down_to_zero_and_below():
    timing = Timing()
    deadline = timing.after(3)
    assert 0 <= timing.left(deadline) <= 3
    time.sleep_ms(5)
    assert timing.left(deadline) <= 0


async def test_waiting_for_a_stream_ends_with_its_bytes_or_its_time():
    only_micropython()
    timing = Timing()
    for ready_ms, limit_ms in ((0, 50), (10, 200), (500, 15), (10, 200)):
        stream = Stream(time.ticks_add(time.ticks_ms(), ready_ms))
        start = time.ticks_ms()
        await timing.readable(stream, limit_ms)
        took = time.ticks_diff(time.ticks_ms(), start)
        assert min(ready_ms, limit_ms) - 2 <= took < min(ready_ms, limit_ms) + 40, took
        assert stream.taken == 0


async def test_one_stream_is_waited_for_again_and_again():
    only_micropython()
    timing = Timing()
    stream = Stream(time.ticks_add(time.ticks_ms(), 20))
    for _ in range(20):
        await timing.readable(stream, 2)
    assert time.ticks_diff(time.ticks_ms(), stream.at) >= 0
    assert stream.taken == 0


async def test_a_cancelled_wait_leaves_the_stream_free():
    only_micropython()
    timing = Timing()
    stream = Stream(time.ticks_add(time.ticks_ms(), 30))
    task = asyncio.create_task(timing.readable(stream, 1000))
    await asyncio.sleep_ms(5)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    await timing.readable(stream, 1000)
    assert time.ticks_diff(time.ticks_ms(), stream.at) >= 0
