"""What a deliverer is told: one grant for one EVSE, as a lease that ends when it is not renewed."""

from micropython import const

LEASE_MS = const(60_000)
RENEW_MS = const(20_000)


class RelayFault(Exception):
    """The deliverer refused the grant or did not answer; nothing is energised."""


class Grant:
    """session: number of the journal's grant; limits: by the ticket's names and units."""

    def __init__(self, session, evse_id, provider_id, ticket_key, limits, tariffs, smart_charging_mode, holder):
        self.session = session
        self.evse_id = evse_id
        self.provider_id = provider_id
        self.ticket_key = ticket_key
        self.limits = limits
        self.tariffs = tariffs
        self.smart_charging_mode = smart_charging_mode
        self.holder = holder
