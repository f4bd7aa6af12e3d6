"""HELLO, PRESENT and VERDICT: one strict CBOR map each, whatever carries it (README.md).

A message is a dict by the keys below, just as on the wire. A kind of message has keys that must and keys that may be
there, and no others; `encode` and `decode` check both, and every value.

| key | | type |
|---|---|---|
| 0 | VERSION | 1 |
| 1 | READER | text, 1…32 bytes |
| 2 | EVSES | 1…3 different texts of 1…56 bytes |
| 3 | NONCE | 32 bytes |
| 4 | READER_EPHEMERAL | 32 bytes |
| 5 | TICKET | bytes |
| 6 | EVSE | text, 1…56 bytes |
| 7 | SIGNATURE | 64 bytes |
| 8 | HOLDER_EPHEMERAL | 32 bytes |
| 9 | CODE | text, at most 8 bytes |
| 10 | REASON | a reason code, or a word of ticket.verdict for a document |
| 11 | LIMITS | map: 10…13 integers 0…2^31-1, 14 [amount, currency] |
"""

from micropython import const

from ticket import cbor
from ticket.claims import price
from ticket.verdict import NOT_TAKEN, REASONS, Refused, is_taken

VERSION = const(0)
READER = const(1)
EVSES = const(2)
NONCE = const(3)
READER_EPHEMERAL = const(4)
TICKET = const(5)
EVSE = const(6)
SIGNATURE = const(7)
HOLDER_EPHEMERAL = const(8)
CODE = const(9)
REASON = const(10)
LIMITS = const(11)

# Kinds of message: the keys that must be there, and those that may.
INFO = (b"\x00\x01\x02", b"")  # what a reader tells anybody who asks, before a HELLO
HELLO = (b"\x00\x01\x02\x03", b"\x04")
OPENING = (b"\x00\x08", b"")  # what the holder sends in clear before an encrypted PRESENT
OPENING_BYTES = const(38)
PRESENT = (b"\x00\x05", b"\x06\x07\x08\x09")
VERDICT = (b"\x00\x0a", b"\x06\x0b")

_MAX_EVSES = const(3)
_BYTES = {NONCE: 32, READER_EPHEMERAL: 32, SIGNATURE: 64, HOLDER_EPHEMERAL: 32}
_TEXTS = {READER: (1, 32), EVSE: (1, 56), CODE: (0, 8)}  # bytes of UTF-8, at least and at most
_FIRST_LIMIT = const(10)
_LIMIT_NAMES = ("maxEnergy", "maxPower", "maxCurrent", "maxDuration", "maxPrice")


class BadMessage(Exception):
    """Not a message of the kind that was due; `detail` is a short fixed text."""

    def __init__(self, detail):
        super().__init__(detail)
        self.detail = detail


def encode(kind, message):
    """The bytes of a message, whose VERSION is put in here. Raises BadMessage."""
    message = dict(message)
    message[VERSION] = 1
    _check(kind, message)
    return cbor.dumps(message)


def decode(kind, data):
    """The message that these bytes are. Raises BadMessage."""
    try:
        message = cbor.loads(bytes(data))
    except Refused as refusal:
        raise BadMessage(refusal.detail)
    if type(message) is not dict:
        raise BadMessage("no map")
    _check(kind, message)
    return message


def limits_of(named):
    """The LIMITS of a verdict from limits by the names of a ticket."""
    limits = {}
    for index, name in enumerate(_LIMIT_NAMES):
        if name in named:
            value = named[name]
            limits[_FIRST_LIMIT + index] = [value["amount"], value["currency"]] if name == "maxPrice" else value
    return limits


def _check(kind, message):
    must, may = kind
    for key in must:
        if key not in message:
            raise BadMessage("key missing")
    for key, value in message.items():
        if type(key) is not int or not 0 <= key <= LIMITS or not (key in must or key in may):
            raise BadMessage("unknown key")
        if not _right(key, value):
            raise BadMessage("value of key " + str(key))


def _right(key, value):
    if key in _TEXTS:
        return _text(value, _TEXTS[key])
    if key in _BYTES:
        return type(value) is bytes and len(value) == _BYTES[key]
    if key == TICKET:
        return type(value) is bytes
    if key == VERSION:
        return type(value) is int and value == 1
    if key == REASON:
        return type(value) is str and (value in REASONS or is_taken(value) or value in NOT_TAKEN.split())
    if key == LIMITS:
        return type(value) is dict and all(_limit(one, value[one]) for one in value)
    if type(value) is not list or not 1 <= len(value) <= _MAX_EVSES:
        return False
    return all(_text(one, _TEXTS[EVSE]) for one in value) and len(set(value)) == len(value)


def _text(value, bounds):
    return type(value) is str and bounds[0] <= len(value.encode()) <= bounds[1]


def _limit(key, value):
    if key == _FIRST_LIMIT + 4:
        if type(value) is not list or len(value) != 2 or type(value[0]) is not str or type(value[1]) is not str:
            return False
        return price(value[0].encode(), value[1].encode()) is not None
    if type(key) is not int or not _FIRST_LIMIT <= key < _FIRST_LIMIT + 4:
        return False
    return type(value) is int and 0 <= value <= 0x7FFFFFFF
