"""Time as the NFC code needs it: wrapping milliseconds, sleeping, waiting for a stream. Tests hand in their own."""

import asyncio
import time

_EMPTY = bytearray(0)


class Timing:
    """The real clock. A deadline is a tick count, made by `after` and judged by `left`."""

    def __init__(self):
        self._stream = self._reader = None

    def after(self, ms):
        """Deadline `ms` from now."""
        return time.ticks_add(time.ticks_ms(), ms)

    def left(self, deadline):
        """Milliseconds until `deadline`; zero or less once it has passed. Right across the wrap."""
        return time.ticks_diff(deadline, time.ticks_ms())

    async def sleep(self, ms):
        await asyncio.sleep_ms(ms)

    async def readable(self, stream, ms):
        """Return when `stream` has bytes, or after `ms`, whichever is first. Takes no bytes from it."""
        if stream is not self._stream:
            self._stream = stream
            self._reader = asyncio.StreamReader(stream)
        try:
            # Reading into nothing is a pure wait: a wait that is cancelled then loses no byte.
            await asyncio.wait_for_ms(self._reader.readinto(_EMPTY), ms)
        except asyncio.TimeoutError:
            pass
