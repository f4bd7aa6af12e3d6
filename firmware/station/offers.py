"""Sessions for phones where the site encrypts: each has a key pair of its own, which is made while nothing is to do."""

import gc

from micropython import const

from present.channel import pair_steps
from present.session import Session

_LOOK_MS = const(50)


class Offers:
    """random: () -> 32 bytes, for nonces and keys; timing: as nfc.timing.Timing."""

    def __init__(self, site, evse_ids, random, timing):
        self._site = site
        self._evse_ids = evse_ids
        self._random = random
        self._timing = timing
        self._pair = None  # one lies ready; each is given away once

    async def session(self, code=""):
        """A new present.session.Session. code: what the station shows for this way of presenting."""
        pair, self._pair = self._pair, None
        pair = pair or await self._make()
        return Session(self._site.reader_id, self._evse_ids, self._random, self._timing, code, pair)

    async def run(self):
        while True:
            try:
                if self._pair is None:
                    self._pair = await self._make()
            except MemoryError:  # phones must not be able to reset the reader
                gc.collect()
            await self._timing.sleep(_LOOK_MS)

    async def _make(self):
        pair = None
        for pair in pair_steps(self._random()):
            await self._timing.sleep(0)
        return pair
