"""Deliverer over one enable output per EVSE: on while a leased grant runs, off in every other case.

It enforces `maxDuration` only; it cannot know energy, power, current or price.
"""

from micropython import const

from relay.lease import Leases

_UNPLUGGED_MS = const(1000)


def make(config, evse_ids, max_on_ms, ports, services):
    """The deliverer of a site whose `relay` is `config`. ValueError: what of it cannot be used on this board.

    heartbeat: true for a square wave in place of a level; feedback: see contactor.py.
    """
    heartbeat, feedback = config.get("heartbeat", False), config.get("feedback")
    if heartbeat not in (True, False) or feedback not in (None, "contactor", "controller"):
        raise ValueError("relay.heartbeat or relay.feedback is wrong: provision again")
    outputs = ports.use_relays(len(evse_ids))
    if len(outputs) < len(evse_ids):
        raise ValueError("more EVSEs than this board has relay outputs")
    options = [
        dict(zip(evse_ids, outputs)),
        max_on_ms,
        ports.ticks_ms,
        ports.ticks_diff,
        dict(zip(evse_ids, ports.inputs("VEHICLE"))),
        services.alive if heartbeat else None,
    ]
    if feedback is None:
        return GpioRelay(*options)
    from relay.contactor import WatchedRelay

    contactors = dict(zip(evse_ids, ports.inputs("FEEDBACK")))
    if len(contactors) < len(evse_ids):
        raise ValueError("this board has no pins for its relay.feedback")
    return WatchedRelay(contactors, feedback == "contactor", *options)


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
        self._seen = {}  # evse_id: when the vehicle of this session was last seen plugged in, in ticks

    def vehicle(self, evse_id):
        plugged = self._vehicles.get(evse_id)
        return None if plugged is None else plugged() == 1

    async def deliver(self, grant):
        """Energises. RelayFault: refused, and nothing was energised."""
        self._begin(grant)
        self._seen.pop(grant.evse_id, None)
        self._outputs[grant.evse_id](1)

    def service(self):
        self._wave = 1 - self._wave
        for evse_id in list(self._sessions):
            if self.vehicle(evse_id):
                self._seen[evse_id] = self._ticks_ms()
            elif evse_id in self._seen and self._age(self._seen[evse_id]) >= _UNPLUGGED_MS:
                self.stop(evse_id, "UNPLUGGED")
                continue
            if self._alive:
                self._outputs[evse_id](self._wave if self._alive() else 0)
        return super().service()

    def _off(self, evse_id):
        self._outputs[evse_id](0)
