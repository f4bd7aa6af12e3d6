"""The used-ticket ledger: remembers, voids, reclaims, and survives damage."""

import hashlib
import os

import support
from store import ledger
from store.files import Fault, Full
from support import fails, read, write

SOON, LATER = 1_800_000_000, 1_900_000_000


def key(number):
    return hashlib.sha256(b"ticket %d" % number).digest()


def evse(number):
    return hashlib.sha256(b"evse %d" % number).digest()[:8]


def same_bucket(count):
    """Keys that share the first key's bucket."""
    found = []
    number = 0
    while len(found) < count:
        if key(number)[0] % 64 == key(0)[0] % 64:
            found.append(key(number))
        number += 1
    return found


def new(limit=10_000):
    folder = support.folder() + "/ledger"
    ledger.make(folder)
    return folder, ledger.Ledger(folder, limit)


def bucket_path(folder, k):
    return "%s/%02d" % (folder, k[0] % 64)


def test_a_use_is_remembered_with_its_end_and_evse_also_after_a_restart():
    folder, book = new()
    assert book.find(key(1)) is None
    assert book.add(key(1), SOON, evse(1)) is True
    assert book.find(key(1)) == (SOON, evse(1))
    assert book.find(key(2)) is None
    again = ledger.Ledger(folder)
    assert again.find(key(1)) == (SOON, evse(1))
    assert again.live == 1 and again.damage == []


def test_a_second_use_is_told_and_keeps_the_first_evse_and_the_later_end():
    folder, book = new()
    assert book.add(key(1), SOON, evse(1)) is True
    assert book.add(key(1), SOON - 5, evse(2)) is False
    assert book.find(key(1)) == (SOON, evse(1))
    assert book.add(key(1), LATER, evse(2)) is False
    for now in (book, ledger.Ledger(folder)):
        assert now.find(key(1)) == (LATER, evse(1))
        assert now.live == 1
    assert book.expire(SOON) == 0
    assert ledger.Ledger(folder).find(key(1)) == (LATER, evse(1))


def test_a_voided_use_is_gone_for_good_and_may_be_used_again():
    folder, book = new()
    assert book.void(key(1)) is False
    book.add(key(1), SOON, evse(1))
    assert book.void(key(1)) is True
    assert book.void(key(1)) is False
    again = ledger.Ledger(folder)
    assert again.find(key(1)) is None and again.live == 0
    assert again.add(key(1), SOON, evse(2)) is True
    assert ledger.Ledger(folder).find(key(1)) == (SOON, evse(2))


def test_voiding_again_and_again_does_not_grow_the_ledger():
    folder, book = new()
    for _ in range(70):
        assert book.add(key(1), SOON, evse(1)) is True
        assert book.void(key(1)) is True
    assert os.stat(bucket_path(folder, key(1)))[6] < 36 * 60
    assert book.live == 0 and ledger.Ledger(folder).live == 0


def test_a_full_ledger_refuses_and_forgets_nothing():
    folder, book = new(limit=5)
    for number in range(5):
        book.add(key(number), SOON, evse(1))
    assert fails(Full, book.add, key(9), SOON, evse(1))
    assert fails(Full, book.add, key(9), SOON, evse(1), SOON - 1)
    assert book.add(key(3), SOON, evse(1)) is False
    for number in range(5):
        assert ledger.Ledger(folder, 5).find(key(number)) == (SOON, evse(1))
    assert book.void(key(0)) is True
    assert book.add(key(9), SOON, evse(1)) is True


def test_ended_entries_are_reclaimed_only_with_a_set_clock():
    folder, book = new(limit=5)
    for number in range(5):
        book.add(key(number), SOON + number, evse(1))
    assert fails(Full, book.add, key(9), LATER, evse(1))
    assert book.add(key(9), LATER, evse(1), SOON + 1) is True
    again = ledger.Ledger(folder, 5)
    assert again.live == 4
    assert again.find(key(0)) is None and again.find(key(1)) is None
    assert again.find(key(2)) == (SOON + 2, evse(1))
    assert again.find(key(2), SOON + 2) is None
    assert again.find(key(2), SOON + 1) == (SOON + 2, evse(1))


def test_an_ended_entry_does_not_stand_in_the_way_of_a_new_use():
    folder, book = new()
    book.add(key(1), SOON, evse(1))
    assert book.add(key(1), LATER, evse(2), SOON) is True
    again = ledger.Ledger(folder)
    assert again.find(key(1)) == (LATER, evse(2)) and again.live == 1


def test_reclaiming_can_wait_until_it_is_worth_the_flash():
    _folder, book = new()
    keys = same_bucket(8)
    for number in range(8):
        book.add(keys[number], SOON if number == 0 else LATER, evse(1))
    assert book.expire(SOON, 4) == 0 and book.live == 8
    assert book.expire(SOON) == 1 and book.live == 7


def test_times_beyond_32_bits_are_never_reclaimed():
    folder, book = new()
    book.add(key(1), 1 << 40, evse(1))
    assert book.expire(0xFFFFFFFE) == 0
    assert ledger.Ledger(folder).find(key(1)) is not None


