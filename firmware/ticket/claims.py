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
# value, or None where the value is bad; numbers (`int`) and ids (`scope.read`) are so many that `_judge` judges them.
# Texts come as bytes of checked UTF-8 and byte strings as bytearrays, names of members as bytes. Types are compared
# exactly: to `isinstance`, True is an int on CPython. An object with other members than those known is bad here;
# `_refuse` tells it apart.


def _id(value, cwt, _):
    if type(value) is not (bytearray if cwt else bytes) or not 1 <= len(value) <= 64:
        return None
    return utf8.decode(bytes(value)) if cwt else str(value, "utf-8")


def _provider(value, cwt, _):
    parsed = scope.read(scope.PROVIDER, value) if type(value) is bytes else None
    return (parsed, value) if parsed else None


def _time(value, cwt, _):
    if cwt:
        return value * 1000 if type(value) is int and 0 <= value <= _LAST_S else None
    return times.read(value) if type(value) is bytes else None


def _word(value, cwt, words):
    if cwt:
        return words[value] if type(value) is int and 0 <= value < len(words) else None
    word = _WORDS.get(value) if type(value) is bytes else None
    return word if word in words else None


def _each(values, cwt, kind_and_argument):
    if type(values) is not list or not values:
        return None
    kind, argument = kind_and_argument
    found = [kind(value, cwt, argument) for value in values]
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
    blank = b" " in value if span.printable(value, len(value)) else min(value) <= 0x20
    return None if blank or value.find(b"//") + 2 == len(value) else value


def _tariff(value, cwt, _):
    if type(value) is dict and not cwt:
        value = value.get(b"tariffId")
    text = str(value, "utf-8") if type(value) is bytes else ""
    return text if 1 <= len(text) <= 60 else None


def _object(value, cwt, _):
    return value if type(value) is dict else None


# JSON member, key in the private CWT claim (None: in CWT_CLAIMS), mandatory, kind of value, its argument.
# The table's order is the order in which values are judged.
TABLE = (
    (b"id", None, True, _id, None),
    (b"providerId", None, True, _provider, None),
    (b"created", None, True, _time, None),
    (b"notBefore", None, True, _time, None),
    (b"notAfter", None, True, _time, None),
    (b"multiUsage", 16, True, _word, MULTI_USAGE),
    (b"validationMethod", 17, True, _word, VALIDATION_METHOD),
    (b"driverPublicKey", None, False, _driver_key, None),
    (b"validOperators", 2, False, scope.read, scope.OPERATOR),
    (b"validChargingPools", 3, False, scope.read, scope.POOL),
    (b"validChargingStations", 4, False, scope.read, scope.STATION),
    (b"validEVSEIds", 5, False, scope.read, scope.EVSE),
    (b"invalidChargingPools", 6, False, scope.read, scope.POOL),
    (b"invalidChargingStations", 7, False, scope.read, scope.STATION),
    (b"invalidEVSEIds", 8, False, scope.read, scope.EVSE),
    (b"evseKind", 9, False, _word, EVSE_KIND),
    (b"maxEnergy", 10, False, int, None),
    (b"maxPower", 11, False, int, None),
    (b"maxCurrent", 12, False, int, None),
    (b"maxDuration", 13, False, int, None),
    (b"maxPrice", 14, False, _price, None),
    (b"daysOfWeek", 15, False, _each, (_word, DAYS)),
    (b"smartChargingMode", 18, False, _word, SMART_CHARGING_MODE),
    (b"meterValueSignatures", 19, False, _word, METER_VALUE_SIGNATURES),
    (b"e2eCommunicationSecurity", 23, False, _word, E2E_SECURITY),
    (b"tariffs", 1, False, _each, (_tariff, None)),
    (b"providerName", 20, False, _texts, None),
    (b"providerURL", 21, False, _url, None),
    (b"description", 22, False, _texts, None),
    (b"customData", 24, False, _object, None),
)
CWT_CLAIMS = {1: b"providerId", 4: b"notAfter", 5: b"notBefore", 6: b"created", 7: b"id", 8: b"driverPublicKey"}
_KEY = b"driverPublicKey"
_TEXT = (b"language", b"text")
# The objects whose members are known, in the JSON form.
_INSIDE = (
    (_KEY, (b"kty", b"crv", b"x")),
    (b"maxPrice", (b"amount", b"currency")),
    (b"providerName", _TEXT),
    (b"description", _TEXT),
)
_REGISTERED = {CWT_CLAIMS[claim]: claim for claim in CWT_CLAIMS}
_LAST_S = times.LAST_MS // 1000


def _all_words():
    lists = (MULTI_USAGE, VALIDATION_METHOD, EVSE_KIND, DAYS, SMART_CHARGING_MODE, METER_VALUE_SIGNATURES, E2E_SECURITY)
    return {word.encode(): word for words in lists for word in words}


_WORDS = _all_words()


