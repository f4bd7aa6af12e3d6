"""The reference controller against a reader of libosdp: channel, messages, journal, documents."""

import asyncio
import secrets
import struct
import threading
import time
from contextlib import contextmanager
from functools import partial

import pytest

from host_tests.peers.csms import Csms
from host_tests.peers.osdp_reader import ADDRESS, FakeReader
from store import journal
from store.journal import Journal
from tools.controller import messages, panel, serve, sessions
from tools.controller.backend import Backend
from tools.controller.evse import SimulatedEvse
from tools.controller.messages import Id
from tools.controller.panel import Panel
from tools.controller.reader import Reader
from tools.controller.store import Store
from tools.fleet import journal_file
from tools.site.directory import Site
from tools.site.init import init
from tools.site.keys import load_key

KEY = bytes(range(100, 116))
TICKET_KEY = bytes(range(32))
GRANT = {
    "session": 42, "evse": 0, "holder": 1, "smart": 0, "lease_s": 60, "limits": 9, "max_energy_wh": 11000,
    "max_power_w": 0, "max_current_a": 0, "max_duration_min": 90, "ticket_key": TICKET_KEY, "provider": "DE-XYZ",
    "ticket": "DE-XYZ-CT-1",
    "price": "", "currency": "", "tariffs": b'["T1"]',
}  # fmt: skip
STATUS = {
    "version": 1, "clock": 2, "unix_s": 0, "trust_version": 0, "oldest_kept": 0, "last_kept": 0, "oldest_refusal": 0,
    "last_refusal": 0, "remembered": 0, "room": 4000, "dropped": 0, "fault": "",
}  # fmt: skip


class Controller:
    """Runs in a thread of its own, as `serve.run` runs it, with a back end that listens beside it."""

    def __init__(self, folder, path, key=KEY, release=True, has_time=True):
        self.csms = Csms()
        self.has_time = has_time
        self.evse = SimulatedEvse()
        self.said = []
        self.stopping = False
        self.site = Site.load(folder)
        self._path, self._key, self._release = path, key, release
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self):
        await self.csms.open()
        bus = Panel(self._path, {ADDRESS: self._key}, 115200)
        store = Store(self.site.folder / "controller.sqlite")
        readers: dict[int, Reader] = {}
        backend = Backend(self.csms.url, "DE*ABC*S1", store, self._stop, self._connectors, self.said.append)
        readers[ADDRESS] = Reader(
            self.site, [self.evse], store, partial(bus.send, ADDRESS), partial(bus.send_file, ADDRESS),
            self.said.append, backend.authorize, release=self._release, has_time=lambda: self.has_time,
            is_online=lambda: backend.online,
        )  # fmt: skip
        try:
            self.reader = readers[ADDRESS]
            await serve.serve(bus, readers, backend, lambda: self.stopping)
        finally:
            bus.close()
            store.close()
            await self.csms.close()

    def _stop(self, transaction):
        return self.reader.sessions.stop(transaction)

    def _connectors(self):
        return self.reader.connectors()

    @contextmanager
    def running(self):
        self._thread.start()
        try:
            yield self
        finally:
            self.stopping = True
            self._thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("controller") / "site"
    init(folder)
    Site.load(folder).trust_bundle()
    return folder


@pytest.fixture
def reader(folder):
    made = FakeReader(KEY, Site.load(folder).evse_ids)
    yield made
    made.close()


def test_from_the_handshake_to_the_end_of_a_session(folder, reader, monkeypatch):
    monkeypatch.setattr(sessions, "UNPLUGGED_S", 0.2)
    controller = Controller(folder, reader.path)
    controller.site.content["relay"]["enforces"] = ["maxEnergy", "maxPrice"]
    with controller.running():
        reader.secure()
        assert reader.greet() == {"version": 1, "enforces": 15, "flags": 1}
        assert "reader-1: relay.enforces in its site.toml names maxPrice: not kept here" in controller.said
        assert reader.hear(Id.VEHICLE) == {"evse": 0, "state": 1}
        assert abs(reader.hear(Id.TIME)["unix_s"] - time.time()) < 5
        reader.hear(Id.STATUS_GET)
        reader.tamper(1)
        FakeReader.wait(lambda: "reader-1: its housing is open" in controller.said)
        FakeReader.wait(lambda: controller.csms.told("StatusNotification"))
        asked = {"evse": 0, "why": 1, "ticket_key": TICKET_KEY, "provider": "DE-XYZ", "ticket": "DE-XYZ-CT-1"}
        assert reader.ask(Id.VALIDATE, Id.VALIDATE_ANSWER, **asked) == {"result": 1}
        controller.csms.word = "Blocked"
        assert reader.ask(Id.VALIDATE, Id.VALIDATE_ANSWER, **asked) == {"result": 0}
        controller.csms.word = None
        reader.say(Id.VALIDATE, **asked)
        FakeReader.wait(lambda: any("silent" in line for line in controller.said))

        assert reader.ask(Id.GRANT, Id.GRANT_ANSWER, **GRANT) == {"session": 42, "result": messages.ACCEPTED}
        assert not controller.evse.energised
        assert reader.ask(Id.RENEW, Id.RUNS, session=42, lease_s=60)["result"] == 0
        assert controller.evse.energised
        FakeReader.wait(controller.csms.events)
        started = controller.csms.events()[0]
        assert started["eventType"] == "Started" and started["idToken"]["idToken"] == "DE-XYZ-CT-1"
        assert reader.ask(Id.GRANT, Id.GRANT_ANSWER, **{**GRANT, "session": 43})["result"] == messages.BUSY
        controller.evse.plugged = False
        assert reader.hear(Id.VEHICLE) == {"evse": 0, "state": 0}
        assert reader.hear(Id.ENDED)["cause"] == messages.UNPLUGGED and not controller.evse.energised
        reader.say(Id.ENDED_TAKEN, session=42)
        FakeReader.wait(lambda: len(controller.csms.events()) == 2)
        assert reader.ask(Id.RESUME, Id.RUNS, session=42, evse=0)["result"] == 1
        assert not [heard for heard in reader.heard if heard[0] not in (Id.TIME, Id.STATUS_GET)], reader.heard


