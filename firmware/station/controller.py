"""What a controller that polls this reader may ask of it; loaded only where there is one.

Its line is trusted as far as its secure channel proves who speaks: it sets the clock, and takes the journal away.
"""

import struct

from station.clock import FLOOR, SET, UNKNOWN
from store.files import Fault, Full
from ticket import rules, verdict

_STATES = (UNKNOWN, FLOOR, SET)


class Controller:
    """site: station.config.Site; ports: of main; keep: as of signed_time.TimeTaker; document_steps: as App
    has it; fault: () -> what is wrong with the NFC chip, "" if nothing; the rest as they were opened. Times are Unix
    seconds."""

    def __init__(self, site, ports, clock, keep, ledger, journal, random, trust, document_steps, fault):
        self.reader_id = site.reader_id
        self.evse_ids = [evse.id for evse in site.evses]
        self.vehicles = ports.inputs("VEHICLE")
        self.random = random
        self.starts = random.starts
        self.ticket_key = rules.ledger_key
        self.is_taken = verdict.is_taken
        self._fault = fault
        self._tamper = ports.inputs("TAMPER")
        self._clock = clock
        self._keep = keep
        self._ledger = ledger
        self._journal = journal
        self._trust = trust
        self.document_steps = document_steps

    def tampered(self):
        """1 while an input says that the housing is open."""
        return int(any([level() == 1 for level in self._tamper]))

    def set_time(self, now_s):
        """(whether it was taken, the clock's time)."""
        taken = self._clock.set(now_s * 1000)
        if taken:
            self._keep(now_s * 1000)
        return taken, self._clock.now()[0] // 1000

    def journal_export(self, kept_from, refused_from, nonce):
        """Generator: the journal as `tools journal verify` checks it, made for that nonce. OSError: the flash fails."""
        try:
            for part in self._journal.store.export(kept_from, refused_from, nonce):
                yield part
        except Fault as fault:
            raise OSError(str(fault)) from fault

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
        fault = self._fault().encode()
        counts = self._ledger.live, self._ledger.limit, dropped, len(fault)
        return struct.pack("<BIIIIIIHHBB", *(numbers + counts)) + fault
