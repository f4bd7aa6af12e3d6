"""Times that a root has signed, whoever brings them: by cable, by the controller, by a phone.

A time over this reader's own nonce, which it made at most ten minutes ago, sets the clock. Any other signed time may
be as old as its bearer likes, so it only raises the floor. A numbered reset lowers it; the ledger stays as it is.
"""

from micropython import const

from store.files import Fault, Full
from ticket.verdict import Refused
from trust import time as times

_FRESH_MS = const(600_000)

# What became of a signed time, besides the reason codes of documents that are not believed.
SET = "SET"
FLOOR = "FLOOR"  # the time is known to be at least that
RESET = "RESET"
STALE_NONCE = "STALE_NONCE"  # not the last nonce of this reader, or used, or older than ten minutes
WRONG_READER = "WRONG_READER"
OLD_RESET = "OLD_RESET"  # that number or a higher one was taken before, or its time is out of bounds
OUT_OF_BOUNDS = "OUT_OF_BOUNDS"  # see station.clock
STORE_FAULT = "STORE_FAULT"


class TimeTaker:
    """reader_id: this reader's; trust: station.trusted.Trust; clock: station.clock.Clock; random: () -> 32 bytes;
    keep: called with a Unix time in ms to be kept over a restart, or with None to forget the one that is kept."""

    def __init__(self, reader_id, trust, clock, random, keep, ticks_ms, ticks_diff, read_steps=times.read_steps):
        self._reader_id = reader_id
        self._trust = trust
        self._clock = clock
        self._random = random
        self._keep = keep
        self._ticks_ms = ticks_ms
        self._ticks_diff = ticks_diff
        self._read_steps = read_steps
        self._nonce = None
        self._asked = 0

    def challenge(self, nonce=None, waited_ms=0):
        """A new nonce, 32 bytes: the one before it is void. nonce: one that this reader told `waited_ms` ago."""
        self._nonce = nonce or self._random()
        self._asked = self._ticks_ms() - waited_ms
        return self._nonce

    def take_steps(self, token):
        """Generator: None between pieces of work, then what became of the signed time, one of the words above."""
        found = None
        try:
            for found in self._read_steps(token, self._trust.live_roots):
                if found is None:
                    yield None
            yield self._take(found)
        except Refused as refusal:
            yield refusal.reason
        except (Fault, Full):
            yield STORE_FAULT

    def take(self, token):
        """`take_steps` at one go."""
        word = None
        for word in self.take_steps(token):
            pass
        return word

    def _take(self, found):
        if found.reader is not None and found.reader != self._reader_id:
            return WRONG_READER
        waited_ms = 0
        if found.nonce is not None:
            # Judged before anything is changed, and spent whatever comes of it.
            waited_ms = self._ticks_diff(self._ticks_ms(), self._asked)
            nonce, self._nonce = self._nonce, None
            if found.nonce != nonce or not 0 <= waited_ms <= _FRESH_MS:
                return STALE_NONCE
        if found.reset is not None:
            if not self._clock.restart(found.reset, found.time_ms):
                return OLD_RESET
            self._keep(None)
            if found.nonce is None:
                return RESET
        if found.nonce is None:
            return FLOOR if self._clock.at_least(found.time_ms) else OUT_OF_BOUNDS
        # It was signed some time after the nonce was made: the latest that it can be now lets no ended ticket in.
        now_ms = found.time_ms + waited_ms
        if not self._clock.set(now_ms):
            return OUT_OF_BOUNDS
        self._keep(now_ms)
        return SET
