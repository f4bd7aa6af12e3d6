"""gpio with an input for each contactor's mirror contact, which is closed (and the input 1) while the contactor is
open: a broken wire counts as a closed contactor.

A fault stays until a reset, and no grant is taken until then. After it, and after each session, a contactor must have
been seen open before the next grant, so a welded one is found again with nothing stored.
"""

import asyncio

from micropython import const

from relay.gpio import GpioRelay
from relay.grant import RelayFault

_CONTACTOR_MS = const(500)  # longest that a contactor at the output itself takes either way
_CONTROLLER_MS = const(10_000)  # longest until a controller, which asks the vehicle first, has opened its contactor
_STEP_MS = const(10)


class WatchedRelay(GpioRelay):
    """contactors: {evse_id: callable -> 1 while it is open}; follows: whether it follows the output by itself; false: a
    controller closes it when the vehicle asks, and only a contactor closed without a grant is wrong."""

    def __init__(self, contactors, follows, *options):
        super().__init__(*options)
        self._contactors = contactors
        self._follows = follows
        self._opened = set()  # those seen open since they were last switched off
        self._wrong = {}  # evse_id: since when, in ticks
        self._faults = {}
        self._starting = None

    @property
    def fault(self):
        for fault in self._faults.values():
            return fault
        return ""

    def accepts(self, evse_id, limits):
        well = evse_id in self._opened and evse_id not in self._wrong and evse_id not in self._faults
        return well and super().accepts(evse_id, limits)

    async def deliver(self, grant):
        """Energises. RelayFault: refused, or the contactor stayed open; nothing was energised. A session that is
        ended meanwhile was granted, and its end says why."""
        evse_id = self._starting = grant.evse_id
        try:
            await super().deliver(grant)
            session = self._sessions[evse_id]
            while self._follows and self.busy(evse_id) and self._contactors[evse_id]() == 1:
                if self._age(session.started) >= _CONTACTOR_MS:
                    self._off(evse_id)
                    self._sessions.pop(evse_id, None)
                    self._faults[evse_id] = "FAILED_TO_CLOSE"
                    raise RelayFault("FAILED_TO_CLOSE")
                await asyncio.sleep_ms(_STEP_MS)
        finally:
            self._starting = None

    def service(self):
        for evse_id, contactor in self._contactors.items():
            if evse_id != self._starting:
                self._watch(evse_id, contactor() == 1)
        return super().service()

    def _watch(self, evse_id, is_open):
        """Compares the contactor with the output; what is wrong for too long is a fault, and ends what runs."""
        runs = self.busy(evse_id)
        if is_open and not runs:
            self._opened.add(evse_id)
        if is_open != runs or (runs and not self._follows):
            self._wrong.pop(evse_id, None)
            return
        since = self._wrong.setdefault(evse_id, self._ticks_ms())
        if self._age(since) >= (_CONTACTOR_MS if self._follows else _CONTROLLER_MS) and evse_id not in self._faults:
            self._faults[evse_id] = "OPENED_BY_ITSELF" if runs else "WELDED"
            self.stop(evse_id, "RELAY_FAULT")

    def _off(self, evse_id):
        super()._off(evse_id)
        self._wrong.pop(evse_id, None)
        self._opened.discard(evse_id)
