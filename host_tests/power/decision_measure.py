"""What one decision costs on this interpreter; prints `what: values`, one per line. `measured` holds the tickets."""

import gc
import time

import measured

from crypto import comb
from present.presentation import Presentation
from station.config import Site
from station.decision import Decision
from station.journal import DecisionJournal
from store import journal as journal_store
from store import ledger as ledger_store
from ticket import form, rules

AT = measured.FOLDER
NOW_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z, a Sunday
_LIMITS = ("maxEnergy", "maxPower", "maxCurrent", "maxDuration", "maxPrice")


class Issuer:
    kid = "issuer-1"
    public_key = measured.PUBLIC_KEY
    providers, places, limits, max_lifetime_s, table = ["DE*XYZ"], ["DE*ABC"], {"maxEnergy": 60000}, 86400, None


class Trust:
    def find(self, kid):
        return Issuer

    def revoked(self, kid, claims):
        return False


class Clock:
    settled = True

    def now(self):
        return NOW_MS, "SET"


async def _pause():
    gc.collect()  # as the scheduler's other tasks would before long


def situation():
    it = rules.Situation()
    it.now_ms, it.clock, it.weekday = NOW_MS, "SET", 6
    it.operator, it.pool, it.station, it.evse = "DE*ABC", "DE*ABC*P1", "DE*ABC*S1", "DE*ABC*E1*1"
    it.evse_kind, it.enforced = "AC", _LIMITS
    it.revoked_ticket, it.holder, it.evse_busy, it.presence_ok = False, "proven", False, True
    return it


def instructions(name, ticket):
    """Microseconds of a clock that counts instructions, in three parts."""
    where = situation()
    gc.collect()
    before = gc.mem_alloc()
    t0 = time.ticks_us()
    envelope = form.read(ticket)
    t1 = time.ticks_us()
    claims = form.claims(envelope)
    t2 = time.ticks_us()
    rules.check(claims, Issuer, where)
    rules.ledger_key(claims)
    t3 = time.ticks_us()
    garbage = gc.mem_alloc() - before
    gc.collect()
    print(
        "%s of %d bytes: read %d, claims %d, rules %d, together %d us, garbage %d, kept %d bytes"
        % (name, len(ticket), t1 - t0, t2 - t1, t3 - t2, t3 - t0, garbage, gc.mem_alloc() - before)
    )


def bundle_steps():
    """Microseconds of the longest step in which a trust bundle is read; its signature is another matter."""
    from trust import bundle, signed

    envelope = signed.envelope(measured.BUNDLE, signed.BUNDLE, {"issuer-1": measured.PUBLIC_KEY})
    steps, longest = 0, 0
    gc.collect()
    since = time.ticks_us()
    for _ in bundle.parse_steps(envelope):
        longest = max(longest, time.ticks_us() - since)
        steps += 1
        since = time.ticks_us()
    longest = max(longest, time.ticks_us() - since)
    print("bundle of %d bytes: %d steps, longest %d us" % (len(measured.BUNDLE), steps, longest))


def reader():
    ledger_store.make(AT + "/ledger")
    journal_store.make(AT + "/journal")
    config = {
        "version": 1, "operator": "DE*ABC", "pool": "DE*ABC*P1", "station": "DE*ABC*S1", "reader": "reader-1",
        "evses": [{"id": "DE*ABC*E1*1", "kind": "AC"}], "roots": [{"kid": "r", "x": "A" * 43}],
        "offsets": [[0, 60]], "max_duration_min": 480, "nfc": {"bus": "hsu"}, "relay": {"kind": "gpio"},
    }  # fmt: skip
    journal = DecisionJournal(journal_store.Journal(AT + "/journal", bytes(32)))
    ledger = ledger_store.Ledger(AT + "/ledger")
    return Decision(Site(config), Trust(), Clock(), ledger, journal, _LIMITS, _pause)


def decided(decision, ticket):
    """The reason of a whole decision, ledger and journal included."""
    work = decision.decide(Presentation(ticket, "card", "DE*ABC*E1*1"))
    try:
        while True:
            work.send(None)
    except StopIteration as stop:
        return stop.value.reason


def room(decision, ticket):
    """The least free memory, to 512 bytes, with which a decision does not fail for want of it."""
    low, high = 0, 128
    while high - low > 1:
        middle = (low + high) // 2
        if _with_free(middle * 512, decision, ticket):
            high = middle
        else:
            low = middle
    return high * 512


def _with_free(size, decision, ticket):
    gc.collect()
    hog = []
    for piece in (4096, 512, 64):
        while gc.mem_free() > size + piece + 64:
            try:
                hog.append(bytearray(piece))
            except MemoryError:
                break
    try:
        return decided(decision, ticket) == "GRANTED"
    except MemoryError:
        return False


def main():
    for name, ticket in measured.TICKETS:
        for _ in range(2):  # the first time finds nothing interned
            if _:
                instructions(name, ticket)
            else:
                form.claims(form.read(ticket))
    gc.collect()
    print("loaded so far: %d bytes" % gc.mem_alloc())
    decision = reader()
    table = comb.Table(measured.PUBLIC_KEY, open(measured.TABLE, "rb"))  # noqa: SIM115
    for good in table.check_steps():
        pass
    for name, given in (("with its key's table", table if good else None), ("without", None)):
        Issuer.table = given
        for kind, ticket in measured.ALLOWED:
            gc.collect()
            assert decided(decision, ticket) == "GRANTED"
            gc.collect()
            held = gc.mem_alloc()
            print(
                "%s of %d bytes, whole decision %s: %d bytes beside %d held"
                % (kind, len(ticket), name, room(decision, ticket), held)
            )
    bundle_steps()


main()
