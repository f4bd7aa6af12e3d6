"""One decision: from presented bytes to a verdict that is durably recorded. Knows no radio, no relay and no wall clock.

The reasons and their order are those of ticket/README.md; the first check that fails gives the one reason.
"""

import gc
import hashlib

from crypto import ed25519
from store.files import Fault, Full
from ticket import form, rules
from ticket import verdict as reason
from ticket.verdict import Refused

_LAST_BEFORE_PROOF = reason.REASONS.index(reason.REVOKED)


class Verdict:
    """What was decided: `reason` (GRANTED or why not) and `detail` (the member at fault, or "").

    For a grant also `claims`, `issuer`, `key` (the ledger's), `evse_id`, `limits`, `holder`, `online` (what the
    controller said, "yes" or "silent"; None: not asked) and `session` (the journal's sequence number of the grant).
    """

    def __init__(self, reason, detail=""):
        self.reason = reason
        self.detail = detail
        self.claims = self.issuer = self.key = self.evse_id = self.online = self.session = None
        self.holder = "passive"
        self.stops = None  # the EVSE whose session this ticket's second tap ends
        self.unused = self.first_use = self.holds_evse = self.holds_key = False
        self.limits = {}

    @property
    def granted(self):
        return self.reason == reason.GRANTED


async def _never_answers(claims, evse_id):
    return "silent"


