"""Faults at the frames of a virtual PN532: what a test may ask `chip.faults` to do, and where."""

from typing import NamedTuple


class Point(NamedTuple):
    """A place where something can go wrong: the `number`th frame (from 0) since `faults` was set.

    `where` is "command" (whole and right, from the host), "ack" or "response" (to the host), "to card" or
    "from card"; `code` is the host command being served; `data` the bytes of the frame.
    """

    number: int
    where: str
    code: int
    data: bytes


class Fault(NamedTuple):
    """What goes wrong there. Kinds:

    drop, truncate (to `amount` bytes, or half), corrupt (bit 0 of byte `amount`, or of the middle one),
    duplicate (not on the air), delay (`amount` µs), nack and error (that frame instead; on the air as drop),
    silent (the chip is deaf and mute until its reset pin), reset (the chip browns out and boots into LowVbat),
    remove (every card is taken just before).
    """

    kind: str
    amount: int | None = None

    def mangled(self, data: bytes) -> bytes:
        if self.kind == "truncate":
            return data[: len(data) // 2 if self.amount is None else self.amount]
        if self.kind == "corrupt" and data:
            at = len(data) // 2 if self.amount is None else min(self.amount, len(data) - 1)
            return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        return data


FAULTS = ("drop", "truncate", "corrupt", "duplicate", "delay", "nack", "error", "silent", "reset", "remove")


class FaultAt:
    """A `faults` hook with one fault at one frame; `seen` keeps every point, so that a clean run counts them."""

    def __init__(self, number: int = -1, fault: Fault | None = None):
        self.number, self.fault = number, fault
        self.seen: list[Point] = []

    def __call__(self, point: Point) -> Fault | None:
        self.seen.append(point)
        return self.fault if point.number == self.number else None
