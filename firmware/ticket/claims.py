"""The closed schema of a ticket, for both forms in one table, and the claims that it yields.

A member that the table does not know is UNKNOWN_CLAIM, since it might be a restriction; that is asked of the whole
ticket before any value is judged. Then values are judged in the table's order: what is missing, of a wrong type, out of
range, an empty list or an unknown word is BAD_CLAIM. The detail of either is the member's JSON name.
"""

import json
from collections import namedtuple

from micropython import const

from ticket import b64url, scope, span, times, utf8
from ticket.verdict import BAD_CLAIM, MALFORMED, UNKNOWN_CLAIM, Refused

MAX_INTEGER = 0x7FFFFFFF
PRIVATE_CLAIM = -65537  # the CWT claim that holds the map of what the registered claims do not cover

MULTI_USAGE = ("NotAllowed", "OnlyAtTheSameEVSE", "AfterOnlineValidation", "Allowed")
VALIDATION_METHOD = ("OfflineChargingAllowed", "ShouldBeValidated", "MustBeValidated")
EVSE_KIND = ("AC", "DC")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SMART_CHARGING_MODE = ("NotAllowed", "Smart", "Bidirectional")
METER_VALUE_SIGNATURES = ("WhenAvailable", "Mandatory", "Off")
E2E_SECURITY = ("Unencrypted", "EphemeralKeyAgreement")

_LANGUAGE = b"-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CURRENCY = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"


# One function per kind of value: (value as parsed, whether the form is CWT, argument of the table) -> the claim's
# value, or None where the value is bad. Texts come as bytes of checked UTF-8 and byte strings as bytearrays, names of
# members as bytes. Types are compared exactly: to `isinstance`, True is an int on CPython. An object with other members
# than those known is bad here; `refuse` tells it apart.


def _id(value, cwt, _):
    if type(value) is not (bytearray if cwt else bytes) or not 1 <= len(value) <= 64:
        return None
    value = bytes(value)
    return value if span.valid(value, len(value), 0) or utf8.decode(value) else None


def _provider(value, cwt, _):
    return value if type(value) is bytes and scope.valid(value, len(value), scope.PROVIDER) else None


def _time(value, cwt, _):
    if cwt:
        return value * 1000 if type(value) is int and 0 <= value <= _LAST_S else None
    return times.read(value) if type(value) is bytes else None


def _word(value, cwt, words):
    if cwt:
        return words[value] if type(value) is int and 0 <= value < len(words) else None
    word = _WORDS.get(value) if type(value) is bytes else None
    return word if word in words else None


def _integer(value, cwt, _):
    return value if type(value) is int and 0 <= value <= MAX_INTEGER else None


def _ids(values, cwt, kind):
    if type(values) is not list or not values:
        return None
    at = len(values)
    while at:  # a board has less to allocate for this than for an iterator
        at -= 1
        value = values[at]
        if type(value) is not bytes or not _valid(value, len(value), kind):
            return None
    return values


def _days(values, cwt, words):
    if type(values) is not list or not values:
        return None
    found = [_word(value, cwt, words) for value in values]
    return None if None in found else found


def _driver_key(value, cwt, _):
    if type(value) is not dict:
        return None
    if cwt:
        value = value.get(1) if len(value) == 1 else None
        if type(value) is not dict or len(value) != 3 or not _exactly(value, 1, 1) or not _exactly(value, -1, 6):
            return None
        key = value.get(-2)
        return bytes(key) if type(key) is bytearray and len(key) == 32 else None
    key = value.get(b"x")
    if len(value) != 3 or value.get(b"kty") != b"OKP" or value.get(b"crv") != b"Ed25519" or type(key) is not bytes:
        return None
    key = b64url.decode(key)
    return key if key is not None and len(key) == 32 else None


def _exactly(members, name, wanted):
    return type(members.get(name)) is int and members[name] == wanted


def _price(value, cwt, _):
    if cwt and type(value) is list and len(value) == 2:
        amount, currency = value
    elif not cwt and type(value) is dict and len(value) == 2:
        amount, currency = value.get(b"amount"), value.get(b"currency")
    else:
        return None
    return price(amount, currency) if type(amount) is bytes and type(currency) is bytes else None


def _texts(values, cwt, _):
    if type(values) is not list or not values:
        return None
    for value in values:
        if type(value) is not dict or len(value) != 2 or type(value.get(b"text")) is not bytes:
            return None
        language = value.get(b"language")
        if type(language) is not bytes or not 1 <= len(language) <= 35 or language.strip(_LANGUAGE):
            return None
    return values


