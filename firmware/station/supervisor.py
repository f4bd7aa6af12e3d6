"""What happens when something unforeseen happens: relay off, a journal entry, a reset; and a brake against boot loops.

The count of crashes in a row lives in memory that outlasts a reset but not a power cut (on ESP32 `RTC.memory()`):
a power cycle always gets a fresh start, and a loop of resets wears no flash.
"""

_MAGIC = b"CT"
_FREE_CRASHES = 2
_LONGEST_WAIT_MS = 300_000
HEALTHY_AFTER_MS = 60_000


class Supervisor:
    """memory: callable without argument -> bytes, with one -> stores them (as `RTC.memory`)."""

    def __init__(self, memory):
        self._memory = memory
        kept = bytes(memory())
        self.starts = kept[2] if len(kept) == 3 and kept[:2] == _MAGIC else 0
        # counted before anything can fail, taken back by `healthy`: a watchdog bite counts as well as an exception
        self._keep(min(self.starts + 1, 255))

    def _keep(self, count):
        self._memory(_MAGIC + bytes((count,)))

    def brake_ms(self):
        """How long to wait, relay off, before starting: not at all after two crashes, then 4 s, doubling to 5 min."""
        extra = self.starts - _FREE_CRASHES
        return min(_LONGEST_WAIT_MS, 2000 << min(extra, 8)) if extra > 0 else 0

    def healthy(self):
        """A minute without a crash, or a reset that was asked for: the next start is free again."""
        self._keep(0)
