"""One tap, start to end: what was read, decided, recorded and delivered, in one straight line.

Nothing later in it reaches back: reader -> decision -> (durable record) -> relay -> indicator.
"""

from relay.grant import Grant, RelayFault
from station import indicator
from ticket import verdict as reason


class Tap:
    """Turns presentations into sessions. relay: a deliverer; report: callable(verdict, milliseconds)."""

    def __init__(self, decision, relay, lights, report, ticks_ms, ticks_diff):
        self._decision = decision
        self._relay = relay
        self._lights = lights
        self._report = report
        self._ticks_ms = ticks_ms
        self._ticks_diff = ticks_diff

    async def present(self, presentation, started_ticks):
        """Decides and, if granted, energises. The verdict has been shown and reported when this returns."""
        self._lights.once(indicator.READING)
        verdict = await self._decision.decide(presentation)
        if verdict.granted:
            await self._deliver(verdict)
        self._lights.once(indicator.GRANTED if verdict.granted else indicator.refused(verdict.reason))
        self._report(verdict, self._ticks_diff(self._ticks_ms(), started_ticks))
        return verdict

    async def _deliver(self, verdict):
        claims = verdict.claims
        grant = Grant(
            verdict.session,
            verdict.evse_id,
            claims.provider_id,
            verdict.key,
            verdict.limits,
            claims.tariffs,
            claims.smart_charging_mode,
            verdict.holder,
        )
        try:
            await self._relay.deliver(grant)
        except RelayFault as fault:
            verdict.reason, verdict.detail = reason.RELAY_FAULT, str(fault)
            if not fault.perhaps:
                self._decision.void(verdict, reason.RELAY_FAULT)
