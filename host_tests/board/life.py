"""A life of a whole station for the power cuts: taps, sessions, compactions, a new trust bundle, all of it recorded.

What the firmware did to the flash is taken down change by change, together with what it had acknowledged by then, and
with the edges of the relay's pin. So the flash after a cut at change N is known without living again, and so is what
the reader had promised.
"""

import base64
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from host_tests.board.desk import as_on_boards
from store.journal import GRANT, KEPT, REFUSED, Journal
from store.ledger import Ledger
from store.slots import Slots
from tools.portable import chain
from tools.site.keys import load_key
from tools.tickets.mint import defaults, mint
from tools.tickets.signing import BUNDLE_TYPE, sign_jws
from tools.units import epoch_ms
from tools.virtual.cards import Ntag, Type4Tag, ndef_message
from tools.virtual.image import mounted
from tools.virtual.station import Station

_UNIX_2000_MS = 946_684_800_000
HEAP = "160wK"  # memory is not what is tested here
_BUCKET = 7  # of the ledger: made ready to be compacted

# In front of main.py: a relay that is out of order for whoever asks for two minutes, so that grants are voided.
_FAULTY = """
import relay.gpio
from relay.grant import RelayFault
_deliver = relay.gpio.GpioRelay.deliver
async def deliver(self, grant):
    if grant.limits.get("maxDuration") == 2:
        raise RelayFault("out of order")
    await _deliver(self, grant)
relay.gpio.GpioRelay.deliver = deliver
"""

# Brings the stores close to their turning points: a bucket to its compaction, both journal streams to a new segment,
# the ring to dropping its oldest one.
_PREPARE = """
import os
from store.journal import Journal
from store.ledger import Ledger
book = Ledger("/data/ledger")
for n in range(13):
    book.add(bytes((%d, n)) + bytes(30), 4000000000, bytes(8))
    book.void(bytes((%d, n)) + bytes(30))
log = Journal("/data/journal", open("/keys/journal.key", "rb").read())
def last(stream):
    names = sorted(os.listdir("/data/journal/" + stream))
    names = [name for name in names if len(name) == 8]
    return len(names), os.stat("/data/journal/" + stream + "/" + names[-1])[6]
while last("kept")[1] < 65536 - 1500:
    log.append(%d, bytes(1200))
while last("refused") < (4, 16384 - 900):
    log.refuse(bytes(300))
print("stores are full enough")
"""


class PowerFailed(Exception):
    """The station went dark in the middle of the script."""


@dataclass
class Stored:
    """What a reader's flash holds, read by the firmware's own stores. `kept`, `refused`: {sequence: (kind, body)}."""

    ledger: Ledger
    journal: Journal
    bundle: bytes | None
    damage: list[str]
    kept: dict[int, tuple[int, bytes]]
    refused: dict[int, tuple[int, bytes]]
    problems: list[str]


def read_stores(image: Path, folder: Path) -> Stored:
    """Copies the stores off a flash image into the folder, opens and checks them."""
    shutil.rmtree(folder, ignore_errors=True)
    with mounted(image) as fs:
        for at, folders, files in fs.walk("/data"):
            (folder / at[1:]).mkdir(parents=True)
            for name in files:
                with fs.open(f"{at}/{name}", "rb") as file:
                    (folder / at[1:] / name).write_bytes(file.read())
        with fs.open("/keys/journal.key", "rb") as file:
            key = file.read()
    ledger = Ledger(str(folder / "data/ledger"))
    journal = Journal(str(folder / "data/journal"), key)
    for _ in journal.check():
        pass
    _, problems = chain.verify(b"".join(journal.export(nonce=b"now")), key, b"now")
    kept, refused = ({n: (kind, body) for n, kind, body in journal.read(1, stream)} for stream in (KEPT, REFUSED))
    bundle = Slots(str(folder / "data")).read("trust")
    return Stored(ledger, journal, bundle, ledger.damage + journal.damage, kept, refused, problems)


@dataclass
class Fact:
    """Something that was begun after `begun` changes of the flash and acknowledged after `ended` of them."""

    begun: int
    what: str
    ticket: bytes = b""
    ended: int | None = None
    kept_last: int = 0
    refused_last: int = 0
    collected: int = 0


