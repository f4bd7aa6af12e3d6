"""Deliverer over one enable output per EVSE: on while a leased grant runs, off in every other case.

It enforces `maxDuration` only; it cannot know energy, power, current or price.
"""

from micropython import const

from relay.lease import Leases

_UNPLUGGED_MS = const(1000)


class GpioRelay(Leases):
    """outputs: {evse_id: callable(level)}, already safe; vehicles: {evse_id: callable -> 1 while one is plugged in}, of
    those that are wired; alive: () -> whether the whole program is well, where a square wave, a half period a call of
    `service`, shall stand for "on"; the rest as in Leases."""

    def __init__(self, outputs, max_on_ms, ticks_ms, ticks_diff, vehicles=(), alive=None):
        super().__init__(list(outputs), max_on_ms, ticks_ms, ticks_diff)
        self._outputs = outputs
        self._vehicles = dict(vehicles)
        self._alive = alive
        self._wave = 0
        self._seen = {}  # evse_id: when a vehicle was last seen there, in ticks, until it has been away for a second

    def vehicle(self, evse_id):
        plugged = self._vehicles.get(evse_id)
        there = None if plugged is None else plugged() == 1
        if there:
            self._seen[evse_id] = self._ticks_ms()
        return there

    async def deliver(self, grant):
        """Energises. RelayFault: refused, and nothing was energised."""
        self._begin(grant)
        self._outputs[grant.evse_id](1)

    def service(self):
        self._wave = 1 - self._wave
        # without a session too: a vehicle that a grant has counted on may be gone before the first look after it
        for evse_id in self._outputs:
            if not self.vehicle(evse_id) and self._age(self._seen.get(evse_id, self._ticks_ms())) >= _UNPLUGGED_MS:
                del self._seen[evse_id]
                self.stop(evse_id, "UNPLUGGED")
            if self._alive and evse_id in self._sessions:
                self._outputs[evse_id](self._wave if self._alive() else 0)
        return super().service()

    def _off(self, evse_id):
        self._outputs[evse_id](0)
