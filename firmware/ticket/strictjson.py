"""Strict, bounded JSON (RFC 8259) for signed payloads and headers.

Refused as MALFORMED: anything but UTF-8, a BOM, control characters in strings, unknown escapes, lone surrogates,
duplicate members (compared after unescaping), nesting over 8, anything after the value. Numbers: an integer of at most
18 digits is an int; every other number that the grammar allows is a `Number`, which no claim takes.

Python spends hundreds of instructions on a character, so the work goes by token: the document is split at its quotes,
which leaves strings at the odd places and the structure between them at the even ones.
"""

# What is being filled is a list or a dict, as `is_object` says.
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false, reportArgumentType=false
# pyright: reportIndexIssue=false, reportOperatorIssue=false

from micropython import const

from ticket import span, utf8
from ticket.verdict import MALFORMED, Refused

_MAX_DEPTH = const(8)
_LONGEST_INTEGER = const(18)
_STEP = const(64)  # tokens, half of them strings
_SPACE = const(0x20)
_ZERO = const(0x30)
_COLON = const(0x3A)
_COMMA = const(0x2C)
_OPEN_LIST = const(0x5B)
_CLOSE_LIST = const(0x5D)
_OPEN_OBJECT = const(0x7B)
_CLOSE_OBJECT = const(0x7D)
# What may come next. The order matters: values up to _FIRST_VALUE, names up to _FIRST_NAME.
_VALUE = const(0)
_FIRST_VALUE = const(1)  # or the end of a list
_NAME = const(2)
_FIRST_NAME = const(3)  # or the end of an object
_COLON_DUE = const(4)
_DONE = const(5)  # a comma or the end
_SPACES = b" \t\r\n"
_DELIMITERS = b" \t\r\n,:[]{}"
_LITERALS = {b"true": True, b"false": False, b"null": None}
_ESCAPES = {b'"': b'"', b"\\": b"\\", b"/": b"/", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_HEX = b"0123456789abcdefABCDEF"


class Number:  # noqa: PLW1641 (never a key)
    """A number with a point, an exponent or over 18 digits, kept as the bytes that were received."""

    def __init__(self, text):
        self.text = text

    def __eq__(self, other):
        return isinstance(other, Number) and other.text == self.text


def result(steps):
    """What a generator returns, at one go."""
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        return stop.value


def loads(data, raw=False, kept=None):
    """bytes -> value of dict, list, str, int, `Number`, True, False or None. Raises Refused(MALFORMED).

    `raw` leaves strings and members' names as bytes of (checked) UTF-8, since a str costs four times as much. `kept`,
    if given, is a dict by such names: for each member of the topmost object that it has and whose value is no string,
    its value becomes that member's text, the bytes as received.
    """
    return result(load_steps(data, raw, kept))


def load_steps(data, raw=False, kept=None):
    """Generator: None between pieces of work; returns what `loads` does."""
    clean = span.valid(data, len(data), 0)
    if not data or (not clean and utf8.decode(data) is None):
        raise Refused(MALFORMED, "utf-8")
    controls = not clean and min(data) < _SPACE
    pieces = data.split(b'"')
    escapes = b"\\" in data
    if escapes and b'\\"' in data:
        pieces = _merged(pieces)
    last = len(pieces) - 1
    if last & 1:
        raise Refused(MALFORMED, "json string")
    data = None  # a long ticket fills a small heap quickly
    as_received = raw and clean and not escapes
    # One loop and no recursion, since a call costs a board as much as ten tokens. `into` takes the next value, under
    # `name` if it is an object; `outer` are those around it.
    outer = []
    top = into = []
    is_object, name, state = False, None, _VALUE
    since = None  # where the text of a member of `kept` begins
    i = 0
    while True:
        piece = pieces[i]
        size = len(piece)
        at = 0
        while at < size:
            byte = piece[at]
            at += 1
            if byte == _COLON:
                if state != _COLON_DUE:
                    raise Refused(MALFORMED, "json member")
                state = _VALUE
                continue
            if byte == _COMMA:
                if state != _DONE or not outer:
                    raise Refused(MALFORMED, "json item")
                state = _NAME if is_object else _VALUE
                continue
            if byte == _CLOSE_LIST or byte == _CLOSE_OBJECT:
                if not outer or is_object != (byte == _CLOSE_OBJECT):
                    raise Refused(MALFORMED, "json bracket")
                if state != _DONE and state != (_FIRST_NAME if is_object else _FIRST_VALUE):
                    raise Refused(MALFORMED, "json item")
                into, is_object = outer.pop()
                state = _DONE
                if since and len(outer) == 1:
                    kept[since[0]] = _between(pieces, since[1], since[2], i, at)
                    since = None
                continue
            if byte <= _SPACE and byte in _SPACES:
                continue
            if state > _FIRST_VALUE:
                raise Refused(MALFORMED, "json value")
            state = _DONE
            start = at - 1
            keep = kept and is_object and len(outer) == 1 and name in kept
            if byte == _OPEN_LIST or byte == _OPEN_OBJECT:
                if keep:
                    since = (name, i, start)
                if len(outer) >= _MAX_DEPTH:
                    raise Refused(MALFORMED, "nesting")
                value = [] if byte == _OPEN_LIST else {}
                outer.append((into, is_object))
                state = _FIRST_VALUE if byte == _OPEN_LIST else _FIRST_NAME
            else:
                at = piece.find(b",", start)
                if at < 0 or not piece[start:at].isdigit():
                    at = start
                    while at < size and piece[at] not in _DELIMITERS:
                        at += 1
                value = piece[start:at]
                if keep:
                    kept[name] = value
                value = _scalar(value)
            if is_object:
                into[name] = value
            else:
                into.append(value)
            if state != _DONE:
                into, is_object = value, state == _FIRST_NAME
        if i == last:
            break
        value = pieces[i + 1]
        if not as_received:
            value = _string(value, escapes, controls, raw)
        i += 2
        if not i % _STEP:
            yield None
        if state <= _FIRST_VALUE:
            state = _DONE
            if is_object:
                into[name] = value
            else:
                into.append(value)
        elif state <= _FIRST_NAME:
            if value in into:
                raise Refused(MALFORMED, "duplicate member")
            name = value
            state = _COLON_DUE
        else:
            raise Refused(MALFORMED, "json string")
    if state != _DONE or outer:
        raise Refused(MALFORMED, "json end")
    return top[0]


def _string(text, escapes, controls, raw):
    """A string, checked, unescaped and, unless `raw`, made str."""
    if controls and text and min(text) < _SPACE:
        raise Refused(MALFORMED, "control character")
    if escapes and b"\\" in text:
        text = _unescaped(text)
    return text if raw else str(text, "utf-8")


def _between(pieces, i, at, end, end_at):
    """The document's text from offset `at` of piece `i` to before offset `end_at` of piece `end`."""
    wanted = pieces[i : end + 1]
    wanted[-1] = wanted[-1][:end_at]
    return b'"'.join(wanted)[at:]


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
        else:  # two backslashes: the piece after them, which is there since no string ends in one alone, has no escape
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
