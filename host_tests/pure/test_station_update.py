"""A new firmware, piece by piece, into a tree in memory: what is taken, what is not, and what is asked for next."""

import hashlib
import struct
import sys

import support
from station import update
from store.files import Full
from store.slots import Slots
from ticket.verdict import BAD_SIGNATURE, Refused

MPY = getattr(sys.implementation, "_mpy", 0)
BLOCKS = 5


class Trees:
    """As firmware/trees.py; the partition is `self`."""

    def __init__(self, blocks=8):
        self.running = 0
        self.flash = bytearray(b"\xff" * (2 * blocks * 4096))
        self.flash[:3] = b"\xd2\xcd\x31"
        self.kept = (0, 0, 0, 0)
        self.written = []
        self.blocks = blocks
        self.fails = False

    def record(self):
        return self.kept

    def span(self, tree):
        return self, tree * self.blocks, self.blocks

    def whole(self, tree):
        return self.flash[tree * self.blocks * 4096 :][:3] == b"\xd2\xcd\x31"

    def install(self, version):
        assert self.whole(1)
        self.kept = (self.kept[0] + 1, version, 1, 1)

    def readblocks(self, block, buffer, offset):
        at = block * 4096 + offset
        buffer[:] = self.flash[at : at + len(buffer)]

    def writeblocks(self, block, data):
        assert block >= self.blocks and len(data) == 4096
        if self.fails:
            raise OSError(5)
        self.written.append(block - self.blocks)
        self.flash[block * 4096 : (block + 1) * 4096] = data

    def ioctl(self, request, block):
        assert request == 6 and block >= self.blocks
        self.flash[block * 4096 : (block + 1) * 4096] = b"\xff" * 4096


def image(seed=1, blocks=BLOCKS):
    return [b"\xd2\xcd\x31" + bytes((seed, number)) * 2046 + b"." for number in range(blocks)]


def manifest(version=2, blocks=None, mpy=MPY, sha256=None):
    """As a bearer hands it over: the test's own reader takes it for signed."""
    blocks = blocks or image()
    found = (version, mpy, sha256 or hashlib.sha256(b"".join(blocks)).digest())
    return found + (b"".join([hashlib.sha256(block).digest()[:16] for block in blocks]),)


def block(number, data):
    return b"CTFB" + struct.pack("<H", number) + data


def read_steps(token, roots):
    yield None
    if roots[token[0]] != token:
        raise Refused(BAD_SIGNATURE, "")
    yield token


class Bench:
    def __init__(self, **options):
        self.trees = Trees(**options)
        self.slots = Slots(support.folder() + "/data")
        self.version = 1

    def give(self, piece):
        """A new Update each time, as on the reader."""
        roots = {piece[0]: piece} if type(piece) is tuple else {}
        taker = update.Update(self.trees, self.version, self.slots, roots, read_steps)
        word = None
        for word in taker.take_steps(piece):
            pass
        return word

    def bring(self, pieces):
        """All that it asks for, from the last block to the first; the last word."""
        word = "NEEDS " + str(len(pieces) - 1)
        while word[:5] == "NEEDS":
            number = int(word[6:])
            word = self.give(block(number, pieces[number]))
        return word


def test_blocks_are_asked_for_from_the_last_to_the_first_which_makes_it_whole():
    bench = Bench()
    assert bench.give(manifest()) == "NEEDS 4"
    for number in range(4, 0, -1):
        assert not bench.trees.whole(1)
        assert bench.give(block(number, image()[number])) == "NEEDS " + str(number - 1)
    assert bench.give(block(0, image()[0])) == "INSTALLED"
    assert bench.trees.kept == (1, 2, 1, 1) and bench.trees.written == [4, 3, 2, 1, 0]
    assert bytes(bench.trees.flash[8 * 4096 : 13 * 4096]) == b"".join(image())


def test_it_goes_on_where_it_was_left_and_writes_nothing_twice():
    bench = Bench()
    bench.give(manifest())
    for number in (4, 2, 2, 3):
        bench.give(block(number, image()[number]))
    assert bench.trees.written == [4, 2, 3]
    assert bench.give(manifest()) == "NEEDS 1"
    assert bench.give(block(0, image()[0])) == "NEEDS 1" and bench.trees.written == [4, 2, 3]
    assert bench.bring(image()) == "INSTALLED"
    assert bench.trees.written == [4, 2, 3, 1, 0]


def test_the_tree_that_was_there_is_none_from_the_first_change_on():
    bench = Bench()
    old = image(7)
    bench.trees.flash[8 * 4096 : 13 * 4096] = b"".join(old)
    new = [image()[0], old[1], image()[2], old[3], old[4]]
    assert bench.trees.whole(1) and bench.give(manifest(2, new)) == "NEEDS 2" and bench.trees.whole(1)
    assert bench.give(block(2, new[2])) == "NEEDS 0" and not bench.trees.whole(1)
    assert bench.give(block(0, new[0])) == "INSTALLED" and bench.trees.written == [2, 0]