def _url(value, cwt, _):
    if type(value) is not bytes or not (value.startswith(b"https://") or value.startswith(b"http://")):
        return None
    if b" " in value or value.find(b"//") + 2 == len(value):
        return None
    return value if span.valid(value, len(value), 0) or (min(value) > 0x20 and utf8.decode(value)) else None


def _tariffs(values, cwt, _):
    if type(values) is not list or not values:
        return None
    found = []
    for value in values:
        if type(value) is dict and not cwt:
            value = value.get(b"tariffId")
        if type(value) is not bytes or not value or (len(value) > 60 and len(str(value, "utf-8")) > 60):
            return None
        found.append(value)
    return found


def _object(value, cwt, _):
    return value if type(value) is dict else None


# JSON member, kind of value, its argument; that of a list says what texts or words it holds. The first seven are
# mandatory. The table's order is the order in which values are judged.
TABLE = (
    (b"id", _id, None),
    (b"providerId", _provider, None),
    (b"created", _time, None),
    (b"notBefore", _time, None),
    (b"notAfter", _time, None),
    (b"multiUsage", _word, MULTI_USAGE),
    (b"validationMethod", _word, VALIDATION_METHOD),
    (b"driverPublicKey", _driver_key, None),
    (b"validOperators", _ids, scope.OPERATOR),
    (b"validChargingPools", _ids, scope.POOL),
    (b"validChargingStations", _ids, scope.STATION),
    (b"validEVSEIds", _ids, scope.EVSE),
    (b"invalidChargingPools", _ids, scope.POOL),
    (b"invalidChargingStations", _ids, scope.STATION),
    (b"invalidEVSEIds", _ids, scope.EVSE),
    (b"evseKind", _word, EVSE_KIND),
    (b"maxEnergy", _integer, None),
    (b"maxPower", _integer, None),
    (b"maxCurrent", _integer, None),
    (b"maxDuration", _integer, None),
    (b"maxPrice", _price, 0),
    (b"daysOfWeek", _days, DAYS),
    (b"smartChargingMode", _word, SMART_CHARGING_MODE),
    (b"meterValueSignatures", _word, METER_VALUE_SIGNATURES),
    (b"e2eCommunicationSecurity", _word, E2E_SECURITY),
    (b"tariffs", _tariffs, 0),
    (b"providerName", _texts, None),
    (b"providerURL", _url, None),
    (b"description", _texts, None),
    (b"customData", _object, None),
)
MANDATORY = const(7)
# The rows in it of the CWT's keys from 0 on, of the registered claims and of those in the private map; 255 has none.
REGISTERED = b"\xff\1\xff\xff\4\3\2\0\7"
PRIVATE = b"\xff\x19\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\5\6\x16\x17\x1a\x1b\x1c\x18\x1d"
_KEY = b"driverPublicKey"
_TEXT = (b"language", b"text")
# The objects whose members are known, in the JSON form.
_INSIDE = (
    (_KEY, (b"kty", b"crv", b"x")),
    (b"maxPrice", (b"amount", b"currency")),
    (b"providerName", _TEXT),
    (b"description", _TEXT),
)
_ROWS = const(30)
_KEY_CLAIM = const(8)
_PRICE_KEY = const(14)
_valid = scope.valid
_LAST_S = times.LAST_MS // 1000


def _all_words():
    lists = (MULTI_USAGE, VALIDATION_METHOD, EVSE_KIND, DAYS, SMART_CHARGING_MODE, METER_VALUE_SIGNATURES, E2E_SECURITY)
    return {word.encode(): word for words in lists for word in words}


_WORDS = _all_words()


# What a ticket says: a field for each row of the table up to `tariffs`, and two more. What it leaves out is None. A
# tuple, since on a board an object costs ten times as much to make and to ask.
#
# Ids, of tariffs too, are bytes as received (UTF-8). `received_tariffs` is that member's JSON text (bytes) in the JWS
# form, None in the other: see `tariffs_json`. `max_price` is (decimal text, currency) as str; `driver_public_key` 32
# bytes; `days_of_week` words.
# What is only shown (`providerName`, `providerURL`, `description`) and `customData` have been checked and are not kept,
# since they can be long and there is nothing here to show them on.
Claims = namedtuple(
    "Claims",
    "id provider_id created_ms not_before_ms not_after_ms multi_usage validation_method driver_public_key"
    " valid_operators valid_charging_pools valid_charging_stations valid_evse_ids"
    " invalid_charging_pools invalid_charging_stations invalid_evse_ids"
    " evse_kind max_energy_wh max_power_w max_current_a max_duration_min max_price"
    " days_of_week smart_charging_mode meter_value_signatures e2e_communication_security"
    " tariffs received_tariffs",
)
# Fields that are asked for below.
_NOT_BEFORE = const(3)
_NOT_AFTER = const(4)
_DRIVER_KEY = const(7)
_E2E_SECURITY = const(24)
_TARIFFS = const(25)


