"""What a deliverer is told, one grant for one EVSE, as a lease that ends when it is not renewed; and what it tells."""

from collections import namedtuple

from micropython import const

LEASE_MS = const(60_000)
RENEW_MS = const(20_000)

# grant: the Grant; cause: DURATION, ENERGY, UNPLUGGED, STOPPED_BY_DRIVER, STOPPED_BY_CONTROLLER, LEASE_LOST,
# RELAY_FAULT or RESTART; seconds that the EVSE was enabled; energy_wh: as metered, None where nobody knows.
Ended = namedtuple("Ended", ("grant", "cause", "seconds", "energy_wh"))


class RelayFault(Exception):
    """The deliverer refused the grant or did not answer. Nothing was energised, unless `perhaps`: then the device may
    have taken it, the ticket stays used, and the end comes with `service`."""

    def __init__(self, detail, perhaps=False):
        super().__init__(detail)
        self.perhaps = perhaps


class Grant:
    """session: number of the journal's grant; limits: by the ticket's names and units; provider_id: UTF-8; tariffs: as
    JSON, UTF-8, or None."""

    def __init__(
        self, session, evse_id, provider_id, ticket_key, limits, tariffs, smart_charging_mode, holder, ticket_id=""
    ):
        self.session = session
        self.evse_id = evse_id
        self.provider_id = provider_id
        self.ticket_key = ticket_key
        self.limits = limits
        self.tariffs = tariffs
        self.smart_charging_mode = smart_charging_mode
        self.holder = holder
        self.ticket_id = ticket_id
