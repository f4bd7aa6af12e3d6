"""Cuts the power in the middle of everything the stores do, on MicroPython's littlefs; see `main`."""

import hashlib
import os
import sys

import chain
from cuts import Recorder, sweep, torn
from flash import Flash

from store import journal, ledger
from store.boots import count_boot
from store.floor import Floor
from store.slots import Slots

KEY = bytes(range(32))
BLOCKS = 160
NOW = 1_800_000_000
SIZES = {"size": 65536, "ring": 8192}
_AT = "/flash"


def key(number):
    return hashlib.sha256(b"%d" % number).digest()


def one_bucket(count):
    """Keys of one bucket, so that it is compacted often."""
    found = []
    number = 1000
    while len(found) < count:
        if key(number)[0] % 64 == 7:
            found.append(key(number))
        number += 1
    return found


class Reader:
    """All stores of a reader on one flash, mounted anew."""

    def __init__(self, flash, make=False):
        os.mount(os.VfsLfs2(flash), _AT)
        if make:
            ledger.make(_AT + "/ledger")
            journal.make(_AT + "/journal")
        self.ledger = ledger.Ledger(_AT + "/ledger", 60)
        self.journal = journal.Journal(_AT + "/journal", KEY, **SIZES)
        self.slots = Slots(_AT + "/trust")
        self.floor = Floor(_AT + "/counters")

    def off(self):
        os.umount(_AT)


