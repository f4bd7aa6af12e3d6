"""Deliverer over one enable output per EVSE: on while a leased grant runs, off in every other case.

It enforces `maxDuration` only; it cannot know energy, power, current or price.
"""

from relay.lease import Leases


def make(config, evse_ids, max_on_ms, ports, services):
    """The deliverer of a site whose `relay` is `config`. ValueError: what of it cannot be used on this board."""
    outputs = ports.use_relays(len(evse_ids))
    if len(outputs) < len(evse_ids):
        raise ValueError("more EVSEs than this board has relay outputs")
    vehicles = dict(zip(evse_ids, ports.vehicles()))
    return GpioRelay(dict(zip(evse_ids, outputs)), max_on_ms, ports.ticks_ms, ports.ticks_diff, vehicles)


class GpioRelay(Leases):
    """outputs: {evse_id: callable(level)}, already safe; vehicles: {evse_id: callable() -> 1 while one is plugged in},
    of those that are wired; the rest as in Leases."""

    def __init__(self, outputs, max_on_ms, ticks_ms, ticks_diff, vehicles=None):
        super().__init__(list(outputs), max_on_ms, ticks_ms, ticks_diff)
        self._outputs = outputs
        self._vehicles = vehicles or {}

    def vehicle(self, evse_id):
        plugged = self._vehicles.get(evse_id)
        return None if plugged is None else plugged() == 1

    async def deliver(self, grant):
        """Energises. RelayFault: refused, and nothing was energised."""
        self._begin(grant)
        self._outputs[grant.evse_id](1)

    def _off(self, evse_id):
        self._outputs[evse_id](0)