def export_of(site, tmp_path, records):
    """A reader's journal with so many kept records and a refusal."""
    path = str(tmp_path / "journal")
    journal.make(path)
    book = Journal(path, site.journal_key())
    for number in range(records):
        book.append(journal.GRANT, bytes([number]) * 90)
    book.refuse(b"no")
    return book


def send_journal(reader, book, change=lambda export: export):
    asked = reader.hear(Id.JOURNAL_READ)
    export = change(b"".join(book.export(asked["first_kept"], asked["first_refusal"], asked["nonce"])))
    for offset in range(0, len(export) + 58, 58):
        piece = export[offset : offset + 58]
        reader.put(struct.pack("<BBI", Id.JOURNAL, reader.last_number, min(offset, len(export))) + piece)
    return asked


def test_journal_is_released_once_it_is_checked_and_on_disk(folder, reader, tmp_path):
    site = Site.load(folder)
    book = export_of(site, tmp_path, 3)
    status = {**STATUS, "trust_version": 99, "oldest_kept": 1, "last_kept": 3, "oldest_refusal": 1, "last_refusal": 1}
    with Controller(folder, reader.path).running() as controller:
        reader.secure()
        reader.greet()
        reader.hear(Id.STATUS_GET)
        reader.say(Id.STATUS, **status)
        asked = send_journal(reader, book, lambda export: export.replace(b"\1" * 90, b"\2" * 90))
        assert asked["first_kept"] == 1
        FakeReader.wait(lambda: any("not what the reader wrote" in line for line in controller.said))
        assert len(list(folder.glob("*.journal.bad"))) == 1 and not list(folder.glob("*.journal"))
        reader.say(Id.STATUS, **status)
        send_journal(reader, book)
        assert reader.hear(Id.COLLECTED) == {"last_kept": 3}
        (file,) = folder.glob("reader-1-*.journal")
        assert len(journal_file.records(journal_file.read_checked(file, site.journal_key()))) == 4
        book.collected(3)
        book.append(journal.END, b"end")
        reader.say(Id.STATUS, **{**status, "oldest_kept": 4, "last_kept": 4})
        asked = send_journal(reader, book)
        assert (asked["first_kept"], asked["first_refusal"]) == (4, 2)
        assert reader.hear(Id.COLLECTED) == {"last_kept": 4}
        reader.say(Id.STATUS, **{**status, "oldest_kept": 4, "last_kept": 4})
        reader.ask(Id.RENEW, Id.RUNS, session=1, lease_s=60)
        assert not [heard for heard in reader.heard if heard[0] == Id.JOURNAL_READ]


def test_time_of_a_clock_that_nobody_set_is_not_told(folder, reader):
    with Controller(folder, reader.path, has_time=False).running() as controller:
        reader.secure()
        reader.greet()
        reader.hear(Id.STATUS_GET)
        reader.ask(Id.RENEW, Id.RUNS, session=1, lease_s=60)
        assert not [heard for heard in reader.heard if heard[0] == Id.TIME]
        assert any("not synchronised" in line for line in controller.said)


@pytest.mark.slow  # test_controller_firmware brings one, too
def test_newer_trust_bundle_is_brought(folder, reader):
    site = Site.load(folder)
    with Controller(folder, reader.path).running() as controller:
        reader.secure()
        reader.greet()
        reader.hear(Id.STATUS_GET)
        reader.say(Id.STATUS, **STATUS)
        FakeReader.wait(lambda: reader.documents, 10)
        assert reader.documents == [site.trust_bundle()]
        reader.say(Id.DOCUMENT, result=0, outcome="ACCEPTED")
        reader.hear(Id.STATUS_GET)
        reader.say(Id.STATUS, **{**STATUS, "trust_version": 1})
        site.keep_bundle(site.sign_bundle(site.next_payload(), load_key(folder / "root.jwk", private=True)))
        reader.say(Id.STATUS, **{**STATUS, "trust_version": 1})
        FakeReader.wait(lambda: len(reader.documents) == 2, 10)
        assert any("ACCEPTED" in line for line in controller.said)


@pytest.mark.parametrize("wrong", [{"reader": "reader-2"}, {"evses": ["DE*ABC*E1*2"]}, {"version": 2}])
def test_reader_of_another_site_is_not_served(folder, reader, wrong):
    with Controller(folder, reader.path).running() as controller:
        reader.secure()
        count = len(reader.evses)
        evses = {"version": 1, "starts": 1, "count": count, "reader": "reader-1", "evses": reader.evses, **wrong}
        reader.say(Id.READER, **evses)
        FakeReader.wait(lambda: any("the reader " in line for line in controller.said))
        assert reader.heard == []


@pytest.mark.slow  # the reader's own tests have this
def test_wrong_key_hears_nothing(folder, reader):
    with Controller(folder, reader.path, secrets.token_bytes(16)).running():
        with pytest.raises(AssertionError):
            reader.secure(1)
        assert reader.heard == []


@pytest.mark.slow
def test_reader_that_was_away_is_found_again_soon(folder, reader, monkeypatch):
    monkeypatch.setattr(panel, "AGAIN_S", 3)
    with Controller(folder, reader.path).running() as controller:
        reader.secure()
        reader.greet()
        reader.pause(30)
        assert any("lost" in line for line in controller.said)
        reader.secure(5)
        assert reader.greet()["version"] == 1
