"""Ids of operators, providers and places, and which of them name the same thing.

Grammar (CC two letters, OOO three letters or digits, all ASCII):
  operator  CC [*] OOO
  provider  CC [* or -] OOO
  pool      CC [*] OOO [*] P suffix, station ... S suffix, EVSE ... E suffix
The suffix is 1-30 (station 1-50) letters, digits and `*`, with at least one letter or digit.

Two ids are the same if they are of one kind and their prefixes are equal without separators and without case, and their
suffixes are equal without case; separators inside the suffix count only where both sides have some. That relation is
not transitive (`E12*3` = `E123` = `E1*23`, yet `E12*3` is not `E1*23`), so ids are compared pairwise, never looked up.
"""

from micropython import const

from ticket import span

# Kinds of id. A place's kind is the letter in its ids.
OPERATOR = 1
PROVIDER = 2
POOL = 0x50
STATION = 0x53
EVSE = 0x45
_PROVIDER = const(2)
_FIRST_PLACE = const(0x45)

_STAR = const(0x2A)
_MINUS = const(0x2D)
_LETTER_A = const(0x41)  # digits come before it
_LONGEST_SUFFIX = {POOL: 30, STATION: 50, EVSE: 30}


def parse(kind, text):
    """An id, as str or UTF-8 bytes -> what it is compared by, or None if it is no id of that kind.

    That is, in upper case, (all of it without separators, its suffix if there are separators in it or else b"").
    """
    return read(kind, text.encode() if type(text) is str else text)


def read(kind, text):
    """As `parse`, of bytes."""
    size = len(text)
    if size < 5 or size > 60:
        return None
    text = text.upper()  # of bytes: ASCII letters only
    at = 3 if text[2] == _STAR or (kind == _PROVIDER and text[2] == _MINUS) else 2
    suffix = b""
    if kind < _FIRST_PLACE:
        plain = text if at == 2 else text[:2] + text[3:]
        if len(plain) != 5:
            return None
    else:
        star = text.find(b"*", at)
        end = at + 3 if star != at + 3 else at + 4  # where the letter of the kind stands
        plain = text.replace(b"*", b"")
        if (star >= 0 and star < at + 3) or end >= size or text[end] != kind or len(plain) < 7:
            return None
        if size - end - 1 > _LONGEST_SUFFIX[kind]:
            return None
        if star >= 0 and text.find(b"*", end) >= 0:
            suffix = text[end + 1 :]
    if plain[0] < _LETTER_A or plain[1] < _LETTER_A or not span.alphanumeric(plain, len(plain)):
        return None
    return plain, suffix


def same(one, other):
    """Whether two results of `parse` for one kind name the same thing."""
    if one is None or other is None or one[0] != other[0]:
        return False
    return one[1] == other[1] or not one[1] or not other[1]


def kind_of(text):
    """The kind of a place, by its grammar: OPERATOR, POOL, STATION, EVSE; None if it is none of them."""
    for kind in (OPERATOR, POOL, STATION, EVSE):
        if parse(kind, text):
            return kind
    return None
