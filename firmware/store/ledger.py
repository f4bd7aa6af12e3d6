"""The used-ticket ledger: which ticket was used here, until when it must be remembered, and on which EVSE.

A folder of 64 bucket files; a ticket's bucket is the low six bits of its key's first byte, so that a look-up reads one
file in small pieces, whatever the age of the ledger. A bucket is a row of 36-byte records, only ever appended to:

    0   3  state: "use", "new" (takes the place of the earlier record of this key) or "off" (void)
    3  17  the first 17 bytes of the key (the key is a SHA-256)
    20  8  digest of the EVSE
    28  4  not after: seconds since 1970, little endian; 0xffffffff is never forgotten
    32  4  CRC-32 of the 32 bytes before, little endian

The last record of a key is the one that holds. Compaction copies a bucket to `NN.new` and renames it over `NN`; until
the rename the old bucket holds, after it the new one. The file `made` is created last: a folder without it, or with a
bucket missing, is damaged, not new.
"""

import binascii
import struct
from array import array

from micropython import const

from . import files
from .files import Fault, Full

_BUCKETS = const(64)
_RECORD = const(36)
_BODY = const(32)
_AT = const(3)  # offset of the key
_KEY = const(17)
_END = const(28)  # offset of the not-after time
_PIECE = const(504)  # bytes read at once: 14 records
_NEVER = const(0xFFFFFFFF)
_LAYOUT = "<3s17s8sI"
_USED = b"use"
_LATER = b"new"
_VOID = b"off"
# A bucket is compacted by itself when it holds this many records that no longer count, and they are half of it.
_DEAD = const(28)


def make(folder):
    """Create an empty ledger. What is already there is kept, so a cut or repeated call does no harm."""
    files.folder(folder)
    if "made" in files.names(folder):
        return
    for bucket in range(_BUCKETS):
        files.put(_path(folder, bucket), "ab", ())
    files.put(folder + "/made", "wb", (b"1",))


def _path(folder, bucket):
    return "%s/%02d" % (folder, bucket)


def seal(state, key, evse, not_after_s):
    """The record, with its CRC."""
    body = struct.pack(_LAYOUT, state, key, evse, not_after_s)
    return body + struct.pack("<I", binascii.crc32(body) & 0xFFFFFFFF)


def _clamp(not_after_s):
    return min(max(not_after_s, 0), _NEVER)


