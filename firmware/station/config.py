"""The site's configuration as provisioning wrote it (`/site.json`), checked before it is believed."""

import binascii

from ticket import scope
from ticket.times import weekday

# sessions are timed with a tick counter that wraps: differences beyond 6.2 days change their sign
LONGEST_SESSION_MIN = 5 * 24 * 60


class ConfigError(Exception):
    """The configuration cannot be used; the text names the member."""


class NotReady(Exception):
    """Something that the station needs is missing or damaged; `blinks` tells which on the indicator."""

    def __init__(self, what, blinks, detail):
        super().__init__(what + ": " + detail)
        self.blinks = blinks


class Evse:
    def __init__(self, id, kind):
        self.id = id
        self.kind = kind


def _member(config, name, kind, default=None):
    value = config.get(name, default)
    # bool is an int: a number is wanted where int is asked for
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigError(name)
    return value


def _number(config, name, low, high, default=None):
    value = _member(config, name, int, default)
    if not low <= value <= high:
        raise ConfigError(name)
    return value


def _read_id(config, name, kind):
    value = _member(config, name, str)
    if scope.parse(kind, value) is None:
        raise ConfigError(name)
    return value


def _read_key(text):
    if not isinstance(text, str) or len(text) != 43:
        raise ConfigError("roots")
    try:
        return binascii.a2b_base64(text.replace("-", "+").replace("_", "/") + "=")
    except ValueError as error:
        raise ConfigError("roots") from error


class Site:
    """Who and where this reader is, and what its operator chose. Raises ConfigError for anything missing or odd."""

    def __init__(self, config):
        if not isinstance(config, dict) or config.get("version") != 1:
            raise ConfigError("version")
        self.operator = _read_id(config, "operator", scope.OPERATOR)
        self.pool = _read_id(config, "pool", scope.POOL)
        self.station = _read_id(config, "station", scope.STATION)
        self.reader_id = _member(config, "reader", str)
        if not 1 <= len(self.reader_id.encode()) <= 32:
            raise ConfigError("reader")
        self.evses = [self._evse(entry) for entry in _member(config, "evses", list)]
        if not 1 <= len(self.evses) <= 3 or len({evse.id for evse in self.evses}) != len(self.evses):
            raise ConfigError("evses")
        self.roots = {}  # kid: 32-byte public key
        for root in _member(config, "roots", list):
            if not isinstance(root, dict) or not isinstance(root.get("kid"), str):
                raise ConfigError("roots")
            self.roots[root["kid"]] = _read_key(root.get("x"))
        if not self.roots:
            raise ConfigError("roots")
        self.offsets = [self._offset(entry) for entry in _member(config, "offsets", list)]
        self.accept_floor = _member(config, "accept_floor", bool, False)
        self.accept_ended = _member(config, "accept_ended", bool, False)  # believe a trust bundle beyond its own end
        self.meter_signs = _member(config, "meter_signs", bool, False)
        self.pass_unenforced = _member(config, "pass_unenforced", bool, False)
        self.max_duration_min = _number(config, "max_duration_min", 1, LONGEST_SESSION_MIN)
        self.cooldown_ms = _number(config, "cooldown_ms", 0, 60_000, 1000)
        self.encrypt = _member(config, "encrypt", bool, False)  # offer phones the encrypted channel
        self.ble = config.get("ble")  # {"presence": …, "code": a fixed one}; None: no Bluetooth
        if self.ble is not None:
            presence, code = _member(config, "ble", dict).get("presence"), self.ble.get("code", "")
            if presence not in ("cable", "button", "code", "none") or not isinstance(code, str) or len(code) > 8:
                raise ConfigError("ble")
        self.nfc = _member(config, "nfc", dict)
        self.relay = _member(config, "relay", dict)
        self.rtc = config.get("rtc")
        if self.rtc not in (None, {"kind": "ds3231"}):
            raise ConfigError("rtc")
        self.bus = self.nfc.get("bus")
        if self.bus not in ("hsu", "i2c", "spi"):
            raise ConfigError("nfc.bus")
        self.rf_off = _member(self.nfc, "rf_off", bool, True)  # no field between polls
        self.poll_ms = _number(self.nfc, "poll_ms", 20, 1000, 100)
        if self.relay.get("kind") not in ("gpio", "osdp", "modbus"):  # its details are for who makes the deliverer
            raise ConfigError("relay.kind")

    @staticmethod
    def _evse(entry):
        if not isinstance(entry, dict) or entry.get("kind") not in ("AC", "DC"):
            raise ConfigError("evses")
        return Evse(_read_id(entry, "id", scope.EVSE), entry["kind"])

    @staticmethod
    def _offset(entry):
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], int):
            raise ConfigError("offsets")
        if entry[1] is not None and (not isinstance(entry[1], int) or not -24 * 60 < entry[1] < 24 * 60):
            raise ConfigError("offsets")
        return entry[0], entry[1]

    def weekday(self, unix_ms):
        """Local day of the week at this place, Monday = 0; None when no offset is known for that time, as from the
        last entry on, whose minutes are null: who knows what the law will be then."""
        seconds, minutes = unix_ms // 1000, None
        for from_s, offset_min in self.offsets:
            if seconds >= from_s:
                minutes = offset_min
        return None if minutes is None else weekday(seconds + minutes * 60)
