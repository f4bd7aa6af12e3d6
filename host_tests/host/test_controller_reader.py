"""What the reference controller makes of a reader that lies, and how much of it is kept."""

import struct

import pytest

from host_tests.host.test_controller_sessions import GRANT
from tools.controller import messages, pull, sessions
from tools.controller.evse import SimulatedEvse
from tools.controller.messages import Id
from tools.controller.reader import Reader
from tools.controller.store import Store
from tools.site.directory import Site

EVSE = "DE*ABC*E1*1"
READER = {"version": 1, "starts": 7, "count": 1, "reader": "reader-1", "evses": [EVSE]}


class Desk:
    """A controller with its reader's end of the line in the test's hands."""

    def __init__(self, folder):
        (folder / "reader-1.journal-key").write_bytes(bytes(32))
        self.now = 1000.0
        self.evse = SimulatedEvse(clock=lambda: self.now)
        self.sent: list[bytes] = []
        self.told: list[str] = []
        self.documents: list[bytes] = []
        self.store = Store(folder / "controller.sqlite")
        self.reader = Reader(
            Site.load(folder), [self.evse], self.store, self.sent.append, self._take, self.told.append,
            clock=lambda: self.now, has_time=lambda: False,
        )  # fmt: skip

    def _take(self, document):
        self.documents.append(document)
        return True

    def say(self, id, **values):
        """A message of the reader; the ids of what it got for it."""
        body = messages.pack_body(id, **values)
        del self.sent[:]
        for offset in range(0, max(len(body), 1), 58):
            self.reader.feed(struct.pack("<BBHH", id, 1, len(body), offset) + body[offset : offset + 58])
        return [Id(data[0]) for data in self.sent]


@pytest.fixture
def desk(site):
    return Desk(site)


def test_only_the_reader_that_the_site_names_is_granted_anything_from_its_first_word_on(desk):
    assert desk.say(Id.GRANT, **GRANT) == desk.say(Id.RENEW, session=42, lease_s=60) == []
    assert "reader-1: GRANT before it has said who it is; passed over" in desk.told
    assert desk.say(Id.READER, **READER) == [Id.CONTROLLER]
    assert desk.say(Id.GRANT, **GRANT) == [Id.GRANT_ANSWER]
    assert desk.say(Id.READER, **{**READER, "evses": ["DE*ABC*E2*2"]}) == []
    assert desk.say(Id.RENEW, session=42, lease_s=60) == [] and not desk.evse.energised


@pytest.mark.parametrize(
    "odd",
    [{"tariffs": b"[" * 4000}, {"tariffs": b"\xff"}, {"tariffs": b"{}"}, {"price": "Infinity"}, {"price": "1 EUR"}],
    ids=str,
)
def test_grant_that_says_nonsense_of_tariffs_or_price_starts_without_them(desk, odd):
    desk.reader.sessions._pass_unenforced = True
    desk.reader.sessions._record = True
    desk.say(Id.READER, **READER)
    assert desk.say(Id.GRANT, **{**GRANT, "limits": messages.PRICE_BIT, "price": "9.00", **odd}) == [Id.GRANT_ANSWER]
    assert desk.say(Id.RENEW, session=42, lease_s=60) == [Id.RUNS] and desk.evse.energised
    waiting = desk.store.next_event()
    assert waiting
    info = waiting[1]["transaction_info"]
    assert "tariff_id" not in info and info.get("transaction_limit") == (None if "price" in odd else {"max_cost": 9.0})


def test_housing_is_told_of_as_it_opens_and_closes(desk):
    for is_open in (False, True, True, False):
        desk.reader.look(is_open)
    assert desk.told == ["reader-1: its housing is open", "reader-1: its housing is closed again"]


def test_journals_that_fail_the_check_do_not_fill_the_disk(desk, monkeypatch, site):
    monkeypatch.setattr(pull, "_MOST_BAD", 2)
    desk.say(Id.READER, **READER)
    for _ in range(4):
        desk.reader.pull.begin({"last_kept": 1, "last_refusal": 1})
        number = desk.sent[-1][1]
        for data in (b"nonsense", b""):
            desk.reader.feed(struct.pack("<BBI", Id.JOURNAL, number, 0 if data else 8) + data)
    assert len(list(site.glob("*.journal.bad"))) == 2 and not list(site.glob("*.journal"))
    assert desk.told[-1].endswith("not kept, since 2 such files are here")


def test_where_the_back_end_is_away_for_long_only_starts_and_ends_are_still_kept(desk, monkeypatch):
    monkeypatch.setattr(sessions, "MOST_WAITING", 3)
    desk.reader.sessions._record = True
    desk.say(Id.READER, **READER)
    desk.say(Id.GRANT, **GRANT)
    for _ in range(600):
        if desk.now % 20 == 0:
            desk.say(Id.RENEW, session=42, lease_s=60)
        desk.now += 1
        desk.reader.tick()
    desk.say(Id.END, session=42, cause=messages.STOPPED_BY_DRIVER)
    kept = []
    while waiting := desk.store.next_event():
        kept.append((waiting[1]["event_type"], waiting[1]["seq_no"]))
        desk.store.sent(waiting[0])
    assert kept == [("Started", 0), ("Updated", 1), ("Updated", 2), ("Ended", 3)]


def test_trust_bundle_is_sent_until_the_reader_has_answered_it_and_never_two_at_once(desk):
    bundle = desk.reader.site.trust_bundle()
    status = {**dict.fromkeys((form.split()[1] for form in messages.FORMS[Id.STATUS]), 0), "fault": ""}
    desk.say(Id.READER, **READER)
    for _ in range(2):
        desk.say(Id.STATUS, **status)
    assert desk.documents == [bundle] and not desk.reader._begin(b"another")
    desk.reader.lost()
    desk.say(Id.READER, **READER)
    desk.say(Id.STATUS, **status)
    desk.now += 301
    desk.say(Id.STATUS, **status)
    assert desk.documents == [bundle] * 3
    desk.say(Id.DOCUMENT, result=1, outcome="BAD_SIGNATURE")
    desk.say(Id.STATUS, **status)
    assert desk.documents == [bundle] * 3 and desk.reader._begin(b"another")
