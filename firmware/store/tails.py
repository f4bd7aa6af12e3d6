"""A few small records that wait to be moved to a segment, each in one to four tiny files.

Appending to a file of more than 128 bytes costs littlefs a block erase; a file of at most 128 bytes lives in its
directory's own log and costs about a sixteenth of one. So a small record is cut into parts of at most 120 bytes, which
go to the next of the eight files `t0` … `t7`, round and round:

    0  4  sequence of the record, little endian like all numbers here
    4  1  index of this part, from 0
    5  1  number of parts
    6  2  low half of the CRC-32 of all else
    8  …  the bytes

A record counts when all its parts are there and its own CRC holds. What was moved is not deleted but written over.
"""

import binascii
import struct

from micropython import const

from . import files, records
from .files import Fault

SLOTS = const(8)
_PART = const(120)
_HEAD = const(8)
_PARTS_MAX = const(4)
RECORD_MAX = const(480)
BYTES = const(1024)  # all of them, full


def parts_of(length):
    """Number of parts that a record of that length takes."""
    return (length + _PART - 1) // _PART


class Tails:
    """The waiting records of one log's folder, oldest first.

    `damage` and `torn` as in the log; `torn` counts a record of which a cut left only some parts.
    """

    def __init__(self, folder, flushed):
        """Read what is there; records up to the sequence `flushed` are in a segment already."""
        self._folder = folder
        self.damage = []
        self.torn = 0
        self._waiting = []  # (sequence, its first slot, number of parts)
        self._next = 0
        self._load(flushed)

    def _path(self, slot):
        return "%s/t%d" % (self._folder, slot % SLOTS)

    def _load(self, flushed):
        there = files.names(self._folder)
        heads = {}  # slot: (sequence, index, parts)
        for slot in range(SLOTS):
            if "t%d" % slot in there:
                head = self._head(slot)
                if head and head[0] > flushed:
                    heads[slot] = head
        for slot in heads:
            sequence, index, count = heads[slot]
            if index == 0:
                if all(heads.get((slot + i) % SLOTS) == (sequence, i, count) for i in range(count)):
                    self._waiting.append((sequence, slot, count))
                else:
                    self.torn += 1
        self._waiting.sort()
        for entry in list(self._waiting):
            if self.get(entry[0]) is None:
                self.damage.append("%s: record %d unreadable" % (self._folder, entry[0]))
                self._waiting.remove(entry)
        if self._waiting:
            self._next = self._waiting[-1][1] + self._waiting[-1][2]

    def _head(self, slot):
        """(sequence, index, parts) of a part, or None if it cannot be read, which is noted."""
        try:
            data = files.take(self._path(slot), 0, _HEAD + _PART)
        except Fault as error:
            self.damage.append(str(error))
            return None
        if len(data) >= _HEAD:
            sequence, index, count, check = struct.unpack_from("<IBBH", data)
            if check == _check(data[:6], data[_HEAD:]) and index < count <= _PARTS_MAX:
                return sequence, index, count
        # littlefs publishes a new file empty and then its content whole; elsewhere a cut may leave a part of it.
        if len(data) < _HEAD + _PART:
            self.torn += len(data) > 0
        else:
            self.damage.append("%s: unreadable" % self._path(slot))
        return None

    def fits(self, length):
        """Whether a record of that length can wait without one being moved first."""
        return sum(entry[2] for entry in self._waiting) + parts_of(length) <= SLOTS

    def put(self, sequence, data):
        """Write a record that `fits`, durably."""
        count = parts_of(len(data))
        for index in range(count):
            piece = data[index * _PART : (index + 1) * _PART]
            head = struct.pack("<IBB", sequence, index, count)
            head += struct.pack("<H", _check(head, piece))
            files.put(self._path(self._next + index), "wb", (head, piece))
        self._waiting.append((sequence, self._next % SLOTS, count))
        self._next = (self._next + count) % SLOTS

    def get(self, sequence):
        """The record of that sequence as (head fields, its bytes) if it waits here intact, else None."""
        for entry in self._waiting:
            if entry[0] == sequence:
                data = b""
                for index in range(entry[2]):
                    try:
                        data += files.take(self._path(entry[1] + index), _HEAD, _PART)
                    except Fault:
                        return None
                fields = records.whole(data)
                return (fields, data) if fields and fields[3] == sequence else None
        return None

    def waiting(self):
        """The sequences that wait, ascending."""
        return [entry[0] for entry in self._waiting]

    def moved(self):
        """All that waited is in a segment now, durably."""
        self._waiting = []


def _check(head, piece):
    return binascii.crc32(piece, binascii.crc32(head)) & 0xFFFF