class Decision:
    """Judges presentations for one site.

    site: station.config.Site; trust: station.trusted.Trust; clock: has `now() -> (unix_ms, state)` and `settled`;
    ledger, journal: of store; enforced: names of the limits that the relay side enforces;
    accepts: (evse_id, limits) -> bool, what the deliverer would refuse anyway is not recorded as a grant first;
    fault: () -> what is wrong with the relay side, "" if nothing;
    running: (ledger key, evse_id or None) -> the one EVSE where a session of that ticket runs, or None;
    busy, ready: evse_id -> bool (a session runs there; a vehicle waits there);
    presence: (presentation, evse_id) -> bool; served: presentation -> None, it spends what its presence rests on;
    online: async (claims, evse_id) -> "yes" | "no" | "silent", within 5 s;
    pause: async callable, called between pieces of long work so that everything else is served.
    """

    def __init__(
        self,
        site,
        trust,
        clock,
        ledger,
        journal,
        enforced,
        pause,
        accepts=None,
        fault=None,
        running=None,
        busy=None,
        ready=None,
        presence=None,
        online=None,
    ):
        self.site = site
        self.trust = trust
        self.clock = clock
        self.ledger = ledger
        self.journal = journal
        self.enforced = enforced
        self.pause = pause
        self.accepts = accepts or (lambda evse_id, limits: True)
        self.fault = fault or (lambda: "")
        self.running = running or (lambda key, evse_id: None)
        self.busy = busy or (lambda evse_id: False)
        self.ready = ready or (lambda evse_id: True)
        self.presence = presence or (lambda presentation, evse_id: presentation.carrier != "ble")
        self.served = lambda presentation: None
        self.online = online or _never_answers
        # held between their check and their record
        self._evses_held = set()
        self._keys_held = set()

    async def decide(self, presentation):
        """The verdict, recorded: a grant is in the ledger and the journal when this returns, a refusal in the journal.

        Running out of memory is INTERNAL_FAULT, and leaves the ticket unused. Any exception but that and Refused is a
        fault of ours and is the caller's: the relay stays off.
        """
        verdict = Verdict(reason.INTERNAL_FAULT)
        try:
            await self._judge(presentation, verdict)
            self._record(presentation, verdict)
            verdict.reason = reason.GRANTED
        except (Refused, Full, Fault) as refusal:
            if isinstance(refusal, Refused):
                verdict.reason, verdict.detail = refusal.reason, refusal.detail
            else:
                verdict.reason, verdict.detail = reason.STORE_FAULT, str(refusal)
            if verdict.stops is None:  # the end of a session is journaled as such
                self._note_refusal(verdict)
        except MemoryError:
            gc.collect()
            if verdict.session is None:
                self._forget(verdict, reason.INTERNAL_FAULT)
            self._note_no_memory(verdict)
        finally:
            if verdict.holds_evse:
                self._evses_held.discard(verdict.evse_id)
            if verdict.holds_key:
                self._keys_held.discard(verdict.key)
        return verdict

    async def _judge(self, presentation, verdict):
        envelope = form.read(presentation.ticket)
        issuer = self.trust.find(envelope.kid)
        genuine = False
        for genuine in ed25519.verify_steps(issuer.public_key, envelope.signed, envelope.signature, issuer.table):
            await self.pause()
        if genuine is not True:
            raise Refused(reason.BAD_SIGNATURE)
        claims = form.claims(envelope)
        envelope = None  # with its copy of the payload: room for the proof
        await self.pause()
        verdict.claims, verdict.issuer = claims, issuer
        if await self._is_stop(presentation, claims, verdict):
            raise Refused(reason.EVSE_BUSY, "STOPPED_BY_DRIVER")
        verdict.evse_id, verdict.limits = await self._check_rules(presentation, claims, issuer, verdict)
        verdict.key = rules.ledger_key(claims)
        self._hold(verdict)
        used = self._check_use(verdict)
        verdict.online = await self._check_online(claims, verdict.evse_id, used)

    async def _is_stop(self, presentation, claims, verdict):
        """Whether this ticket started the session that runs, and its holder may end it: whatever has become of the
        ticket since, but with proof wherever starting took one. Over the air nobody ends anything without."""
        key = rules.ledger_key(claims)
        evse_id = self.running(key, presentation.evse_id)
        if evse_id is None:
            return False
        if claims.driver_public_key is not None or presentation.carrier == "ble":
            if claims.driver_public_key is None or presentation.proof is None:
                return False
            if not await self._proven(presentation.proof, claims, presentation.ticket, evse_id):
                return False
            if self.running(key, evse_id) is None:  # ended meanwhile
                return False
            verdict.holder = "proven"
        verdict.stops = verdict.evse_id = evse_id
        return True

    def _hold(self, verdict):
        """From the check of EVSE and use to here nothing is awaited: of two taps at once only one gets further."""
        if verdict.evse_id in self._evses_held:
            raise Refused(reason.EVSE_BUSY)
        self._evses_held.add(verdict.evse_id)
        verdict.holds_evse = True
        if verdict.key in self._keys_held:
            raise Refused(reason.ALREADY_USED)
        self._keys_held.add(verdict.key)
        verdict.holds_key = True

    def _situation(self, presentation, claims, issuer, evse, holder):
        situation = rules.Situation()
        site = self.site
        situation.now_ms, situation.clock = self.clock.now()
        situation.accept_floor = site.accept_floor
        situation.weekday = site.weekday(situation.now_ms)
        situation.operator, situation.pool, situation.station = site.operator, site.pool, site.station
        situation.evse, situation.evse_kind = evse.id, evse.kind
        situation.meter_signs = site.meter_signs
        situation.enforced, situation.pass_unenforced = self.enforced, site.pass_unenforced
        situation.revoked_ticket = self.trust.revoked(issuer.kid, claims)
        situation.holder = holder
        situation.over_ble = presentation.carrier == "ble"
        situation.encrypted = presentation.encrypted
        situation.presence_ok = bool(self.presence(presentation, evse.id))
        situation.evse_busy = self.busy(evse.id) or evse.id in self._evses_held
        return situation

    async def _check_rules(self, presentation, claims, issuer, verdict):
        """(evse_id, limits) of the one EVSE that this ticket opens now; Refused otherwise."""
        proof = presentation.proof
        offered = "passive" if proof is None else "proven"  # as far as the rules before the proof can know
        candidates = self._candidates(presentation)
        passed, refused = [], []
        for evse in candidates:
            try:
                situation = self._situation(presentation, claims, issuer, evse, offered)
                passed.append((evse.id, rules.check(claims, issuer, situation)))
            except Refused as refusal:
                refused.append(refusal)
        # where no EVSE will do, the one that came furthest tells most
        refusal = None if passed else max(refused, key=lambda one: reason.REASONS.index(one.reason))
        if proof is not None and claims.driver_public_key is not None:
            # the proof is the dearest check: made only when nothing that comes before it in the order has failed
            if refusal is None or reason.REASONS.index(refusal.reason) > _LAST_BEFORE_PROOF:
                # for the EVSE that would be opened, whatever the holder says it was for
                evse_id = passed[0][0] if passed else candidates[0].id
                if not await self._proven(proof, claims, presentation.ticket, evse_id):
                    raise Refused(reason.HOLDER_PROOF_FAILED)
                verdict.holder = "proven"
        if refusal is not None:
            raise refusal
        if presentation.evse_id not in (None, passed[0][0]):  # judged in its place, but never opened instead
            raise Refused(reason.WRONG_PLACE, "not on offer")
        if len(passed) > 1:
            raise Refused(reason.EVSE_BUSY, "several are ready: choose one")
        if self.busy(passed[0][0]):  # since the proof was checked
            raise Refused(reason.EVSE_BUSY)
        return passed[0]

    def _candidates(self, presentation):
        evses = self.site.evses
        if presentation.evse_id is not None:
            return [evse for evse in evses if evse.id == presentation.evse_id] or evses[:1]
        return [evse for evse in evses if self.ready(evse.id)] or evses

    async def _proven(self, proof, claims, ticket, evse_id):
        proven = False
        for proven in proof.verify_steps(claims.driver_public_key, ticket, self.site.reader_id, evse_id):
            await self.pause()
        return proven is True

    def _check_use(self, verdict):
        """Refuses a ticket whose use is over; True when it was used before and the controller must allow it again."""
        use = verdict.claims.multi_usage
        if use == "Allowed":
            return False
        now_s = self._trusted_now_s(verdict.claims)
        found = self.ledger.find(verdict.key, now_s)
        if found is None:
            if self.ledger.live >= self.ledger.limit and now_s is not None:
                self.ledger.expire(now_s)
            if self.ledger.live >= self.ledger.limit:
                raise Refused(reason.LEDGER_FULL)
            verdict.unused = True
            return False
        if use == "OnlyAtTheSameEVSE" and found[1] == evse_digest(verdict.evse_id):
            return False
        if use == "AfterOnlineValidation":
            return True
        raise Refused(reason.ALREADY_USED)

    def _trusted_now_s(self, claims):
        """For the ledger: only a clock that has settled forgets what has ended, since one that was pushed ahead is put
        right again; and never this ticket's own use: the rules have found it alive, however late it has become."""
        return min(self.clock.now()[0], claims.not_after_ms - 1) // 1000 if self.clock.settled else None

    async def _check_online(self, claims, evse_id, used):
        """What the controller said, "yes" or "silent"; None where it was not asked."""
        must = used or claims.validation_method == "MustBeValidated"
        if not must and claims.validation_method != "ShouldBeValidated":
            return None
        answer = await self.online(claims, evse_id)
        if answer == "no":
            raise Refused(reason.ONLINE_REFUSED)
        if answer != "yes" and must:
            raise Refused(reason.ONLINE_VALIDATION_REQUIRED)
        return answer

    def _record(self, presentation, verdict):
        """Ledger first, journal second: a cut between them leaves a ticket used and not granted, never the reverse."""
        claims = verdict.claims
        if self.clock.now()[0] >= claims.not_after_ms:  # the proof or the controller took its time
            raise Refused(reason.EXPIRED, "notAfter")
        # before anything is written: what may run out of memory
        body = self.journal.grant_body(self._stamp(), verdict, presentation.ticket)
        if not self.journal.room_for_grant(len(presentation.ticket)):
            raise Refused(reason.JOURNAL_FULL)
        if not self.accepts(verdict.evse_id, verdict.limits):
            raise Refused(reason.RELAY_FAULT, self.fault() or verdict.evse_id)
        if not self.presence(presentation, verdict.evse_id):  # any more
            raise Refused(reason.PRESENCE_REQUIRED)
        self.served(presentation)
        try:
            if claims.multi_usage != "Allowed":
                verdict.first_use = verdict.unused  # so that it is taken back if memory runs out in there
                until_s = -(-claims.not_after_ms // 1000)
                verdict.first_use = self.ledger.add(
                    verdict.key, until_s, evse_digest(verdict.evse_id), self._trusted_now_s(claims)
                )
        except Full as full:
            raise Refused(reason.LEDGER_FULL, str(full)) from full
        try:
            verdict.session = self.journal.grant(body)
        except (Full, Fault) as error:
            why = reason.JOURNAL_FULL if isinstance(error, Full) else reason.STORE_FAULT
            self._forget(verdict, why)
            raise Refused(why, str(error)) from error

    def _forget(self, verdict, why):
        """Takes back the records of a grant that never was. A use before this one stays remembered."""
        try:
            if verdict.first_use:
                self.ledger.void(verdict.key)
        except (Full, Fault):
            pass  # the ticket stays used: that strands its driver, the reverse would open the door twice
        try:
            self.journal.take_back(self._stamp(), why)
        except (Full, Fault):
            pass  # the next start finds a grant without an end, if it is there

    def void(self, verdict, why):
        """Takes back, durably, a grant that was never energised: the ticket may be used again."""
        self._forget(verdict, why)
        try:
            self.journal.void(self._stamp(), verdict.session, why)
        except (Full, Fault) as error:
            verdict.detail = "not journaled: " + str(error)

    def no_memory(self):
        """The verdict, recorded, where memory ran out before there was anything to decide on."""
        verdict = Verdict(reason.INTERNAL_FAULT)
        self._note_no_memory(verdict)
        return verdict

    def _note_no_memory(self, verdict):
        verdict.detail = "NO_MEMORY"
        self._note_refusal(verdict)

    def _note_refusal(self, verdict):
        try:
            self.journal.refusal(self._stamp(), verdict)
        except (Full, Fault) as error:
            # the refusal stands whatever the journal says; that it is not recorded is shown, not hidden
            verdict.detail = "not journaled: " + str(error)

    def _stamp(self):
        now_ms, state = self.clock.now()
        return now_ms // 1000, state


def evse_digest(evse_id):
    """8 bytes that stand for an EVSE in the ledger."""
    return hashlib.sha256(evse_id.encode()).digest()[:8]
