"""The watchdog is fed only while every part of the loop is alive."""


class Beats:
    """feed: the watchdog's. A part that has not called `beat` within its limit stops the feeding."""

    def __init__(self, feed, ticks_ms, ticks_diff):
        self._feed = feed
        self._ticks_ms = ticks_ms
        self._ticks_diff = ticks_diff
        self._parts = {}  # name: [ticks of the last beat, limit_ms]

    def expect(self, name, limit_ms):
        self._parts[name] = [self._ticks_ms(), limit_ms]

    def beat(self, name):
        self._parts[name][0] = self._ticks_ms()

    def late(self):
        """Name of the first part that is overdue, or None."""
        now = self._ticks_ms()
        for name, (last, limit_ms) in self._parts.items():
            if self._ticks_diff(now, last) > limit_ms:
                return name
        return None

    def service(self):
        if self.late() is None:
            self._feed()
