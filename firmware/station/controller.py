"""What a controller that polls this reader may ask of it; loaded only where there is one.

Its line is trusted as far as its secure channel proves who speaks: it sets the clock, and takes the journal away.
"""

import struct

from station.clock import FLOOR, SET, UNKNOWN
from station.timekeeper import set_rtc
from store.files import Fault, Full
from ticket import rules
from ticket.verdict import MALFORMED

_STATES = (UNKNOWN, FLOOR, SET)


class Controller:
    """site: station.config.Site; ports: of main; note: callable(name, detail), into the journal; the rest as they were
    opened. Times are Unix seconds."""

    def __init__(self, site, ports, clock, timekeeper, ledger, journal, random, trust, note):
        self.reader_id = site.reader_id
        self.evse_ids = [evse.id for evse in site.evses]
        self.vehicles = ports.inputs("VEHICLE")
        self.random = random
        self.starts = random.starts
        self.ticket_key = rules.ledger_key
        self.fault = ""  # what the station shows, for the status
        self._ports = ports
        self._tamper = ports.inputs("TAMPER")
        self._clock = clock
        self._timekeeper = timekeeper
        self._ledger = ledger
        self._journal = journal
        self._trust = trust
        self._note = note
        self._times = None

    def tampered(self):
        """1 while an input says that the housing is open."""
        return int(any([level() == 1 for level in self._tamper]))

    def set_time(self, now_s):
        """(whether it was taken, the clock's time)."""
        taken = self._clock.set(now_s * 1000)
        if taken:
            self._keep(now_s * 1000)
        return taken, self._clock.now()[0] // 1000

    def _keep(self, time_ms):
        if self._timekeeper is not None:
            self._timekeeper.keep(time_ms)
        else:
            set_rtc(self._ports.rtc, time_ms)

    def document_steps(self, token):
        """Generator: None between pieces of work, then what became of a signed document, a word of `trusted`,
        `signed_time` or a reason code. Its `typ` tells what it is."""
        word = None
        for word in self._trust.take_steps(token):
            if word is None:
                yield None
        if word != MALFORMED:
            self._clock.horizon_s = self._trust.horizon_s
            self._note("TRUST_BUNDLE", word)
            yield word
            return
        if self._times is None:
            from station.signed_time import TimeTaker

            ports = self._ports
            self._times = TimeTaker(
                self.reader_id, self._trust, self._clock, self.random, self._keep, ports.ticks_ms, ports.ticks_diff
            )
        for word in self._times.take_steps(token):
            yield word

    def journal_export(self, kept_from, refused_from, nonce):
        """Byte strings: the journal as `tools journal verify` checks it, made for that nonce."""
        return self._journal.store.export(kept_from, refused_from, nonce)

    def journal_collected(self, up_to):
        """(0 done or 1 fault, oldest kept record, last kept record)."""
        store = self._journal.store
        result = 0
        try:
            self._journal.collected(up_to)
        except (Full, Fault):
            result = 1
        return result, store.first[0], store.last[0]

    def status(self, dropped):
        """STATUS of relay/OSDP.md, but for its version."""
        now_ms, state = self._clock.now()
        store = self._journal.store
        numbers = _STATES.index(state), now_ms // 1000, self._trust.version
        numbers += store.first[0], store.last[0], store.first[1], store.last[1]
        fault = self.fault.encode()
        counts = self._ledger.live, self._ledger.limit, dropped, len(fault)
        return struct.pack("<BIIIIIIHHBB", *(numbers + counts)) + fault
