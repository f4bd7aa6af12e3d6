"""The boot counter, in a slot; it never falls. Needed once at a start, so it is a module of its own, to be unloaded."""

import struct

from .files import Fault
from .slots import Slots


def last_boot(slots):
    """The number of the last boot that was counted, 0 if none was. Raises Fault when both copies are damaged."""
    stored = slots.read("boots")
    if stored is not None and len(stored) != 8:
        raise Fault("slot boots has a wrong length")
    return struct.unpack("<Q", stored)[0] if stored else 0


def count_boot(folder):
    """Count this boot durably in slot "boots" (u64) and return its number, which no earlier boot was given.

    Raises Fault when both copies are damaged, since the number must not repeat.
    """
    slots = Slots(folder)
    number = last_boot(slots) + 1
    # An unreadable copy may have been one ahead of the readable one.
    if slots.damage:
        number += 1
    set_boot(slots, number)
    return number


def set_boot(slots, number):
    """Durably: the next boot counts on from `number` (below 2^64)."""
    slots.write("boots", struct.pack("<Q", number))