def test_what_is_there_already_needs_its_manifest_alone():
    bench = Bench()
    bench.trees.flash[8 * 4096 : 13 * 4096] = b"".join(image())
    assert bench.give(manifest()) == "INSTALLED"


def test_blocks_that_the_manifest_does_not_name_change_nothing():
    bench = Bench()
    good = image()
    assert bench.give(block(4, good[4])) == "NO_UPDATE"
    bench.give(manifest())
    before = bytes(bench.trees.flash)
    changed = good[4][:4000] + b"!" + good[4][4001:]
    for piece in (
        block(4, changed), block(3, good[4]), block(5, good[4]), block(65535, good[4]), block(4, good[4][:-1]),
        block(4, good[4] + b"."), block(4, b""), b"CTFB\x04\x00", block(2, good[4])[:4102],
    ):  # fmt: skip
        assert bench.give(piece) == "BAD_BLOCK"
    for piece in (b"CTFB", b"CTFB\x04"):
        assert bench.give(piece) == "BAD_BLOCK"
    assert bytes(bench.trees.flash) == before and bench.trees.written == []


def test_a_manifest_for_another_board_or_of_an_old_version_is_refused():
    bench = Bench()
    bench.version, bench.trees.kept = 3, (9, 5, 0, 0)  # 5 was tried and given up
    assert bench.give(manifest(3)) == "SAME"
    for version in (1, 2, 4, 5):
        assert bench.give(manifest(version)) == "OLD_VERSION"
    assert bench.give(manifest(7, mpy=MPY + 1)) == "WRONG_BOARD"
    assert bench.give(manifest(7, image(1, 9))) == "TOO_LARGE"
    assert bench.slots.read(update.SLOT) is None
    assert bench.give(manifest(7)) == "NEEDS 4"
    assert bench.give(manifest(6)) == "OLD_VERSION"  # 7 is on its way
    assert bench.give(manifest(7, image(2))) == "OLD_VERSION"  # and there is one 7 only
    assert bench.give(manifest(8, image(2))) == "NEEDS 4"
    assert bench.give(block(4, image()[4])) == "BAD_BLOCK"
    assert bench.bring(image(2)) == "INSTALLED"


def test_nothing_is_taken_while_the_last_update_is_on_trial_but_after_its_roll_back():
    for starts, word in ((1, "ON_TRIAL"), (4, "ON_TRIAL"), (255, "NEEDS 4"), (0, "NEEDS 4")):
        bench = Bench()
        bench.give(manifest(3))
        bench.trees.kept = (1, 2, 1, starts)
        assert bench.give(manifest(3)) == word and bench.give(manifest(1)) == "SAME"
        assert (bench.give(block(4, image()[4])) == "ON_TRIAL") == (word == "ON_TRIAL")


def test_what_is_installed_and_has_not_been_started_yet_is_installed():
    bench = Bench()
    bench.give(manifest())
    assert bench.bring(image()) == "INSTALLED"
    assert bench.give(manifest()) == "INSTALLED" and bench.give(manifest(3)) == "ON_TRIAL"
    bench.trees.running, bench.version = 1, 2
    assert bench.give(manifest()) == "SAME" and bench.give(manifest(3)) == "ON_TRIAL"


def test_a_reader_without_a_second_tree_takes_none():
    bench = Bench()
    bench.trees = None
    assert bench.give(manifest()) == "WRONG_BOARD" and bench.give(block(4, image()[4])) == "NO_UPDATE"


def test_what_is_not_signed_or_not_what_was_signed_is_not_installed():
    bench = Bench()
    taker = update.Update(bench.trees, 1, bench.slots, {2: None}, read_steps)
    assert list(taker.take_steps(manifest())) == [None, "BAD_SIGNATURE"]
    assert bench.give(manifest(sha256=bytes(32))) == "NEEDS 4"
    assert bench.bring(image()) == "BAD_BLOCK" and bench.trees.kept == (0, 0, 0, 0)


def test_a_file_system_without_room_is_a_fault_and_changes_nothing():
    bench = Bench()

    def full(name, value):
        raise Full("no room")

    bench.slots.write_steps = full
    assert bench.give(manifest()) == "STORE_FAULT" and bench.give(block(4, image()[4])) == "NO_UPDATE"
    del bench.slots.write_steps
    bench.give(manifest())

    def no_room(version):
        raise OSError(28)

    bench.trees.install = no_room
    assert bench.bring(image()) == "STORE_FAULT" and bench.trees.kept == (0, 0, 0, 0)
    del bench.trees.install
    assert bench.give(manifest()) == "INSTALLED"  # all of it is there


def test_flash_that_fails_is_a_fault_and_a_damaged_plan_comes_anew():
    bench = Bench()
    bench.give(manifest())
    bench.trees.fails = True
    assert bench.give(block(4, image()[4])) == "STORE_FAULT"
    bench.trees.fails = False
    for which in ("a", "b"):
        with open(bench.slots._folder + "/firmware." + which, "wb") as file:
            file.write(b"rotten")
    assert bench.give(block(4, image()[4])) == "NO_UPDATE"
    assert bench.give(manifest()) == "NEEDS 4" and bench.bring(image()) == "INSTALLED"
