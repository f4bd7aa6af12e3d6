"""One reader as its controller sees it: what each of its messages brings about (OSDP.md sections 2 to 5)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tools.controller import messages
from tools.controller.evse import Evse
from tools.controller.messages import Assembly, Id, Malformed, Message, Piece
from tools.controller.offer import Offer
from tools.controller.pull import Pull
from tools.controller.sessions import Sessions
from tools.controller.store import Store
from tools.problem import Problem
from tools.readers.update import Update
from tools.site.directory import Site
from tools.terminal import printable

VALIDATION_S = 4.5  # the reader waits 5 s, the way there and back included
STATUS_S = 60
SOON_S = 2
TIME_S = 3600
DOCUMENT_S = 300  # until a document of which nothing more was heard is given up: far more than any takes at 9600 baud

# (OCPP's EVSE id, provider, ticket id, ticket key in hexadecimal) -> yes, no, or None for silence
Authorize = Callable[[int, str, str, str], Awaitable[bool | None]]


class Reader:
    """Answers a reader and asks it for what is due.

    send: bytes of one osdp_MFG to this reader. send_file: begins a file transfer, False while one is under way.
    authorize: None where nobody answers validations. has_time: whether this machine's clock may be told.
    """

    def __init__(
        self, site: Site, evses: Sequence[Evse], store: Store, send: Callable[[bytes], None],
        send_file: Callable[[bytes], bool], say: Callable[[str], None], authorize: Authorize | None = None,
        clock: Callable[[], float] = time.monotonic, has_time: Callable[[], bool] = lambda: True,
        release: bool = False, first_id: int = 1, is_online: Callable[[], bool] = lambda: False,
        update: Update | None = None,
    ):  # fmt: skip
        self.site, self.name = site, site.reader
        self._send, self._send_file, self._say, self._authorize = send, send_file, say, authorize
        self._clock, self._has_time = clock, has_time
        self._assembly = Assembly()
        self._number = 0
        self._tasks: set[asyncio.Task] = set()
        self._vehicles: list[int] = []
        self._status_due = self._time_due = float("inf")
        self._sent = self._bundle = b""  # the last trust bundle that was sent, and that was answered
        self._document_until = 0.0  # one is under way
        self._refusal = ""
        self._offer = Offer(update, self._begin, self.complain, clock) if update else None
        self.known = False  # a READER of this channel has been answered
        self._open = False
        self.status: dict[str, Any] = {}
        self.sessions = Sessions(
            site.reader, evses, store, self.tell, clock, say, first_id, site.content.get("pass_unenforced", False),
            authorize is not None, is_online,
        )  # fmt: skip
        self.pull = Pull(site.folder, site.reader, site.journal_key(), store, self.tell, clock, say, release)

    def tell(self, id: Id, number: int | None, **values: Any) -> int:
        """Sends a message, with the number of what it answers or one of our own; returns that."""
        if number is None:
            number = self._number = self._number % 255 + 1
        self._send(messages.pack(id, number, **values))
        return number

    def lost(self) -> None:
        """The channel is over: what was under way in it is, too."""
        self._assembly = Assembly()
        self._document_until = 0.0
        self.pull.give_up()
        if self._offer:
            self._offer.lost()
        self._status_due = self._time_due = float("inf")
        if self.known:
            self._say(f"{self.name}: lost")
        self.known = self._open = False

    def _begin(self, document: bytes) -> bool:
        """Sends a document; False while another is under way, which a second one would spoil."""
        if self._clock() < self._document_until or not self._send_file(document):
            return False
        self._document_until = self._clock() + DOCUMENT_S
        return True

    def look(self, is_open: bool) -> None:
        """Takes what its tamper contact says."""
        if is_open != self._open:
            self._open = is_open
            self.complain("its housing is open" if is_open else "its housing is closed again")

    def complain(self, what: str) -> None:
        """Says something of this reader, as that it is not well."""
        self._say(f"{self.name}: {what}")

    def connectors(self) -> dict[int, str]:
        """{OCPP's EVSE id: its ConnectorStatus}."""
        return {self.sessions.first_id + index: self._connector(index) for index in range(len(self.sessions.evses))}

    def _connector(self, index: int) -> str:
        evse = self.sessions.evses[index]
        if evse.fault():
            return "Faulted"
        if self.sessions.on(index) or evse.vehicle():
            return "Occupied"
        return "Available" if self.known else "Unavailable"

    def feed(self, data: bytes) -> None:
        """The data of one osdp_MFGREP."""
        try:
            heard = self._assembly.feed(data)
        except Malformed as error:
            self._say(f"{self.name}: {error}")
            return
        if isinstance(heard, Piece):
            self.pull.feed(heard)
        elif heard is not None:
            self._take(heard)

    def _take(self, heard: Message) -> None:
        id, number, values = heard
        if id == Id.READER:
            self._greet(number, values)
        elif not self.known:
            self._say(f"{self.name}: {id.name} before it has said who it is; passed over")
        elif id == Id.GRANT:
            self.sessions.grant(number, values)
        elif id == Id.RENEW:
            self.sessions.renew(number, values)
        elif id == Id.RESUME:
            self.sessions.resume(number, values)
        elif id == Id.END:
            self.sessions.end(number, values)
            self._status_soon()
        elif id == Id.ENDED_TAKEN:
            self.sessions.ended_taken(values)
            self._status_soon()
        elif id == Id.VALIDATE:
            self._validate(number, values)
        elif id == Id.STATUS:
            self._judge_status(values)
        elif id == Id.DOCUMENT:
            self._document_until = 0.0
            if not (self._offer and self._offer.heard(values["outcome"])):
                self._bundle = self._sent
                self._say(f"{self.name}: document {printable(values['outcome'])}")
                self._status_soon()
        elif id == Id.TIME_ANSWER:
            if values["result"]:
                self._say(f"{self.name}: refuses the time; its clock says {values['unix_s']}")
        elif id == Id.COLLECTED_ANSWER:
            result = "could not release" if values["result"] else "released"
            self._say(f"{self.name}: {result}; keeps records {values['oldest_kept']} to {values['last_kept']}")
        elif id == Id.REJECTED:
            what = next((known.name for known in Id if known == values["rejected"]), f"{values['rejected']:#04x}")
            if values["rejected"] == Id.JOURNAL_READ:
                self.pull.give_up()
            self._say(f"{self.name}: rejects {what}, reason {values['why']}")

    def _status_soon(self) -> None:
        """There is something new in the journal, once the reader has written it."""
        self._status_due = min(self._status_due, self._clock() + SOON_S)

    def _greet(self, number: int, values: dict[str, Any]) -> None:
        """Only the reader that the site names, with its EVSEs in order, may grant anything here."""
        self.known = False
        evses = [evse.upper() for evse in values["evses"]]
        expected = [evse.upper() for evse in self.site.evse_ids]
        refusal = ""
        if values["version"] != 1:
            refusal = f"speaks version {values['version']}, not 1"
        elif values["reader"] != self.name or evses != expected or values["count"] != len(evses):
            theirs = printable(f"{values['reader']} with {', '.join(values['evses'])}")
            refusal = f"is {theirs}, not {self.name} with {', '.join(self.site.evse_ids)}; provision it again"
        if refusal:
            self._say(f"{self.name}: the reader {refusal}")
            return
        self._say(f"{self.name}: here, started {values['starts']} times")
        kept = [limit for bit, limit in enumerate(messages.LIMITS) if self.sessions.enforces >> bit & 1]
        if missing := set(self.site.content["relay"].get("enforces", ())) - set(kept):
            self._say(f"{self.name}: relay.enforces in its site.toml names {', '.join(sorted(missing))}: not kept here")
        self.known = True
        self.tell(Id.CONTROLLER, number, version=1, enforces=self.sessions.enforces, flags=int(bool(self._authorize)))
        self._vehicles = [-1] * len(self.sessions.evses)
        self._status_due = self._time_due = self._clock()

    def _validate(self, number: int, values: dict[str, Any]) -> None:
        if self._authorize and values["evse"] < len(self.sessions.evses):
            task = asyncio.ensure_future(self._ask(number, values))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, number: int, values: dict[str, Any]) -> None:
        """No answer at all is the answer of a back end that does not answer."""
        assert self._authorize
        asked = self._authorize(
            self.sessions.first_id + values["evse"], values["provider"], values["ticket"], values["ticket_key"].hex()
        )
        try:
            yes = await asyncio.wait_for(asked, VALIDATION_S)
        except TimeoutError:
            yes = None
        self._say(f"{self.name}: validation: {'silent' if yes is None else 'yes' if yes else 'no'}")
        if yes is not None:
            self.tell(Id.VALIDATE_ANSWER, number, result=int(yes))

    def tick(self) -> None:
        """What is due by the clock; several times a second."""
        self.sessions.tick()
        if not self.known:
            return
        now = self._clock()
        for evse, before in enumerate(self._vehicles):
            state = self.sessions.vehicle(evse)
            if state != before:
                self._vehicles[evse] = state
                self.tell(Id.VEHICLE, None, evse=evse, state=state)
        if now >= self._time_due:
            self._time_due = now + TIME_S
            if self._has_time():
                self.tell(Id.TIME, None, unix_s=int(time.time()))
            else:
                self._say(f"{self.name}: not told the time, since this machine's clock is not synchronised")
                self._time_due = now + 60
        if self._offer:
            self._offer.tick()
        if now >= self._status_due:
            self._status_due = now + STATUS_S
            self.tell(Id.STATUS_GET, None)

    def _judge_status(self, status: dict[str, Any]) -> None:
        """Brings what the reader lacks and fetches what it has."""
        if status["fault"] != self.status.get("fault", ""):
            self._say(f"{self.name}: fault: {printable(status['fault']) or 'none'}")
        self.status = status
        if not self.pull.busy and self.pull.is_new(status):
            self.pull.begin(status)
        try:
            kept = self.site.kept_bundle()
        except Problem as problem:
            kept = None
            if str(problem) != self._refusal:
                self._refusal = str(problem)
                self._say(f"{self.name}: {problem}")
        if self._offer and self._offer.busy:
            return
        if kept and kept[1]["version"] > status["trust_version"] and kept[0] != self._bundle and self._begin(kept[0]):
            self._sent = kept[0]
            self._say(f"{self.name}: sends trust bundle {kept[1]['version']}")
        elif self._offer:
            self._offer.begin()
