"""Records in an append-only file, framed so that damage to one never hides its neighbours.

    0   2  magic b5 4a
    2   1  kind
    3   1  stream
    4   2  length n of the payload, little endian like every number here
    6   4  sequence
    10  4  other: the last sequence of the other stream when this was written
    14  2  low half of the CRC-32 of the 14 bytes before
    16  n  payload
    16+n 4 CRC-32 of everything before

The head has its own check, so that an incomplete last record (torn by a cut, never acknowledged) can be told from a
damaged one.
"""

import binascii
import struct

from micropython import const

from . import files

MAGIC = b"\xb5\x4a"
HEAD = const(16)
AROUND = const(20)  # head and final CRC
_PIECE = const(256)


def head(kind, stream, length, sequence, other):
    """The 16 bytes before a payload of `length` bytes."""
    data = struct.pack("<2sBBHII", MAGIC, kind, stream, length, sequence, other)
    return data + struct.pack("<H", binascii.crc32(data) & 0xFFFF)


def seal(parts):
    """The parts of a record (its head first) and its final CRC, ready to be written one after the other."""
    crc = 0
    for part in parts:
        crc = binascii.crc32(part, crc)
    return parts + (struct.pack("<I", crc & 0xFFFFFFFF),)


def parse(data, at=0):
    """(kind, stream, length, sequence, other) of a head, or None if there is none at this offset."""
    if len(data) - at < HEAD or data[at : at + 2] != MAGIC:
        return None
    _, kind, stream, length, sequence, other, check = struct.unpack_from("<2sBBHIIH", data, at)
    if check != binascii.crc32(data[at : at + 14]) & 0xFFFF:
        return None
    return kind, stream, length, sequence, other


def whole(data):
    """The head fields if `data` is exactly one intact record, else None."""
    fields = parse(data)
    if fields is None or len(data) != AROUND + fields[2]:
        return None
    crc = binascii.crc32(memoryview(data)[:-4]) & 0xFFFFFFFF
    return fields if struct.unpack_from("<I", data, len(data) - 4)[0] == crc else None


class Scan:
    """One pass over the record file at `path`, in pieces of 256 bytes however long its records are.

    `skipped` counts the damaged places passed over; `torn` is the number of bytes of an incomplete last record.
    """

    def __init__(self, path):
        self.skipped = 0
        self.torn = 0
        self._path = path
        self._at = 0
        self._end = files.size(path)

    def records(self):
        """Yield (offset, size, head fields) of each intact record. Run it to its end: it holds the file open."""
        try:
            with open(self._path, "rb") as file:
                found = self.next(file)
                while found:
                    yield found
                    found = self.next(file)
        except OSError as error:
            raise files.ours(error, self._path) from None

    def next(self, file):
        """The next intact record in the file, opened anew or not, as (offset, size, head fields); None at the end."""
        lost = False  # inside a damaged place that has been counted
        while self._at < self._end:
            at = self._at
            fields = self._head(file, at)
            if fields:
                after = at + AROUND + fields[2]
                if after > self._end:
                    self.torn = self._end - at
                    break
                if _intact(file, at, after):
                    self._at = after
                    return at, after - at, fields
                # The length passed its own check: trust it if it leads to a record or to the end.
                if after == self._end or self._head(file, after):
                    self.skipped += not lost
                    lost = False
                    self._at = after
                    continue
            elif not lost and self._end - at < HEAD:
                self.torn = self._end - at
                break
            self.skipped += not lost
            lost = True
            self._at = self._find(file, at + 1)
        self._at = self._end
        return None

    def _head(self, file, at):
        file.seek(at)
        return parse(file.read(HEAD))

    def _find(self, file, at):
        """Offset of the next intact head from `at` on, or of the end."""
        while at < self._end:
            file.seek(at)
            piece = file.read(_PIECE)
            inside = piece.find(MAGIC)
            if inside < 0:
                at += max(len(piece) - 1, 1)
            elif self._head(file, at + inside):
                return at + inside
            else:
                at += inside + 1
        return self._end


def _intact(file, at, after):
    """Whether the CRC of the record from `at` to `after` holds."""
    file.seek(at)
    left = after - at - 4
    crc = 0
    while left:
        piece = file.read(min(left, _PIECE))
        if not piece:
            return False
        crc = binascii.crc32(piece, crc)
        left -= len(piece)
    return file.read(4) == struct.pack("<I", crc & 0xFFFFFFFF)