def script(run, reader):
    """What the reader lives through. A fact is a tuple whose first word says what it is about."""
    book, log = reader.ledger, reader.journal

    def grant(k, until, size):
        run.do(("use", k, until), book.add, k, until, k[:8], NOW)
        run.do(("kept", journal.GRANT, k * (size // 32)), log.append, journal.GRANT, k * (size // 32))

    def void(k):
        run.do(("void", k), book.void, k)
        run.do(("kept", journal.VOID, k), log.append, journal.VOID, k)

    def refuse(body, tidy):
        log.refuse(body)
        if tidy:
            log.tidy()

    for boot in range(2):
        run.do(("boot",), count_boot, _AT + "/counters")
        for number in range(16):
            k = key(100 * boot + number)
            grant(k, NOW + 100 * (number % 3 + 1), (320, 1344, 4128)[number % 3])
            if number % 4 == 1:
                void(k)
            elif number % 4 == 2:
                run.do(("kept", journal.END, k * 2), log.append, journal.END, k * 2)
            if number in (3, 8):  # a second use keeps the EVSE of the first
                run.do(("use", k, NOW + 900), book.add, k, NOW + 900, bytes(8), NOW)
            for refusal in range(3):
                body = b"%d %d " % (number, refusal) * (5 + 9 * refusal)
                run.do(("refused", body), refuse, body, number & 1)
            if number % 6 == 5:
                up_to = log.last[0] - 4 * boot
                run.do(("collected", up_to), log.collected, up_to)
            if number % 8 == 7:
                bundle = b"bundle %d %d" % (boot, number) * (5 if number < 8 else 900)
                run.do(("slot", bundle), reader.slots.write, "trust", bundle)
                run.do(("floor", NOW + 100 * number), reader.floor.rise, NOW + 100 * number, True)
    for k in one_bucket(18):
        run.do(("use", k, NOW + 50), book.add, k, NOW + 50, k[:8], NOW)
        run.do(("void", k), book.void, k)
        run.do(("use", k, NOW + 150), book.add, k, NOW + 150, k[:8], NOW)
    run.do(("clock", NOW + 100), book.expire, NOW + 100)
    run.do(("floor back", 7, NOW - 5), reader.floor.reset, 7, NOW - 5)


class Expected:
    """What must be on the flash, given the facts acknowledged before the cut and the one in progress."""

    def __init__(self, acknowledged, open_fact):
        self.used = {}  # key: until
        self.kept = []  # bodies and kinds, sequence 1 first
        self.refused = []
        self.collected = 0
        self.slot = [None]
        self.floor = [0]
        self.boots = 0
        for fact in acknowledged:
            self.take(fact)
        self.open = open_fact
        after = None
        if open_fact:
            after = Expected(acknowledged, None)
            after.take(open_fact)
            self.slot += after.slot
            self.floor += after.floor
        self.after = after

    def take(self, fact):
        what = fact[0]
        if what == "use":
            self.used[fact[1]] = max(fact[2], self.used.get(fact[1], 0))
        elif what == "void":
            self.used.pop(fact[1], None)
        elif what == "clock":
            self.used = {k: until for k, until in self.used.items() if until > fact[1]}
        elif what == "kept":
            self.kept.append(fact[1:])
        elif what == "refused":
            self.refused.append(fact[1])
        elif what == "collected":
            self.collected = fact[1]
        elif what == "slot":
            self.slot = [fact[1]]
        elif what == "floor":
            self.floor = [max(self.floor[0], fact[1])]
        elif what == "floor back":
            self.floor = [fact[2]]
        elif what == "boot":
            self.boots += 1


class Broken(Exception):
    """A promise that was not kept."""


def need(condition, what):
    if not condition:
        raise Broken(what)


def check_ledger(expected, book):
    need(book.damage == [] and book.torn == 0, f"ledger: {book.damage}")
    keys = set(expected.used)
    if expected.after:
        keys |= set(expected.after.used)
    for k in keys:
        found = book.find(k)
        until = found[0] if found else None
        allowed = [expected.used.get(k)]
        if expected.after:
            allowed.append(expected.after.used.get(k))
        need(until in allowed, f"ledger: {until} is not in {allowed}")
        need(found is None or found[1] == k[:8], "ledger: wrong EVSE")
        if None not in allowed:
            need(book.add(k, NOW + 1, bytes(8), NOW) is False, "granted twice")
    least, most = len(expected.used), len(expected.after.used if expected.after else expected.used)
    need(min(least, most) <= book.live <= max(least, most), f"ledger: {book.live} live")


def check_journal(expected, log):
    for _ in log.check():
        pass
    need(log.damage == [] and log.torn <= (expected.open is not None), f"journal: {log.damage}")
    kept = list(log.read())
    most = expected.after.kept if expected.after else expected.kept
    need(log.last[0] in (len(expected.kept), len(most)), f"journal: last is {log.last[0]}")
    need([entry[0] for entry in kept] == list(range(log.first[0], log.last[0] + 1)), "journal: gaps")
    need([entry[1:] for entry in kept] == most[log.first[0] - 1 : log.last[0]], "journal: changed")
    gone = max(expected.collected, expected.after.collected if expected.after else 0)
    need(log.first[0] <= gone + 1, f"journal: {log.first[0] - 1} deleted, {gone} collected")
    refused = list(log.read(1, journal.REFUSED))
    most = expected.after.refused if expected.after else expected.refused
    need(log.last[1] in (len(expected.refused), len(most)), f"ring: last is {log.last[1]}")
    need([entry[2] for entry in refused] == most[log.first[1] - 1 : log.last[1]], "ring: changed")
    need(len(refused) >= min(20, len(expected.refused)), f"ring: only {len(refused)}")
    records, problems = chain.verify(b"".join(log.export(nonce=b"now")), KEY, b"now")
    need(problems == [] and len(records) == len(kept) + len(refused), f"chain: {problems}")


def check_values(expected, reader):
    need(reader.slots.read("trust") in expected.slot and reader.slots.damage == [], "slot")
    need(reader.floor.seconds in expected.floor and reader.floor.damage == [], f"floor {reader.floor.seconds}")


def serve(expected, reader):
    """The reader works on: everything can be written and is still there after the next start."""
    fresh = key(999_999)
    need(reader.ledger.add(fresh, NOW + 1, bytes(8), NOW) is True, "not granted")
    need(reader.ledger.add(fresh, NOW + 1, bytes(8), NOW) is False, "granted twice")
    sequence = reader.journal.append(journal.GRANT, b"served" * 100)
    refused = reader.journal.refuse(b"served")
    reader.slots.write("trust", b"served")
    need(count_boot(_AT + "/counters") > expected.boots, "boot number repeats")
    return sequence, refused


def served(done, reader):
    need(reader.ledger.find(key(999_999)) is not None, "grant after the restart lost")
    need(list(reader.journal.read(done[0])) == [(done[0], journal.GRANT, b"served" * 100)], "entry lost")
    need([r[2] for r in reader.journal.read(done[1], journal.REFUSED)] == [b"served"], "refusal lost")
    need(reader.slots.read("trust") == b"served", "value lost")


class Life:
    """A recorded run of `script`, and its checks. `make_cut`: record the making of the stores instead."""

    def __init__(self, make_cut):
        flash = Flash(BLOCKS)
        os.VfsLfs2.mkfs(flash)
        if make_cut:
            self.run = Recorder(flash)
            reader = self.run.do(("made",), Reader, flash, True)
        else:
            reader = Reader(flash, True)
            self.run = Recorder(flash)
            script(self.run, reader)
        self.make_cut = make_cut
        self.erases, self.writes = flash.erases, flash.writes
        reader.off()

    def check(self, cut, image, how):
        """Start from the image; with a second cut while the reader starts and works on, start again."""
        expected = Expected(*self.run.known(cut))
        flash = Flash(image=image)
        again = Recorder(flash)
        self._look(expected, flash, cut, how)
        operations = flash.operations
        second = (cut * 31) % len(operations)
        half = Flash(image=again.before)
        for place, data in operations[:second]:
            half.erase(place) if data is None else half.write(place, data)
        if how == "torn":
            half = Flash(image=torn(half.image, operations[second], cut))
        reader = self._start(half)
        try:
            need(reader.ledger.damage == [] and reader.journal.damage == [], "second cut: damage")
            for k in expected.used:
                if expected.after is None or k in expected.after.used:
                    need(reader.ledger.find(k) is not None, "second cut: grant lost")
            need(
                len(list(reader.journal.read())) >= len(expected.kept) + 1 - reader.journal.first[0],
                "second cut: entries lost",
            )
            need(chain.verify(b"".join(reader.journal.export()), KEY)[1] == [], "second cut: chain")
        finally:
            reader.off()

    def _start(self, flash):
        return Reader(flash, self.make_cut)

    def _look(self, expected, flash, cut, how):
        reader = self._start(flash)
        try:
            check_ledger(expected, reader.ledger)
            check_journal(expected, reader.journal)
            check_values(expected, reader)
            done = serve(expected, reader)
            reader.off()
            reader = self._start(flash)
            served(done, reader)
            need(flash.faults == [], f"flash: {flash.faults}")
        except Exception:
            print(f"cut {cut}, {how}, in {expected.open and expected.open[0]}")
            raise
        finally:
            reader.off()


def main(stride):
    """Record a life of the stores, try every `stride`th cut, print how many."""
    tried = 0
    for make_cut in (True, False):
        life = Life(make_cut)
        changes = len(life.run.flash.operations)
        tried += sweep(life.run, life.check, stride, 3)
        print(f"{'making' if make_cut else 'working'}: {changes} changes of the flash")
    print(f"{tried} cut points, each followed by a second cut")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
