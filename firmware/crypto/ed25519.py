"""Ed25519 signature check (RFC 8032 section 5.1), by one strict rule.

A signature R || S over a message under the key A is accepted only when
- S < L, the order of the base point;
- A and R are canonical encodings of points (y < p, no "negative zero" x), and neither point is of low order;
- the encoding of S*B - h*A, with h = SHA-512(R || A || message) mod L, is R byte for byte (no cofactor).
A table is made only for a key whose point is of order L exactly, and is believed only when its hash holds.
Whatever bytes come in, the answer is True or False, never an exception.

Nothing here is secret, so nothing here takes care to be constant in time.
"""

# pyright: reportArgumentType=false

import gc

from micropython import const

from crypto import comb, edwards, field25519, sha512
from crypto.edwards import FREE, L

make_table = comb.make_table
open_table = comb.open_table

_BLOCKS = const(512)  # bytes hashed per step
_COLUMNS = const(3)  # per step with a table

_base = None


def use_base_table(table):
    """Makes an opened Table of the base point the one to use, for callers that know best where its bytes are."""
    global _base
    if not (table.good and table.public_key == edwards.BASE_KEY):
        raise ValueError("table")
    _base = table


def base_table():
    """The Table of the base point: of the file base.bin beside this one, or without a good one, made now."""
    global _base
    if _base is None:
        try:
            _base = comb.open_table(edwards.BASE_KEY, _base_source())
        except (OSError, ValueError):
            table = None
            for table in comb.table_steps(edwards.BASE_KEY):
                pass
            _base = comb.open_table(edwards.BASE_KEY, table)
    return _base


def _base_source():
    file = open(__file__.rsplit("/", 1)[0] + "/base.bin", "rb")
    try:
        return memoryview(file)  # type: ignore[arg-type]  # a ROM file system gives its files in place
    except TypeError:
        pass
    gc.collect()
    free = getattr(gc, "mem_free", None)  # CPython has none, and memory enough
    if free and free() < 8 * comb.SIZE:
        return file
    with file:
        return file.read()


def verify(public_key, message, signature, table=None):
    """True when `signature` (64 bytes) over `message` is good under `public_key` (32 bytes).

    `table`: what `make_table` gave for this key, or, checked once and then quicker, `open_table` of that.
    """
    verdict = False
    for verdict in verify_steps(public_key, message, signature, table):
        pass
    return verdict is True


def verify_steps(public_key, message, signature, table=None):
    """Generator over the work of `verify`: yields None between steps and the verdict, a bool, as its last value."""
    if len(public_key) != 32 or len(signature) != 64:
        yield False
        return
    key = bytes(public_key)
    r = bytes(signature[:32])
    s = int.from_bytes(bytes(signature[32:]), "little")
    # That R is canonical and on the curve need not be looked at: it is compared with the encoding of such a point.
    if s >= L or edwards.is_low_order(key) or edwards.is_low_order(r):
        yield False
        return
    if table is not None and not isinstance(table, comb.Table):
        table = comb.Table(key, table)
        yield from table.check_steps()
    if table is not None and not (table.good and table.public_key == key):
        yield False
        return
    hasher = sha512.Sha512(r)
    hasher.update(key)
    for at in range(0, len(message), _BLOCKS):
        hasher.update(message[at : at + _BLOCKS])
        yield None
    h = int.from_bytes(hasher.digest(), "little") % L
    yield None
    slots = edwards.memory(8 if table is None else 0)
    if table is None:
        good = None
        for good in _sum_steps(slots, key, h, s):
            yield None
        if not good:
            yield False
            return
    else:
        yield from _comb_steps(slots, table, h, s)
    encoded = None
    for encoded in edwards.encode_steps(slots):
        if encoded is None:
            yield None
    yield encoded == r


def _odd(k):
    """k or k + L, which is as good for a point of order L: the comb takes odd numbers."""
    return k if k & 1 else k + L


def _comb_steps(slots, table, h, s):
    """S*B - h*A, both by combs that share the doublings."""
    base = base_table()
    columns_b = comb.cut(_odd(s))
    columns_a = comb.cut(_odd(L - h))
    for column in range(comb.COLUMNS - 1, -1, -1):
        edwards.double(slots)
        comb.add_column(slots, base, columns_b, column)
        comb.add_column(slots, table, columns_a, column, False)
        if column % _COLUMNS == 0:
            yield None


def _sum_steps(slots, key, h, s):
    """S*B - h*A for a key without a table. The last value is whether the key is good.

    A may have a part of low order here, so h must stay the integer that it is: no L may be added to it.
    """
    point = None
    for point in edwards.decode_steps(slots, key):
        yield None
    if point is None:
        yield False
        return
    edwards.set_affine(slots, edwards.P - point[0], point[1])  # -A
    _prepare_odd(slots)
    yield None
    base = base_table()
    columns = comb.cut(_odd(s))
    digits = bytearray(254)
    field25519.digits(h.to_bytes(33, "little"), digits)
    edwards.set_affine(slots, 0, 1)
    doublings = 0  # due
    for i in range(253, -1, -1):
        doublings += 1
        digit = digits[i]
        if digit or i < comb.COLUMNS or doublings == edwards.MOST_DOUBLINGS:
            edwards.double(slots, doublings)
            doublings = 0
        if digit:
            edwards.add(slots, FREE + 4 * ((digit - 1) & 7), digit > 8, i < comb.COLUMNS)
        if i < comb.COLUMNS:
            comb.add_column(slots, base, columns, i, False)
        if i % edwards.MOST_DOUBLINGS == 0:
            yield None
    yield True


def _prepare_odd(slots):
    """Prepares 1, 3, 5, ... 15 times the point worked on, from slot FREE on."""
    last = FREE + 28  # holds twice the point until it is needed for 15 times
    edwards.prepare(slots, FREE)
    edwards.double(slots)
    edwards.prepare(slots, last)
    step = FREE  # 2 + 1, and then + 2 each
    for slot in range(FREE + 4, last + 4, 4):
        edwards.add(slots, step)
        edwards.prepare(slots, slot)
        step = last
