"""Slots, clock floor and boot counter: whole values that survive damage to one copy, and numbers that never fall."""

import os

import support
from store.boots import count_boot, set_boot
from store.files import Fault, Full
from store.floor import STEP_S, Floor
from store.slots import VALUE_MAX, Slots
from support import fails, read, write

NOW = 1_800_000_000


def test_a_value_is_read_back_also_after_a_restart():
    folder = support.folder() + "/a/b"
    slots = Slots(folder)
    assert slots.read("config") is None
    for value in (b"", b"one", b"two" * 3000, b"three"):
        slots.write("config", value)
        assert slots.read("config") == value and Slots(folder).read("config") == value
    slots.write("other", b"x")
    assert slots.read("config") == b"three" and slots.damage == []
    slots.remove("config")
    assert slots.read("config") is None and slots.read("other") == b"x"


def test_either_copy_alone_is_enough_and_damage_is_told():
    folder = support.folder()
    Slots(folder).write("v", b"old")
    Slots(folder).write("v", b"new value")
    for which in ("a", "b"):
        path = folder + "/v." + which
        good = read(path)
        for at in range(len(good)):
            broken = bytearray(good)
            broken[at] ^= 4
            write(path, broken)
            slots = Slots(folder)
            assert slots.read("v") == b"new value"
            assert slots.damage == ["slot: " + path]
        for length in range(len(good)):
            write(path, good[:length])
            assert Slots(folder).read("v") == b"new value"
        os.remove(path)
        assert Slots(folder).read("v") == b"new value"
        write(path, good)


def test_two_damaged_copies_are_a_fault_until_the_next_write():
    folder = support.folder()
    slots = Slots(folder)
    slots.write("v", b"value")
    write(folder + "/v.a", b"junk")
    write(folder + "/v.b", b"")
    assert fails(Fault, slots.read, "v") and len(slots.damage) == 2
    slots.write("v", b"again")
    assert slots.read("v") == b"again" and slots.damage == []


def test_a_write_cut_short_leaves_the_old_or_the_new_value():
    folder = support.folder()
    slots = Slots(folder)
    slots.write("v", b"old")
    old = read(folder + "/v.a"), read(folder + "/v.b")
    slots.write("v", b"new")
    new = read(folder + "/v.a"), read(folder + "/v.b")
    for a in (old[0], new[0], new[0][:7]):
        for b in (old[1], new[1], new[1][:7]):
            write(folder + "/v.a", a)
            write(folder + "/v.b", b)
            if len(a) == len(b) == 7:
                continue  # never both at once
            assert Slots(folder).read("v") in (b"old", b"new")


def test_a_write_begins_with_the_older_copy():
    for newest, other in (("a", "b"), ("b", "a")):
        folder = support.folder()
        slots = Slots(folder)
        slots.write("v", b"old")
        os.remove(folder + "/v." + other)
        os.mkdir(folder + "/v." + other)  # cannot be written
        assert fails(Fault, slots.write, "v", b"new")
        assert slots.read("v") == b"old" and len(read(folder + "/v." + newest)) == 17


def test_a_value_that_is_too_long_is_refused():
    slots = Slots(support.folder())
    slots.write("v", b"old")
    assert fails(Full, slots.write, "v", bytes(VALUE_MAX + 1))
    assert slots.read("v") == b"old"


def test_the_floor_rises_in_steps_and_never_falls():
    folder = support.folder()
    floor = Floor(folder)
    assert floor.seconds == 0
    floor.rise(NOW)
    assert floor.seconds == NOW and Floor(folder).seconds == NOW
    floor.rise(NOW - 10)
    assert floor.seconds == NOW
    floor.rise(NOW + STEP_S - 1)
    assert floor.seconds == NOW + STEP_S - 1 and Floor(folder).seconds == NOW
    floor.rise(NOW + STEP_S)
    assert Floor(folder).seconds == NOW + STEP_S
    floor.rise(NOW + STEP_S + 1, at_once=True)
    assert Floor(folder).seconds == NOW + STEP_S + 1


def test_only_a_higher_numbered_reset_lowers_the_floor():
    folder = support.folder()
    floor = Floor(folder)
    floor.rise(NOW)
    assert floor.reset(2, NOW - 1000) is True
    assert Floor(folder).seconds == NOW - 1000 and Floor(folder).reset_number == 2
    assert floor.reset(2, 5) is False and floor.reset(1, 5) is False
    assert Floor(folder).seconds == NOW - 1000
    floor.rise(NOW - 999, at_once=True)
    assert Floor(folder).reset_number == 2


def test_the_floor_survives_one_damaged_copy_and_not_two():
    folder = support.folder()
    Floor(folder).rise(NOW)
    write(folder + "/floor.a", b"junk")
    assert Floor(folder).seconds == NOW and len(Floor(folder).damage) == 1
    write(folder + "/floor.b", b"junk")
    assert fails(Fault, Floor, folder)


def test_a_boot_number_never_repeats_even_when_a_copy_is_damaged():
    folder = support.folder()
    seen = [count_boot(folder) for _ in range(3)]
    assert seen == [1, 2, 3]
    # A cut between the two copies, then damage to the newer one.
    old = read(folder + "/boots.b")
    seen.append(count_boot(folder))
    write(folder + "/boots.b", old)
    write(folder + "/boots.a", b"junk")
    seen.append(count_boot(folder))
    seen.append(count_boot(folder))
    assert len(set(seen)) == len(seen) and seen == sorted(seen)
    write(folder + "/boots.a", b"junk")
    write(folder + "/boots.b", b"junk")
    assert fails(Fault, count_boot, folder)
    set_boot(Slots(folder), 1 << 62)
    assert count_boot(folder) == (1 << 62) + 1
