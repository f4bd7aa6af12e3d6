"""One tap, start to end: what was read, decided, recorded and delivered, in one straight line.

Nothing later in it reaches back: reader -> decision -> (durable record) -> relay -> indicator.
"""

import gc

from relay.grant import Grant, RelayFault
from station import indicator
from station.decision import Verdict
from ticket import b64url
from ticket import verdict as reason
from ticket.claims import tariffs_json


class Tap:
    """Turns presentations into sessions. relay: a deliverer; report: callable(verdict, milliseconds);
    document_steps: as App has it."""

    def __init__(self, decision, relay, lights, report, ticks_ms, ticks_diff, document_steps=None):
        self._decision = decision
        self._relay = relay
        self._lights = lights
        self._report = report
        self._ticks_ms = ticks_ms
        self._ticks_diff = ticks_diff
        self._keys = {}  # evse_id: ledger key of the ticket whose session was the last one there
        self._document_steps = document_steps
        self.busy = 0  # presentations that are being judged
        decision.running = self._running

    def _running(self, key, evse_id):
        found = [at for at, started in self._keys.items() if started == key and self._relay.busy(at)]
        if evse_id is not None:
            found = [at for at in found if at == evse_id]
        return found[0] if len(found) == 1 else None

    async def present(self, presentation, started_ticks):
        """Decides and, if granted, energises. The verdict has been shown and reported when this returns."""
        self.busy += 1
        try:
            return await self._present(presentation, started_ticks)
        finally:
            self.busy -= 1

    async def _present(self, presentation, started_ticks):
        self._lights.once(indicator.READING)
        if is_document(presentation.ticket):
            return await self._take(presentation, started_ticks)
        verdict = await self._decision.decide(presentation)
        if verdict.granted:
            await self._deliver(verdict)
        pattern = indicator.GRANTED if verdict.granted else indicator.refused(verdict.reason)
        if verdict.stops is not None and self._relay.stop(verdict.stops, "STOPPED_BY_DRIVER"):
            pattern = indicator.STOPPED
        self._lights.once(pattern)
        self._report(verdict, self._ticks_diff(self._ticks_ms(), started_ticks))
        return verdict

    async def _take(self, presentation, started_ticks):
        """A document instead of a ticket: whoever brings it, its signature decides."""
        word = None
        try:
            for word in self._document_steps(presentation.ticket, presentation.nonce, presentation.waited_ms):
                await self._decision.pause()
        except MemoryError:
            gc.collect()
            return self.no_memory(started_ticks)
        verdict = Verdict(word, "document")
        if reason.is_taken(word):
            self._lights.once(indicator.TAKEN)
        else:
            self._lights.once(indicator.refused(word) if word in reason.REASONS else indicator.NO_TICKET)
        self._report(verdict, self._ticks_diff(self._ticks_ms(), started_ticks))
        return verdict

    def no_memory(self, started_ticks):
        """Memory ran out before there was a ticket: refused, recorded, shown and reported all the same."""
        verdict = self._decision.no_memory()
        self._lights.once(indicator.refused(verdict.reason))
        self._report(verdict, self._ticks_diff(self._ticks_ms(), started_ticks))
        return verdict

    async def _deliver(self, verdict):
        claims = verdict.claims
        try:
            grant = Grant(
                verdict.session,
                verdict.evse_id,
                claims.provider_id,
                verdict.key,
                verdict.limits,
                tariffs_json(claims),
                claims.smart_charging_mode,
                verdict.holder,
                claims.id,
            )
            await self._relay.deliver(grant)
            self._keys[grant.evse_id] = grant.ticket_key
        except RelayFault as fault:
            verdict.reason, verdict.detail = reason.RELAY_FAULT, str(fault)
            if not fault.perhaps:
                self._decision.void(verdict, reason.RELAY_FAULT)
        except MemoryError:
            gc.collect()
            verdict.reason, verdict.detail = reason.INTERNAL_FAULT, "NO_MEMORY"
            if not self._relay.stop(verdict.evse_id, reason.RELAY_FAULT):  # what had begun ends, and is journaled
                self._decision.void(verdict, reason.INTERNAL_FAULT)


def is_document(token, kind=b""):
    """Whether the header of these bytes names a type of document: kind b"trust", b"time" or b"firmware"; or any of
    them, or these are a block of a firmware. Nothing of it is to be believed yet."""
    if token[:4] == b"CTFB":
        return not kind
    header = b64url.decode(token[: max(token.find(b".", 0, 700), 0)]) or b""
    return b'"charging-' + kind in header and b'"charging-ticket' not in header
