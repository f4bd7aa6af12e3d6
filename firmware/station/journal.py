"""What the journal's records say: each body is one CBOR map with the keys below (unsigned integers).

| key | in | |
|---|---|---|
| 0 | all | Unix time in seconds, of the reader's clock |
| 1 | all | state of that clock: 0 UNKNOWN, 1 FLOOR, 2 SET |
| 2 | REFUSAL, VOID, END, NOTE | reason code, cause or name, text |
| 3 | GRANT, REFUSAL | EVSE id, text, where one was chosen |
| 4 | GRANT | limits granted, map by the names of the ticket |
| 5 | GRANT | the ticket as presented, bytes |
| 6 | GRANT, REFUSAL | kid of the issuer, where it was found |
| 7 | GRANT | holder: "passive" or "proven" |
| 8 | VOID, END | sequence number of the grant that it belongs to |
| 9 | END | seconds that the EVSE was enabled, where known |
| 10 | REFUSAL, NOTE | detail, text of at most 32 characters |
| 11 | REFUSAL | ledger key of the ticket, 32 bytes, where the ticket was genuine |
| 12 | END | energy in Wh, where it was metered |
| 13 | GRANT | what the controller said: "yes" or "silent", where it was asked |
"""

from micropython import const

from station.clock import FLOOR, SET, UNKNOWN
from store.journal import END, GRANT, NOTE, VOID
from ticket import cbor

_DETAIL_CHARS = const(32)  # up to 128 bytes: a refusal must fit a small record of the store
_STATES = (UNKNOWN, FLOOR, SET)
_GRANT_OVERHEAD = const(300)  # all of a GRANT body but its ticket, at most: ids, limits, kid


def _body(stamp, members):
    now_s, state = stamp
    body = {0: now_s, 1: _STATES.index(state)}
    for key, value in members:
        if value or value == 0:  # what is not known is left out
            body[key] = value
    return cbor.dumps(body)


class DecisionJournal:
    """Writes decisions to a `store.journal.Journal`. stamp: (unix_s, clock state). Raises store.errors.Full, Fault."""

    def __init__(self, journal):
        self.store = journal
        self._before = None  # the last sequence before a grant that is being written
        self.unended = set()  # sequences of the grants that have no VOID or END, as far as this life knows

    def room_for_grant(self, ticket_length):
        return self.store.room(ticket_length + _GRANT_OVERHEAD)

    def check(self):
        """Generator: reads all that is stored, a segment a step, so that `damage` is complete."""
        return self.store.check()

    @property
    def damage(self):
        return self.store.damage

    def grant_body(self, stamp, verdict, ticket):
        """The body of a GRANT, in two parts, so that a long ticket is not copied: everything else, then the ticket."""
        members = (
            (3, verdict.evse_id),
            (4, verdict.limits),
            (6, verdict.issuer.kid),
            (7, verdict.holder),
            (13, verdict.online),
        )
        body = _body(stamp, members)
        # one more member in the map, whose head is one byte, since it has fewer than 24
        return bytes((body[0] + 1,)) + body[1:] + b"\x05" + cbor.bytes_head(len(ticket)), ticket

    def grant(self, body):
        """Sequence number of the record, which is durable when this returns. If it raises, perhaps: `take_back`."""
        self._before = self.store.last[0]
        session = self.store.append(GRANT, body)
        self.unended.add(session)
        self._before = None
        return session

    def take_back(self, stamp, why):
        """Voids what a `grant` that raised has left in flash, if anything: its last write may have been complete."""
        before, self._before = self._before, None
        if before is not None:
            self.store.room(0)  # it looks at the flash again
            if self.store.last[0] > before:
                self.void(stamp, before + 1, why)

    def collected(self, up_to):
        """The kept records up to that sequence are safely elsewhere. Grants without an end stay: a cut may end them."""
        self.store.collected(min([up_to] + [session - 1 for session in self.unended]))

    def refusal(self, stamp, verdict):
        kid = verdict.issuer.kid if verdict.issuer else None
        members = (
            (2, verdict.reason),
            (3, verdict.evse_id),
            (6, kid),
            (10, verdict.detail[:_DETAIL_CHARS]),
            (11, verdict.key),
        )
        self.store.refuse(_body(stamp, members))

    def void(self, stamp, session, why):
        self._close(VOID, stamp, ((2, why), (8, session)))

    def _close(self, kind, stamp, members):
        self.store.append(kind, _body(stamp, members))
        self.unended.discard(members[1][1])

    def end(self, stamp, session, cause, seconds=None, energy_wh=None):
        self._close(END, stamp, ((2, cause), (8, session), (9, seconds), (12, energy_wh)))

    def note(self, stamp, name, detail=""):
        """A start, a fault: kept with the refusals, so that a boot loop cannot fill the grants' room."""
        self.store.refuse(_body(stamp, ((2, name), (10, detail[:_DETAIL_CHARS]))), NOTE)
