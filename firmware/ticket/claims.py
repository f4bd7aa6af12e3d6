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

_LANGUAGE = b"-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CURRENCY = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"


# One function per kind of value: (value as parsed, whether the form is CWT, argument of the table) -> the claim's
# value, or None where the value is bad. Texts come as bytes of checked UTF-8 and byte strings as bytearrays, names of
# members as bytes. Types are compared exactly: to `isinstance`, True is an int on CPython.


def _id(value, cwt, _):
    if cwt:
        text = utf8.decode(bytes(value)) if type(value) is bytearray else None
    else:
        text = str(value, "utf-8") if type(value) is bytes else None
    return text if text is not None and 1 <= len(value) <= 64 else None


def _provider(value, cwt, _):
    parsed = scope.parse(scope.PROVIDER, value) if type(value) is bytes else None
    return (parsed, value) if parsed else None


def _time(value, cwt, _):
    if cwt:
        return value * 1000 if type(value) is int and 0 <= value <= _LAST_S else None
    return times.parse(value) if type(value) is bytes else None


def _word(value, cwt, words):
    if cwt:
        return words[value] if type(value) is int and 0 <= value < len(words) else None
    word = _WORDS.get(value) if type(value) is bytes else None
    return word if word in words else None


def _integer(value, cwt, _):
    return value if type(value) is int and 0 <= value <= MAX_INTEGER else None


def _each(values, cwt, kind_and_argument):
    if type(values) is not list or not values:
        return None
    kind, argument = kind_and_argument
    found = []
    for value in values:
        value = kind(value, cwt, argument)
        if value is None:
            return None
        found.append(value)
    return found


def _place(value, cwt, kind):
    return scope.parse(kind, value) if type(value) is bytes else None


def _driver_key(value, cwt, _):
    if type(value) is not dict:
        return None
    if cwt:
        value = value.get(1)
        if type(value) is not dict or not _exactly(value, 1, 1) or not _exactly(value, -1, 6):
            return None
        key = value.get(-2)
        return bytes(key) if type(key) is bytearray and len(key) == 32 else None
    key = value.get(b"x")
    if value.get(b"kty") != b"OKP" or value.get(b"crv") != b"Ed25519" or type(key) is not bytes:
        return None
    key = b64url.decode(key)
    return key if key is not None and len(key) == 32 else None


def _exactly(members, name, wanted):
    return type(members.get(name)) is int and members[name] == wanted


def _price(value, cwt, _):
    if cwt:
        if type(value) is not list or len(value) != 2:
            return None
        amount, currency = value
    elif type(value) is dict:
        amount, currency = value.get(b"amount"), value.get(b"currency")
    else:
        return None
    return price(amount, currency) if type(amount) is bytes and type(currency) is bytes else None


def _texts(values, cwt, _):
    if type(values) is not list or not values:
        return None
    found = []
    for value in values:
        if type(value) is not dict or type(value.get(b"text")) is not bytes:
            return None
        language = value.get(b"language")
        if type(language) is not bytes or not 1 <= len(language) <= 35 or language.strip(_LANGUAGE):
            return None
        found.append({"language": str(language, "utf-8"), "text": str(value[b"text"], "utf-8")})
    return found


def _url(value, cwt, _):
    if type(value) is not bytes or not (value.startswith(b"https://") or value.startswith(b"http://")):
        return None
    return str(value, "utf-8") if min(value) > 0x20 and value.find(b"//") + 2 < len(value) else None


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
    (b"validOperators", 2, False, _each, (_place, scope.OPERATOR)),
    (b"validChargingPools", 3, False, _each, (_place, scope.POOL)),
    (b"validChargingStations", 4, False, _each, (_place, scope.STATION)),
    (b"validEVSEIds", 5, False, _each, (_place, scope.EVSE)),
    (b"invalidChargingPools", 6, False, _each, (_place, scope.POOL)),
    (b"invalidChargingStations", 7, False, _each, (_place, scope.STATION)),
    (b"invalidEVSEIds", 8, False, _each, (_place, scope.EVSE)),
    (b"evseKind", 9, False, _word, EVSE_KIND),
    (b"maxEnergy", 10, False, _integer, None),
    (b"maxPower", 11, False, _integer, None),
    (b"maxCurrent", 12, False, _integer, None),
    (b"maxDuration", 13, False, _integer, None),
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
_NAMES = {row[0] for row in TABLE}
_BY_KEY = {row[1]: row[0] for row in TABLE if row[1] is not None}
_TEXT = (b"language", b"text")
_LAST_S = times.LAST_MS // 1000


