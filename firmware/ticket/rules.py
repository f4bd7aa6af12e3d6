"""Whether a ticket of known origin is good here and now: what the claims, the issuer's bounds and the situation say.

`RULES` is ordered: the first rule that fails gives the reason. Use, online validation and what follows are the
station's.
"""

import hashlib

from micropython import const

from ticket import scope
from ticket import verdict as v
from ticket.claims import DAYS, decimal

_LIMITS = ("maxEnergy", "maxPower", "maxCurrent", "maxDuration", "maxPrice")
_FIRST_LIMIT = const(16)  # of the claims


class Situation:
    """Where, when and how a ticket is presented. Every default refuses; the station sets what it knows.

    `clock` "UNKNOWN", "FLOOR" (`now_ms` is a lower bound) or "SET"; `weekday` local, 0 Monday .. 6 Sunday;
    `operator`, `pool`, `station` and `evse` are ids, `pool` and `station` may be None; `enforced` names the limits
    that the relay side enforces; `holder` "passive" (cannot prove), "none" (could, but sent nothing), "failed" or
    "proven".
    """

    def __init__(self):
        self.now_ms = 0
        self.clock = "UNKNOWN"
        self.accept_floor = False
        self.weekday = None  # type: int | None
        self.operator = ""
        self.pool = None  # type: str | None
        self.station = None  # type: str | None
        self.evse = ""
        self.evse_kind = ""
        self.meter_signs = False
        self.enforced = ()
        self.pass_unenforced = False
        self.revoked_ticket = True
        self.holder = "passive"
        self.over_ble = False
        self.encrypted = False
        self.presence_ok = False
        self.evse_busy = True


def check(claims, issuer, situation):
    """-> the limits of a grant, {"maxEnergy": Wh, "maxPower": W, "maxCurrent": A, "maxDuration": minutes, "maxPrice":
    {"amount", "currency"}}, without those that neither ticket nor issuer sets. Raises Refused.

    A station whose own ids cannot be read is a ValueError. `issuer` has `providers` (ids), `places` (ids or None),
    `limits` (by the same names, `maxPrice` as a pair) and `max_lifetime_s`.
    """
    limits = {}
    for name, value in zip(_LIMITS, claims[_FIRST_LIMIT : _FIRST_LIMIT + 5]):
        if value is None:
            value = issuer.limits.get(name)
        if value is not None:
            limits[name] = value
    here = _here(situation)
    for reason, fails in RULES:
        detail = fails(claims, issuer, situation, limits, here)
        if detail is not None:
            raise v.Refused(reason, detail)
    if "maxPrice" in limits:
        limits["maxPrice"] = {"amount": limits["maxPrice"][0], "currency": limits["maxPrice"][1]}
    return limits


def ledger_key(claims):
    """SHA-256(normalised provider id || 0x00 || ticket id): 32 bytes, a ticket's name in ledger and revocations."""
    return _key(claims.provider_id, claims.id)


def ticket_key(provider_id, ticket_id):
    """As `ledger_key`, from a valid provider id and a ticket id."""
    return _key(provider_id.encode(), ticket_id.encode())


def _key(provider_id, ticket_id):
    return hashlib.sha256(scope.plain(provider_id) + b"\0" + ticket_id).digest()


class _Here:
    """The station's own ids as bytes; None where it has none."""

    def __init__(self, ids):
        self.ids = ids
        self.operator, self.pool, self.station, self.evse = [_parsed(kind, text) for kind, text in zip(_KINDS, ids)]


_KINDS = (scope.OPERATOR, scope.POOL, scope.STATION, scope.EVSE)
_last_here = None  # a reader has few EVSEs, mostly one


def _here(situation):
    global _last_here
    ids = (situation.operator, situation.pool, situation.station, situation.evse)
    if _last_here is None or _last_here.ids != ids:
        _last_here = None
        _last_here = _Here(ids)
    return _last_here


def _parsed(kind, text):
    if text is None:
        return None
    found = scope.parse(kind, text)
    if found is None:
        raise ValueError("site id")  # a deny list must not pass because the site's own id cannot be read
    return found


# The rules: (claims, issuer, situation, limits, our own parsed ids) -> None if it holds, else the refusal's detail.


def _issuer_not_allowed(claims, issuer, situation, limits, here):
    for one in issuer.providers:
        if scope.same(one.encode(), claims.provider_id):
            break
    else:
        return "providerId"
    if issuer.places is not None and not _inside(issuer.places, here):
        return "place"
    for name, bound in issuer.limits.items():
        if _exceeds(limits[name], bound):
            return name
    return None


def _lifetime_too_long(claims, issuer, situation, limits, here):
    start_ms = min(claims.created_ms, claims.not_before_ms)
    return "" if claims.not_after_ms - start_ms > issuer.max_lifetime_s * 1000 else None


def _clock_unknown(claims, issuer, situation, limits, here):
    known = situation.clock == "SET" or (situation.clock == "FLOOR" and situation.accept_floor)
    return None if known else situation.clock


