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

from ticket import span

# Kinds of id. A place's kind is the letter in its ids.
OPERATOR = 1
PROVIDER = 2
POOL = 0x50
STATION = 0x53
EVSE = 0x45


def parse(kind, text):
    """An id, as str or bytes -> it as bytes, or None if it is no id of that kind."""
    if type(text) is str:
        text = text.encode()
    return text if valid(text, len(text), kind) else None


valid = span.valid  # (bytes, their number, kind) -> whether they are an id of that kind


def plain(text):
    """An id as bytes -> in upper case and without separators: the same for all ids that name the same thing."""
    return text.upper().replace(b"*", b"").replace(b"-", b"")


def same(one, other):
    """Whether two ids as bytes (None: no id) name the same thing."""
    if one is None or other is None:
        return False
    if one == other:
        return True
    flat = plain(one)
    if flat != plain(other):
        return False
    if len(flat) == 5:  # an operator or a provider
        return True
    one, other = _suffix(one), _suffix(other)
    return one == other or b"*" not in one or b"*" not in other


def _suffix(text):
    """What stands behind the letter of a place's kind, in upper case."""
    at = 6 if text[2] < 0x30 else 5
    if text[at : at + 1] == b"*":
        at += 1
    return text[at + 1 :].upper()


def kind_of(text):
    """The kind of a place, by its grammar: OPERATOR, POOL, STATION, EVSE; None if it is none of them."""
    for kind in (OPERATOR, POOL, STATION, EVSE):
        if parse(kind, text):
            return kind
    return None
