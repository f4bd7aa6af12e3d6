"""What somebody at the console does while the reader is in maintenance. A reader at work never loads this."""

import binascii
import time

from station.clock import Clock
from station.signed_time import TimeTaker
from station.stores import SITE, Stores, load_site
from station.timekeeper import Timekeeper
from station.trusted import Trust
from store.files import Fault, Full


class Console:
    """rtc: `machine.RTC()`; bus: the I2C bus of a battery clock, or None. Raises stores.NotReady."""

    def __init__(self, rtc, bus):
        site = load_site("/" + SITE)
        stores = Stores("/")
        battery = None
        if site.rtc is not None and bus is not None:
            from station.ds3231 import Ds3231

            battery = Ds3231(bus)
        self._journal = stores.journal
        self._clock = Clock(time.ticks_ms, time.ticks_diff, stores.floor)
        trust = Trust(stores.slots, site.roots, self._clock.now, site.accept_ended)
        self._clock.horizon_s = trust.horizon_s
        self._slots, self._roots = stores.slots, trust.live_roots
        keep = Timekeeper(self._clock, rtc, battery).keep
        self._taker = TimeTaker(site.reader_id, trust, self._clock, stores.random, keep, time.ticks_ms, time.ticks_diff)

    def ask(self):
        """Prints a nonce for a root to sign the time over."""
        print("nonce", binascii.hexlify(self._taker.challenge()).decode())

    def install(self, trees, version, read):
        """Takes a new firmware, journals what became of it, and prints that. trees, version: see update.Update; read:
        callable, without argument -> its manifest, with a number -> that block."""
        from station.update import Update

        taker, word, before = Update(trees, version, self._slots, self._roots), "", None
        while word != before and (not word or word[:6] == "NEEDS "):
            before, piece = word, read(int(word[6:])) if word else read()
            for word in taker.take_steps(piece):
                pass
            print("update", word)
        self._note("FIRMWARE", word + " " + str(taker.version))

    def give(self, token):
        """Takes a signed time, journals what became of it, and prints that."""
        word = self._taker.take(token) or ""
        self._note("SIGNED_TIME", word)
        print("time", word)

    def _note(self, name, detail):
        now_ms, state = self._clock.now()
        try:
            self._journal.note((now_ms // 1000, state), name, detail)
        except (Full, Fault) as error:
            print("journal:", error)