@dataclass
class Life:
    """What was done, and what came of it. `edges`: (changes of the flash before, ticket) of each time the relay went
    on; `operations`: (offset, bytes) written, (block, None) erased."""

    before: bytes = b""
    operations: list[tuple[int, bytes | None]] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    edges: list[tuple[int, bytes]] = field(default_factory=list)
    kept: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    refused: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    bundles: list[bytes] = field(default_factory=list)
    ids: dict[str, bytes] = field(default_factory=dict)

    def last(self, changes: int) -> tuple[int, int]:
        """Last acknowledged sequences after so many changes, kept and refused."""
        known = [fact for fact in self.facts if fact.ended is not None and fact.ended <= changes]
        return max((fact.kept_last for fact in known), default=0), max((f.refused_last for f in known), default=0)


class Liver:
    """Lives the script on a station whose flash is a copy of a provisioned one."""

    def __init__(self, site: Path, provisioned: Path, folder: Path):
        self.folder = folder
        self.image = folder / "life.img"
        self.life = Life()
        self.started_ms = epoch_ms() // 1000 * 1000
        self._key = load_key(site / "issuer.jwk", private=True)
        self._root = load_key(site / "root.jwk", private=True)
        self._presented = b""
        shutil.copyfile(provisioned, self.image)

    def ticket(self, id: str, form: str = "jws", **claims) -> bytes:
        whole = {**defaults("DE-XYZ", self.started_ms, self.started_ms - 3_600_000, 86_400), "maxDuration": 1, **claims}
        self.life.ids[id] = mint({**whole, "id": id}, self._key, form)
        return self.life.ids[id]

    def prepare(self) -> None:
        """What is on the flash before the life begins."""
        with mounted(self.image) as fs:
            with fs.open("/site.json", "rb") as file:
                config = json.loads(file.read())
            config["nfc"]["poll_ms"] = 1000  # a minute without a card is soon over then
            with fs.open("/main.py", "rb") as file:
                main = file.read().decode()
            files = {
                "/main.py": as_on_boards(_FAULTY) + main,
                "/maintenance": "",
                "/full.py": as_on_boards(_PREPARE % (_BUCKET, _BUCKET, GRANT)),
                "/site.json": json.dumps(config),
            }
            for path, content in files.items():
                with fs.open(path, "wb") as file:
                    file.write(content.encode())
        with Station(self.image, HEAP) as station:
            station.board.power_on()
            station.world.run_until(lambda: station.board.at_prompt, 5)
            station.board.type(b"import full\r\n")
            assert station.world.run_until(lambda: "stores are full enough\r" in station.board.console_log, 120)
        with mounted(self.image) as fs:
            fs.remove("/maintenance")
            fs.remove("/full.py")

    def live(self, cut: Callable[[Station], None] | None = None) -> Life:
        """The whole script, or as far as it came: `cut` may arm a power cut."""
        stored = read_stores(self.image, self.folder / "stores")
        self.life.before = self.image.read_bytes()
        self.life.bundles = [stored.bundle or b"", self._next_bundle(stored.bundle or b"")]
        with Station(self.image, HEAP) as station:
            self.station = station
            self._record(station)
            if cut:
                cut(station)
            try:
                self._script()
            except (PowerFailed, TimeoutError):
                if station.board.alive:
                    raise
        return self.life

    def _record(self, station: Station) -> None:
        flash, life = station.board.flash, self.life
        program, erase = flash.program, flash.erase

        def programmed(offset, data, power_cut):
            life.operations.append((offset, bytes(data)))
            program(offset, data, power_cut)

        def erased(block, power_cut):
            life.operations.append((block, None))
            erase(block, power_cut)

        flash.program, flash.erase = programmed, erased  # type: ignore[method-assign]
        station.board.pins.watch(station.pins["RELAY"], self._relay)

    def _relay(self, level: int | None) -> None:
        if level == 1:
            self.life.edges.append((len(self.life.operations), self._presented))

    def _script(self) -> None:
        self._switch_on()
        self._tap("granted", self.ticket("A"))
        self._session_ends()
        self._tap("refused", self.ticket("kind", evseKind="DC"))
        self._tap("voided", self.ticket(self._in_bucket(), maxDuration=2))
        self._tap("granted", self.ticket("B", "cwt"), "cwt")
        self._tap("refused", self.ticket("busy"))
        self.station.power_cut()
        self._switch_on()
        self._tap("refused", self.ticket("A"))
        for number in range(4):  # the ring turns over
            self._tap("refused", self.ticket(f"over {number}", validEVSEIds=["DE*ABC*E9"]))
        up_to = self.life.last(len(self.life.operations))[0] - 2
        self._at_console("collected", f"j.collected({up_to})", up_to)
        write = f"f.write({self.life.bundles[1]!r})"
        self._at_console("bundle", "f = open('/incoming/trust.jws', 'wb'); " + write + "; f.close()")
        self._tap("granted", self.ticket("C"))
        self._session_ends()
        self._tap("voided", self.ticket("D", maxDuration=2))
        self._tap("granted", self.ticket("E", description=[{"language": "en", "text": "x" * 2000}]))

    def _switch_on(self) -> None:
        fact = self._begin("start")
        switch_on(self.station, self.started_ms)
        self._end(fact)

    def _tap(self, what: str, ticket: bytes, form: str = "jws") -> None:
        fact, edges = self._begin(what, ticket), len(self.life.edges)
        self._presented = ticket
        tapped = self.station.tap(card(ticket, form))
        self._end(fact)
        granted, energised = tapped.reason == "GRANTED", len(self.life.edges) - edges
        assert granted == energised == (what == "granted"), tapped
        assert (what == "voided") == (tapped.reason == "RELAY_FAULT"), tapped

    def _session_ends(self) -> None:
        fact = self._begin("ended")
        self.station.world.run_until(lambda: not self.station.relay_on, 120)
        self.station.world.run(1)
        self._end(fact)

    def _at_console(self, what: str, line: str, collected: int = 0) -> None:
        """A line typed at the REPL, and the restart after it."""
        fact, board, since = self._begin(what), self.station.board, len(self.station.board.console_log)
        fact.collected = collected
        board.type(b"\x03")
        self.station.world.run_until(lambda: board.at_prompt, 5)
        open_it = (
            "from store.journal import Journal; j = Journal('/data/journal', open('/keys/journal.key', 'rb').read())"
        )
        board.type(as_on_boards(f"{open_it}; {line}; import machine; machine.reset()\r\n").encode())
        self.station.world.run_until(lambda: self.station.served(since), 20)
        self._end(fact)

    def _begin(self, what: str, ticket: bytes = b"") -> Fact:
        self.life.facts.append(Fact(len(self.life.operations), what, ticket))
        return self.life.facts[-1]

    def _end(self, fact: Fact) -> None:
        if not self.station.board.alive:
            raise PowerFailed
        stored = read_stores(self.image, self.folder / "stores")
        assert stored.damage == [] and stored.problems == [] and self.station.board.flash.faults == []
        self.life.kept.update(stored.kept)
        self.life.refused.update(stored.refused)
        fact.kept_last, fact.refused_last = stored.journal.last
        fact.ended = len(self.life.operations)

    def _next_bundle(self, present: bytes) -> bytes:
        payload = json.loads(base64.urlsafe_b64decode(present.split(b".")[1] + b"=="))
        payload["version"] += 1
        return sign_jws(json.dumps(payload).encode(), self._root, BUNDLE_TYPE)

    def _in_bucket(self) -> str:
        return next(f"V{n}" for n in range(10_000) if ledger_key(f"V{n}")[0] % 64 == _BUCKET)


def ledger_key(id: str) -> bytes:
    return hashlib.sha256(b"DEXYZ\0" + id.encode()).digest()


def card(ticket: bytes, form: str = "jws"):
    message = ndef_message("application/charging-ticket+" + form, ticket)
    return Ntag(216, message) if form == "cwt" else Type4Tag(message)


def switch_on(station: Station, now_ms: int) -> None:
    """Power on, the clock set by something that keeps the time. Raises TimeoutError unless the firmware serves."""
    since = len(station.board.console_log)
    station.board.power_on()
    station.board.rtc.set((now_ms - _UNIX_2000_MS) * 1000)
    station._wait_ready(since)
