"""Multiples of a point known beforehand, by a signed comb over a table made for it.

An odd k below 2^255 is written as the sum of c_i * 2^i, i from 0 to 254, with every c_i either 1 or -1:
c_i = 2 * K_i - 1 for the bits K_i of K = (k + 2^255 - 1) / 2. With i = 17 * j + c, tooth j and column c:
    k * P = sum over c of 2^c * (sum over the 15 teeth j of c_i * 2^(17 * j) * P)
The inner sum is looked up in two parts, one for teeth 0 to 7 and one for teeth 8 to 14. A part and its negative share
an entry, that whose last tooth is positive; so there are 128 + 64 entries, and 16 doublings and 34 additions do.

Table: 192 entries of 96 bytes (little-endian y + x, y - x, 2dxy), then SHA-256(_LABEL || key || entries).
Entry e below 128 has tooth 7 plus and bit j of e for the sign of tooth j (1: plus); 128 + e likewise for teeth 8 to 14.
"""
# pyright: reportArgumentType=false

import hashlib

from micropython import const

from crypto import edwards
from crypto.edwards import ENTRY, FREE, L
from crypto.field25519 import P, get, put, teeth

COLUMNS = const(17)
_ENTRIES = const(192)
_BODY = const(18432)  # bytes of all entries
SIZE = const(18464)  # bytes of a table
_LABEL = b"Ed25519 comb 15x17 8+7"
_SLICE = const(6144)  # bytes hashed between two yields
_BATCH = const(8)  # entries that share one inversion; divides 64


class Table:
    """A table of the multiples of `public_key`'s point, in place (any buffer) or in slices (a file open for reading).

    Nothing is believed before `check_steps` has ended with True, which also sets `good`.
    """

    def __init__(self, public_key, source):
        self.public_key = bytes(public_key)
        self.good = False
        self._file = source if hasattr(source, "readinto") else None
        self.data = memoryview(bytearray(ENTRY) if self._file else source)

    def find(self, entry):
        """Where in `data` the entry begins; reads it from the file if there is one."""
        at = entry * ENTRY
        if self._file is None:
            return at
        self._file.seek(at)
        if self._file.readinto(self.data) != ENTRY:
            raise OSError("table cut short")
        return 0

    def check_steps(self):
        """Generator: its last value is whether the table is undamaged and this key's."""
        hasher = hashlib.sha256(_LABEL + self.public_key)
        file = self._file
        if file:
            file.seek(0)
            for start in range(0, _BODY, _SLICE):
                for _ in range(_SLICE // 512):
                    hasher.update(file.read(512))
                yield None
            digest = file.read(64)
        else:
            for start in range(0, _BODY, _SLICE):
                hasher.update(self.data[start : start + _SLICE])
                yield None
            digest = bytes(self.data[_BODY:])
        self.good = hasher.digest() == digest
        yield self.good


def open_table(public_key, source):
    """The checked Table; ValueError if it is damaged or another key's."""
    table = Table(public_key, source)
    for good in table.check_steps():
        pass
    if not table.good:
        raise ValueError("table")
    return table


def cut(k):
    """What `add_column` needs to know of an odd k below 2^255."""
    columns = bytearray(4 * COLUMNS)
    teeth(((k + (1 << 255) - 1) >> 1).to_bytes(32, "little"), columns)
    return columns


def add_column(slots, table, columns, column, with_t=True):
    """Adds the inner sum of a column, its two parts, to the point worked on; `with_t` as in `edwards.add_entry`."""
    i = 4 * column
    edwards.add_entry(slots, table.data, table.find(columns[i]), columns[i + 1])
    edwards.add_entry(slots, table.data, table.find(columns[i + 2]), columns[i + 3], with_t)


def _entries(slots, points):
    """The table entries of points given as [X, Y, Z]."""
    # Montgomery's trick: one inversion, of the product of all Z, which are never 0.
    before = [1]
    for point in points:
        before.append(before[-1] * point[2] % P)
    put(slots, edwards.T, before.pop())
    for _ in edwards.invert_steps(slots, edwards.T):
        pass
    inverse = get(slots, edwards.T)  # of all Z up to the one at hand
    entries = []
    while points:
        x, y, z = points.pop()
        one_over_z = inverse * before.pop() % P
        inverse = inverse * z % P
        x = x * one_over_z % P
        y = y * one_over_z % P
        parts = ((y + x) % P, (y - x) % P, edwards.D2 * x * y % P)
        entries.insert(0, b"".join([part.to_bytes(32, "little") for part in parts]))
    return entries


def _part_steps(slots, teeth):
    """Generator over the entries of one part, as pairs (number in it, bytes), from the teeth prepared from FREE on."""
    for tooth in range(teeth - 1):
        edwards.add(slots, FREE + 4 * tooth, True)
    entry = 0  # all teeth but the last are minus
    numbers = []
    points = []
    for n in range(1, (1 << (teeth - 1)) + 1):
        numbers.append(entry)
        points.append([get(slots, i) for i in range(3)])
        if len(points) == _BATCH:
            kept = [get(slots, i) for i in range(4)]
            for pair in zip(numbers, _entries(slots, points)):
                yield pair
            numbers.clear()
            edwards.set_point(slots, kept)
        # Gray code: from n to n + 1 the sign of one tooth changes, that of the lowest set bit of n.
        tooth = 0
        while not n >> tooth & 1:
            tooth += 1
        entry ^= 1 << tooth
        for _ in range(2):
            edwards.add(slots, FREE + 4 * tooth, not entry >> tooth & 1)


def table_steps(public_key):
    """Generator over the work of `make_table`: its last value is the table, a bytearray; None before that."""
    key = bytes(public_key)
    slots = edwards.memory(8)
    point = None
    if len(key) == 32 and not edwards.is_low_order(key):
        for point in edwards.decode_steps(slots, key):
            yield None
    if point is None:
        raise ValueError("key")
    table = bytearray(SIZE)
    edwards.set_affine(slots, *point)
    for first, count in ((0, 8), (128, 7)):
        for tooth in range(count):
            if first or tooth:
                edwards.double(slots)
                edwards.double(slots, COLUMNS - 1)
            edwards.prepare(slots, FREE + 4 * tooth)
            yield None
        last = [get(slots, i) for i in range(4)]
        for number, entry in _part_steps(slots, count):
            table[(first + number) * ENTRY : (first + number + 1) * ENTRY] = entry
            yield None
        edwards.set_point(slots, last)
    hasher = hashlib.sha256(_LABEL + key)
    hasher.update(memoryview(table)[:_BODY])
    table[_BODY:] = hasher.digest()
    # L * A is summed up over the very entries, as an integer multiple: neutral only if A has no part of low order.
    columns = cut(L)
    entries = Table(key, table)
    edwards.set_affine(slots, 0, 1)
    for column in range(COLUMNS - 1, -1, -1):
        edwards.double(slots)
        add_column(slots, entries, columns, column)
        yield None
    if get(slots, edwards.X) or get(slots, edwards.Y) != get(slots, edwards.Z):
        raise ValueError("key")
    yield table


def make_table(public_key):
    """The table of a public key (32 bytes); ValueError unless it is a canonical point of order L."""
    table = b""
    for table in table_steps(public_key):
        pass
    return bytes(table or b"")
