"""What stays of a trust bundle once it is read and judged, without what reads it: that is unloaded on the device."""

from ticket import rules
from ticket.verdict import UNKNOWN_ISSUER, Refused


class Issuer:
    """One key and its bounds.

    `public_key` 32 bytes; `providers` the provider ids that it may sign for; valid from `not_before_ms` until before
    `not_after_ms`; no ticket of it lives longer than `max_lifetime_s`; `places` ids of operators, pools, stations or
    EVSEs that its tickets open, None for all; `limits` by their JSON names, `maxPrice` as (amount, currency); `table`
    what makes checking its signatures faster, None without, set by whoever loads it.
    """

    def __init__(
        self, kid, public_key, providers, not_before_ms, not_after_ms, max_lifetime_s, places=None, limits=None
    ):
        self.kid = kid
        self.public_key = public_key
        self.providers = providers
        self.not_before_ms = not_before_ms
        self.not_after_ms = not_after_ms
        self.max_lifetime_s = max_lifetime_s
        self.places = places
        self.limits = limits or {}
        self.table = None

    def valid_at(self, now_ms):
        """Whether the key is valid at a time; at an unknown time (None) the rules of the clock decide, so it is."""
        return now_ms is None or self.not_before_ms <= now_ms < self.not_after_ms


class Bundle:
    """What a bundle says. `issuers` by kid; `retired_roots` and `revoked_keys` sets of kids; `revoked_tickets` a set of
    ticket keys (rules.ticket_key); `not_after_ms` None without an end; `root` the kid that signed it.
    """

    def __init__(self, root, values):
        self.root = root
        self.version = values["version"]
        self.created_ms = values["created"]
        self.not_after_ms = values["notAfter"]
        self.issuers = {issuer.kid: issuer for issuer in values["issuers"]}
        self.retired_roots = values["retiredRoots"]
        self.revoked_keys = values["revokedKeys"]
        self.revoked_tickets = values["revokedTickets"]

    def ended(self, now_ms):
        """Whether the bundle's own end has come; at an unknown time (None) the rules of the clock decide, so not."""
        return self.not_after_ms is not None and now_ms is not None and now_ms >= self.not_after_ms

    def issuer(self, kid, now_ms, ignore_end=False):
        """The Issuer of a ticket's `kid`, valid at `now_ms` (None: unknown time). Raises Refused(UNKNOWN_ISSUER).

        `ignore_end`: the site has opted out of the bundle's own end.
        """
        if not ignore_end and self.ended(now_ms):
            raise Refused(UNKNOWN_ISSUER, "bundle ended")
        found = self.issuers.get(kid)
        if found is None or not found.valid_at(now_ms):
            raise Refused(UNKNOWN_ISSUER, kid)
        return found

    def revokes(self, kid, claims):
        """Whether the issuer's key or the ticket is revoked."""
        return kid in self.revoked_keys or rules.ledger_key(claims) in self.revoked_tickets