class Ledger:
    """The ledger in `folder`, for at most `limit` remembered tickets.

    A key whose bucket is damaged gives `Fault`, since
    nobody can say that it was not used; all other buckets stay in service.
    `torn` counts incomplete last records (never acknowledged) that were cut off.
    """

    def __init__(self, folder, limit=10_000):
        self.limit = limit
        self._folder = folder
        self._buffer = bytearray(_PIECE)
        self._view = memoryview(self._buffer)
        self._ragged = False
        record = seal(_USED, bytes(_KEY), bytes(8), 0)
        self._whole = [binascii.crc32(record * n) & 0xFFFFFFFF for n in range(_PIECE // _RECORD + 1)]
        self._live = array("H", bytes(2 * _BUCKETS))
        self._dead = array("H", bytes(2 * _BUCKETS))
        self._earliest = array("I", bytes(4 * _BUCKETS))  # no entry ends before; 0: not known yet
        self._open()

    def _open(self):
        self.torn = 0
        self._bad = {}  # damaged bucket: what is wrong with it
        there = files.names(self._folder)
        self._missing = "made" not in there
        for bucket in range(_BUCKETS):
            name = "%02d" % bucket
            try:
                if name not in there:
                    raise Fault("%s/%s missing" % (self._folder, name))
                if name + ".new" in there:
                    files.remove(_path(self._folder, bucket) + ".new")
                self._scan(bucket)
            except (Fault, Full) as error:
                self._bad[bucket] = str(error)

    @property
    def damage(self):
        """What is missing or unreadable, in words."""
        found = ["ledger: missing"] if self._missing else []
        return found + ["ledger: " + self._bad[bucket] for bucket in sorted(self._bad)]

    @property
    def live(self):
        """Number of tickets remembered, those past their end but not yet reclaimed included."""
        return sum(self._live)

    def _scan(self, bucket):
        """Learn how much of one bucket counts."""
        counts = [0, 0, 0]  # live, dead, unreadable
        path = _path(self._folder, bucket)
        self._ragged = False
        try:
            with open(path, "rb") as file:
                while True:
                    got = file.readinto(self._buffer) or 0
                    self._count(bucket, got // _RECORD, counts)
                    if got < _PIECE:
                        self._ragged = got % _RECORD > 0
                        break
        except OSError as error:
            raise files.ours(error, path) from None
        if self._ragged:
            self.torn += 1
            self._rewrite(bucket, None)
            return
        live, dead, unreadable = counts
        self._live[bucket] = max(live, 0) + unreadable
        self._dead[bucket] = dead
        self._earliest[bucket] = 0 if live + dead else _NEVER
        if unreadable:
            self._bad[bucket] = "%d unreadable in %s" % (unreadable, path)

    def _count(self, bucket, records, counts):
        """Add a piece of so many records to the counts of live, dead and unreadable ones."""
        # Of records whose own CRC holds, the CRC of all of them depends on nothing but their number: this way the
        # usual piece costs one call, not one per record.
        crc = binascii.crc32(self._view[: records * _RECORD]) & 0xFFFFFFFF
        if crc == self._whole[records] and _LATER not in self._buffer and _VOID not in self._buffer:
            if not records or self._intact(bucket, 0):
                counts[0] += records
                return
        for at in range(0, records * _RECORD, _RECORD):
            state = bytes(self._view[at : at + _AT])
            if not self._intact(bucket, at):
                counts[2] += 1
            elif state == _USED:
                counts[0] += 1
            elif state == _LATER:
                counts[1] += 1
            else:
                counts[0] -= 1
                counts[1] += 2

    def _walk(self, bucket):
        """Offsets in the buffer of one record after the other. Run it to its end: it holds the file open.

        Then `_ragged` tells whether the bucket ends in a part of a record.
        """
        path = _path(self._folder, bucket)
        try:
            with open(path, "rb") as file:
                while True:
                    got = file.readinto(self._buffer) or 0
                    for at in range(0, got - _RECORD + 1, _RECORD):
                        yield at
                    if got < _PIECE:
                        self._ragged = got % _RECORD > 0
                        return
        except OSError as error:
            raise files.ours(error, path) from None

    def _intact(self, bucket, at):
        """The record's CRC holds and it belongs into this bucket."""
        buffer = self._buffer
        crc = binascii.crc32(self._view[at : at + _BODY]) & 0xFFFFFFFF
        if struct.unpack_from("<I", buffer, at + _BODY)[0] != crc or buffer[at + _AT] % _BUCKETS != bucket:
            return False
        return bytes(self._view[at : at + _AT]) in (_USED, _LATER, _VOID)

    def _last(self, key):
        """The last record of the key as (state, not_after_s, evse), or None."""
        bucket = key[0] % _BUCKETS
        if bucket in self._bad:
            raise Fault("ledger bucket %d is damaged" % bucket)
        wanted = bytes(key[:_KEY])
        path = _path(self._folder, bucket)
        found = None
        try:
            with open(path, "rb") as file:
                while True:
                    got = file.readinto(self._buffer) or 0
                    # Any record of these may be the one that is asked for, if its key has rotted.
                    if binascii.crc32(self._view[:got]) & 0xFFFFFFFF != self._whole[got // _RECORD]:
                        self._bad[bucket] = "unreadable in " + path
                        raise Fault("ledger bucket %d is damaged" % bucket)
                    # The search in C passes over a piece without the key; what it finds is looked at record by record.
                    if got and wanted in self._buffer:
                        found = self._pick(wanted, got) or found
                    if got < _PIECE:
                        return found
        except OSError as error:
            raise files.ours(error, path) from None

    def _pick(self, wanted, got):
        found = None
        for at in range(0, got - _RECORD + 1, _RECORD):
            if self._view[at + _AT : at + _AT + _KEY] == wanted:
                state, _, evse, not_after_s = struct.unpack_from(_LAYOUT, self._buffer, at)
                found = (state, not_after_s, evse)
        return found

    def find(self, key, now_s=None):
        """The remembered use of the ticket as (not_after_s, evse digest), or None.

        `now_s` is given only when the clock is SET; an entry whose end it has reached is then no longer seen.
        Raises Fault when nobody can say.
        """
        last = self._last(key)
        if last is None or last[0] == _VOID or (now_s is not None and last[1] <= now_s):
            return None
        return last[1], last[2]

    def add(self, key, not_after_s, evse, now_s=None):
        """Remember a use until `not_after_s` (rounded up to a second by the caller) on an EVSE (8 bytes), durably.

        True: this is the first use, recorded now. False: there was a use before; its EVSE stays, and it is now
        remembered until the later of the two ends. `now_s` as in `find`. Raises Full (nothing may be forgotten to
        make room) or Fault; in both cases the ticket must not be granted.
        """
        not_after_s = _clamp(not_after_s)
        last = self._last(key)
        if last is not None and last[0] != _VOID:
            over = now_s is not None and last[1] <= now_s
            if over:
                self._append(_LATER, key, not_after_s, evse)
            elif not_after_s > last[1]:
                self._append(_LATER, key, not_after_s, last[2])
            return over
        if self.live >= self.limit:
            if now_s is not None:
                self.expire(now_s)
            if self.live >= self.limit:
                raise Full("ledger")
        self._append(_USED, key, not_after_s, evse)
        return True

    def void(self, key):
        """Take back the use of a ticket whose grant never energised anything, durably. False: there was none."""
        last = self._last(key)
        if last is None or last[0] == _VOID:
            return False
        self._append(_VOID, key, last[1], last[2])
        return True

    def _append(self, state, key, not_after_s, evse):
        bucket = key[0] % _BUCKETS
        record = seal(state, bytes(key[:_KEY]), evse, not_after_s)
        try:
            files.put(_path(self._folder, bucket), "ab", (record,))
        except (Fault, Full):
            # Nobody knows how much of it reached the flash: look before the bucket is used again.
            self._relearn(bucket)
            raise
        if state == _USED:
            self._live[bucket] += 1
        elif state == _VOID:
            self._live[bucket] -= 1
            self._dead[bucket] += 2
        else:
            self._dead[bucket] += 1
        self._earliest[bucket] = min(self._earliest[bucket], not_after_s)
        if self._dead[bucket] >= _DEAD and self._dead[bucket] >= self._live[bucket]:
            try:
                self._rewrite(bucket, None)
            except (Fault, Full):
                pass  # the record itself is durable, and without the rename the old generation holds

    def _relearn(self, bucket):
        try:
            self._scan(bucket)
        except (Fault, Full) as error:
            self._bad[bucket] = str(error)

    def expire(self, now_s, share=None):
        """Reclaim the entries whose end `now_s` has reached; the clock must be SET. Returns how many.

        With `share` a bucket is rewritten only if at least one in `share` of its records can go, to save flash.
        """
        return sum(self.expire_steps(now_s, share))

    def expire_steps(self, now_s, share=None):
        """`expire`, one bucket per step; yields the number reclaimed in it."""
        for bucket in range(_BUCKETS):
            if bucket not in self._bad and self._earliest[bucket] <= now_s:
                ended = total = 0
                earliest = _NEVER
                for at in self._walk(bucket):
                    total += 1
                    until_s = struct.unpack_from("<I", self._buffer, at + _END)[0]
                    earliest = min(earliest, until_s)
                    ended += until_s <= now_s
                self._earliest[bucket] = earliest
                before = self._live[bucket]
                if ended and (share is None or (ended + self._dead[bucket]) * share >= total):
                    self._rewrite(bucket, now_s)
                yield before - self._live[bucket]

    def _rewrite(self, bucket, now_s):
        """Copy the records that still count to a new generation of the bucket and put it in place.

        A record counts unless a later one of its key voided or replaced it, or `now_s` has reached its end. An
        unreadable one is copied as it is: it stays reported until `repair`.
        """
        newest = {}  # key of each voided or replaced ticket: index of the record that did it
        for index, at in enumerate(self._walk(bucket)):
            if self._view[at : at + _AT] != _USED and self._intact(bucket, at):
                newest[bytes(self._view[at + _AT : at + _AT + _KEY])] = index
        path = _path(self._folder, bucket)
        try:
            with open(path + ".new", "wb") as file:
                for index, at in enumerate(self._walk(bucket)):
                    record = self._carried(bucket, at, index, newest, now_s)
                    if record:
                        file.write(record)
                files.settle(file)
        except OSError as error:
            raise files.ours(error, path) from None
        files.rename(path + ".new", path)
        self._scan(bucket)

    def _carried(self, bucket, at, index, newest, now_s):
        """The record as the new generation holds it; empty if it ends here."""
        record = bytes(self._view[at : at + _RECORD])
        if not self._intact(bucket, at):
            return record
        state, key, evse, not_after_s = struct.unpack(_LAYOUT, record[:_BODY])
        if state == _VOID or index < newest.get(key, 0) or (now_s is not None and not_after_s <= now_s):
            return b""
        return seal(_USED, key, evse, not_after_s)

    def repair(self):
        """Give up what is damaged, on an operator's explicit word: missing buckets start empty and unreadable records
        are dropped, so a ticket used before may be granted again. Returns the damage that was given up."""
        given_up = self.damage
        make(self._folder)
        for bucket in self._bad:
            path = _path(self._folder, bucket)
            files.put(path, "ab", ())
            kept = [bytes(self._view[at : at + _RECORD]) for at in self._walk(bucket) if self._intact(bucket, at)]
            files.put(path + ".new", "wb", kept)
            files.rename(path + ".new", path)
        self._open()
        return given_up