def _not_yet_valid(claims, issuer, situation, limits, here):
    return "notBefore" if situation.now_ms < claims.not_before_ms else None


def _expired(claims, issuer, situation, limits, here):
    return "notAfter" if situation.now_ms >= claims.not_after_ms else None


def _wrong_day(claims, issuer, situation, limits, here):
    if claims.days_of_week is None:
        return None
    if situation.weekday is None:
        return "local time unknown"
    return None if DAYS[situation.weekday] in claims.days_of_week else "daysOfWeek"


def _wrong_operator(claims, issuer, situation, limits, here):
    if claims.valid_operators is None or _names(claims.valid_operators, here.operator):
        return None
    return "validOperators"


def _excluded_place(claims, issuer, situation, limits, here):
    if _names(claims.invalid_charging_pools, here.pool):
        return "invalidChargingPools"
    if _names(claims.invalid_charging_stations, here.station):
        return "invalidChargingStations"
    return "invalidEVSEIds" if _names(claims.invalid_evse_ids, here.evse) else None


def _wrong_place(claims, issuer, situation, limits, here):
    pools, stations, evses = claims.valid_charging_pools, claims.valid_charging_stations, claims.valid_evse_ids
    if pools is None and stations is None and evses is None:
        return None
    if _names(pools, here.pool) or _names(stations, here.station):
        return None
    return None if _names(evses, here.evse) else "place"


def _wrong_evse_kind(claims, issuer, situation, limits, here):
    return None if claims.evse_kind in (None, situation.evse_kind) else "evseKind"


def _meter_signature_required(claims, issuer, situation, limits, here):
    return "" if claims.meter_value_signatures == "Mandatory" and not situation.meter_signs else None


def _encryption_required(claims, issuer, situation, limits, here):
    wanted = claims.e2e_communication_security == "EphemeralKeyAgreement"
    return "" if wanted and not situation.encrypted else None


def _limit_not_enforceable(claims, issuer, situation, limits, here):
    for name in () if situation.pass_unenforced else limits:
        if name not in situation.enforced:
            return name
    return None


def _revoked(claims, issuer, situation, limits, here):
    return "" if situation.revoked_ticket else None


def _holder_proof_required(claims, issuer, situation, limits, here):
    if claims.driver_public_key is None:
        # Whoever overhears a bearer ticket on the air could present it.
        return "driverPublicKey" if situation.over_ble else None
    return "" if situation.holder not in ("failed", "proven") else None


def _holder_proof_failed(claims, issuer, situation, limits, here):
    return "" if claims.driver_public_key is not None and situation.holder != "proven" else None


def _presence_required(claims, issuer, situation, limits, here):
    return "" if situation.over_ble and not situation.presence_ok else None


def _evse_busy(claims, issuer, situation, limits, here):
    return "" if situation.evse_busy else None


RULES = (
    (v.ISSUER_NOT_ALLOWED, _issuer_not_allowed),
    (v.LIFETIME_TOO_LONG, _lifetime_too_long),
    (v.CLOCK_UNKNOWN, _clock_unknown),
    (v.NOT_YET_VALID, _not_yet_valid),
    (v.EXPIRED, _expired),
    (v.WRONG_DAY, _wrong_day),
    (v.WRONG_OPERATOR, _wrong_operator),
    (v.EXCLUDED_PLACE, _excluded_place),
    (v.WRONG_PLACE, _wrong_place),
    (v.WRONG_EVSE_KIND, _wrong_evse_kind),
    (v.METER_SIGNATURE_REQUIRED, _meter_signature_required),
    (v.ENCRYPTION_REQUIRED, _encryption_required),
    (v.LIMIT_NOT_ENFORCEABLE, _limit_not_enforceable),
    (v.REVOKED, _revoked),
    (v.HOLDER_PROOF_REQUIRED, _holder_proof_required),
    (v.HOLDER_PROOF_FAILED, _holder_proof_failed),
    (v.PRESENCE_REQUIRED, _presence_required),
    (v.EVSE_BUSY, _evse_busy),
)


def _names(entries, ours):
    """Whether one of `entries` (None: no list) names `ours`. A site that has no such id (None) is named by nobody."""
    for entry in entries or () if ours else ():
        if scope.same(entry, ours):
            return True
    return False


def _inside(places, here):
    for place in places:
        place = place.encode()
        for ours in (here.operator, here.pool, here.station, here.evse):
            if scope.same(place, ours):  # ids of other kinds are never the same
                return True
    return False


def _exceeds(value, bound):
    """Whether a limit goes beyond the issuer's. Prices in another currency cannot be compared, so they do."""
    if type(bound) is int:
        return value > bound
    if value[1] != bound[1]:
        return True
    (amount, scale), (most, most_scale) = decimal(value[0]) or (1, 0), decimal(bound[0]) or (0, 0)
    return amount * 10**most_scale > most * 10**scale
