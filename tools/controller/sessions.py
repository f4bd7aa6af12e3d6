"""The sessions of one reader: grants, leases, limits and ends (OSDP.md section 3)."""

import sqlite3
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from tools.controller import messages, transactions
from tools.controller.evse import NOMINAL_V, Evse
from tools.controller.messages import CURRENT_BIT, DURATION_BIT, ENERGY_BIT, POWER_BIT, UNKNOWN_WH, Id
from tools.controller.store import Store
from tools.controller.transactions import Session

LONGEST_LEASE_S = 60  # what is not renewed for that long ends, whatever the reader writes
AGAIN_S = 5  # between two ENDED of one session
METER_S = 60  # between two meter values to the back end
MOST_WAITING = 10_000  # events for it: with so many, only starts and ends are added
UNPLUGGED_S = 2  # a contact that bounces is no driver who leaves
OVERDRAWN_S = 10  # a vehicle has that long to obey a limit of power or current
STOP_S = 5  # the reader has that long to end a session by itself
_REMEMBERED = 20  # sessions whose end the reader knows: it may ask once more

Tell = Callable[..., object]  # (id, number or None, **values)


class _Running:
    """What of a running session dies with this process."""

    def __init__(self, now: float):
        self.since = now
        self.lease_end = now
        self.meter_due = now + METER_S
        self.was_plugged = False
        self.gone_since: float | None = None
        self.over_since: float | None = None
        self.stop_by: float | None = None


