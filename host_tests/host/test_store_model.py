"""The ledger against a dictionary, the journal against two lists: whatever is done, in whatever order."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from store import journal, ledger
from store.files import Full
from tools.portable import chain

KEY = bytes(range(32))
NOW = 1_800_000_000
LIMIT = 12
# Few tickets, most of them in two buckets: so they meet again and buckets are compacted.
KEYS = st.builds(lambda bucket, n: bytes([bucket, n]) + bytes(30), st.sampled_from([5, 69, 6]), st.integers(0, 7))
EVSES = st.sampled_from([b"evse%04d" % n for n in range(3)])
TIMES = st.integers(NOW, NOW + 40)


class LedgerModel(RuleBasedStateMachine):
    @initialize()
    def start(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-"))
        ledger.make(str(self.folder))
        self.book = ledger.Ledger(str(self.folder), LIMIT)
        self.model: dict[bytes, tuple[int, bytes]] = {}  # what was added and neither voided nor reclaimed
        self.now = NOW

    def teardown(self):
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    def ended(self, key):
        return key in self.model and self.model[key][0] <= self.now

    @rule(key=KEYS, until=TIMES, evse=EVSES, clock_set=st.booleans())
    def add(self, key, until, evse, clock_set):
        now = self.now if clock_set else None
        known = self.model.get(key)
        try:
            first = self.book.add(key, until, evse, now)
        except Full:
            live = [k for k in self.model if not (clock_set and self.ended(k))]
            assert known is None and len(live) >= LIMIT
            return
        if known is None or (clock_set and known[0] <= self.now):
            assert first is True
            if len(self.model) >= LIMIT and known is None:
                assert clock_set
                self.reclaim()
            self.model[key] = until, evse
        else:
            assert first is False
            self.model[key] = max(until, known[0]), known[1]

    def reclaim(self):
        self.model = {k: use for k, use in self.model.items() if use[0] > self.now}

    @rule(key=KEYS)
    def void(self, key):
        assert self.book.void(key) is (self.model.pop(key, None) is not None)

    @rule(key=KEYS)
    def find(self, key):
        assert self.book.find(key) == self.model.get(key)
        assert self.book.find(key, self.now) == (None if self.ended(key) else self.model.get(key))

    @rule()
    def expire(self):
        before = len(self.model)
        self.reclaim()
        assert self.book.expire(self.now) == before - len(self.model)

    @rule(seconds=st.integers(1, 15))
    def time_passes(self, seconds):
        self.now += seconds

    @rule()
    def restart(self):
        self.book = ledger.Ledger(str(self.folder), LIMIT)

    @invariant()
    def counts_agree(self):
        if hasattr(self, "book"):
            assert self.book.live == len(self.model) and self.book.damage == []


class JournalModel(RuleBasedStateMachine):
    @initialize()
    def start(self):
        self.folder = Path(tempfile.mkdtemp(prefix="journal-"))
        journal.make(str(self.folder))
        self.kept: list[tuple[int, bytes]] = []
        self.refused: list[bytes] = []
        self.collected = 0
        self.open()

    def open(self):
        self.log = journal.Journal(str(self.folder), KEY, size=40_000, ring=4096)

    def teardown(self):
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    @rule(size=st.sampled_from([0, 76, 77, 436, 437, 1300, 4096, 4608]), letter=st.integers(0, 255))
    def grant(self, size, letter):
        body = bytes([letter]) * size
        room = self.log.room(size)
        try:
            sequence = self.log.append(journal.GRANT, body)
        except Full:
            assert not room
        else:
            assert room
            self.kept.append((journal.GRANT, body))
            assert sequence == len(self.kept)

    @rule(kind=st.sampled_from([journal.VOID, journal.END]), size=st.integers(0, 436))
    def close(self, kind, size):
        try:
            self.log.append(kind, bytes(size))
        except Full:
            assert not self.log.room(0)  # ends are refused only long after grants are
        else:
            self.kept.append((kind, bytes(size)))

    @rule(size=st.integers(0, 436), letter=st.integers(0, 255))
    def refuse(self, size, letter):
        self.refused.append(bytes([letter]) * size)
        assert self.log.refuse(self.refused[-1]) == len(self.refused)

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def collect(self, data):
        up_to = data.draw(st.integers(0, len(self.kept) + 1))
        self.collected = max(self.collected, min(up_to, len(self.kept)))
        self.log.collected(up_to)
        if up_to >= len(self.kept):
            assert list(self.log.read()) == []

    @rule()
    def restart(self):
        self.open()

    @rule(start=st.integers(1, 40))
    def reading_from_the_middle(self, start):
        entries = list(self.log.read(start))
        first = max(start, self.log.first[0])
        assert entries == [(n, *self.kept[n - 1]) for n in range(first, len(self.kept) + 1)]

    @invariant()
    def everything_not_collected_is_there(self):
        if not hasattr(self, "log"):
            return
        assert self.log.damage == [] and self.log.torn == 0
        first, first_refused = self.log.first
        assert first <= self.collected + 1 and self.log.last == (len(self.kept), len(self.refused))
        records, problems = chain.verify(b"".join(self.log.export()), KEY)
        assert problems == []
        found = [(record[2], record[3]) for record in records if record[0] == journal.KEPT]
        assert found == self.kept[first - 1 :]
        found = [record[3] for record in records if record[0] == journal.REFUSED]
        assert found == self.refused[first_refused - 1 :]
        assert sum(map(len, found)) >= min(1000, sum(map(len, self.refused)))


def run(machine: type[RuleBasedStateMachine], soak: bool):
    case = machine.TestCase
    case.settings = settings(max_examples=300 if soak else 15, stateful_step_count=120 if soak else 50, deadline=None)
    case().runTest()


def test_the_ledger_agrees_with_a_dictionary(soak):
    run(LedgerModel, soak)


def test_the_journal_agrees_with_two_lists(soak):
    run(JournalModel, soak)
