"""CWT (RFC 8392) in COSE_Sign1 (RFC 9052) with Ed25519 (-19, RFC 9864) or EdDSA (-8, RFC 9053), and nothing else.

[tag 61] [tag 18] [ protected: bytes of {1: alg, 4: kid}, unprotected: {}, payload: bytes, signature: 64 bytes ]
"""

from micropython import const

from ticket import cbor, claims, scope, utf8
from ticket.envelope import SIGNATURE_BYTES, Envelope
from ticket.verdict import MALFORMED, UNSUPPORTED_ALGORITHM, Refused

FIRST_BYTES = (0x84, 0xD2, 0xD8)  # array of 4, tag 18, tag of one byte: none of them begins a JWS
_TAG_CWT = b"\xd8\x3d"
_TAG_COSE_SIGN1 = b"\xd2"
_FOUR_PARTS = b"\x84"
_EMPTY_MAP = b"\xa0"
_USUAL_HEADER = b"\xa2\1\x32\4"  # {1: -19, 4: at most 23 bytes}
_LONGEST_HEADER = const(256)
_ALGORITHMS = (-19, -8)
_ALG = 1
_KID = 4
_ROWS = const(30)
_LARGEST = const(0x7FFFFFFF)
_KEY_MAP = b"\xa1\1\xa3\1\1\x20\6\x21\x58\x20"  # {1: {1: 1, -1: 6, -2: 32 bytes}}
_PRIVATE_CLAIM = b"\x3a\0\1\0\0"
# Kinds of value that are judged here, as they are read.
_ID, _TIME, _WORD, _DRIVER_KEY, _INTEGER, _PRICE = [claims.TABLE[row][1] for row in (0, 2, 5, 7, 16, 20)]


def read(ticket):
    """bytes -> Envelope. Raises Refused: MALFORMED, UNSUPPORTED_ALGORITHM. The payload is not parsed."""
    at = 2 if ticket[:2] == _TAG_CWT else 0
    if ticket[at : at + 1] == _TAG_COSE_SIGN1:
        at += 1
    if ticket[at : at + 1] != _FOUR_PARTS:
        raise Refused(MALFORMED, "cose")
    at += 1
    protected, i = cbor.byte_string(ticket, at)
    if ticket[i : i + 1] != _EMPTY_MAP:
        raise Refused(MALFORMED, "unprotected header")
    payload, end = cbor.byte_string(ticket, i + 1)
    signature, size = cbor.byte_string(ticket, end)
    if size != len(ticket):
        raise Refused(MALFORMED, "cose")
    # RFC 9052 section 4.4, with no external data. Heads have one form only, so what was received is what was signed.
    signed = b"".join((b"\x84\x6aSignature1", ticket[at:i], b"\x40", ticket[i + 1 : end]))
    # Nobody has signed this yet: what is parsed of it is short, and so few items that they fit any heap.
    if len(protected) > _LONGEST_HEADER:
        raise Refused(MALFORMED, "header")
    kid = _kid(protected)
    if len(signature) != SIGNATURE_BYTES:
        raise Refused(MALFORMED, "signature")
    return Envelope("cwt", kid, signed, signature, payload)


def _kid(protected):
    size = len(protected)
    if protected[:4] == _USUAL_HEADER and 4 < size < 29 and protected[4] == size + 0x3B:
        alg, kid = _ALGORITHMS[0], protected[5:]
    else:
        header = cbor.loads(protected)
        if type(header) is not dict or len(header) != 2 or _ALG not in header or _KID not in header:
            raise Refused(MALFORMED, "header")
        alg, kid = header[_ALG], header[_KID]
        if type(kid) is not bytes or (type(alg) is not int and type(alg) is not str):
            raise Refused(MALFORMED, "header")
    kid = utf8.decode(kid)
    if kid is None:
        raise Refused(MALFORMED, "kid")
    if alg not in _ALGORITHMS:
        raise Refused(UNSUPPORTED_ALGORITHM, str(alg))
    return kid


