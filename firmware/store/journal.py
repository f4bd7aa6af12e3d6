"""The decision journal: two chained streams that only the device key can write.

`kept` holds grants with their tickets, voids and session ends. It is bounded, nothing in it is deleted before
`collected`, and its last RESERVE bytes are for the voids and ends of what is already granted. `refused` is a ring of
refusals and notes that deletes its oldest. Each record carries the other stream's last sequence, sequences have no
gaps, so the chain itself says how many refusals were deleted.
"""

import struct

from micropython import const

from . import log, records
from .files import Fault, Full
from .mac import Mac

KEPT = const(1)  # streams
REFUSED = const(2)
TRAILER = const(3)

GRANT = const(1)  # kinds
VOID = const(2)
END = const(3)
REFUSAL = const(4)
NOTE = const(5)
CLOSE = const(127)  # the trailer of an export

BODY_MAX = const(4608)
SMALL_MAX = const(436)  # body of a VOID, END, REFUSAL or NOTE: such a record can wait as a tail
RESERVE = const(16384)
NONCE_MAX = const(64)
_RING_SEGMENTS = const(4)
_SEGMENT_MAX = const(65536)


def make(folder):
    """Create an empty journal. What is already there is kept, so a cut or repeated call does no harm."""
    for stream in ("kept", "refused"):
        log.make("%s/%s" % (folder, stream))


class Journal:
    """The journal in `folder`: at most `size` bytes kept and about `ring` bytes of refusals.

    `damage` lists in words what is missing or unreadable; intact records stay readable and appending goes on.
    """

    def __init__(self, folder, device_key, size=524288, ring=65536):
        self._mac = Mac(device_key)
        self._size = size
        # Room is given back by whole segments, so a small journal has small ones.
        self._kept = log.Log(folder + "/kept", KEPT, self._mac, min(_SEGMENT_MAX, max(size // 8, 8192)))
        self._refused = log.Log(folder + "/refused", REFUSED, self._mac, ring // _RING_SEGMENTS)

    @property
    def damage(self):
        """What is missing or unreadable, in words."""
        found = self._kept.damage + self._refused.damage
        if self._refused.seen_other > self._kept.last:
            found = found + ["journal: kept records after %d lost" % self._kept.last]
        if self._kept.seen_other > self._refused.last:
            found = found + ["journal: refused records after %d lost" % self._refused.last]
        return found

    @property
    def torn(self):
        """Number of incomplete last records (never acknowledged) that were passed over."""
        return self._kept.torn + self._refused.torn

    def room(self, length):
        """Whether a grant with a body of that many bytes would be taken now."""
        self._kept.fresh()
        return self._kept.used + log.OVERHEAD + length <= self._size - RESERVE

    @property
    def last(self):
        """(last kept sequence, last refused sequence)."""
        return self._kept.last, self._refused.last

    @property
    def first(self):
        """(oldest kept sequence still held, oldest refused one): the ring deleted the refusals before it."""
        return self._kept.first, self._refused.first

    def append(self, kind, body):
        """Append to the kept stream, durably; returns the sequence. `body`: bytes, or a tuple of byte strings, which
        are written one after the other and never joined in memory.

        Raises Full when it would need the room reserved for voids and ends (or, for these, when that is used up),
        Fault when the flash failed or the body is too long.
        """
        closing = kind in (VOID, END)
        body = body if type(body) is tuple else (body,)
        length = sum([len(part) for part in body])
        if length > (SMALL_MAX if closing else BODY_MAX):
            raise Fault("journal: body of %d bytes" % length)
        if closing:
            self._kept.fresh()
            if self._kept.used + log.OVERHEAD + length > self._size:
                raise Full("journal")
        elif not self.room(length):
            raise Full("journal")
        return self._kept.append(kind, self._refused.last, body)

    def refuse(self, body, kind=REFUSAL):
        """Append a refusal (or a NOTE) to the ring, durably; returns its sequence in the ring."""
        if len(body) > SMALL_MAX:
            raise Fault("journal: body of %d bytes" % len(body))
        self._refused.fresh()
        sequence = self._refused.append(kind, self._kept.last, (body,))
        self._refused.drop_oldest(_RING_SEGMENTS)
        return sequence

    def tidy(self):
        """Do now, while nobody waits, what costs most of a later refusal. Raises Fault."""
        self._refused.tidy()
        self._refused.drop_oldest(_RING_SEGMENTS)

    def read(self, from_sequence=1, stream=KEPT):
        """Yield (sequence, kind, body) of the intact records from that sequence on."""
        source = self._kept if stream == KEPT else self._refused
        source.fresh()
        for fields, data in source.frames(from_sequence, source.last):
            yield fields[3], fields[0], data[records.HEAD + log.LINK : -4 - log.CODE]

    def collected(self, up_to):
        """The kept records up to that sequence are safely elsewhere: their room may be used again.

        Segments are deleted whole, so records after the last whole one stay readable a while.
        """
        self._kept.fresh()
        self._kept.forget(min(up_to, self._kept.last))

    def give_up(self):
        """Forget all records, on an operator's explicit word, so that what is damaged among them is damage no more.
        Returns the damage. The chains go on: a collector sees how many records were given up."""
        found = self.damage
        for stream in (self._kept, self._refused):
            stream.fresh()
            stream.forget(stream.last)
        return found

    def check(self):
        """Read all that is stored, a segment per step, so that `damage` is complete."""
        for stream in (self._kept, self._refused):
            for _ in stream.check():
                yield

    def export(self, kept_from=1, refused_from=1, nonce=b""):
        """Yield the byte strings that, joined, `chain.verify` checks: kept records, refused ones, a trailer.

        The trailer is sealed too; it tells what the export must hold, so nothing can be cut off either end. `nonce`
        (at most 64 bytes) is the collector's, to know that the export is no older than the question.
        """
        if len(nonce) > NONCE_MAX:
            raise Fault("journal: nonce of %d bytes" % len(nonce))
        kept, refused = self._kept, self._refused
        kept.fresh()
        refused.fresh()
        kept_from, refused_from = max(kept_from, kept.first), max(refused_from, refused.first)
        kept_last, refused_last = kept.last, refused.last
        body = struct.pack("<IIII", kept_from, kept_last, refused_from, refused_last) + kept.code + refused.code + nonce
        for _, data in kept.frames(kept_from, kept_last):
            yield data
        for _, data in refused.frames(refused_from, refused_last):
            yield data
        head = records.head(CLOSE, TRAILER, log.LINK + len(body) + log.CODE, 0, 0)
        link = bytes(log.LINK)
        code = self._mac.of((head, link, body))[: log.CODE]
        for part in records.seal((head, link, body, code)):
            yield part
