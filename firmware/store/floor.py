"""The clock floor: seconds since 1970, in a slot. It never falls, save by a reset."""

import struct

from .files import Fault
from .slots import Slots

# The stored floor rises in steps of an hour: a reader that lost its clock is behind by less than that, and flash is
# written at most 24 times a day.
STEP_S = 3600


class Floor:
    """The latest time that is known to have passed. Slot "floor" of the folder: u64 seconds, u32 number of the last
    reset, little endian. Making one raises Fault when both copies are damaged.
    """

    def __init__(self, folder):
        self._slots = Slots(folder)
        stored = self._slots.read("floor")
        if stored is not None and len(stored) != 12:
            raise Fault("slot floor has a wrong length")
        self._s, self._reset = struct.unpack("<QI", stored) if stored else (0, 0)
        self._stored_s = self._s

    @property
    def seconds(self):
        """The floor; 0 if no time was ever known."""
        return self._s

    @property
    def damage(self):
        """The unreadable copy, if there is one; the other one served."""
        return self._slots.damage

    @property
    def reset_number(self):
        """The number of the last reset taken; 0 if none was."""
        return self._reset

    def rise(self, now_s, at_once=False):
        """Lift the floor to `now_s`; a lower time changes nothing. Durable every STEP_S, or `at_once`."""
        if now_s > self._s:
            self._s = now_s
            if at_once or now_s - self._stored_s >= STEP_S:
                self._store(now_s, self._reset)

    def reset(self, number, to_s):
        """Set the floor to `to_s`, even lower, on a root-signed order of this number, which the caller has checked.

        False: a reset of this or a higher number was taken before, and nothing changes.
        """
        if number <= self._reset:
            return False
        self._store(to_s, number)
        self._s, self._reset = to_s, number
        return True

    def _store(self, seconds, number):
        self._slots.write("floor", struct.pack("<QI", seconds, number))
        self._stored_s = seconds