def test_a_corrupt_record_is_reported_its_bucket_fails_closed_and_neighbours_are_kept():
    folder, book = new()
    keys = same_bucket(3)
    for k in keys:
        book.add(k, SOON, evse(1))
    other = next(key(n) for n in range(40) if key(n)[0] % 64 != keys[0][0] % 64)
    book.add(other, SOON, evse(2))
    path = bucket_path(folder, keys[0])
    good = read(path)
    for at in range(36, 72):
        broken = bytearray(good)
        broken[at] ^= 0x10
        write(path, broken)
        again = ledger.Ledger(folder)
        assert len(again.damage) == 1 and path in again.damage[0]
        for k in keys:
            assert fails(Fault, again.find, k)
            assert fails(Fault, again.add, k, SOON, evse(1))
        assert again.find(other) == (SOON, evse(2))
        assert again.live == 4
    given_up = again.repair()
    assert len(given_up) == 1 and again.damage == []
    assert again.find(keys[0]) == (SOON, evse(1)) and again.find(keys[2]) == (SOON, evse(1))
    assert again.find(keys[1]) is None


def test_damage_after_the_start_is_noticed_by_the_look_up_wherever_in_the_bucket_it_is():
    folder, book = new()
    keys = same_bucket(16)  # more than are read at once
    for k in keys[:-1]:
        book.add(k, SOON, evse(1))
    path = bucket_path(folder, keys[0])
    good = read(path)
    for at in (0, 4, 30, 14 * 36 + 10):  # in a state, a key, an end, and in a key of the next piece
        book = ledger.Ledger(folder)
        broken = bytearray(good)
        broken[at] ^= 1
        write(path, broken)
        assert fails(Fault, book.find, keys[0])
        assert fails(Fault, book.add, keys[-1], SOON, evse(1))
        assert len(book.damage) == 1 and fails(Fault, book.find, keys[0])
        write(path, good)


def test_records_of_another_bucket_are_damage():
    folder, book = new()
    book.add(key(1), SOON, evse(1))
    other = next(key(n) for n in range(40) if key(n)[0] % 64 != key(1)[0] % 64)
    write(bucket_path(folder, other), read(bucket_path(folder, key(1))))
    again = ledger.Ledger(folder)
    assert len(again.damage) == 1 and fails(Fault, again.find, other)


def test_a_missing_ledger_or_bucket_is_damage_not_a_new_one():
    missing = ledger.Ledger(support.folder() + "/nothing")
    assert "ledger: missing" in missing.damage
    assert fails(Fault, missing.find, key(1)) and fails(Fault, missing.add, key(1), SOON, evse(1))
    folder, book = new()
    book.add(key(1), SOON, evse(1))
    path = bucket_path(folder, key(1))
    os.remove(path)
    again = ledger.Ledger(folder)
    assert len(again.damage) == 1 and fails(Fault, again.find, key(1))
    ledger.make(folder)
    assert ledger.Ledger(folder).damage == again.damage
    again.repair()
    assert again.damage == [] and again.find(key(1)) is None


def test_making_a_ledger_again_keeps_what_is_in_it():
    folder, book = new()
    book.add(key(1), SOON, evse(1))
    os.remove(folder + "/made")
    assert ledger.Ledger(folder).damage == ["ledger: missing"]
    ledger.make(folder)
    again = ledger.Ledger(folder)
    assert again.damage == [] and again.find(key(1)) == (SOON, evse(1))


def test_an_incomplete_last_record_is_cut_off():
    folder, book = new()
    keys = same_bucket(3)
    book.add(keys[0], SOON, evse(1))
    path = bucket_path(folder, keys[0])
    whole = read(path)
    for length in (1, 20, 35):
        write(path, whole + whole[:length])
        again = ledger.Ledger(folder)
        assert again.torn == 1 and again.damage == [] and again.live == 1
        assert read(path) == whole
    assert again.add(keys[1], SOON, evse(2)) is True
    assert ledger.Ledger(folder).find(keys[1]) == (SOON, evse(2))


def test_a_half_made_new_generation_is_thrown_away():
    folder, book = new()
    book.add(key(1), SOON, evse(1))
    path = bucket_path(folder, key(1))
    write(path + ".new", b"half")
    assert ledger.Ledger(folder).find(key(1)) == (SOON, evse(1))
    assert fails(OSError, os.stat, path + ".new")


def test_a_failing_flash_is_a_fault():
    folder, book = new()
    path = bucket_path(folder, key(1))
    os.remove(path)
    os.mkdir(path)
    assert fails(Fault, book.find, key(1))
    assert fails(Fault, book.add, key(1), SOON, evse(1))
    assert fails(Fault, book.find, key(1)[:5])


def test_hundreds_in_one_bucket_stay_apart():
    folder, book = new()
    keys = same_bucket(100)
    for number, k in enumerate(keys):
        assert book.add(k, SOON + number, evse(number)) is True
    again = ledger.Ledger(folder)
    assert again.live == 100
    for number, k in enumerate(keys):
        assert again.find(k) == (SOON + number, evse(number))
    assert again.expire(SOON + 49) == 50
    assert ledger.Ledger(folder).live == 50
    assert again.find(keys[49]) is None and again.find(keys[50]) == (SOON + 50, evse(50))