def decimal(text):
    """Decimal text like `12.50`, str or bytes -> (12.50 in units of 10^-scale, scale), or None.

    At most 20 characters, no sign, no exponent, no needless leading zero.
    """
    if type(text) is str:
        text = text.encode()
    whole, point, fraction = text.partition(b".")
    if len(text) > 20 or not whole.isdigit() or (point and not fraction.isdigit()):
        return None
    if whole[0] == 0x30 and len(whole) > 1:
        return None
    return int(whole + fraction), len(fraction)


def price(amount, currency):
    """Decimal text and ISO 4217 code, as bytes -> (amount, currency) as str, or None if they are none."""
    if len(currency) != 3 or currency.strip(_CURRENCY) or decimal(amount) is None:
        return None
    # a new str costs a board as much as reading ten numbers: the most usual one is there
    return str(amount, "utf-8"), "EUR" if currency == b"EUR" else str(currency, "utf-8")


def from_json(members, received_tariffs):
    """A JSON ticket (strictjson.loads, raw) -> Claims. `received_tariffs`: the text of its `tariffs`, None without."""
    if type(members) is not dict:
        raise Refused(MALFORMED, "no object")
    values = []
    unknown = len(members)
    good = True
    for name, kind, argument in TABLE:
        value = None
        if name in members:
            unknown -= 1
            value = kind(members[name], False, argument)
            if value is None:
                value = good = False
        values.append(value)
    if unknown or not good or None in values[:MANDATORY]:
        refuse(members, False, values)
    return complete(values, received_tariffs)


def complete(values, received_tariffs):
    """The Claims of a good value for each row of the table, None for what is left out. Raises Refused(BAD_CLAIM)."""
    if values[_NOT_BEFORE] >= values[_NOT_AFTER]:
        raise Refused(BAD_CLAIM, "notAfter")
    # Ephemeral keys alone would be anybody's: without the driver's key there is nobody to agree with.
    if values[_E2E_SECURITY] == E2E_SECURITY[1] and values[_DRIVER_KEY] is None:
        raise Refused(BAD_CLAIM, "driverPublicKey")
    values[_TARIFFS + 1 :] = [received_tariffs]
    return Claims(*values)


def tariffs_json(claims):
    """What claims say of tariffs, as JSON (bytes), in the JWS form exactly as received; None if nothing."""
    if claims.tariffs is None or claims.received_tariffs is not None:
        return claims.received_tariffs
    return json.dumps([str(one, "utf-8") for one in claims.tariffs]).encode()


def refuse(members, cwt, values):
    """Says what is wrong: unknown members, those of objects too, come before the first bad one.

    `values` by the table's rows, False for what is bad.
    """
    inside = members
    if not cwt:
        _known(members, [row[0] for row in TABLE])
    else:
        _known(members, _keys(REGISTERED) + [PRIVATE_CLAIM])
        private = members.get(PRIVATE_CLAIM, {})
        if type(private) is not dict:
            raise Refused(BAD_CLAIM, str(PRIVATE_CLAIM))
        _known(private, _keys(PRIVATE))
        inside = {TABLE[PRIVATE[key]][0]: private[key] for key in private if key != _PRICE_KEY}
        inside[_KEY] = members.get(_KEY_CLAIM)
    for name, known in _INSIDE:
        value = inside.get(name)
        if cwt and name == _KEY and type(value) is dict:
            _known(value, (1,), name)
            value, known = value.get(1), (1, -1, -2)
        for item in value if type(value) is list else (value,):
            if type(item) is dict:
                _known(item, known, name)
    for row in range(_ROWS):
        if values[row] is False or (values[row] is None and row < MANDATORY):
            raise Refused(BAD_CLAIM, str(TABLE[row][0], "utf-8"))


def _keys(rows):
    return [key for key in range(len(rows)) if rows[key] < _ROWS]


def _known(members, known, detail=None):
    for name in members:
        if name not in known:
            raise Refused(UNKNOWN_CLAIM, str(detail or (name if type(name) is bytes else str(name).encode()), "utf-8"))
