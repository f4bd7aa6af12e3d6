"""What any bearer may bring: a document that a root has signed. Loaded when one comes, unloaded after it."""

from station.tap import is_document


def take_steps(token, trust, clock, taker, note, nonce, waited_ms):
    """Generator: None between pieces of work, then what became of it: a word of `station.trusted` or
    `station.signed_time`, or a reason code. Its `typ` tells what it is; what becomes of it is journaled by `note`.

    taker: (class TimeTaker) -> one of it; nonce: what HELLO told `waited_ms` ago, None where there was none.
    """
    name, word = "TRUST_BUNDLE", None
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
