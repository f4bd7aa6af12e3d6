"""Small values that change whole or not at all: config, trust bundle, counters.

Each value is kept twice, in `NAME.a` and `NAME.b`:

    0   2  magic "SV"
    2   4  generation, little endian
    6   4  length n of the value
    10  n  the value
    10+n 4 CRC-32 of everything before

A write goes to the copy of the older generation first and then to the other one, so that at every instant one whole
copy is there; the higher generation holds. One copy that rots loses nothing.
"""

import binascii
import struct

from micropython import const

from . import files
from .files import Fault, Full

_HEAD = "<2sII"
_HEAD_SIZE = 10
VALUE_MAX = 65536
_PIECE = const(2048)


class Slots:
    """The values in a folder, which is made when the first one is written.

    `damage` lists in words the copies found unreadable by the last read of their value.
    """

    def __init__(self, folder):
        self._folder = folder
        self._damaged = {}

    @property
    def damage(self):
        """Names of the copies that were unreadable, sorted; empty when all is well."""
        return sorted("slot: " + path for paths in self._damaged.values() for path in paths)

    def _copies(self, name):
        """[(generation, which, value)] of the intact copies, the newest first."""
        there = files.names(self._folder)
        good, bad, empty = [], [], []
        for which in ("a", "b"):
            if "%s.%s" % (name, which) in there:
                path = "%s/%s.%s" % (self._folder, name, which)
                copy = _read(path)
                if copy:
                    good.append((copy[0], which, copy[1]))
                else:
                    (bad if copy is None else empty).append(path)
        # littlefs publishes a new file empty before its content: one empty copy is what a cut leaves, two are damage.
        if len(empty) + len(bad) == 2:
            bad += empty
        self._damaged[name] = bad
        good.sort(reverse=True)
        return good

    def read(self, name):
        """The value, or None if it was never written. Raises Fault when it was but no copy is intact."""
        good = self._copies(name)
        if good:
            return good[0][2]
        if self._damaged[name]:
            raise Fault("slot %s is damaged" % name)
        return None

    def write(self, name, value):
        """Replace the value durably. Raises Full or Fault, and then the old or the new value is there."""
        for _ in self.write_steps(name, value):
            pass

    def write_steps(self, name, value):
        """Generator: `write`, with None between pieces that erase a block or two of the flash."""
        if len(value) > VALUE_MAX:
            raise Full("slot %s: more than %d bytes" % (name, VALUE_MAX))
        good = self._copies(name)
        newest = good[0][1] if good else "b"
        generation = good[0][0] + 1 if good else 1
        if not good:
            files.folder(self._folder)
        head = struct.pack(_HEAD, b"SV", generation, len(value))
        crc = binascii.crc32(value, binascii.crc32(head)) & 0xFFFFFFFF
        parts = [head] + [value[at : at + _PIECE] for at in range(0, len(value), _PIECE)] + [struct.pack("<I", crc)]
        for which in ("b", "a") if newest == "a" else ("a", "b"):
            yield from files.put_steps("%s/%s.%s" % (self._folder, name, which), "wb", parts)
            yield None
        self._damaged[name] = []

    def remove(self, name):
        """Forget the value."""
        for which in ("a", "b"):
            if "%s.%s" % (name, which) in files.names(self._folder):
                files.remove("%s/%s.%s" % (self._folder, name, which))
        self._damaged.pop(name, None)


def _read(path):
    """(generation, value) of one copy, () if the file is empty, or None if it is damaged."""
    try:
        length = files.size(path)
        if not length:
            return ()
        if not _HEAD_SIZE + 4 <= length <= VALUE_MAX + _HEAD_SIZE + 4:
            return None
        data = files.take(path, 0, length)
    except Fault:
        return None
    magic, generation, size = struct.unpack_from(_HEAD, data)
    if magic != b"SV" or len(data) != _HEAD_SIZE + size + 4:
        return None
    if struct.unpack_from("<I", data, len(data) - 4)[0] != binascii.crc32(memoryview(data)[:-4]) & 0xFFFFFFFF:
        return None
    return generation, data[_HEAD_SIZE:-4]
