"""Sessions for phones where the site encrypts: each has a key pair of its own, which is made while nothing is to do."""

from micropython import const

from present.channel import KeyPairs
from present.session import Session

_LOOK_MS = const(50)


class Offers:
    """random: () -> 32 bytes, for nonces and keys; timing: as nfc.timing.Timing."""

    def __init__(self, site, evse_ids, random, timing):
        self._site = site
        self._evse_ids = evse_ids
        self._random = random
        self._timing = timing
        self._pairs = KeyPairs(random, self._pause)

    async def session(self, code=""):
        """A new present.session.Session. code: what the station shows for this way of presenting."""
        pair = await self._pairs.take()
        return Session(self._site.reader_id, self._evse_ids, self._random, self._timing, code, pair)

    async def run(self):
        while True:
            await self._pairs.prepare()
            await self._timing.sleep(_LOOK_MS)

    async def _pause(self):
        await self._timing.sleep(0)
