"""What an earlier life could not end itself. Needed once at a start, then unloaded."""

import gc

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


async def end(app, cause):
    """Ends them in the app's journal: their outputs went off with that life."""
    found = ()
    for found in steps(app.journal.store):
        app.check()
        await app.pause()
    for session in sorted(found):
        app.journal_end(session, cause)
    gc.collect()
