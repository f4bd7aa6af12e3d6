"""A chained stream of records in a folder: segment files and eight tails.

A segment is a record file named by the sequence before its first record, in eight hex digits. Its first record is of
kind 0, carries that sequence, and as payload the code of that record, so that the chain goes on when everything
before is deleted. Every further record carries

    link  8   the first 8 bytes of the code of the record before it
    body
    code  16  the first 16 bytes of HMAC-SHA-256(device key, head, link, body)

A small record waits as a tail (see `tails`) and goes to the segment together with the next large one, or when the next
small one needs the room.
"""

from micropython import const

from . import files, records, tails
from .files import Fault

SEGMENT = const(0)  # kind of a segment's first record
LINK = const(8)
CODE = const(16)
OVERHEAD = const(44)  # record bytes beside the body
_FIRST = const(36)  # bytes of a segment's first record


def make(folder):
    """Create an empty log. What is already there is kept."""
    files.folder(folder)
    # littlefs publishes a new file empty before it publishes its content.
    if not any(files.size("%s/%08x" % (folder, base)) >= _FIRST for base in _bases(files.names(folder))):
        _begin(folder, 0, 0, bytes(CODE), ())


def _bases(names):
    """The sequences that name segment files, ascending."""
    bases = []
    for name in names:
        try:
            if len(name) == 8:
                bases.append(int(name, 16))
        except ValueError:
            pass  # not a segment
    return sorted(bases)


def _begin(folder, stream, base, code, parts):
    """Create a segment that goes on after record `base`, whose code is given; returns its path."""
    first = records.seal((records.head(SEGMENT, stream, CODE, base, 0), code))
    path = "%s/%08x" % (folder, base)
    files.put(path, "wb", first + tuple(parts))
    return path


