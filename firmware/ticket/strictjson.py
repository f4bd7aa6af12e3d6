"""Strict, bounded JSON (RFC 8259) for signed payloads and headers.

Refused as MALFORMED: anything but UTF-8, a BOM, control characters in strings, unknown escapes, lone surrogates,
duplicate members (compared after unescaping), nesting over 8, anything after the value. Numbers: an integer of at most
18 digits is an int; every other number that the grammar allows is a `Number`, which no claim takes.

The work goes by token, not by character: strings are found by their closing quote, and what must be true of every byte
is asked of the whole document at once.
"""

from micropython import const

from ticket import utf8
from ticket.verdict import MALFORMED, Refused

_MAX_DEPTH = const(8)
_QUOTE = const(0x22)
_COMMA = const(0x2C)
_MINUS = const(0x2D)
_ZERO = const(0x30)
_COLON = const(0x3A)
_BACKSLASH = const(0x5C)
_OPEN_LIST = const(0x5B)
_CLOSE_LIST = const(0x5D)
_OPEN_OBJECT = const(0x7B)
_CLOSE_OBJECT = const(0x7D)
_U = const(0x75)
_CONTROL = const(0x1F)
_SPACE = const(0x20)
_DIGITS = b"0123456789"
_IN_NUMBER = b"0123456789.-+eE"
_ESCAPES = b'"\\/bfnrt'
_ESCAPED = b'"\\/\x08\x0c\n\r\t'
_HEX = b"0123456789abcdefABCDEF"


class Number:
    """A number with a point, an exponent or over 18 digits, kept as the text that was received."""

    def __init__(self, text):
        self.text = text

    def __eq__(self, other):
        return isinstance(other, Number) and other.text == self.text

    def __hash__(self):
        return hash(self.text)


def loads(data, spans=None):
    """bytes -> value of dict, list, str, int, `Number`, True, False or None. Raises Refused(MALFORMED).

    `spans`, if given, is a dict; for each of its keys that is a member of the topmost object, its value becomes the
    pair of offsets in `data` between which that member's value stands.
    """
    if not data or utf8.decode(data) is None:
        raise Refused(MALFORMED, "utf-8")
    # `plain`: no control character anywhere and no escape, so a string is whatever stands between two quotes.
    plain = min(data) > _CONTROL and data.find(b"\\") < 0
    # The final NUL is no part of any token: indexing cannot run over the end, and what is cut short is seen there.
    value, i = _value(data + b"\0", 0, 1, plain, spans)
    if i != len(data):
        raise Refused(MALFORMED, "json end")
    return value


def _space(data, i):
    while data[i] in b" \t\n\r":
        i += 1
    return i


def _value(data, i, depth, plain, spans=None):
    """The value that starts at `i`, white space around it allowed -> (value, offset after it)."""
    if data[i] <= _SPACE:
        i = _space(data, i)
    byte = data[i]
    if byte == _QUOTE:
        value, i = _string(data, i + 1, plain)
    elif byte == _OPEN_OBJECT or byte == _OPEN_LIST:
        if depth > _MAX_DEPTH:
            raise Refused(MALFORMED, "nesting")
        if byte == _OPEN_OBJECT:
            value, i = _object(data, i + 1, depth + 1, plain, spans)
        else:
            value, i = _list(data, i + 1, depth + 1, plain)
    elif byte == _MINUS or byte in _DIGITS:
        value, i = _number(data, i)
    elif data[i : i + 4] == b"true":
        value, i = True, i + 4
    elif data[i : i + 5] == b"false":
        value, i = False, i + 5
    elif data[i : i + 4] == b"null":
        value, i = None, i + 4
    else:
        raise Refused(MALFORMED, "json value")
    if data[i] <= _SPACE:
        i = _space(data, i)
    return value, i