def read_claims(data):
    """A CWT claims set, as bytes -> Claims. Its values are judged as they are read."""
    # Besides the rows: whether one is bad; how many members more the private map has than one.
    values = [None] * (_ROWS + 2)
    try:
        left = data[0] - 0xA0
        good = _members(data, 1, left, claims.REGISTERED, values) == len(data)
        left += values.pop() or 0
        # No key stood there twice, if there are as many values as members.
        good = (
            good
            and values.pop() is None
            and left == _ROWS - values.count(None)
            and None not in values[: claims.MANDATORY]
        )
    except IndexError:  # cut short, or a key that has no row
        good = False
    if not good:
        members = cbor.loads(data, raw=True)
        if type(members) is not dict:
            raise Refused(MALFORMED, "no map")
        claims.refuse(members, True, values)
    return claims.complete(values, None)


def _members(data, i, left, rows, values):
    """Fills in the table's rows from the `left` members from offset `i` on, False for what is bad -> offset after them.

    Less than 0, or IndexError, where only the strict reader can say what is wrong.
    """
    word, integer, table, outer = _WORD, _INTEGER, claims.TABLE, rows is claims.REGISTERED
    valid, days, size = scope.valid, claims.DAYS, len(data)
    for _ in range(left):
        n = data[i]
        i += 1
        if n > 23:
            if outer and data[i - 1 : i + 4] == _PRIVATE_CLAIM:
                n = data[i + 4] - 0xA0
                if values[_ROWS + 1] is not None:
                    return -1
                values[_ROWS + 1] = n - 1
                i += 5
                if n == 24:
                    if data[i] != 24:
                        return -1
                    i += 1
                i = _members(data, i, n, claims.PRIVATE, values)
                if i < 0:
                    return i
                continue
            if n != 24 or data[i] != 24:
                return -1
            i += 1
        row = rows[n]
        kind = table[row][1]
        start = i
        n = data[i]
        i += 1
        value = None
        if kind is word or kind is integer or kind is _TIME:
            if n > 23:
                if n > 27:
                    n = -1
                else:
                    width = 1 << (n - 24)
                    n = int.from_bytes(data[i : i + width], "big")
                    i += width
                    if n < 24 or (width > 1 and n >> width * 4 == 0):
                        return -1
            if kind is integer:
                if 0 <= n <= _LARGEST:
                    value = n
            elif kind is not word:
                value = kind(n, True, None)
            elif 0 <= n < len(table[row][2]):
                value = table[row][2][n]
        else:
            major = n >> 5
            n &= 31
            if n == 24 and data[i] > 23:
                n = data[i]
                i += 1
            elif n > 23:
                major = 0
            argument = table[row][2]
            if major == 4 and argument is not None:
                value = []
                while n:
                    one = data[i]
                    i += 1
                    if one < 7 and argument is days:
                        value.append(days[one])
                    else:
                        end = i + one - 0x60
                        if one == 0x78 and data[i] > 23:
                            i += 1
                            end = i + data[i - 1]
                        elif one < 0x61 or one > 0x77:
                            break
                        one = data[i:end]
                        if argument is days or end > size or end - i > 60 or not valid(one, end - i, argument):
                            break
                        value.append(one)
                        i = end
                    n -= 1
                if n or not value:
                    value = None
                elif kind is _PRICE:
                    value = kind(value, True, 0)
            elif major == 3 or (major == 2 and kind is _ID):
                value = kind(data[i : i + n], major == 3, None)
                i += n
            elif kind is _DRIVER_KEY and data[start : start + 10] == _KEY_MAP:
                i = start + 42
                value = data[start + 10 : i]
        if value is None:
            value, i = cbor.read(data, start, 1 if outer else 2, True)
            value = kind(value, True, table[row][2])
            if value is None:
                value = values[_ROWS] = False
        values[row] = value
    return i
