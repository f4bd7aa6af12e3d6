"""What an earlier life could not end itself. Needed once at a start, then unloaded."""

import gc

from relay.grant import Grant
from store.journal import END, GRANT, VOID
from ticket import cbor


def steps(journal):
    """Generator: looks, a record of a `store.journal.Journal` a step, for the grants without VOID or END; yields their
    sequences so far, as a set."""
    found = set()
    for sequence, kind, body in journal.read():
        if kind == GRANT and body[0] >> 5 == 5:  # a map
            found.add(sequence)
        elif kind in (VOID, END):
            closing = cbor.loads(body)
            if isinstance(closing, dict):
                found.discard(closing.get(8))
        yield found


def grant(journal, session):
    """The Grant of a record, as far as it takes to go on with it."""
    for _, _, body in journal.read(session):
        told = cbor.loads(body)
        if type(told) is dict:
            return Grant(session, told.get(3), None, None, told.get(4) or {}, None, None, told.get(7))
    return None


async def end(app, cause):
    """Ends them in the app's journal: their outputs went off with that life. Those that the relay's controller may
    still have running are left to the relay."""
    found = ()
    journal = app.journal
    for found in steps(journal.store):
        app.check()
        await app.pause()
    resume = getattr(app.relay, "resume", None)
    for session in sorted(found):
        if resume and resume(grant(journal.store, session)):
            journal.unended.add(session)
        else:
            app.journal_end(session, cause)
    gc.collect()
