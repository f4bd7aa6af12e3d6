"""Issuer keys: what each may sign, and when it is valid. The rules that hold tickets to it are in ticket/rules.py."""

from micropython import const

from ticket import scope
from ticket.claims import MAX_INTEGER, price
from ticket.verdict import BAD_CLAIM, Refused
from trust import signed
from trust.kept import Issuer

_STEP = const(8)  # items of a list
LIMITS = ("maxEnergy", "maxPower", "maxCurrent", "maxDuration")


def parse(found):
    """A member of the bundle's `issuers` -> Issuer, whose lists are still to be checked. Raises Refused: UNKNOWN_CLAIM,
    BAD_CLAIM."""
    values = signed.take(found, _SCHEMA)
    if values["notBefore"] >= values["notAfter"]:
        raise Refused(BAD_CLAIM, "notAfter")
    return Issuer(
        values["kid"],
        values["x"],
        values["providers"],
        values["notBefore"],
        values["notAfter"],
        values["maxLifetime"],
        values["places"],
        values["limits"],
    )


def check_steps(issuer):
    """Generator: checks its lists, a few items a step. Raises Refused(BAD_CLAIM)."""
    for name, kind, values in (("providers", provider, issuer.providers), ("places", _place, issuer.places or ())):
        for number, value in enumerate(values):
            if kind(value) is None:
                raise Refused(BAD_CLAIM, name)
            if number % _STEP == _STEP - 1:
                yield None


def provider(value):
    """A provider id."""
    return value if type(value) is str and scope.parse(scope.PROVIDER, value) else None


def _place(value):
    return value if type(value) is str and scope.kind_of(value) is not None else None


def _some(values):
    """A list of at least one: an empty one would read as a bound that nobody wrote."""
    return signed.items(values) or None


def _limit(value):
    return value if type(value) is int and 0 <= value <= MAX_INTEGER else None


def _price(value):
    if type(value) is not dict or len(value) != 2:
        return None
    amount, currency = value.get("amount"), value.get("currency")
    return price(amount.encode(), currency.encode()) if type(amount) is str and type(currency) is str else None


def _limits(value):
    if type(value) is not dict:
        return None
    values = signed.take(value, [(name, False, _limit) for name in LIMITS] + [("maxPrice", False, _price)])
    return {name: values[name] for name in values if values[name] is not None}


_SCHEMA = (
    ("kid", True, signed.text),
    ("x", True, signed.bytes32),
    ("providers", True, _some),
    ("notBefore", True, signed.time_ms),
    ("notAfter", True, signed.time_ms),
    ("maxLifetime", True, signed.positive),
    ("places", False, _some),
    ("limits", False, _limits),
)
