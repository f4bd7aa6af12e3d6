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

OPERATOR, PROVIDER, POOL, STATION, EVSE = "O", "-", "P", "S", "E"
_LONGEST_SUFFIX = {POOL: 30, STATION: 50, EVSE: 30}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WITH_STAR = _ALPHABET + "*"


def parse(kind, text):
    """An id -> what it is compared by, or None if it is no id of that kind.

    That is (prefix, suffix, suffix without `*`) in upper case; both suffixes are "" for operators and providers.
    """
    size = len(text)
    # ASCII first: some letters outside it become ASCII letters in upper case.
    if not 5 <= size <= 60 or len(text.encode()) != size:
        return None
    text = text.upper()
    at = 3 if text[2] == "*" or (kind == PROVIDER and text[2] == "-") else 2
    prefix = text[:2] + text[at : at + 3]
    at += 3
    # `strip` leaves nothing exactly if every character is one of those given.
    if len(prefix) != 5 or prefix[:2].strip(_LETTERS) or prefix[2:].strip(_ALPHABET):
        return None
    if kind == OPERATOR or kind == PROVIDER:
        return (prefix, "", "") if at == size else None
    if text[at : at + 1] == "*":
        at += 1
    suffix = text[at + 1 :]
    if text[at : at + 1] != kind or len(suffix) > _LONGEST_SUFFIX[kind] or suffix.strip(_WITH_STAR):
        return None
    plain = suffix.replace("*", "")
    return (prefix, suffix, plain) if plain else None


def same(one, other):
    """Whether two results of `parse` for one kind name the same thing."""
    if one is None or other is None or one[0] != other[0]:
        return False
    return one[1] == other[1] or (one[2] == other[2] and ("*" not in one[1] or "*" not in other[1]))


def kind_of(text):
    """The kind of a place, by its grammar: OPERATOR, POOL, STATION, EVSE; None if it is none of them."""
    for kind in (OPERATOR, POOL, STATION, EVSE):
        if parse(kind, text):
            return kind
    return None