class Log:
    """The stream number `stream` in `folder`, sealed by `mac` (a `Mac`), in segments of at most `segment` bytes.

    `last` and `code` belong to the newest record. `damage` lists what is missing or unreadable; `torn` counts
    incomplete last records.
    """

    def __init__(self, folder, stream, mac, segment):
        self._folder = folder
        self._stream = stream
        self._mac = mac
        self._segment = segment
        self._changes = 0  # of the files, so that readers notice
        self._waits = 0  # bytes of the last record that became a tail
        self._open()

    def _open(self):
        self.damage = []
        self.torn = 0
        self._changes += 1
        self.last = 0
        self.code = bytes(CODE)
        self.seen_other = 0  # the highest `other` of the records read
        self._stale = False
        self._spoilt = False  # the last segment's end is not a record's end: the next append starts a new one
        self._bases = _bases(files.names(self._folder))
        self._sizes = []
        for base in self._bases:
            try:
                self._sizes.append(files.size(self._path(base)))
            except Fault as error:
                self._sizes.append(_FIRST)
                self.damage.append(str(error))
        if self._bases and self._sizes[-1] < _FIRST:
            # A cut while it was made: nothing in it was ever acknowledged, and its name will be used again.
            del self._bases[-1], self._sizes[-1]
        if self._bases:
            self._read_last()
        else:
            self.damage.append("%s: missing" % self._folder)
            self._spoilt = True
        self._flushed, self._flushed_code = self.last, self.code
        self._read_tails()

    def _path(self, base):
        return "%s/%08x" % (self._folder, base)

    def _read_last(self):
        self.last = self._bases[-1]
        path = self._path(self.last)
        newest = None
        try:
            scan = records.Scan(path)
            for at, size, fields in scan.records():
                if fields[3] >= self.last:
                    self.last = fields[3]
                    self.seen_other = max(self.seen_other, fields[4])
                    newest = at + size
            if newest:
                self.code = files.take(path, newest - 4 - CODE, CODE)
            else:
                self.last += 1  # at least one record may be in what cannot be read; its number is not used again
            if scan.skipped or not newest:
                self.damage.append("%s: %d unreadable" % (path, scan.skipped))
            self.torn += scan.torn > 0
            self._spoilt = bool(scan.skipped or scan.torn or not newest)
        except Fault as error:
            self.last += 1
            self.damage.append(str(error))
            self._spoilt = True

    def _read_tails(self):
        self._tails = tails.Tails(self._folder, self._flushed)
        self.damage += self._tails.damage
        self.torn += self._tails.torn
        for sequence in self._tails.waiting():
            found = self._tails.get(sequence)
            if found is None or sequence != self.last + 1:
                self.damage.append("%s: records before %d lost" % (self._folder, sequence))
            if found:
                self.last, self.code = sequence, found[1][-4 - CODE : -4]
                self.seen_other = max(self.seen_other, found[0][4])

    def fresh(self):
        """Look at the flash again if a failed write left it unknown what is there."""
        if self._stale:
            self._open()

    @property
    def first(self):
        """The oldest sequence still held; `last + 1` if none is."""
        return (self._bases[0] if self._bases else self.last) + 1

    @property
    def used(self):
        """Bytes of the segments, with the tails counted as full and about to be moved."""
        return sum(self._sizes) + tails.BYTES + _FIRST

    @property
    def segments(self):
        """Number of segment files."""
        return len(self._bases)

    def append(self, kind, other, body):
        """Append durably a body given as a tuple of byte strings; returns the sequence.

        Raises Full or Fault, and then it is unknown whether it is there.
        """
        sequence = self.last + 1
        length = sum([len(part) for part in body])
        head = records.head(kind, self._stream, LINK + length + CODE, sequence, other)
        link = self.code[:LINK]
        code = self._mac.of((head, link) + body)[:CODE]
        parts = records.seal((head, link) + body + (code,))
        self._stale = True
        self._changes += 1
        size = OVERHEAD + length
        if size > tails.RECORD_MAX:
            self._flush(sequence, code, parts, size)
        else:
            if not self._tails.fits(size):
                self._flush(self.last, self.code, (), 0)
            self._tails.put(sequence, b"".join(parts))
            self._waits = size
        self.last, self.code = sequence, code
        self._stale = False
        return sequence

    def tidy(self):
        """Move the tails to the segment if the next record, as long as the last, would have to. Raises Fault."""
        if not self._stale and not self._tails.fits(self._waits):
            self._stale = True
            self._changes += 1
            self._flush(self.last, self.code, (), 0)
            self._stale = False

    def _flush(self, last, code, parts, size):
        """Move the tails and then `parts`, of `size` bytes, to the segment; its newest record is then `last`."""
        batch = []
        for sequence in self._tails.waiting():
            found = self._tails.get(sequence)
            if found:
                batch.append(found[1])
                size += len(found[1])
        batch.extend(parts)
        if self._spoilt or self._sizes[-1] + size > self._segment:
            self._start(self._flushed, self._flushed_code, batch)
        else:
            files.put(self._path(self._bases[-1]), "ab", batch)
            self._sizes[-1] += size
        self._flushed, self._flushed_code = last, code
        self._tails.moved()

    def _start(self, base, code, batch):
        """Begin a new segment with the given records."""
        if self._bases and self._bases[-1] == base:
            # The last segment holds only its first record and bytes that a cut tore: it is replaced in one step.
            del self._bases[-1], self._sizes[-1]
        files.folder(self._folder)
        path = _begin(self._folder, self._stream, base, code, batch)
        self._bases.append(base)
        self._sizes.append(files.size(path))
        self._spoilt = False

    def forget(self, up_to):
        """Delete the segments of which no record comes after `up_to`, the oldest first."""
        if up_to >= self.last and (self.last > self._bases[-1] if self._bases else True):
            self._stale = True
            # After a cut between this and the deletions the segments must still follow one another without a gap.
            if self._tails.waiting():
                self._flush(self.last, self.code, (), 0)
            self._start(self.last, self.code, ())
            self._stale = False
        self._changes += 1
        while len(self._bases) > 1 and self._bases[1] <= up_to:
            files.remove(self._path(self._bases[0]))
            del self._bases[0], self._sizes[0]

    def drop_oldest(self, segments):
        """Delete the oldest segments until no more than `segments` are left."""
        while len(self._bases) > segments:
            self.forget(self._bases[1])

    def frames(self, start, goal):
        """Yield (head fields, record bytes) from sequence `start` to `goal`, in order; what is unreadable is missing.

        Records may be appended meanwhile; segments deleted meanwhile are missing.
        """
        seen = start - 1
        while seen < goal:
            flushed = self._flushed
            for index in range(len(self._bases)):
                for fields, data in self._segment_frames(index, seen):
                    if seen < fields[3] <= goal:
                        seen = fields[3]
                        yield fields, data
            for sequence in range(max(seen, flushed) + 1, goal + 1):
                found = self._tails.get(sequence)
                if found:
                    seen = sequence
                    yield found
                elif self._flushed >= sequence:
                    break  # moved to the segment meanwhile: look there again
            if flushed == self._flushed:
                return

    def _segment_frames(self, index, seen):
        """The records after `seen` of one segment, as `frames` yields them."""
        bases = self._bases
        if index >= len(bases) or (index + 1 < len(bases) and bases[index + 1] <= seen):
            return
        path = self._path(bases[index])
        file = None
        changes = 0
        try:
            scan = records.Scan(path)
            while True:
                # littlefs may use blocks of an open file again once that file is appended to or deleted.
                if file is None or changes != self._changes:
                    if file:
                        file.close()
                    file = open(path, "rb")
                    changes = self._changes
                found = scan.next(file)
                if not found:
                    return
                at, size, fields = found
                if fields[0] != SEGMENT and fields[3] > seen:
                    file.seek(at)
                    yield fields, file.read(size)
        except (OSError, Fault):
            return
        finally:
            if file:
                file.close()

    def check(self):
        """Read every segment, one per step, and note in `damage` what is unreadable or missing."""
        for base in list(self._bases):
            if base in self._bases:
                what = self._check_segment(base)
                if what and what not in self.damage:
                    self.damage.append(what)
            yield

    def _check_segment(self, base):
        """What is wrong with a segment, in words."""
        path = self._path(base)
        index = self._bases.index(base) + 1
        until = self._bases[index] if index < len(self._bases) else self._flushed
        last = base
        gaps = 0
        try:
            scan = records.Scan(path)
            for _, _, fields in scan.records():
                if fields[0] != SEGMENT:
                    gaps += fields[3] != last + 1
                    last = fields[3]
        except Fault as error:
            return str(error)
        if scan.skipped:
            return "%s: %d unreadable" % (path, scan.skipped)
        return "%s: records missing" % path if gaps or last != until else ""
