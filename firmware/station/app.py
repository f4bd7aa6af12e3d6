"""The station: opens the stores, then serves reader, relay, lights, clock and watchdog until something fails.

`run` returns only by an exception: the caller (main) then turns everything off and resets.
"""

import asyncio

from micropython import const

from crypto import field25519, sha512
from nfc.timing import Timing
from present.session import Session
from relay.grant import RENEW_MS
from station import indicator, tables
from station.beats import Beats
from station.clock import SET, UNKNOWN, set_rtc
from station.config import NotReady
from station.decision import Decision
from station.supervisor import HEALTHY_AFTER_MS
from station.tap import Tap
from station.tapping import Tapping
from station.trusted import SAME
from store.files import Fault, Full

_LOOP_MS = const(100)
_UPKEEP_MS = const(600_000)
_NOTE_MS = const(60_000)  # a fault that comes and goes must not wear the flash
_EXPIRE_SHARE = const(4)  # a bucket is rewritten when a quarter of it can go: that spares the flash
_READER_LIMIT_MS = const(20_000)  # longest that one poll, read, decision and its pauses may take together


class App:
    """ports: what main hands in (see main.Ports)."""

    def __init__(self, ports, supervisor):
        self._ports = ports
        self._supervisor = supervisor
        self._lights = indicator.Indicator(ports.green, ports.red, ports.buzzer)
        self._failure = None
        self._clock = None
        self._timekeeper = self._reader_id = self._random = self._trust = None
        self._beats = Beats(ports.feed, ports.ticks_ms, ports.ticks_diff)
        self._tapping = None
        self._busy = lambda: False  # whether somebody is served
        self.relay = None
        self.journal = None

    async def run(self):
        ports = self._ports
        self.start("lights", self._lights.run(), None)
        await self._brake()
        try:
            site, ledger, random, trust = self._open()
            self.relay = self._make_relay(site, ledger, random, trust)
            await self._check_journal()
            nfc = ports.nfc(site.bus)
            if nfc is None:
                raise NotReady("config", 1, "this board has no pins for its nfc.bus")
        except NotReady as missing:
            await self._wait_in_fault(missing)
            return
        self._note("START", ports.reset_cause)
        if self._timekeeper is not None and self._timekeeper.problem:
            self._tell_battery_clock()
        decision = Decision(
            site,
            trust,
            self._clock,
            ledger,
            self.journal,
            self.relay.enforces,
            self.pause,
            accepts=self.relay.accepts,
            fault=lambda: self.relay.fault,
            busy=self.relay.busy,
            ready=self._ready(site),
            online=getattr(self.relay, "online", None),
        )
        tap = Tap(decision, self.relay, self._lights, report, ports.ticks_ms, ports.ticks_diff, self.document_steps)
        timing = Timing()
        offer = self._offer(site, random, timing)
        self._tapping = Tapping(
            nfc,
            ports,
            site,
            offer,
            timing,
            tap,
            self._lights,
            lambda: self._beats.beat("reader"),
            report_no_ticket,
        )
        self.start("reader", self._tapping.run(), _READER_LIMIT_MS)
        self.start("tables", self._load_tables(trust), None)
        self._busy = lambda: tap.busy or any([self.relay.busy(evse.id) for evse in site.evses])
        if ports.starts:
            from station import trial

            self.start("trial", trial.prove(ports, self._tapping, self._note), None)
        serve = getattr(self.relay, "run", None)
        if serve is not None:  # one that has a line to serve
            self.start("relay", serve(), None)
        if site.ble is not None:
            from station import radio

            radio.start(self, site, decision, tap, offer, random, timing, ports)
        if not (field25519.NATIVE and sha512.NATIVE):
            print("crypto: no memory for native code, the plain code serves: signatures take seconds")
        print("ready:", site.reader_id, self._clock.state)
        await self._serve(ledger)

    def _open(self):
        """(site, ledger, random, trust), or NotReady."""
        from station import opening

        opened = opening.opened(self._ports)
        self._unload("station", "opening", "stores")
        self._unload("trust", "bundle", "issuers", "signed")
        self._unload("store", "boots")
        site, ledger, self.journal, random, self._clock, self._timekeeper, trust, taken = opened
        if taken not in (None, SAME):
            print("trust bundle:", taken)
            self._note("TRUST_BUNDLE", taken)
        self._reader_id, self._random, self._trust = site.reader_id, random, trust
        return site, ledger, random, trust

    def _unload(self, package, *names):
        for name in names:
            self._ports.unload(package, name)

    def document_steps(self, token, nonce=None, waited_ms=0):
        """See documents.take_steps."""
        from station import documents

        word = None
        try:
            for word in documents.take_steps(
                token, self._trust, self._clock, self._taker, self._updater, self._restart, self._note, nonce, waited_ms
            ):
                if word is None:
                    yield None
        finally:
            self._unload("station", "documents", "signed_time", "update")
            self._unload("", "trees")
            self._unload("trust", "bundle", "issuers", "signed", "time", "firmware")
        if word == "ACCEPTED":
            self.start("tables", self._load_tables(self._trust), None)
        yield word

    def _taker(self, made):
        ports = self._ports
        return made(
            self._reader_id, self._trust, self._clock, self._random, self._keep, ports.ticks_ms, ports.ticks_diff
        )

    def _updater(self, made):
        ports = self._ports
        return made(ports.trees(), ports.version, self._trust.slots, self._trust.live_roots)

    def _restart(self):
        """Into a new firmware, once nobody is served."""
        from station import trial

        self.start("restart", trial.restart(self._ports, self._busy), None)

    def _keep(self, time_ms):
        """Keeps a trusted time over a restart; see timekeeper.Timekeeper.keep."""
        if self._timekeeper is not None:
            self._timekeeper.keep(time_ms)
        else:
            set_rtc(self._ports.rtc, time_ms)

    def _offer(self, site, random, timing):
        """async (code="") -> a session with a phone."""
        evse_ids = [evse.id for evse in site.evses]
        if site.encrypt:
            from station.offers import Offers

            offers = Offers(site, evse_ids, random, timing)
            self.start("keys", offers.run(), None)
            return offers.session

        async def offer(code=""):
            return Session(site.reader_id, evse_ids, random, timing, code)

        return offer

    async def _check_journal(self):
        """Reads all of it once, since what rotted would else show only when it is collected."""
        for _ in self.journal.check():
            self.check()
            await self.pause()
        if self.journal.damage:
            raise NotReady("journal", 4, "; ".join(self.journal.damage))
        from station import unended

        await unended.end(self, "BROWN_OUT" if self._ports.reset_cause == "POWER_ON" else "RESTART")
        self._ports.unload("station", "unended")

    def _make_relay(self, site, ledger, random, trust):
        from station import relays

        def services():
            from station.controller import Controller

            return Controller(
                site,
                self._ports,
                self._clock,
                self._keep,
                ledger,
                self.journal,
                random,
                trust,
                self.document_steps,
                lambda: self._tapping.fault if self._tapping else "",
            )

        relay = relays.make(site, self._ports, self.alive, services)
        self._ports.unload("station", "relays")
        return relay

    def _ready(self, site):
        """evse_id -> whether a vehicle waits there, as far as this board is told; None where there is no choice."""
        if len(site.evses) == 1:
            return None
        return lambda evse_id: self.relay.vehicle(evse_id) is not False

    def start(self, name, coroutine, limit_ms):
        """Makes a task whose failure ends `run`. limit_ms: it must `beat` so often; None: it need not."""
        if limit_ms:
            self._beats.expect(name, limit_ms)
        asyncio.create_task(self._guard(coroutine))

    async def _guard(self, coroutine):
        try:
            await coroutine
        except Exception as error:  # whatever it is: kept here, raised by the loop, turned into a reset by main
            self._failure = self._failure or error

    def alive(self):
        """Whether every part of the program is well, as for the watchdog."""
        return self._failure is None and self._beats.late() is None

    def check(self):
        if self._failure is not None:
            raise self._failure
        self._beats.service()

    async def _brake(self):
        left_ms = self._supervisor.brake_ms()
        if left_ms:
            print("restarted", self._supervisor.starts, "times in a row: waiting", left_ms, "ms")
            self._lights.background(indicator.FAULT)
        while left_ms > 0:
            self.check()
            await asyncio.sleep_ms(_LOOP_MS)
            left_ms -= _LOOP_MS

    async def _wait_in_fault(self, missing):
        """Nothing to do but to show it: relay off, watchdog fed, until somebody provisions and resets this board.

        A firmware on trial is not left here: it may be its fault.
        """
        print("not ready:", missing)
        if self._ports.trial:
            raise missing
        self._lights.background(indicator.missing(missing.blinks))
        self._supervisor.healthy()
        while True:
            self.check()
            await asyncio.sleep_ms(_LOOP_MS)

    async def _load_tables(self, trust):
        """The tables of issuer keys, one after the other; those that nobody brought are made, memory permitting."""
        for issuer in trust.issuers:
            if not await self._pump(tables.load_steps(tables.FOLDER, issuer)):
                if await self._pump(tables.make_steps(tables.FOLDER, issuer.public_key)):
                    await self._pump(tables.load_steps(tables.FOLDER, issuer))

    async def _pump(self, steps):
        value = None
        for value in steps:
            await self.pause()
        return value

    async def pause(self):
        await asyncio.sleep_ms(0)

    async def _serve(self, ledger):
        ports = self._ports
        started = renewed = kept = ports.ticks_ms()
        upkeep = self._upkeep_steps(ledger)
        healthy = False
        told, noted = "", None  # of the relay's fault
        while True:
            self.check()
            now = ports.ticks_ms()
            self._clock.service()
            if ports.ticks_diff(now, renewed) >= RENEW_MS:
                renewed = now
                self.relay.renew_all()
            self._journal_ends()
            try:
                self.journal.store.tidy()
            except Fault:
                pass  # the next refusal tries and tells
            if not healthy and ports.ticks_diff(now, started) >= HEALTHY_AFTER_MS:
                healthy = True
                self._supervisor.healthy()
            if ports.ticks_diff(now, kept) >= _UPKEEP_MS:
                kept = now
                upkeep = self._upkeep_steps(ledger)
            for _ in upkeep:
                break  # a step a round
            if self.relay.fault != told and (noted is None or ports.ticks_diff(now, noted) >= _NOTE_MS):
                told, noted = self.relay.fault, now
                print("relay:", told or "well")
                self._note("RELAY", told)
            self._lights.background(self._idle_pattern())
            await asyncio.sleep_ms(_LOOP_MS)

    def _upkeep_steps(self, ledger):
        """What is due every ten minutes: follow the battery clock, store the floor, forget tickets that have ended.

        A bucket of the ledger a step, and only by a clock that has settled: what is forgotten may be used again.
        """
        if self._timekeeper is not None:
            told = self._timekeeper.problem
            self._timekeeper.service()
            if self._timekeeper.problem != told:
                self._tell_battery_clock()
        try:
            self._clock.keep_floor()
            if self._clock.settled:
                for _ in ledger.expire_steps(self._clock.now()[0] // 1000, _EXPIRE_SHARE):
                    yield
        except (Full, Fault) as error:
            print("upkeep:", error)

    def _tell_battery_clock(self):
        print("battery clock:", self._timekeeper.problem or "well")
        self._note("BATTERY_CLOCK", self._timekeeper.problem)

    def _idle_pattern(self):
        if self._tapping.fault or self.relay.fault:
            return indicator.FAULT
        return indicator.READY if self._clock.state == SET else indicator.NO_TIME

    def _stamp(self):
        now_ms, state = self._clock.now() if self._clock is not None else (0, UNKNOWN)
        return now_ms // 1000, state

    def _journal_ends(self):
        for ended in self.relay.service():
            self.journal_end(ended.grant.session, ended.cause, ended.seconds, ended.energy_wh)

    def journal_end(self, session, cause, seconds=None, energy_wh=None):
        print(
            "end:",
            session,
            cause,
            "?" if seconds is None else seconds,
            "s",
            "?" if energy_wh is None else energy_wh,
            "Wh",
        )
        try:
            self.journal.end(self._stamp(), session, cause, seconds, energy_wh)
        except (Full, Fault) as error:
            print("journal:", error)

    def _note(self, name, detail):
        try:
            self.journal.note(self._stamp(), name, detail)
        except (Full, Fault) as error:
            print("journal:", error)

    def failed(self, name, detail):
        """Last words before a reset, into the journal if there is one by now: sessions that ran end here."""
        if self.relay is not None:
            self.relay.all_off()
        if self.journal is not None:
            if self.relay is not None:
                self._journal_ends()
            self._note(name, detail)


def report(verdict, took_ms):
    """One line a tap for whoever watches the console; never the ticket itself."""
    print("tap:", verdict.reason, verdict.evse_id or "-", verdict.detail or "-", took_ms, "ms")


def report_no_ticket(cause):
    print("card:", cause)
