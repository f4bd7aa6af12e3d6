"""What any bearer may bring: a document that a root has signed. Loaded when one comes, unloaded after it."""

from station.tap import is_document


def take_steps(token, trust, clock, taker, updater, restart, note, nonce, waited_ms):
    """Generator: None between pieces of work, then what became of it: a word of `station.trusted`, `station.update` or
    `station.signed_time`, or a reason code. Its `typ` tells what it is; what becomes of it is journaled by `note`, but
    for the blocks of an update before the last.

    taker: (class TimeTaker) -> one of it; updater: likewise of Update, and `restart` begins what it leads to; nonce:
    what HELLO told `waited_ms` ago, None where there was none.
    """
    name, word = "TRUST_BUNDLE", None
    block = token[:4] == b"CTFB"
    if not block:
        token = bytes(token)
    if block or is_document(token, b"firmware"):
        from station.update import Update

        update = updater(Update)
        for word in update.take_steps(token):
            if word is None:
                yield None
        if not block or word == "INSTALLED":
            note("FIRMWARE", word + " " + str(update.version))
        if word == "INSTALLED":
            restart()
        yield word
        return
    if is_document(token, b"time"):
        from station.signed_time import TimeTaker

        name, times = "SIGNED_TIME", taker(TimeTaker)
        if nonce is not None:
            times.challenge(nonce, waited_ms)
        steps = times.take_steps(token)
    else:
        steps = trust.take_steps(token)
    for word in steps:
        if word is None:
            yield None
    clock.horizon_s = trust.horizon_s
    note(name, word)
    yield word
