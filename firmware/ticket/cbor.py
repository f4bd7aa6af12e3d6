"""Strict, bounded CBOR (RFC 8949), and the small encoder for what this firmware writes.

Taken: unsigned and negative integers, byte and text strings, arrays, maps with integers or texts as keys, true, false
and null; in preferred serialisation (section 4.1: shortest heads, definite lengths). Refused as MALFORMED: all else,
among it floats, tags, duplicate keys, text that is not UTF-8, nesting over 8, anything after the item.
"""

from micropython import const

from ticket import utf8
from ticket.verdict import MALFORMED, Refused

_MAX_DEPTH = const(8)
_UINT = const(0)
_NEGATIVE = const(1)
_BYTES = const(2)
_TEXT = const(3)
_ARRAY = const(4)
_MAP = const(5)
_SIMPLE = {0xF4: False, 0xF5: True, 0xF6: None}


def loads(data):
    """bytes -> value of int, bytes, str, list, dict, True, False or None. Raises Refused(MALFORMED)."""
    value, i = item(data, 0)
    if i != len(data):
        raise Refused(MALFORMED, "cbor end")
    return value


def item(data, i, depth=1):
    """The item at offset `i` -> (value, offset after it)."""
    if i >= len(data):
        raise Refused(MALFORMED, "cbor cut short")
    initial = data[i]
    major = initial >> 5
    if major > _MAP:
        if initial not in _SIMPLE:
            raise Refused(MALFORMED, "cbor tag or float")
        return _SIMPLE[initial], i + 1
    number, i = initial & 31, i + 1
    if number >= 24:
        number, i = _argument(data, i, number)
    if major == _UINT:
        return number, i
    if major == _NEGATIVE:
        return -1 - number, i
    # Every element of an array or map takes at least a byte, so this bounds those too.
    if number > len(data) - i:
        raise Refused(MALFORMED, "cbor cut short")
    if major == _BYTES:
        return data[i : i + number], i + number
    if major == _TEXT:
        text = utf8.decode(data[i : i + number])
        if text is None:
            raise Refused(MALFORMED, "utf-8")
        return text, i + number
    if depth > _MAX_DEPTH:
        raise Refused(MALFORMED, "nesting")
    return (_array if major == _ARRAY else _map)(data, i, number, depth + 1)


def _argument(data, i, additional):
    """The 1, 2, 4 or 8 bytes of a head's argument; a value that a shorter head could hold is refused."""
    if additional > 27:
        raise Refused(MALFORMED, "cbor indefinite")
    size = 1 << (additional - 24)
    if len(data) - i < size:
        raise Refused(MALFORMED, "cbor cut short")
    number = int.from_bytes(data[i : i + size], "big")
    if number < (24 if size == 1 else 1 << (size * 4)):
        raise Refused(MALFORMED, "cbor head")
    return number, i + size


def _array(data, i, count, depth):
    items = []
    while count:
        value, i = item(data, i, depth)
        items.append(value)
        count -= 1
    return items, i


def _map(data, i, count, depth):
    members = {}
    while count:
        key, i = item(data, i, depth)
        if type(key) is not int and type(key) is not str:
            raise Refused(MALFORMED, "cbor key")
        if key in members:
            raise Refused(MALFORMED, "duplicate member")
        members[key], i = item(data, i, depth)
        count -= 1
    return members, i


def dumps(value):
    """int, bytes, str, list, tuple, dict, bool or None -> bytes that `loads` takes.

    A dict is written in one fixed order of its keys. Raises ValueError for other types and for integers over 64 bits.
    """
    kind = type(value)
    if kind is int:
        return _head(_UINT, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
    if kind is bytes or kind is bytearray or kind is memoryview:
        return _head(_BYTES, len(value)) + bytes(value)
    if kind is str:
        value = value.encode()
        return _head(_TEXT, len(value)) + value
    if kind is list or kind is tuple:
        return _head(_ARRAY, len(value)) + b"".join([dumps(one) for one in value])
    if kind is dict:
        # Dicts have no order on MicroPython: sort by the encoded key, which is RFC 8949 section 4.2.1.
        pairs = sorted([(dumps(key), dumps(value[key])) for key in value])
        return _head(_MAP, len(pairs)) + b"".join([key + one for key, one in pairs])
    for simple, meaning in _SIMPLE.items():
        if value is meaning:
            return bytes([simple])
    raise ValueError("no CBOR for this type")


def _head(major, number):
    major <<= 5
    if number < 24:
        return bytes([major | number])
    for additional, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * size):
            return bytes([major | additional]) + number.to_bytes(size, "big")
    raise ValueError("integer over 64 bits")