class Sessions:
    """What runs on a reader's EVSEs. Nothing is energised but by `renew`, and `tick` ends what has to end; call it
    several times a second.

    tell: sends a message to the reader (id, number or None for one of our own, values). record: False where no back
    end wants events. clock: seconds that never jump.
    """

    def __init__(
        self, reader: str, evses: Sequence[Evse], store: Store, tell: Tell, clock: Callable[[], float],
        say: Callable[[str], None], first_id: int = 1, pass_unenforced: bool = False, record: bool = True,
        is_online: Callable[[], bool] = lambda: False,
    ):  # fmt: skip
        self.reader, self.evses, self.first_id = reader, evses, first_id
        self._store, self._tell, self._clock, self._say = store, tell, clock, say
        self._pass_unenforced, self._record, self._is_online = pass_unenforced, record, is_online
        self._kept: dict[int, Session] = {}
        self._running: dict[int, _Running] = {}
        self._told_at: dict[int, float] = {}
        self._accepted_at: dict[int, float] = {}
        for evse in evses:
            evse.de_energise()
        for _, state in store.sessions(reader):
            session = self._kept[state["session"]] = Session(**state)
            if session.state == "runs":
                self._end(session, messages.RESTART)

    @property
    def enforces(self) -> int:
        """The limits that every EVSE here keeps."""
        bits = 0xFF
        for evse in self.evses:
            bits &= evse.enforces
        return bits

    def on(self, evse: int) -> Session | None:
        """What runs on an EVSE."""
        return next((self._kept[number] for number in self._running if self._kept[number].evse == evse), None)

    def grant(self, number: int, values: dict[str, Any]) -> None:
        result = self._judge(values)
        if result == messages.ACCEPTED:
            for other in [kept for kept in self._kept.values() if kept.state == "accepted"]:
                if other.evse == values["evse"]:
                    self._accepted_at.pop(other.session, None)
                    del self._kept[other.session]  # the reader gave it up, else it would not grant anew
            self._accepted_at[values["session"]] = self._clock()
            self._kept[values["session"]] = Session.of_grant(values)
        self._say(f"{self.reader}: grant {values['session']} on EVSE {values['evse']}: answered {result}")
        self._tell(Id.GRANT_ANSWER, number, session=values["session"], result=result)

    def _judge(self, values: dict[str, Any]) -> int:
        if values["evse"] >= len(self.evses):
            return messages.NOT_WANTED
        evse = self.evses[values["evse"]]
        if evse.fault():
            return messages.FAULT
        if self.on(values["evse"]) or values["session"] in self._running:
            return messages.BUSY
        if values["limits"] & ~evse.enforces and not self._pass_unenforced:
            return messages.NOT_ENFORCED
        return messages.NO_VEHICLE if evse.vehicle() is False else messages.ACCEPTED

    def renew(self, number: int, values: dict[str, Any]) -> None:
        session = self._kept.get(values["session"])
        if session and session.state == "accepted":
            if self._clock() - self._accepted_at.pop(session.session) < LONGEST_LEASE_S:
                self._start(session)
            else:
                del self._kept[session.session]  # an acceptance is no older than a lease
        running = self._running.get(values["session"])
        if running:
            running.lease_end = self._clock() + min(values["lease_s"], LONGEST_LEASE_S)
        self._runs(number, values["session"])

    def resume(self, number: int, values: dict[str, Any]) -> None:
        self._runs(number, values["session"])

    def _runs(self, number: int, session: int) -> None:
        kept = self._kept.get(session)
        if kept:
            self._measure(kept)
        self._tell(
            Id.RUNS, number, session=session, result=0 if session in self._running else 1,
            seconds=kept.seconds if kept else 0, energy_wh=kept.energy_wh if kept else UNKNOWN_WH,
            vehicle=self.vehicle(kept.evse) if kept else messages.UNKNOWN_VEHICLE,
        )  # fmt: skip

    def vehicle(self, evse: int) -> int:
        """The state that VEHICLE and RUNS tell."""
        plugged = self.evses[evse].vehicle()
        return messages.UNKNOWN_VEHICLE if plugged is None else int(plugged)

    def _start(self, session: Session) -> None:
        """Closes the contactor once the transaction is on disk."""
        evse = self.evses[session.evse]
        meter_wh = evse.meter_wh()
        session.state, session.transaction = "runs", str(uuid.uuid4())
        session.start_wh, session.energy_wh = meter_wh, UNKNOWN_WH if meter_wh is None else 0
        self._running[session.session] = running = _Running(self._clock())
        event = transactions.started(session, self._ocpp(session), self.reader, meter_wh, evse.vehicle())
        try:
            self._write(session, event)
            evse.energise(
                session.max_power_w if session.limits & POWER_BIT else None,
                session.max_current_a if session.limits & CURRENT_BIT else None,
            )
        except (OSError, sqlite3.Error) as error:
            self._say(f"{self.reader}: session {session.session} cannot start: {error}")
            self._end(session, messages.RELAY_FAULT)
            return
        running.was_plugged = evse.vehicle() is True
        self._say(f"{self.reader}: session {session.session} runs on EVSE {session.evse}")

    def end(self, number: int, values: dict[str, Any]) -> None:
        """The reader ends a session; it is off before the answer goes."""
        session = self._kept.get(values["session"])
        if session and session.state == "accepted":
            session.energy_wh = 0
            del self._kept[session.session], self._accepted_at[session.session]
        elif session and session.state == "runs":
            self._end(session, values["cause"], taken=True)
        elif session:
            self._taken(session)
        self._tell(
            Id.END_ANSWER, number, session=values["session"], seconds=session.seconds if session else 0,
            energy_wh=session.energy_wh if session else UNKNOWN_WH,
        )  # fmt: skip

    def ended_taken(self, values: dict[str, Any]) -> None:
        session = self._kept.get(values["session"])
        if session and session.state == "ended":
            self._taken(session)

    def stop(self, transaction: str) -> bool:
        """The back end wants an end: the reader is told to, and where it does not the session ends here. False where
        no such transaction runs."""
        for number, running in self._running.items():
            if self._kept[number].transaction == transaction:
                running.stop_by = running.stop_by or self._clock() + STOP_S
                self._tell(Id.STOP, None, session=number)
                return True
        return False

    def stop_all(self) -> None:
        """Everything off at once: this controller goes."""
        for number in list(self._running):
            self._end(self._kept[number], messages.STOPPED_BY_CONTROLLER)
        for evse in self.evses:
            evse.de_energise()

    def tick(self) -> None:
        """Ends what has to end, tells what the reader has not taken, measures."""
        now = self._clock()
        for index, evse in enumerate(self.evses):
            if evse.fault() and not self.on(index):
                evse.de_energise()  # perhaps the line could not be switched when its session ended
        for number in list(self._running):
            session, running = self._kept[number], self._running[number]
            self._measure(session)
            cause = self._cause(session, running, now)
            if cause is not None:
                self._end(session, cause)
            elif now >= running.meter_due:
                running.meter_due = now + METER_S
                meter_wh = self.evses[session.evse].meter_wh()
                event = None
                if self._store.waiting() < MOST_WAITING:
                    event = transactions.updated(session, self._ocpp(session), self.reader, meter_wh)
                self._try_write(session, event)
        for session in self._kept.values():
            if session.state == "ended" and now - self._told_at.get(session.session, -AGAIN_S) >= AGAIN_S:
                self._tell_ended(session)

    def _cause(self, session: Session, running: _Running, now: float) -> int | None:
        """Why a session has to end now; None while it may go on."""
        evse = self.evses[session.evse]
        if now >= running.lease_end:
            return messages.LEASE_LOST
        if evse.fault():
            return messages.RELAY_FAULT
        plugged = evse.vehicle()
        running.was_plugged = running.was_plugged or plugged is True
        gone = running.was_plugged and plugged is False
        running.gone_since = (running.gone_since or now) if gone else None
        if running.gone_since is not None and now - running.gone_since >= UNPLUGGED_S:
            return messages.UNPLUGGED
        if session.limits & DURATION_BIT and now - running.since >= session.max_duration_min * 60:
            return messages.DURATION
        if (
            session.limits & ENERGY_BIT
            and session.energy_wh != UNKNOWN_WH
            and session.energy_wh >= session.max_energy_wh
        ):
            return messages.BY_ENERGY
        running.over_since = (running.over_since or now) if self._overdraws(session, evse) else None
        if running.over_since is not None and now - running.over_since >= OVERDRAWN_S:
            return messages.RELAY_FAULT
        if running.stop_by is not None and now >= running.stop_by:
            return messages.STOPPED_BY_CONTROLLER
        return None

    @staticmethod
    def _overdraws(session: Session, evse: Evse) -> bool:
        """Whether more is drawn than the grant allows, by a twentieth for the meter's sake."""
        drawn_w = evse.power_w()
        bounds = []
        if session.limits & POWER_BIT:
            bounds.append(session.max_power_w)
        if session.limits & CURRENT_BIT:
            bounds.append(session.max_current_a * NOMINAL_V * 3)
        return drawn_w is not None and any(drawn_w * 20 > bound * 21 for bound in bounds)

    def _measure(self, session: Session) -> None:
        running = self._running.get(session.session)
        if running:
            session.seconds = int(self._clock() - running.since)
            meter_wh = self.evses[session.evse].meter_wh()
            if meter_wh is not None and session.start_wh is not None:
                session.energy_wh = meter_wh - session.start_wh

    def _end(self, session: Session, cause: int, taken: bool = False) -> None:
        """Off first, then on disk, then told."""
        self.evses[session.evse].de_energise()
        self._measure(session)
        self._running.pop(session.session, None)
        session.cause, session.state = cause, "taken" if taken else "ended"
        known = session.start_wh is not None and session.energy_wh != UNKNOWN_WH
        meter_wh = (session.start_wh or 0) + session.energy_wh if known else None
        name = messages.CAUSES[cause] if cause < len(messages.CAUSES) else str(cause)
        self._say(f"{self.reader}: session {session.session} ended: {name}, {session.seconds} s")
        self._try_write(session, transactions.ended(session, self._ocpp(session), self.reader, meter_wh))
        if taken:
            self._forget_old()
        else:
            self._tell_ended(session)

    def _tell_ended(self, session: Session) -> None:
        self._told_at[session.session] = self._clock()
        self._tell(
            Id.ENDED, None, session=session.session, cause=session.cause, seconds=session.seconds,
            energy_wh=session.energy_wh,
        )  # fmt: skip

    def _taken(self, session: Session) -> None:
        if session.state != "taken":
            session.state = "taken"
            self._told_at.pop(session.session, None)
            self._try_write(session, None)
            self._forget_old()

    def _forget_old(self) -> None:
        known = [number for number, session in self._kept.items() if session.state == "taken"]
        for number in known[:-_REMEMBERED]:
            del self._kept[number]
            self._store.forget(self.reader, number)

    def _ocpp(self, session: Session) -> int:
        return self.first_id + session.evse

    def _write(self, session: Session, event: dict[str, Any] | None) -> None:
        if event is not None:
            event["offline"] = not self._is_online()
        self._store.keep(self.reader, session.session, session.as_dict(), event if self._record else None)

    def _try_write(self, session: Session, event: dict[str, Any] | None) -> None:
        """As `_write`; a full disk must not keep anything from being switched off."""
        try:
            self._write(session, event)
        except sqlite3.Error as error:
            self._say(f"{self.reader}: session {session.session} cannot be written: {error}")
