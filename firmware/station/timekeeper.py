"""Keeps the reader's clock together with those that outlast a restart: the chip's own RTC and, where the site has one,
a battery-backed clock.

The chip's RTC is lost with the power, so what it shows was set since: by cable, or by this reader. With a battery clock
it is only the letter box of the cable: what lies in it is taken once, written to the battery clock, and taken out, so
that its greater drift never comes back.
"""

from micropython import const

from station.clock import EMPTY_MS, SET, set_rtc, unix_ms

_DISAGREE_MS = const(60_000)  # in ten minutes two crystals part by a fraction of a second: one of the clocks has jumped

STOPPED = "STOPPED"  # has stopped at some time, or shows none: not believed, and left as it is
NO_ANSWER = "NO_ANSWER"
REFUSED = "OUT_OF_BOUNDS"  # see station.clock
DISAGREES = "DISAGREES"


class Timekeeper:
    """clock: station.clock.Clock; rtc: `machine.RTC()`; battery: station.ds3231.Ds3231 or None.

    `problem`: why the battery clock was not believed when last asked, or "".
    """

    def __init__(self, clock, rtc, battery):
        self._clock = clock
        self._rtc = rtc
        self._battery = battery
        self.problem = ""

    def start(self):
        """Sets the clock from what outlasted the restart, if anything did."""
        told_ms = unix_ms(self._rtc.datetime())
        if self._clock.set(told_ms):
            self.keep(told_ms)
        else:
            self.service()

    def service(self):
        """Every now and then: follows the battery clock, which drifts least. A jump of it is not followed."""
        if self._battery is None:
            return
        shown_ms = self._shown_ms()
        if shown_ms is None:
            return
        now_ms, state = self._clock.now()
        if state == SET and abs(shown_ms - now_ms) > _DISAGREE_MS:
            self.problem = DISAGREES
        else:
            self.problem = "" if self._clock.set(shown_ms) else REFUSED

    def keep(self, time_ms):
        """Keeps a trusted time over the next restart, or with None forgets what is kept."""
        if self._battery is not None:
            try:
                # A time before the earliest that is believed stands for none.
                self._battery.write(EMPTY_MS if time_ms is None else time_ms)
                time_ms = None
                self.problem = ""
            except OSError:
                self.problem = NO_ANSWER
        set_rtc(self._rtc, time_ms)

    def _shown_ms(self):
        try:
            shown_ms = self._battery.read()
        except OSError:
            self.problem = NO_ANSWER
            return None
        if shown_ms is None:
            self.problem = STOPPED
        return shown_ms
