"""Deliverer over one enable output per EVSE: on while a leased grant runs, off in every other case.

It enforces `maxDuration` only; it cannot know energy, power, current or price.
"""

from relay.grant import LEASE_MS, RelayFault

ENFORCES = ("maxDuration",)


class _Session:
    def __init__(self, grant, now_ticks, duration_ms):
        self.grant = grant
        self.started = now_ticks
        self.renewed = now_ticks
        self.duration_ms = duration_ms


class GpioRelay:
    """outputs: {evse_id: callable(level)}, already safe; max_on_ms: the site's longest session, at most five
    days (tick differences wrap at six); ticks_ms, ticks_diff: as in MicroPython's `time`."""

    enforces = ENFORCES

    def __init__(self, outputs, max_on_ms, ticks_ms, ticks_diff):
        self._outputs = outputs
        self._max_on_ms = max_on_ms
        self._ticks_ms = ticks_ms
        self._ticks_diff = ticks_diff
        self._sessions = {}

    def busy(self, evse_id):
        return evse_id in self._sessions

    def accepts(self, evse_id, limits):
        """Whether a grant with these limits would be energised now."""
        return evse_id in self._outputs and not self.busy(evse_id) and limits.get("maxDuration") != 0

    async def deliver(self, grant):
        """Energises. RelayFault: refused, and nothing was energised."""
        if not self.accepts(grant.evse_id, grant.limits):
            raise RelayFault(grant.evse_id)
        minutes = grant.limits.get("maxDuration")
        duration_ms = self._max_on_ms if minutes is None else min(minutes * 60_000, self._max_on_ms)
        self._sessions[grant.evse_id] = _Session(grant, self._ticks_ms(), duration_ms)
        self._outputs[grant.evse_id](1)

    def renew_all(self):
        """Renews the lease of what runs; to be called every RENEW_MS by a station that is well."""
        for session in self._sessions.values():
            session.renewed = self._ticks_ms()

    def service(self):
        """Ends what is due; returns [(grant, cause, seconds)] of the sessions that ended in this call."""
        ended = []
        now = self._ticks_ms()
        for evse_id, session in list(self._sessions.items()):
            cause = None
            if self._ticks_diff(now, session.started) >= session.duration_ms:
                cause = "DURATION"
            elif self._ticks_diff(now, session.renewed) >= LEASE_MS:
                cause = "LEASE_LOST"
            if cause:
                ended.append(self._end(evse_id, cause, now))
        return ended

    def stop(self, evse_id, cause):
        """Ends one session now; (grant, cause, seconds), or None where none runs."""
        return self._end(evse_id, cause, self._ticks_ms()) if self.busy(evse_id) else None

    def _end(self, evse_id, cause, now):
        self._outputs[evse_id](0)
        session = self._sessions.pop(evse_id)
        return session.grant, cause, self._ticks_diff(now, session.started) // 1000

    def all_off(self):
        """De-energises everything, whatever else is wrong."""
        for output in self._outputs.values():
            output(0)
        self._sessions = {}