# What a ticket says: a field for each row of the table up to `tariffs`, and two more. What it leaves out is None. A
# tuple, since on a board an object costs ten times as much to make and to ask.
#
# Ids of operators and places, and `provider`, are as `scope.parse` gives them; `id` and `provider_id` are texts as
# received. `tariffs` are tariff ids; `tariffs_json` is the member as JSON text (bytes), in the JWS form exactly as
# received. `max_price` is (decimal text, currency); `driver_public_key` 32 bytes; `days_of_week` words.
# What is only shown (`providerName`, `providerURL`, `description`) and `customData` have been checked and are not kept,
# since they can be long and there is nothing here to show them on.
Claims = namedtuple(
    "Claims",
    (
        "id",
        "provider",
        "created_ms",
        "not_before_ms",
        "not_after_ms",
        "multi_usage",
        "validation_method",
        "driver_public_key",
        "valid_operators",
        "valid_charging_pools",
        "valid_charging_stations",
        "valid_evse_ids",
        "invalid_charging_pools",
        "invalid_charging_stations",
        "invalid_evse_ids",
        "evse_kind",
        "max_energy_wh",
        "max_power_w",
        "max_current_a",
        "max_duration_min",
        "max_price",
        "days_of_week",
        "smart_charging_mode",
        "meter_value_signatures",
        "e2e_communication_security",
        "tariffs",
        "provider_id",
        "tariffs_json",
    ),
)
# Fields that are asked for below.
_PROVIDER = const(1)
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
    return str(amount, "utf-8"), str(currency, "utf-8")


def from_json(members, tariffs_json):
    """A JSON ticket (strictjson.loads, raw) -> Claims. `tariffs_json` is the text of its `tariffs`, None without."""
    if type(members) is not dict:
        raise Refused(MALFORMED, "no object")
    return _judge(members, None, tariffs_json)


def from_cwt(registered):
    """A CWT claims set (cbor.loads, raw) -> Claims."""
    if type(registered) is not dict:
        raise Refused(MALFORMED, "no map")
    private = registered.get(PRIVATE_CLAIM, {})
    if type(private) is not dict:
        _refuse(registered, {}, str(PRIVATE_CLAIM))
    return _judge(registered, private, None)


def _judge(members, private, tariffs_json):
    """`private` holds what the table has a key for, where the form is CWT, and is None where it is JSON."""
    values = []
    cwt = private is not None
    unknown = len(members)
    if cwt:
        unknown += len(private) - (PRIVATE_CLAIM in members)
    bad = None
    type_of, integer, text, read_id = type, int, bytes, scope.read  # a local costs a board a quarter of a builtin
    for name, key, mandatory, kind, argument in TABLE:
        given = members
        if not cwt:
            key = name
        elif key is None:
            key = _REGISTERED[name]
        else:
            given = private
        if key in given:
            unknown -= 1
            value = given[key]
            if kind is integer:
                if type_of(value) is not integer or value < 0 or value > MAX_INTEGER:
                    value = None
            elif kind is read_id:
                ids = value if type_of(value) is list else ()
                value = []
                for one in ids:
                    if type_of(one) is text:
                        one = read_id(argument, one)
                        if one:
                            value.append(one)
                if not value or len(value) != len(ids):
                    value = None
            else:
                value = kind(value, cwt, argument)  # pyright: ignore[reportCallIssue]
            mandatory = True
        else:
            value = None
        if value is None and mandatory and bad is None:
            bad = str(name, "utf-8")
        values.append(value)
    if unknown or bad is not None:
        _refuse(members, private, bad)
    if values[_NOT_BEFORE] >= values[_NOT_AFTER]:
        raise Refused(BAD_CLAIM, "notAfter")
    # Ephemeral keys alone would be anybody's: without the driver's key there is nobody to agree with.
    if values[_E2E_SECURITY] == E2E_SECURITY[1] and values[_DRIVER_KEY] is None:
        raise Refused(BAD_CLAIM, "driverPublicKey")
    if cwt and values[_TARIFFS]:
        tariffs_json = json.dumps(values[_TARIFFS]).encode()
    values[_PROVIDER], provider_id = values[_PROVIDER]
    values[_TARIFFS + 1 :] = [str(provider_id, "utf-8"), tariffs_json]
    return Claims(*values)


def _refuse(members, private, bad):
    """Says what is wrong: unknown members, those of objects too, come before the first bad one, `bad`."""
    if private is None:
        _known(members, {row[0] for row in TABLE})
        inside = members
    else:
        _known(members, list(CWT_CLAIMS) + [PRIVATE_CLAIM])
        keys = {row[1]: row[0] for row in TABLE if row[1] is not None}
        _known(private, keys)
        inside = {keys[key]: private[key] for key in private if keys[key] != b"maxPrice"}
        inside[_KEY] = members.get(_REGISTERED[_KEY])
    for name, known in _INSIDE:
        value = inside.get(name)
        if private is not None and name == _KEY and type(value) is dict:
            _known(value, (1,), name)
            value, known = value.get(1), (1, -1, -2)
        for item in value if type(value) is list else (value,):
            if type(item) is dict:
                _known(item, known, name)
    raise Refused(BAD_CLAIM, bad)


def _known(members, known, detail=None):
    for name in members:
        if name not in known:
            raise Refused(UNKNOWN_CLAIM, str(detail or (name if type(name) is bytes else str(name).encode()), "utf-8"))
