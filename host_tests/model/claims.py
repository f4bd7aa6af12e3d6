"""What a ticket may say, by `firmware/ticket/README.md`, as Python values, for the model of the rules."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Refusal(Exception):
    """The one reason why not."""

    @property
    def reason(self) -> str:
        return self.args[0]


def refuse_if(condition: object, reason: str) -> None:
    if condition:
        raise Refusal(reason)


# Ids


def shape(kind: str) -> re.Pattern:
    """The grammar of one kind of id: prefix (1), letter if any, suffix (2)."""
    between = {"provider": "[*-]?"}.get(kind, r"\*?")
    prefix = f"([A-Za-z]{{2}}{between}[A-Za-z0-9]{{3}})"
    if kind in ("operator", "provider"):
        return re.compile(prefix + "()")
    letters, longest = {"pool": ("Pp", 30), "station": ("Ss", 50), "evse": ("Ee", 30)}[kind]
    return re.compile(rf"{prefix}\*?[{letters}](?=.*[A-Za-z0-9])([A-Za-z0-9*]{{1,{longest}}})")


def is_id(kind: str, text: object) -> bool:
    return isinstance(text, str) and shape(kind).fullmatch(text) is not None


def same(kind: str, one: str, other: str) -> bool:
    """Compared without case; separators of the prefix never count, those of the suffix when both sides have some."""
    (prefix_1, suffix_1), (prefix_2, suffix_2) = (
        shape(kind).fullmatch(text.upper()).groups()  # type: ignore[union-attr]
        for text in (one, other)
    )
    if re.sub("[*-]", "", prefix_1) != re.sub("[*-]", "", prefix_2):
        return False
    if "*" in suffix_1 and "*" in suffix_2:
        return suffix_1 == suffix_2
    return suffix_1.replace("*", "") == suffix_2.replace("*", "")


def named(kind: str, here: str, ids: list[str]) -> bool:
    return any(same(kind, here, text) for text in ids)


def plain_provider(text: str) -> str:
    return re.sub("[*-]", "", text).upper()


# Claims


def instant_ms(text: object) -> int | None:
    pattern = r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{3}))?Z"
    match = re.fullmatch(pattern, text) if isinstance(text, str) else None
    if match is None:
        return None
    try:
        moment = datetime(*(int(part) for part in match.groups()[:6]), tzinfo=UTC)
    except ValueError:
        return None
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(milliseconds=1) + int(match[7] or 0) if since >= timedelta(0) else None


def is_text(value: object, low: int = 0, high: int = 10**9) -> bool:
    return isinstance(value, str) and low <= len(value.encode()) <= high


def one_of(*words: str):
    return lambda value: isinstance(value, str) and value in words


def some(check):
    return lambda value: isinstance(value, list) and value != [] and all(check(entry) for entry in value)


def ids(kind: str):
    return some(lambda value: is_id(kind, value))


def is_limit(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**31


def is_key(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.get("kty") == "OKP"
        and value.get("crv") == "Ed25519"
        # 32 bytes are 43 characters, the last of which has two spare bits, which are zero
        and isinstance(value.get("x"), str)
        and re.fullmatch("[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", value["x"]) is not None
    )


def is_price(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("amount"), str)
        and len(value["amount"]) <= 20
        and re.fullmatch(r"(0|[1-9][0-9]*)(\.[0-9]+)?", value["amount"]) is not None
        and isinstance(value.get("currency"), str)
        and re.fullmatch("[A-Z]{3}", value["currency"]) is not None
    )


def is_worded(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("language"), str)
        and re.fullmatch("[A-Za-z0-9-]{1,35}", value["language"]) is not None
        and isinstance(value.get("text"), str)
    )


def is_tariff(value: object) -> bool:
    name = value.get("tariffId") if isinstance(value, dict) else value
    return isinstance(name, str) and 1 <= len(name) <= 60


def is_url(value: object) -> bool:
    if not isinstance(value, str) or re.search(r"\s", value):
        return False
    return urlsplit(value).scheme in ("http", "https") and re.match("https?://.", value) is not None


TIMES = ("created", "notBefore", "notAfter")
MANDATORY = ("id", "providerId", *TIMES, "multiUsage", "validationMethod")
CLAIMS = {
    "id": lambda value: is_text(value, 1, 64),
    "providerId": lambda value: is_id("provider", value),
    "created": lambda value: instant_ms(value) is not None,
    "notBefore": lambda value: instant_ms(value) is not None,
    "notAfter": lambda value: instant_ms(value) is not None,
    "multiUsage": one_of("NotAllowed", "OnlyAtTheSameEVSE", "AfterOnlineValidation", "Allowed"),
    "validationMethod": one_of("OfflineChargingAllowed", "ShouldBeValidated", "MustBeValidated"),
    "driverPublicKey": is_key,
    "validOperators": ids("operator"),
    "validChargingPools": ids("pool"),
    "validChargingStations": ids("station"),
    "validEVSEIds": ids("evse"),
    "invalidChargingPools": ids("pool"),
    "invalidChargingStations": ids("station"),
    "invalidEVSEIds": ids("evse"),
    "evseKind": one_of("AC", "DC"),
    "maxEnergy": is_limit,
    "maxPower": is_limit,
    "maxCurrent": is_limit,
    "maxDuration": is_limit,
    "maxPrice": is_price,
    "daysOfWeek": some(one_of(*DAYS)),
    "smartChargingMode": one_of("NotAllowed", "Smart", "Bidirectional"),
    "meterValueSignatures": one_of("WhenAvailable", "Mandatory", "Off"),
    "e2eCommunicationSecurity": one_of("Unencrypted", "EphemeralKeyAgreement"),
    "tariffs": some(is_tariff),
    "providerName": some(is_worded),
    "providerURL": is_url,
    "description": some(is_worded),
    "customData": lambda value: isinstance(value, dict),
}
MEMBERS = {  # of the objects that are closed too
    "driverPublicKey": {"kty", "crv", "x"},
    "maxPrice": {"amount", "currency"},
    "providerName": {"language", "text"},
    "description": {"language", "text"},
}


def check_claims(claims: dict) -> None:
    """What this version does not know might be a restriction, so it is looked for before anything else."""
    refuse_if(set(claims) - set(CLAIMS), "UNKNOWN_CLAIM")
    for name, known in MEMBERS.items():
        value = claims.get(name)
        for part in value if isinstance(value, list) else [value]:
            refuse_if(isinstance(part, dict) and set(part) - known, "UNKNOWN_CLAIM")
    refuse_if(set(MANDATORY) - set(claims), "BAD_CLAIM")
    for name, value in claims.items():
        refuse_if(not CLAIMS[name](value), "BAD_CLAIM")
    _, not_before, not_after = instants(claims)
    refuse_if(not_before >= not_after, "BAD_CLAIM")
    secret = claims.get("e2eCommunicationSecurity") == "EphemeralKeyAgreement"
    refuse_if(secret and "driverPublicKey" not in claims, "BAD_CLAIM")


def instants(claims: dict) -> tuple[int, int, int]:
    created, not_before, not_after = (instant_ms(claims[name]) for name in TIMES)
    assert created is not None and not_before is not None and not_after is not None
    return created, not_before, not_after
