"""The rules of a charging ticket as `firmware/ticket/README.md` has them, written once more.

This shares no code with the firmware, and is written for reading instead of for a small chip: it judges claims that are
already Python values, with regular expressions, `datetime`, `zoneinfo` and `Decimal`. Bytes are none of its business:
what was minted, by whom and whether its signature is good, it is told.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from host_tests.model.claims import DAYS, Refusal, check_claims, instants, is_id, named, plain_provider, refuse_if, same

UNKNOWN, FLOOR, SET = "UNKNOWN", "FLOOR", "SET"
LIMITS = ("maxEnergy", "maxPower", "maxCurrent", "maxDuration", "maxPrice")


# What a reader is and knows


@dataclass
class Issuer:
    """A key's bounds. `limits` as in a ticket's JSON."""

    providers: list[str]
    not_before_ms: int
    not_after_ms: int
    max_lifetime_s: int
    places: list[str] | None = None
    limits: dict = field(default_factory=dict)


@dataclass
class Trust:
    """`revoked_tickets`: pairs of provider id and ticket id."""

    issuers: dict[str, Issuer]
    not_after_ms: int | None = None
    revoked_keys: set[str] = field(default_factory=set)
    revoked_tickets: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Site:
    """`evses`: id to kind. `enforces`: the limits that the relay side keeps."""

    operator: str
    pool: str
    station: str
    evses: dict[str, str]
    zone: str
    enforces: tuple[str, ...]
    accept_floor: bool = False
    meter_signs: bool = False
    pass_unenforced: bool = False


@dataclass
class Shown:
    """What a holder shows. `claims`: the JSON object that was signed, None where the payload is no such thing.

    `size` in bytes; `form_good`: envelope and header are as they must be, apart from `alg`; `proof` is "none", "good"
    or "bad"; `evse`: the holder's choice.
    """

    claims: dict | None
    kid: str
    carrier: str = "card"
    evse: str | None = None
    size: int = 0
    form_good: bool = True
    alg: str = "Ed25519"
    signature_good: bool = True
    proof: str = "none"
    encrypted: bool = False


# The reader


@dataclass
class Outcome:
    """What must come of it. `reasons` has more than one entry where the contract leaves the choice."""

    reasons: set[str]
    limits: dict = field(default_factory=dict)
    evse: str | None = None


class Reader:
    """One reader and what it remembers. Set `clock`, `answer`, `running`, `journal` to change its surroundings."""

    def __init__(self, site: Site, trust: Trust, ledger_limit: int):
        self.site = site
        self.trust = trust
        self.clock: tuple[int, str] = (0, UNKNOWN)
        self.answer = "silent"
        self.journal = "good"  # or "full" or "broken"
        self.running: set[str] = set()
        self.used: dict[tuple[str, str], tuple[int, str]] = {}  # until when (s, rounded up) and on which EVSE
        self._ledger_limit = ledger_limit

    def tap(self, shown: Shown) -> Outcome:
        """The outcome; a grant is remembered."""
        if shown.evse is None:
            return self._tap_without_choice(shown)
        try:
            limits = self.check(shown, shown.evse)
            self._grant(shown.claims or {}, shown.evse)
        except Refusal as refusal:
            return Outcome({refusal.reason})
        return Outcome({"GRANTED"}, limits, shown.evse)

    def _tap_without_choice(self, shown: Shown) -> Outcome:
        """The one that is ready is meant; which reason is given where none is, is left open."""
        reasons, ready = set(), []
        for evse in self.site.evses:
            try:
                self.check(shown, evse)
                ready.append(evse)
            except Refusal as refusal:
                reasons.add(refusal.reason)
        if len(ready) == 1:
            shown.evse = ready[0]
            return self.tap(shown)
        return Outcome({"EVSE_BUSY"} if ready else reasons | {"EVSE_BUSY"})

    def check(self, shown: Shown, evse: str) -> dict:
        """Everything up to the ledger, for one EVSE; the limits of the grant. Raises Refusal."""
        refuse_if(shown.size > 4096, "TOO_LARGE")
        refuse_if(not shown.form_good, "MALFORMED")
        refuse_if(shown.alg not in ("Ed25519", "EdDSA"), "UNSUPPORTED_ALGORITHM")
        issuer = self._issuer(shown.kid)
        refuse_if(not shown.signature_good, "BAD_SIGNATURE")
        if shown.claims is None:
            raise Refusal("MALFORMED")
        claims = shown.claims
        check_claims(claims)
        limits = self._within_bounds(claims, issuer, evse)
        self._check_time(claims)
        self._check_place(claims, evse)
        refuse_if(claims.get("evseKind", self.site.evses[evse]) != self.site.evses[evse], "WRONG_EVSE_KIND")
        signed = claims.get("meterValueSignatures") == "Mandatory"
        refuse_if(signed and not self.site.meter_signs, "METER_SIGNATURE_REQUIRED")
        secret = claims.get("e2eCommunicationSecurity") == "EphemeralKeyAgreement"
        refuse_if(secret and not shown.encrypted, "ENCRYPTION_REQUIRED")
        loose = set(limits) - set(self.site.enforces)
        refuse_if(loose and not self.site.pass_unenforced, "LIMIT_NOT_ENFORCEABLE")
        refuse_if(shown.kid in self.trust.revoked_keys, "REVOKED")
        for provider, ticket in self.trust.revoked_tickets:
            mine = same("provider", provider, claims["providerId"]) and ticket == claims["id"]
            refuse_if(mine, "REVOKED")
        self._check_holder(shown, claims)
        refuse_if(evse in self.running, "EVSE_BUSY")
        return limits

    def _issuer(self, kid: str) -> Issuer:
        issuer = self.trust.issuers.get(kid)
        if issuer is None:
            raise Refusal("UNKNOWN_ISSUER")
        now_ms, state = self.clock
        if state != UNKNOWN:
            end = self.trust.not_after_ms
            refuse_if(end is not None and now_ms >= end, "UNKNOWN_ISSUER")
            refuse_if(not issuer.not_before_ms <= now_ms < issuer.not_after_ms, "UNKNOWN_ISSUER")
        return issuer

    def _within_bounds(self, claims: dict, issuer: Issuer, evse: str) -> dict:
        reason = "ISSUER_NOT_ALLOWED"
        refuse_if(not named("provider", claims["providerId"], issuer.providers), reason)
        if issuer.places is not None:
            here = {"operator": self.site.operator, "pool": self.site.pool, "station": self.site.station, "evse": evse}
            within = any(
                is_id(kind, place) and same(kind, place, here[kind]) for place in issuer.places for kind in here
            )
            refuse_if(not within, reason)
        limits = {}
        for name in LIMITS:
            asked, bound = claims.get(name), issuer.limits.get(name)
            if asked is not None and bound is not None:
                if name == "maxPrice":
                    refuse_if(asked["currency"] != bound["currency"], reason)
                    refuse_if(Decimal(asked["amount"]) > Decimal(bound["amount"]), reason)
                else:
                    refuse_if(asked > bound, reason)
            if asked is not None or bound is not None:
                limits[name] = bound if asked is None else asked
        created, not_before, not_after = instants(claims)
        refuse_if(not_after - min(created, not_before) > issuer.max_lifetime_s * 1000, "LIFETIME_TOO_LONG")
        return limits

    def _check_time(self, claims: dict) -> None:
        now_ms, state = self.clock
        refuse_if(state == UNKNOWN or (state == FLOOR and not self.site.accept_floor), "CLOCK_UNKNOWN")
        _, not_before, not_after = instants(claims)
        refuse_if(now_ms < not_before, "NOT_YET_VALID")
        refuse_if(now_ms >= not_after, "EXPIRED")
        local = datetime.fromtimestamp(now_ms // 1000, ZoneInfo(self.site.zone))
        refuse_if(DAYS[local.weekday()] not in claims.get("daysOfWeek", DAYS), "WRONG_DAY")

    def _check_place(self, claims: dict, evse: str) -> None:
        site = self.site
        here = {"ChargingPools": ("pool", site.pool), "ChargingStations": ("station", site.station)}
        here["EVSEIds"] = ("evse", evse)
        operators = claims.get("validOperators")
        refuse_if(operators is not None and not named("operator", site.operator, operators), "WRONG_OPERATOR")
        for names, (kind, ours) in here.items():
            refuse_if(named(kind, ours, claims.get("invalid" + names, [])), "EXCLUDED_PLACE")
        given = [names for names in here if "valid" + names in claims]
        meant = any(named(*here[names], claims["valid" + names]) for names in given)
        refuse_if(given and not meant, "WRONG_PLACE")

    def _check_holder(self, shown: Shown, claims: dict) -> None:
        if "driverPublicKey" in claims:
            refuse_if(shown.proof == "none", "HOLDER_PROOF_REQUIRED")
            refuse_if(shown.proof == "bad", "HOLDER_PROOF_FAILED")
        else:
            refuse_if(shown.carrier == "ble", "HOLDER_PROOF_REQUIRED")
        refuse_if(shown.carrier == "ble", "PRESENCE_REQUIRED")  # until a site can say that something is present

    def _grant(self, claims: dict, evse: str) -> None:
        """Use, online validation and the durable record."""
        now_ms, state = self.clock
        use, key = claims["multiUsage"], (plain_provider(claims["providerId"]), claims["id"])
        known = self.used.get(key)
        if known is not None and state == SET and known[0] <= now_ms // 1000:
            known = None
        refuse_if(use == "NotAllowed" and known is not None, "ALREADY_USED")
        refuse_if(use == "OnlyAtTheSameEVSE" and known is not None and known[1] != evse, "ALREADY_USED")
        if use != "Allowed" and key not in self.used:
            living = [until for until, _ in self.used.values() if state != SET or until > now_ms // 1000]
            refuse_if(len(living) >= self._ledger_limit, "LEDGER_FULL")
        again = use == "AfterOnlineValidation" and known is not None
        method = claims["validationMethod"]
        if again or method != "OfflineChargingAllowed":
            refuse_if(self.answer == "no", "ONLINE_REFUSED")
            needed = again or method == "MustBeValidated"
            refuse_if(needed and self.answer != "yes", "ONLINE_VALIDATION_REQUIRED")
        refuse_if(self.journal == "full", "JOURNAL_FULL")
        refuse_if(self.journal == "broken", "STORE_FAULT")
        if use != "Allowed":
            until = -(-instants(claims)[2] // 1000)
            self.used[key] = (until, evse) if known is None else (max(until, known[0]), known[1])
        self.running.add(evse)
