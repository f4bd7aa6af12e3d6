"""The sessions of a deliverer: one lease an EVSE, and what ends it by the clock."""

from relay.grant import LEASE_MS, Ended, RelayFault


class Session:
    """A grant that runs. Times are ticks; `energy_wh` is what was metered so far, None where nobody knows."""

    def __init__(self, grant, now, duration_ms, energy_wh=None):
        self.grant = grant
        self.started = now
        self.renewed = now
        self.duration_ms = duration_ms
        self.energy_wh = energy_wh


class Leases:
    """What all deliverers here share. A subclass has `_off(evse_id)`, called as soon as a session has ended.

    max_on_ms: the site's longest session, at most five days (tick differences wrap at six); ticks_ms, ticks_diff: as
    in MicroPython's `time`.
    """

    enforces = ("maxDuration",)
    fault = ""

    def __init__(self, evse_ids, max_on_ms, ticks_ms, ticks_diff):
        self._evse_ids = evse_ids
        self._max_on_ms = max_on_ms
        self._ticks_ms = ticks_ms
        self._ticks_diff = ticks_diff
        self._sessions = {}
        self._ended = []

    def busy(self, evse_id):
        return evse_id in self._sessions

    def vehicle(self, evse_id):
        """Whether a vehicle is plugged in; None: this deliverer is not told."""
        return None  # noqa: RET501  an answer, one of three

    def accepts(self, evse_id, limits):
        """Whether a grant with these limits would be energised now."""
        return evse_id in self._evse_ids and not self.busy(evse_id) and limits.get("maxDuration") != 0

    def _begin(self, grant):
        if not self.accepts(grant.evse_id, grant.limits):
            raise RelayFault(self.fault or grant.evse_id)
        minutes = grant.limits.get("maxDuration")
        duration_ms = self._max_on_ms if minutes is None else min(minutes * 60_000, self._max_on_ms)
        session = self._sessions[grant.evse_id] = Session(grant, self._ticks_ms(), duration_ms)
        return session

    def renew_all(self):
        """Renews the lease of what runs; to be called every RENEW_MS by a station that is well."""
        for session in self._sessions.values():
            session.renewed = self._ticks_ms()

    def _age(self, since):
        return self._ticks_diff(self._ticks_ms(), since)

    def _due(self, session):
        """Why a session has to end now, or None."""
        if self._age(session.started) >= session.duration_ms:
            return "DURATION"
        if self._age(session.renewed) >= LEASE_MS:
            return "LEASE_LOST"
        return None

    def service(self):
        """Ends what is due; returns [Ended] of the sessions that ended since the last call."""
        for evse_id, session in list(self._sessions.items()):
            cause = self._due(session)
            if cause:
                self.stop(evse_id, cause)
        ended, self._ended = self._ended, []
        return ended

    def _off(self, evse_id):
        raise NotImplementedError

    def stop(self, evse_id, cause):
        """Ends one session now; whether one ran. What became of it comes with the next `service`."""
        session = self._sessions.pop(evse_id, None)
        if session is None:
            return False
        self._off(evse_id)
        self._ended.append(Ended(session.grant, cause, self._age(session.started) // 1000, session.energy_wh))
        return True

    def all_off(self):
        """De-energises everything at once, whatever else is wrong; sessions that ran end as RESTART."""
        for evse_id in self._evse_ids:
            self._off(evse_id)
        for evse_id in list(self._sessions):
            self.stop(evse_id, "RESTART")
