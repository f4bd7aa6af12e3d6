"""The closed schema of a ticket, for both forms in one table, and the claims that it yields.

A member that the table does not know is UNKNOWN_CLAIM, since it might be a restriction; that is asked of the whole
ticket before any value is judged. Then values are judged in the table's order: what is missing, of a wrong type, out of
range, an empty list or an unknown word is BAD_CLAIM. The detail of either is the member's JSON name.
"""

import json

from ticket import b64url, scope, times, utf8
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

_DIGITS = "0123456789"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LANGUAGE = "-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


# One function per kind of value: (value as parsed, whether the form is CWT, argument of the table) -> the claim's
# value, or None where the value is bad. Types are compared exactly: to `isinstance`, True is an int on CPython.


def _id(value, cwt, _):
    if cwt:
        value = utf8.decode(value) if type(value) is bytes else None
    return value if type(value) is str and 1 <= len(value.encode()) <= 64 else None


def _place(value, cwt, kind):
    return value if type(value) is str and scope.parse(kind, value) else None


def _time(value, cwt, _):
    if cwt:
        return value * 1000 if type(value) is int and 0 <= value <= times.LAST_MS // 1000 else None
    return times.parse(value) if type(value) is str else None


def _word(value, cwt, words):
    if cwt:
        return words[value] if type(value) is int and 0 <= value < len(words) else None
    return value if type(value) is str and value in words else None


def _integer(value, cwt, _):
    return value if type(value) is int and 0 <= value <= MAX_INTEGER else None


def _each(values, cwt, kind_and_argument):
    kind, argument = kind_and_argument
    if type(values) is not list or not values:
        return None
    values = [kind(value, cwt, argument) for value in values]
    return None if None in values else values


def _driver_key(value, cwt, _):
    if type(value) is not dict:
        return None
    if cwt:
        value = value.get(1)
        if type(value) is not dict or not _exactly(value, 1, 1) or not _exactly(value, -1, 6):
            return None
        key = value.get(-2)
        return key if type(key) is bytes and len(key) == 32 else None
    key = value.get("x")
    if value.get("kty") != "OKP" or value.get("crv") != "Ed25519" or type(key) is not str:
        return None
    key = b64url.decode(key.encode())
    return key if key is not None and len(key) == 32 else None


def _exactly(members, name, wanted):
    return type(members.get(name)) is int and members[name] == wanted


def price(value, cwt, _):
    if cwt:
        if type(value) is not list or len(value) != 2:
            return None
        amount, currency = value
    elif type(value) is dict:
        amount, currency = value.get("amount"), value.get("currency")
    else:
        return None
    if type(currency) is not str or len(currency) != 3 or currency.strip(_LETTERS):
        return None
    return (amount, currency) if type(amount) is str and decimal(amount) else None


def _texts(values, cwt, _):
    if type(values) is not list or not values:
        return None
    for value in values:
        if type(value) is not dict or type(value.get("text")) is not str:
            return None
        language = value.get("language")
        if type(language) is not str or not 1 <= len(language) <= 35 or language.strip(_LANGUAGE):
            return None
    return values


def _url(value, cwt, _):
    if type(value) is not str or not (value.startswith("https://") or value.startswith("http://")):
        return None
    return value if min(value.encode()) > 0x20 and len(value) > 8 else None


def _tariff(value, cwt, _):
    if type(value) is dict and not cwt:
        value = value.get("tariffId")
    return value if type(value) is str and 1 <= len(value) <= 60 else None


def _object(value, cwt, _):
    return value if type(value) is dict else None


# JSON member, key in the private CWT claim (None: in CWT_CLAIMS), mandatory, kind of value, its argument.
# The table's order is the order in which values are judged.
TABLE = (
    ("id", None, True, _id, None),
    ("providerId", None, True, _place, scope.PROVIDER),
    ("created", None, True, _time, None),
    ("notBefore", None, True, _time, None),
    ("notAfter", None, True, _time, None),
    ("multiUsage", 16, True, _word, MULTI_USAGE),
    ("validationMethod", 17, True, _word, VALIDATION_METHOD),
    ("driverPublicKey", None, False, _driver_key, None),
    ("validOperators", 2, False, _each, (_place, scope.OPERATOR)),
    ("validChargingPools", 3, False, _each, (_place, scope.POOL)),
    ("validChargingStations", 4, False, _each, (_place, scope.STATION)),
    ("validEVSEIds", 5, False, _each, (_place, scope.EVSE)),
    ("invalidChargingPools", 6, False, _each, (_place, scope.POOL)),
    ("invalidChargingStations", 7, False, _each, (_place, scope.STATION)),
    ("invalidEVSEIds", 8, False, _each, (_place, scope.EVSE)),
    ("evseKind", 9, False, _word, EVSE_KIND),
    ("maxEnergy", 10, False, _integer, None),
    ("maxPower", 11, False, _integer, None),
    ("maxCurrent", 12, False, _integer, None),
    ("maxDuration", 13, False, _integer, None),
    ("maxPrice", 14, False, price, None),
    ("daysOfWeek", 15, False, _each, (_word, DAYS)),
    ("smartChargingMode", 18, False, _word, SMART_CHARGING_MODE),
    ("meterValueSignatures", 19, False, _word, METER_VALUE_SIGNATURES),
    ("e2eCommunicationSecurity", 23, False, _word, E2E_SECURITY),
    ("tariffs", 1, False, _each, (_tariff, None)),
    ("providerName", 20, False, _texts, None),
    ("providerURL", 21, False, _url, None),
    ("description", 22, False, _texts, None),
    ("customData", 24, False, _object, None),
)
CWT_CLAIMS = {1: "providerId", 4: "notAfter", 5: "notBefore", 6: "created", 7: "id", 8: "driverPublicKey"}
_NAMES = {row[0] for row in TABLE}
_BY_KEY = {row[1]: row[0] for row in TABLE if row[1] is not None}
_TEXT = ("language", "text")
_INSIDE = {
    "driverPublicKey": ("kty", "crv", "x"),
    "maxPrice": ("amount", "currency"),
    "providerName": _TEXT,
    "description": _TEXT,
}


