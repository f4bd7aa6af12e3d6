"""Strict, bounded CBOR (RFC 8949), and the small encoder for what this firmware writes.

Taken: unsigned and negative integers, byte and text strings, arrays, maps with integers or texts as keys, true, false
and null; in preferred serialisation (section 4.1: shortest heads, definite lengths). Refused as MALFORMED: all else,
among it floats, tags, duplicate keys, text that is not UTF-8, nesting over 8, anything after the item.
"""

# What is being filled is a list or a dict, as `is_map` says.
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false, reportArgumentType=false

from micropython import const

from ticket import span, utf8
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
    try:
        value, i = read(data, 0, 0, raw)
    except IndexError:
        i = -1
    if i != len(data):
        raise Refused(MALFORMED, "cbor end")
    return value  # pyright: ignore[reportPossiblyUnboundVariable]


def read(data, i, depth, raw):
    """The item at offset `i`, which `depth` containers are around -> (value, offset after it).

    Raises as `loads`, and IndexError where the document ends within it.
    """
    size = len(data)
    texts = []
    # One loop and no recursion, since a call costs a board as much as ten items. `into` takes the next `left` items,
    # under `key` if it is a map; `outer` are the containers around it.
    outer = []
    top = into = []
    left, is_map, key = 1, False, 0
    while True:
        if not left:
            if not outer:
                break
            into, left, is_map = outer.pop()
            continue
        left -= 1
        if is_map:
            key = data[i]
            if key < 24:
                i += 1
            elif raw and 0x60 <= key < 0x78 and i + key - 0x60 < size:
                start = i + 1
                i += key - 0x5F
                key = data[start:i]
                texts.append(key)
            else:
                key, i = _key(data, i, texts, raw)
            if key in into:
                raise Refused(MALFORMED, "duplicate member")
        value = data[i]
        i += 1
        if value >= 24:
            head = value
            value &= 31
            major = head >> 5
            if value >= 24 and major <= _MAP:
                if value == 24 and data[i] >= 24:
                    value = data[i]
                    i += 1
                else:
                    value, i = _argument(data, i, value)
            if major == _TEXT or major == _BYTES:
                start = i
                i += value
                if i > size:
                    raise Refused(MALFORMED, "cbor cut short")
                value = data[start:i]
                if major == _TEXT:
                    if raw:
                        texts.append(value)
                    else:
                        value = _text(value)
                elif raw:
                    value = bytearray(value)
            elif major == _ARRAY or major == _MAP:
                if len(outer) + depth >= _MAX_DEPTH:
                    raise Refused(MALFORMED, "nesting")
                items = {} if major == _MAP else []
                if is_map:
                    into[key] = items
                else:
                    into.append(items)
                outer.append((into, left, is_map))
                into, left, is_map = items, value, major == _MAP
                continue
            elif major == _NEGATIVE:
                value = -1 - value
            elif major > _MAP:
                if head not in _SIMPLE:
                    raise Refused(MALFORMED, "cbor tag or float")
                value = _SIMPLE[head]
        if is_map:
            into[key] = value
        else:
            into.append(value)
    if texts:
        # No character spans a space, so together they are UTF-8 exactly if each of them is.
        joined = b" ".join(texts)
        if not span.valid(joined, len(joined), 0) and utf8.decode(joined) is None:
            raise Refused(MALFORMED, "utf-8")
    return top[0], i


def byte_string(data, i):
    """The byte string at offset `i` -> (bytes, offset after it). Raises Refused(MALFORMED)."""
    head = data[i] if i < len(data) else 0
    size = head & 31
    i += 1
    if size >= 24 and head >> 5 == _BYTES:
        size, i = _argument(data, i, size)
    if head >> 5 != _BYTES or i + size > len(data):
        raise Refused(MALFORMED, "no cbor bytes")
    return data[i : i + size], i + size


def _key(data, i, texts, raw):
    """The member's name at offset `i` that is no small integer -> (name, offset after it)."""
    head = data[i]
    major, value = head >> 5, head & 31
    i += 1
    if major == _TEXT or major <= _NEGATIVE:
        if value >= 24:
            value, i = _argument(data, i, value)
        if major != _TEXT:
            return (value if major == _UINT else -1 - value), i
        end = i + value
        if end <= len(data):
            value = data[i:end]
            if not raw:
                return _text(value), end
            texts.append(value)
            return value, end
    raise Refused(MALFORMED, "cbor key")


def _text(data):
    text = utf8.decode(data)
    if text is None:
        raise Refused(MALFORMED, "utf-8")
    return text


def _argument(data, i, additional):
    """The 1, 2, 4 or 8 bytes of a head's argument; a value that a shorter head could hold is refused."""
    if additional > 27:
        raise Refused(MALFORMED, "cbor indefinite")
    size = 1 << (additional - 24)
    if len(data) - i < size:
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
