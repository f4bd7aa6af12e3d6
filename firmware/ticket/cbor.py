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


def loads(data, raw=False):
    """bytes -> value of int, bytes, str, list, dict, True, False or None. Raises Refused(MALFORMED).

    `raw` gives text as bytes of (checked) UTF-8 and byte strings as bytearrays, since a str costs four times as much.
    """
    texts = [] if raw else None
    # Whoever reads on behind the end finds a byte that begins no item.
    value, i = _item(data + b"\xff", 0, 1, texts)
    if i != len(data):
        raise Refused(MALFORMED, "cbor end")
    # No character spans a NUL, so together they are UTF-8 exactly if each of them is.
    if texts and utf8.decode(b"\0".join(texts)) is None:
        raise Refused(MALFORMED, "utf-8")
    return value


def _item(data, i, depth, texts):
    """The item at offset `i` -> (value, offset after it). `texts`, if given, takes text strings, unchecked."""
    head = value = data[i]
    i += 1
    if head < 24:
        return value, i
    major, value = head >> 5, head & 31
    if value >= 24 and major <= _MAP:
        value, i = _argument(data, i, value)
    if major == _TEXT or major == _BYTES:
        end = i + value
        if end >= len(data):
            raise Refused(MALFORMED, "cbor cut short")
        value = data[i:end]
        if texts is None:
            if major == _TEXT:
                value = utf8.decode(value)
                if value is None:
                    raise Refused(MALFORMED, "utf-8")
        elif major == _TEXT:
            texts.append(value)
        else:
            value = bytearray(value)
        return value, end
    if major == _UINT:
        return value, i
    if major == _NEGATIVE:
        return -1 - value, i
    if major > _MAP:
        if head not in _SIMPLE:
            raise Refused(MALFORMED, "cbor tag or float")
        return _SIMPLE[head], i
    if depth > _MAX_DEPTH:
        raise Refused(MALFORMED, "nesting")
    return (_array if major == _ARRAY else _map)(data, i, value, depth + 1, texts)


def _array(data, i, count, depth, texts):
    items = []
    while count:
        value, i = _item(data, i, depth, texts)
        items.append(value)
        count -= 1
    return items, i


def _map(data, i, count, depth, texts):
    members = {}
    while count:
        key = data[i]
        if key < 24:
            i += 1
        else:
            key, i = _item(data, i, depth, texts)
            if type(key) is not int and type(key) is not (str if texts is None else bytes):
                raise Refused(MALFORMED, "cbor key")
        if key in members:
            raise Refused(MALFORMED, "duplicate member")
        value = data[i]
        if value < 24:
            members[key] = value
            i += 1
        else:
            members[key], i = _item(data, i, depth, texts)
        count -= 1
    return members, i


def _argument(data, i, additional):
    """The 1, 2, 4 or 8 bytes of a head's argument; a value that a shorter head could hold is refused."""
    if additional == 24 and data[i] >= 24 and i + 1 < len(data):
        return data[i], i + 1
    if additional > 27:
        raise Refused(MALFORMED, "cbor indefinite")
    size = 1 << (additional - 24)
    if len(data) - i <= size:
        raise Refused(MALFORMED, "cbor cut short")
    number = data[i] if size == 1 else int.from_bytes(data[i : i + size], "big")
    if number < (24 if size == 1 else 1 << (size * 4)):
        raise Refused(MALFORMED, "cbor head")
    return number, i + size


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


def head(data):
    """The head that stands before a byte string."""
    return _head(_BYTES, len(data))


def bytes_head(length):
    """What stands before a byte string of that length."""
    return _head(_BYTES, length)


def _head(major, number):
    major <<= 5
    if number < 24:
        return bytes([major | number])
    for additional, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * size):
            return bytes([major | additional]) + number.to_bytes(size, "big")
    raise ValueError("integer over 64 bits")