class Claims:
    """What a ticket says. Members that it leaves out are None. Texts stand as received, ids included.

    `tariffs` are tariff ids; `tariffs_json` is the member as JSON text (bytes), exactly as received in the JWS form.
    `max_price` is (decimal text, currency); `driver_public_key` 32 bytes; `days_of_week` words.
    """

    def __init__(self, values, tariffs_json):
        self.id = values["id"]
        self.provider_id = values["providerId"]
        self.created_ms = values["created"]
        self.not_before_ms = values["notBefore"]
        self.not_after_ms = values["notAfter"]
        self.multi_usage = values["multiUsage"]
        self.validation_method = values["validationMethod"]
        self.driver_public_key = values["driverPublicKey"]
        self.valid_operators = values["validOperators"]
        self.valid_charging_pools = values["validChargingPools"]
        self.valid_charging_stations = values["validChargingStations"]
        self.valid_evse_ids = values["validEVSEIds"]
        self.invalid_charging_pools = values["invalidChargingPools"]
        self.invalid_charging_stations = values["invalidChargingStations"]
        self.invalid_evse_ids = values["invalidEVSEIds"]
        self.evse_kind = values["evseKind"]
        self.max_energy_wh = values["maxEnergy"]
        self.max_power_w = values["maxPower"]
        self.max_current_a = values["maxCurrent"]
        self.max_duration_min = values["maxDuration"]
        self.max_price = values["maxPrice"]
        self.days_of_week = values["daysOfWeek"]
        self.smart_charging_mode = values["smartChargingMode"]
        self.meter_value_signatures = values["meterValueSignatures"]
        self.e2e_communication_security = values["e2eCommunicationSecurity"]
        self.tariffs = values["tariffs"]
        self.tariffs_json = tariffs_json
        self.provider_name = values["providerName"]
        self.provider_url = values["providerURL"]
        self.description = values["description"]
        self.custom_data = values["customData"]


def decimal(text):
    """Decimal text like `12.50` -> (12.50 in units of 10^-scale, scale), or None. At most 20 characters, no sign."""
    whole, point, fraction = text.partition(".")
    if not 1 <= len(text) <= 20 or not whole or (whole + fraction).strip(_DIGITS):
        return None
    if (point and not fraction) or (whole[0] == "0" and len(whole) > 1):
        return None
    return int(whole + fraction), len(fraction)


def from_json(members, payload, tariffs_span):
    """A parsed JSON ticket -> Claims. `payload[start:end]` of `tariffs_span`, if any, is its `tariffs` member."""
    if type(members) is not dict:
        raise Refused(MALFORMED, "no object")
    for name, value in members.items():
        if name not in _NAMES:
            raise Refused(UNKNOWN_CLAIM, name)
        if name in _INSIDE:
            _known_inside(name, value, _INSIDE[name])
    return _judge(members, False, payload[tariffs_span[0] : tariffs_span[1]].strip() if tariffs_span else None)


def from_cwt(registered):
    """A parsed CWT claims set -> Claims."""
    if type(registered) is not dict:
        raise Refused(MALFORMED, "no map")
    members = {}
    private = registered.get(PRIVATE_CLAIM, {})
    for key, value in registered.items():
        if key != PRIVATE_CLAIM:
            _put(members, CWT_CLAIMS, key, value)
    for key, value in private.items() if type(private) is dict else ():
        _put(members, _BY_KEY, key, value)
    for name in ("providerName", "description"):
        _known_inside(name, members.get(name), _TEXT)
    key = members.get("driverPublicKey")
    _known_inside("driverPublicKey", key, (1,))
    if type(key) is dict:
        _known_inside("driverPublicKey", key.get(1), (1, -1, -2))
    if type(private) is not dict:
        raise Refused(BAD_CLAIM, str(PRIVATE_CLAIM))
    return _judge(members, True, None)


def _put(members, names, key, value):
    if key not in names:
        raise Refused(UNKNOWN_CLAIM, str(key))
    members[names[key]] = value


def _known_inside(name, value, known):
    for item in value if type(value) is list else (value,):
        if type(item) is dict:
            for member in item:
                if member not in known:
                    raise Refused(UNKNOWN_CLAIM, name)


def _judge(members, cwt, tariffs_json):
    values = {}
    for name, _, mandatory, kind, argument in TABLE:
        if name in members:
            value = kind(members[name], cwt, argument)
            if value is None:
                raise Refused(BAD_CLAIM, name)
        elif mandatory:
            raise Refused(BAD_CLAIM, name)
        else:
            value = None
        values[name] = value
    if values["notBefore"] >= values["notAfter"]:
        raise Refused(BAD_CLAIM, "notAfter")
    # Ephemeral keys alone would be anybody's: without the driver's key there is nobody to agree with.
    if values["e2eCommunicationSecurity"] == E2E_SECURITY[1] and values["driverPublicKey"] is None:
        raise Refused(BAD_CLAIM, "driverPublicKey")
    if cwt and values["tariffs"]:
        tariffs_json = json.dumps(values["tariffs"]).encode()
    return Claims(values, tariffs_json)