def _object(data, i, depth, plain, spans):
    members = {}
    i = _space(data, i)
    if data[i] == _CLOSE_OBJECT:
        return members, i + 1
    while True:
        if data[i] <= _SPACE:
            i = _space(data, i)
        if data[i] != _QUOTE:
            raise Refused(MALFORMED, "json member")
        name, i = _string(data, i + 1, plain)
        if name in members:
            raise Refused(MALFORMED, "duplicate member")
        if data[i] <= _SPACE:
            i = _space(data, i)
        if data[i] != _COLON:
            raise Refused(MALFORMED, "json member")
        start = i + 1
        members[name], i = _value(data, start, depth, plain)
        if spans is not None and name in spans:
            spans[name] = (start, i)
        if data[i] == _COMMA:
            i += 1
        elif data[i] == _CLOSE_OBJECT:
            return members, i + 1
        else:
            raise Refused(MALFORMED, "json object")


def _list(data, i, depth, plain):
    items = []
    i = _space(data, i)
    if data[i] == _CLOSE_LIST:
        return items, i + 1
    while True:
        value, i = _value(data, i, depth, plain)
        items.append(value)
        if data[i] == _COMMA:
            i += 1
        elif data[i] == _CLOSE_LIST:
            return items, i + 1
        else:
            raise Refused(MALFORMED, "json array")


def _string(data, i, plain):
    """The string whose first byte after the quote is at `i` -> (str, offset after the closing quote)."""
    end = data.find(b'"', i)
    if end < 0:
        raise Refused(MALFORMED, "json string")
    if plain:
        return str(data[i:end], "utf-8"), end + 1
    parts = []
    while True:
        if end < i:  # the quote found before belonged to an escape
            end = data.find(b'"', i)
            if end < 0:
                raise Refused(MALFORMED, "json string")
        stop = data.find(b"\\", i, end)
        piece = data[i : end if stop < 0 else stop]
        if piece and min(piece) <= _CONTROL:
            raise Refused(MALFORMED, "control character")
        parts.append(piece)
        if stop < 0:
            # Pieces are cut at ASCII bytes out of checked UTF-8, so what is joined is UTF-8 again.
            return str(b"".join(parts), "utf-8"), end + 1
        escape, i = _escape(data, stop + 1)
        parts.append(escape)


def _escape(data, i):
    """What stands at `i`, behind a backslash -> (its UTF-8, offset after it)."""
    if data[i] != _U:
        at = _ESCAPES.find(data[i : i + 1])
        if at < 0:
            raise Refused(MALFORMED, "escape")
        return _ESCAPED[at : at + 1], i + 1
    code, i = _hex4(data, i + 1)
    if 0xD800 <= code < 0xDC00 and data[i] == _BACKSLASH and data[i + 1] == _U:
        low, i = _hex4(data, i + 2)
        if not 0xDC00 <= low < 0xE000:
            raise Refused(MALFORMED, "surrogate")
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
    elif 0xD800 <= code < 0xE000:
        raise Refused(MALFORMED, "surrogate")
    return chr(code).encode(), i


def _hex4(data, i):
    digits = data[i : i + 4]
    if len(digits) != 4 or digits.strip(_HEX):
        raise Refused(MALFORMED, "escape")
    return int(str(digits, "utf-8"), 16), i + 4


def _number(data, start):
    i = start
    while data[i] in _IN_NUMBER:
        i += 1
    text = data[start:i]
    digits = text[1:] if text[0] == _MINUS else text
    if digits and not digits.strip(_DIGITS):
        if digits[0] == _ZERO and len(digits) > 1:
            raise Refused(MALFORMED, "number")
        if len(digits) <= 18:
            return int(str(text, "utf-8")), i
    elif not _is_decimal(digits):
        raise Refused(MALFORMED, "number")
    return Number(str(text, "utf-8")), i


def _is_decimal(text):
    """RFC 8259's `int [frac] [exp]`, given a text of digits, points, signs and e."""
    mantissa, exponent = text, b"0"
    at = text.lower().find(b"e")
    if at >= 0:
        mantissa, exponent = text[:at], text[at + 1 :]
        if exponent[:1] in (b"+", b"-"):
            exponent = exponent[1:]
    whole, fraction = mantissa, b"0"
    at = mantissa.find(b".")
    if at >= 0:
        whole, fraction = mantissa[:at], mantissa[at + 1 :]
    for part in (whole, fraction, exponent):
        if not part or part.strip(_DIGITS):
            return False
    return whole[0] != _ZERO or len(whole) == 1
