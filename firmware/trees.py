"""The two trees of the firmware, halves of the ROMFS partition, and the record of which one runs. Bytes: UPDATE.md.

Never replaced by an update. The record is kept twice, each time in the older of its two files: a cut leaves the last
one. Where there is no such partition, or the firmware is frozen, there are no trees, and what runs is always the same.
"""

import binascii
import os
import struct
import sys

import machine
import vfs
from machine import Pin
from micropython import const

_FLAG = "/maintenance"
_WATCHDOG_MS = const(8000)
_TRIAL_MS = const(300_000)  # a tree that has not proved itself by then has failed this start
_STARTS = const(3)  # of a tree on trial
_BACK = const(255)  # as the number of starts: it runs since the other one has failed, which nobody has noted yet
_FILES = ("/tree.0", "/tree.1")
_PLACE = "/rom"
_BLOCK = const(4096)

running = None  # the tree that this start uses, 0 or 1; None where there are none


def _part():
    if not __file__.endswith(".mpy") or not hasattr(vfs, "rom_ioctl") or vfs.rom_ioctl(1) <= 0:
        return None
    return vfs.rom_ioctl(2, 0)


def span(tree):
    """(partition, first block, number of blocks) of a tree."""
    part = _part()
    blocks = part.ioctl(4, 0) // 2
    return part, blocks * tree, blocks


def whole(tree):
    """Whether the tree has its first block, which is written last."""
    part, first, _ = span(tree)
    head = bytearray(3)
    part.readblocks(first, head, 0)
    return head == b"\xd2\xcd\x31"


def record():
    """(sequence, highest version ever installed, tree, starts) of the newest good copy; all of it 0 without one.

    starts: 0, the tree is proved; 255, see _BACK; else how often it was started on trial, and one.
    """
    return max([_read(name) for name in _FILES])


def _read(name):
    try:
        with open(name, "rb") as file:
            data = file.read(17)
    except OSError:
        data = b""
    if len(data) != 16 or data[:2] != b"FT" or struct.pack("<I", binascii.crc32(data[:12])) != data[12:]:
        return (0, 0, 0, 0)
    found = struct.unpack("<II", data[2:10]) + (data[10], data[11])
    return found if found[2] < 2 else (0, 0, 0, 0)


def write(tree, starts, highest):
    """Makes the next record durable. Raises OSError."""
    sequence = record()[0] + 1
    data = b"FT" + struct.pack("<II", sequence, highest) + bytes((tree, starts))
    with open(_FILES[sequence & 1], "wb") as file:
        file.write(data + struct.pack("<I", binascii.crc32(data)))


def choose():
    """At a start, changing nothing: mounts the tree that is to run."""
    if _part() is None:
        return
    _, _, tree, starts = record()
    if _STARTS < starts < _BACK:
        tree ^= 1
    for candidate in (tree, tree ^ 1):
        if whole(candidate):
            _use(candidate)
            return


def _use(tree):
    global running
    part, first, _ = span(tree)
    if tree or running is not None:  # MicroPython has mounted tree 0 by itself
        try:
            vfs.umount(_PLACE)
        except OSError:
            pass
        vfs.mount(vfs.VfsRom(memoryview(part)[first * _BLOCK :]), _PLACE)  # type: ignore[reportAttributeAccessIssue]
        if _PLACE not in sys.path:
            sys.path.append(_PLACE)
    running = tree


def begin():
    """Before the tree runs: what start.run takes, None in maintenance (strap pin low, or the flag file that deploying
    sets): then nothing starts, no watchdog is armed and the console is free."""
    import pins

    if _in_maintenance(pins):
        for number in (pins.LED_GREEN, pins.LED_RED):
            Pin(number, Pin.OUT, value=1)
        print("maintenance: no station runs; remove", _FLAG, "or release the strap, and reset")
        return None
    starts, guard = 0 if running is None else _count(), None
    if 0 < starts < _BACK:
        machine.WDT(timeout=_WATCHDOG_MS)
        guard = machine.Timer(0)
        guard.init(mode=guard.ONE_SHOT, period=_TRIAL_MS, callback=lambda timer: machine.reset())
    return running, starts, guard


def _in_maintenance(pins):
    if Pin(pins.MAINTENANCE, Pin.IN, Pin.PULL_UP).value() == 0:
        return True
    try:
        os.stat(_FLAG)
        return True
    except OSError:
        return False


def _count():
    """Counts this start of a tree on trial; one that has failed, or whose starts cannot be counted, does not run."""
    _, highest, tree, starts = record()
    if starts in (0, _BACK):
        return starts
    try:
        if running == tree:
            write(tree, min(starts, _STARTS) + 1, highest)
            return starts
        write(running, _BACK, highest)
    except OSError as error:
        print("trees:", error)
        if running == tree:
            _use(tree ^ 1)
    return _BACK


def install(version):
    """The tree that does not run is complete: it is on trial from the next start on. Raises OSError."""
    write(running ^ 1, 1, version)


def confirm():
    """The tree that runs is the one to use; also after a roll-back that has been noted. Raises OSError."""
    write(running, 0, record()[1])
