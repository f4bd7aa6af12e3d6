"""Strict, bounded JSON (RFC 8259) for signed payloads and headers.

Refused as MALFORMED: anything but UTF-8, a BOM, control characters in strings, unknown escapes, lone surrogates,
duplicate members (compared after unescaping), nesting over 8, anything after the value. Numbers: an integer of at most
18 digits is an int; every other number that the grammar allows is a `Number`, which no claim takes.

Python spends hundreds of instructions on a character, so the work goes by token: the document is split at its quotes,
which leaves strings at the odd places and the structure between them at the even ones.
"""

from micropython import const

from ticket import utf8
from ticket.verdict import MALFORMED, Refused

_MAX_DEPTH = const(8)
_LONGEST_INTEGER = const(18)
_SPACE = const(0x20)
_ZERO = const(0x30)
_COLON = const(0x3A)
_COMMA = const(0x2C)
_OPEN_LIST = const(0x5B)
_CLOSE_LIST = const(0x5D)
_OPEN_OBJECT = const(0x7B)
_CLOSE_OBJECT = const(0x7D)
_SPACES = b" \t\r\n"
_DELIMITERS = b" \t\r\n,:[]{}"
_LITERALS = {b"true": True, b"false": False, b"null": None}
_ESCAPES = {b'"': b'"', b"\\": b"\\", b"/": b"/", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_HEX = b"0123456789abcdefABCDEF"


class Number:
    """A number with a point, an exponent or over 18 digits, kept as the bytes that were received."""

    def __init__(self, text):
        self.text = text

    def __eq__(self, other):
        return isinstance(other, Number) and other.text == self.text

    def __hash__(self):
        return hash(self.text)


def loads(data, raw=False, kept=None):
    """bytes -> value of dict, list, str, int, `Number`, True, False or None. Raises Refused(MALFORMED).

    `raw` leaves strings and members' names as bytes of (checked) UTF-8, since a str costs four times as much. `kept`,
    if given, is a dict by such names: for each member of the topmost object that it has and whose value is no string,
    its value becomes that member's text, the bytes as received.
    """
    if not data or utf8.decode(data) is None:
        raise Refused(MALFORMED, "utf-8")
    pieces = data.split(b'"')
    escapes = b"\\" in data
    if escapes and b'\\"' in data:
        pieces = _merged(pieces)
    last = len(pieces) - 1  # odd where a string has no end: then nothing ends there
    controls = min(data) < _SPACE
    received = pieces
    if not raw or escapes or controls:
        pieces = _strings(pieces, escapes, controls, raw)
    # Whoever reads on behind the end finds an empty string and then a byte that is no structure.
    pieces += [b"" if raw else "", b"\0"]
    value, i, at = _value(pieces, 0, 0, 1, kept)
    if i != last or _space(pieces[i], at)[1] != len(pieces[i]):
        raise Refused(MALFORMED, "json end")
    if kept:
        for name in kept:
            if kept[name] is not None:
                kept[name] = _between(received, *kept[name])
    return value


def _strings(pieces, escapes, controls, raw):
    """A copy of `pieces` whose strings are checked, unescaped and, unless `raw`, made str."""
    out = list(pieces)
    for i in range(1, len(out), 2):
        text = out[i]
        if controls and text and min(text) < _SPACE:
            raise Refused(MALFORMED, "control character")
        if escapes and b"\\" in text:
            text = _unescaped(text)
        out[i] = text if raw else str(text, "utf-8")
    return out


def _between(pieces, i, at, end, end_at):
    """The document's text from offset `at` of piece `i` to before offset `end_at` of piece `end`."""
    wanted = pieces[i : end + 1]
    wanted[-1] = wanted[-1][:end_at]
    return b'"'.join(wanted)[at:].strip()


# The position of the functions below is offset `at` of the structure `pieces[i]`, `i` even; they give it back advanced.
# Where that piece is used up, the string `pieces[i + 1]` follows.


def _space(piece, at):
    """`at` after white space, and the byte there, 0 where the piece is used up -> (byte, at)"""
    size = len(piece)
    while at < size:
        byte = piece[at]
        if byte > _SPACE or byte not in _SPACES:
            return byte, at
        at += 1
    return 0, at


def _value(pieces, i, at, depth, kept=None):
    """-> (value, i, at)"""
    piece = pieces[i]
    byte, at = _space(piece, at)
    if at == len(piece):
        return pieces[i + 1], i + 2, 0
    if byte == _OPEN_OBJECT or byte == _OPEN_LIST:
        if depth > _MAX_DEPTH:
            raise Refused(MALFORMED, "nesting")
        if byte == _OPEN_LIST:
            return _list(pieces, i, at + 1, depth)
        return _object(pieces, i, at + 1, depth, kept)
    end = piece.find(b",", at)
    token = piece[at:end]
    if end < 0 or not token.isdigit():
        end = at
        while end < len(piece) and piece[end] not in _DELIMITERS:
            end += 1
        token = piece[at:end]
    return _scalar(token), i, end


def _object(pieces, i, at, depth, kept):
    """-> (dict, i, at), from behind the opening bracket"""
    members = {}
    byte, at = _space(pieces[i], at)
    if byte == _CLOSE_OBJECT:
        return members, i, at + 1
    while True:
        if at != len(pieces[i]):
            raise Refused(MALFORMED, "json member")
        name = pieces[i + 1]
        if name in members:
            raise Refused(MALFORMED, "duplicate member")
        i += 2
        piece = pieces[i]
        if piece == b":":  # what most members are: a string, and then the next one
            members[name] = pieces[i + 1]
            i += 2
            piece = pieces[i]
            if piece == b",":
                at = 1
                continue
            at = 0
        else:
            byte, at = _space(piece, 0)
            if byte != _COLON:
                raise Refused(MALFORMED, "json member")
            start, start_at = i, at + 1
            members[name], i, at = _value(pieces, i, start_at, depth + 1)
            piece = pieces[i]
            if kept and name in kept:
                kept[name] = (start, start_at, i, at)
        byte, at = _space(piece, at)
        if byte == _CLOSE_OBJECT:
            return members, i, at + 1
        if byte != _COMMA:
            raise Refused(MALFORMED, "json object")
        at += 1
        if at != len(piece):
            byte, at = _space(piece, at)


def _list(pieces, i, at, depth):
    """-> (list, i, at), from behind the opening bracket"""
    items = []
    byte, at = _space(pieces[i], at)
    if byte == _CLOSE_LIST:
        return items, i, at + 1
    while True:
        if at == len(pieces[i]):
            items.append(pieces[i + 1])
            i += 2
            at = 0
        else:
            value, i, at = _value(pieces, i, at, depth + 1)
            items.append(value)
        byte, at = _space(pieces[i], at)
        if byte == _CLOSE_LIST:
            return items, i, at + 1
        if byte != _COMMA:
            raise Refused(MALFORMED, "json array")
        at += 1


def _merged(pieces):
    """Puts back together the strings that were split at a quote which an odd number of backslashes escapes."""
    merged = []
    going_on = False
    for piece in pieces:
        if going_on:
            merged[-1].append(piece)
        else:
            merged.append([piece])
        # Backslashes stand in strings only: those elsewhere are refused when the structure is read.
        going_on = bool(not len(merged) & 1 and (len(piece) - len(piece.rstrip(b"\\"))) & 1)
    return [b'"'.join(parts) for parts in merged]


def _unescaped(text):
    """What stands between two quotes -> its UTF-8, escapes resolved."""
    parts = text.split(b"\\")
    out = [parts[0]]
    i = 1
    while i < len(parts):
        part = parts[i]
        i += 1
        if part[:1] == b"u":
            code, i = _code(parts, i - 1)
            # Pieces are cut at ASCII bytes out of checked UTF-8, so what is joined is UTF-8 again.
            out.append(chr(code).encode() + parts[i - 1][5:])
        elif part:
            if part[:1] not in _ESCAPES:
                raise Refused(MALFORMED, "escape")
            out.append(_ESCAPES[part[:1]] + part[1:])
        else:  # two backslashes: the piece after them has no escape of its own
            if i == len(parts):
                raise Refused(MALFORMED, "escape")
            out.append(b"\\" + parts[i])
            i += 1
    return b"".join(out)


def _code(parts, i):
    """The code point of `parts[i]`, `uXXXX...`, or of it and the next part, a surrogate pair -> (code, next i)."""
    code = _hex4(parts[i])
    i += 1
    if 0xD800 <= code < 0xDC00 and len(parts[i - 1]) == 5 and i < len(parts) and parts[i][:1] == b"u":
        low = _hex4(parts[i])
        if not 0xDC00 <= low < 0xE000:
            raise Refused(MALFORMED, "surrogate")
        return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), i + 1
    if 0xD800 <= code < 0xE000:
        raise Refused(MALFORMED, "surrogate")
    return code, i


def _hex4(part):
    digits = part[1:5]
    if len(digits) != 4 or digits.strip(_HEX):
        raise Refused(MALFORMED, "escape")
    return int(digits, 16)


def _scalar(token):
    if token in _LITERALS:
        return _LITERALS[token]
    digits = token[1:] if token[:1] == b"-" else token
    if digits.isdigit():
        if digits[0] == _ZERO and len(digits) > 1:
            raise Refused(MALFORMED, "number")
        if len(digits) <= _LONGEST_INTEGER:
            return int(token)
    elif not _is_decimal(digits):
        raise Refused(MALFORMED, "json value")
    return Number(token)


def _is_decimal(text):
    """RFC 8259's `int [frac] [exp]`."""
    mantissa, e, exponent = text.replace(b"E", b"e").partition(b"e")
    if exponent[:1] == b"+" or exponent[:1] == b"-":
        exponent = exponent[1:]
    whole, point, fraction = mantissa.partition(b".")
    if not whole.isdigit() or (point and not fraction.isdigit()) or (e and not exponent.isdigit()):
        return False
    return whole[0] != _ZERO or len(whole) == 1
