"""A new firmware for the tree that does not run, from any bearer: its signed manifest, then its blocks (UPDATE.md).

Loaded when a piece of one comes, unloaded after it. All that is kept is the plan, in the slot "firmware": version (4,
little endian), SHA-256 of the tree, hash of each block. Which blocks are there is read from the flash, so that nothing
that interrupts an update matters. A block is "CTFB", its number (2, little endian) and its 4096 bytes.
"""

import hashlib
import struct
import sys

from micropython import const

from store.files import Fault, Full
from ticket.verdict import TOO_LARGE, Refused
from trust import firmware

SLOT = "firmware"
NEEDS = "NEEDS"  # and the number of the block that is to come next
INSTALLED = "INSTALLED"  # it runs from the next start on
SAME = "SAME"  # it is the one that runs
OLD_VERSION = "OLD_VERSION"  # that version or a higher one runs, was tried, or is on its way
WRONG_BOARD = "WRONG_BOARD"  # compiled for another chip, or this board has no second tree
BAD_BLOCK = "BAD_BLOCK"  # not what the manifest says
NO_UPDATE = "NO_UPDATE"  # a block, and no manifest before it
ON_TRIAL = "ON_TRIAL"  # the last update has not proved itself yet, and the other tree is its way back
STORE_FAULT = "STORE_FAULT"
_BLOCK = b"CTFB"
_BACK = const(255)  # see trees.py
_SIZE = const(4096)
_HEAD = const(6)
_PLAN_HEAD = const(36)
_PIECE = const(512)


class Update:
    """trees: firmware/trees.py, or None; version: the one that runs; slots: store.slots.Slots; roots: {kid: public key}
    of those that may sign now."""

    def __init__(self, trees, version, slots, roots, read_steps=firmware.read_steps):
        self._trees = trees
        self._slots = slots
        self._roots = roots
        self._read_steps = read_steps
        self._version = version
        self._plan = b""
        self._buffer = bytearray(_PIECE)
        try:
            self._plan = slots.read(SLOT) or b""
        except Fault:
            pass  # it has to come again

    @property
    def version(self):
        """Of the update that is under way; 0: there is none."""
        return struct.unpack("<I", self._plan[:4])[0] if self._plan else 0

    def take_steps(self, token):
        """Generator: None between pieces of work, then what became of a manifest or a block, one of the words above
        or a reason code."""
        try:
            yield from self._block_steps(token) if token[:4] == _BLOCK else self._manifest_steps(token)
        except Refused as refusal:
            yield refusal.reason
        except (Fault, Full, OSError):
            yield STORE_FAULT

    def _manifest_steps(self, token):
        version, mpy, sha256, blocks = 0, 0, b"", b""
        for offered in self._read_steps(token, self._roots):
            if offered is None:
                yield None
            else:
                version, mpy, sha256, blocks = offered
        if self._trees is None or mpy != getattr(sys.implementation, "_mpy", 0):
            yield WRONG_BOARD
            return
        plan = struct.pack("<I", version) + sha256 + blocks
        if version == self._version:
            yield SAME
            return
        if self._on_trial():
            _, newest, tree, _ = self._trees.record()
            waits = tree != self._trees.running and version == newest and plan == self._plan
            yield INSTALLED if waits else ON_TRIAL
            return
        if version <= self._newest() or (plan != self._plan and version <= self.version):
            yield OLD_VERSION
            return
        if len(blocks) // firmware.DIGEST > self._trees.span(0)[2]:
            yield TOO_LARGE
            return
        if plan != self._plan:
            for _ in self._slots.write_steps(SLOT, plan):
                yield None
            self._plan = plan
        yield from self._next_steps(self._count() - 1)

    def _on_trial(self):
        return 0 < self._trees.record()[3] < _BACK

    def _newest(self):
        return max(self._version, self._trees.record()[1])

    def _block_steps(self, token):
        if self._trees is not None and self._on_trial():
            yield ON_TRIAL
            return
        if self._trees is None or self.version <= self._newest():
            yield NO_UPDATE
            return
        data = memoryview(token)[_HEAD:]
        number = token[4] | token[5] << 8 if len(data) == _SIZE else 0
        if len(data) != _SIZE or hashlib.sha256(data).digest()[: firmware.DIGEST] != self._expected(number):
            yield BAD_BLOCK
            return
        missing = -1
        for missing in self._missing_steps(self._count() - 1):
            yield None
        if number == missing or (number and self._digest(number) != self._expected(number)):
            other = self._trees.running ^ 1
            part, first, _ = self._trees.span(other)
            # The first block comes last: what is not whole is not taken for a tree, whatever becomes of the record.
            if number and self._trees.whole(other):
                part.ioctl(6, first)
                yield None
            part.writeblocks(first + number, data)
        yield from self._next_steps(missing)

    def _expected(self, number):
        at = _PLAN_HEAD + number * firmware.DIGEST
        return self._plan[at : at + firmware.DIGEST]

    def _count(self):
        return (len(self._plan) - _PLAN_HEAD) // firmware.DIGEST

    def _next_steps(self, start):
        """What has to come next, nothing above `start` being missing; or the end of it."""
        missing = -1
        for missing in self._missing_steps(start):
            yield None
        if missing >= 0:
            yield NEEDS + " " + str(missing)
            return
        state = hashlib.sha256()
        for number in range(self._count()):
            self._read(number, state)
            yield None
        if state.digest() != self._plan[4:_PLAN_HEAD]:
            yield BAD_BLOCK
            return
        self._trees.install(self.version)
        yield INSTALLED

    def _missing_steps(self, number):
        """Generator: numbers between pieces of work; the last one is that of the last block up to `number` that is not
        there, -1 if all are."""
        while number >= 0 and self._digest(number) == self._expected(number):
            yield number
            number -= 1
        yield number

    def _digest(self, number):
        state = hashlib.sha256()
        self._read(number, state)
        return state.digest()[: firmware.DIGEST]

    def _read(self, number, state):
        part, first, _ = self._trees.span(self._trees.running ^ 1)
        for at in range(0, _SIZE, _PIECE):
            part.readblocks(first + number, self._buffer, at)
            state.update(self._buffer)