def _all_words():
    lists = (MULTI_USAGE, VALIDATION_METHOD, EVSE_KIND, DAYS, SMART_CHARGING_MODE, METER_VALUE_SIGNATURES, E2E_SECURITY)
    return {word.encode(): word for words in lists for word in words}


_WORDS = _all_words()


class Claims:
    """What a ticket says. Members that it leaves out are None.

    Ids of operators and places, and `provider`, are as `scope.parse` gives them; `id` and `provider_id` are texts as
    received. `tariffs` are tariff ids; `tariffs_json` is the member as JSON text (bytes), in the JWS form exactly as
    received. `max_price` is (decimal text, currency); `driver_public_key` 32 bytes; `days_of_week` words.
    """

    def __init__(self, values, tariffs_json):
        """`values` are the members' values in the order of the table."""
        (
            self.id,
            self.provider,
            self.created_ms,
            self.not_before_ms,
            self.not_after_ms,
            self.multi_usage,
            self.validation_method,
            self.driver_public_key,
            self.valid_operators,
            self.valid_charging_pools,
            self.valid_charging_stations,
            self.valid_evse_ids,
            self.invalid_charging_pools,
            self.invalid_charging_stations,
            self.invalid_evse_ids,
            self.evse_kind,
            self.max_energy_wh,
            self.max_power_w,
            self.max_current_a,
            self.max_duration_min,
            self.max_price,
            self.days_of_week,
            self.smart_charging_mode,
            self.meter_value_signatures,
            self.e2e_communication_security,
            self.tariffs,
            self.provider_name,
            self.provider_url,
            self.description,
            self.custom_data,
        ) = values
        self.provider, provider_id = self.provider
        self.provider_id = str(provider_id, "utf-8")
        self.tariffs_json = tariffs_json


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
    for name in members:
        if name not in _NAMES:
            raise Refused(UNKNOWN_CLAIM, str(name, "utf-8"))
    _known_inside(members, b"driverPublicKey", (b"kty", b"crv", b"x"))
    _known_inside(members, b"maxPrice", (b"amount", b"currency"))
    _known_inside(members, b"providerName", _TEXT)
    _known_inside(members, b"description", _TEXT)
    return _judge(members, False, tariffs_json)


def from_cwt(registered):
    """A CWT claims set (cbor.loads, raw) -> Claims."""
    if type(registered) is not dict:
        raise Refused(MALFORMED, "no map")
    members = {}
    private = registered.get(PRIVATE_CLAIM, {})
    for names, found in ((CWT_CLAIMS, registered), (_BY_KEY, private if type(private) is dict else {})):
        for key in found:
            if key in names:
                members[names[key]] = found[key]
            elif key != PRIVATE_CLAIM or found is not registered:
                raise Refused(UNKNOWN_CLAIM, str(key, "utf-8") if type(key) is bytes else str(key))
    _known_inside(members, b"providerName", _TEXT)
    _known_inside(members, b"description", _TEXT)
    _known_inside(members, b"driverPublicKey", (1,))
    if type(members.get(b"driverPublicKey")) is dict:
        _known_inside(members[b"driverPublicKey"], 1, (1, -1, -2), b"driverPublicKey")
    if type(private) is not dict:
        raise Refused(BAD_CLAIM, str(PRIVATE_CLAIM))
    return _judge(members, True, None)


def _known_inside(members, name, known, detail=None):
    """Refuses members other than `known` in the object, or the objects of the list, that `members[name]` is, if any."""
    value = members.get(name)
    if value is None:
        return
    for item in value if type(value) is list else (value,):
        if type(item) is dict:
            for member in item:
                if member not in known:
                    raise Refused(UNKNOWN_CLAIM, str(detail or name, "utf-8"))


def _judge(members, cwt, tariffs_json):
    values = []
    for name, _, mandatory, kind, argument in TABLE:
        value = None
        if name in members:
            value = kind(members[name], cwt, argument)
            mandatory = True
        if value is None and mandatory:
            raise Refused(BAD_CLAIM, str(name, "utf-8"))
        values.append(value)
    claims = Claims(values, tariffs_json)
    if claims.not_before_ms >= claims.not_after_ms:
        raise Refused(BAD_CLAIM, "notAfter")
    # Ephemeral keys alone would be anybody's: without the driver's key there is nobody to agree with.
    if claims.e2e_communication_security == E2E_SECURITY[1] and claims.driver_public_key is None:
        raise Refused(BAD_CLAIM, "driverPublicKey")
    if cwt and claims.tariffs:
        claims.tariffs_json = json.dumps(claims.tariffs).encode()
    return claims
