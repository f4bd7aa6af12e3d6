"""The radio field of a reader at 106 kbit/s, and what every ISO/IEC 14443-3 type A card does in it.

A card answers frames with `hear`; it never acts on its own. Removal is physical: a card that was taken is
silent from that microsecond on, in the middle of its own answer too.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from .world import World

FDT_US = 92  # frame delay time, card to reader, at its shortest: 1236/fc (ISO/IEC 14443-3, 6.2.1.1)
TRACE_LIMIT = 8192


def frame_us(bits: int) -> int:
    """Microseconds on the air: every byte carries a parity bit, every frame a start and an end."""
    return ((bits // 8) * 9 + bits % 8 + 2) * 128_000 // 13_560


def crc_a(data: bytes) -> bytes:
    """CRC_A of ISO/IEC 14443-3 annex B, low byte first."""
    crc = 0x6363
    for byte in data:
        byte ^= crc & 0xFF
        byte = (byte ^ (byte << 4)) & 0xFF
        crc = (crc >> 8) ^ (byte << 8) ^ (byte << 3) ^ (byte >> 4)
    return bytes((crc & 0xFF, crc >> 8))


class Frame(NamedTuple):
    """A frame from the reader: `data` without its CRC, `bits` of it that are sent, whether a right CRC followed."""

    data: bytes
    bits: int
    crc: bool = True


class Reply(NamedTuple):
    """What a card answers: `data` without CRC, `bits` (4 for ACK and NAK), and the delay before its first bit."""

    data: bytes
    bits: int
    crc: bool = True
    delay_us: int = FDT_US


def answer(data: bytes, delay_us: int = FDT_US) -> Reply:
    return Reply(bytes(data), 8 * len(data), True, max(FDT_US, delay_us))


def nibble(value: int, delay_us: int = FDT_US) -> Reply:
    """A four-bit ACK (0xA) or NAK of the Type 2 and MIFARE commands."""
    return Reply(bytes((value,)), 4, False, max(FDT_US, delay_us))


class Traced(NamedTuple):
    """One frame on the air. `sender` is "reader" or the card's name; CRC bytes are left out of `data`."""

    start_us: int
    end_us: int
    sender: str
    data: bytes


class Field:
    """What lies on the antenna. `put` and `take` may be called at any time; `trace` keeps the last frames."""

    def __init__(self, world: World):
        self.world = world
        self.cards: list[Card] = []
        self.on = False
        self.on_change: list[Callable[[], None]] = []
        self.trace: deque[Traced] = deque(maxlen=TRACE_LIMIT)

    def put(self, card: "Card", frames: int | None = None) -> "Card":
        """Lays a card on the reader; with `frames` it is gone again after it has heard so many."""
        if card not in self.cards:
            self.cards.append(card)
            card.field = self
            card.reset("IDLE" if self.on else "OFF")
        card.frames_left = frames
        self._changed()
        return card

    def take(self, card: "Card | None" = None) -> None:
        """Takes one card away, or all."""
        for gone in [card] if card else list(self.cards):
            if gone in self.cards:
                self.cards.remove(gone)
                gone.reset("OFF")
        self._changed()

    def switch(self, on: bool) -> None:
        """The reader's carrier: without it every card forgets where it was."""
        if on != self.on:
            self.on = on
            for card in self.cards:
                card.reset("IDLE" if on else "OFF")

    def hear(self, frame: Frame) -> list[tuple["Card", Reply]]:
        """Every card present hears the frame; returns those that answer."""
        replies = []
        for card in list(self.cards) if self.on else ():
            if card.frames_left is not None:
                if card.frames_left <= 0:
                    self.take(card)
                    continue
                card.frames_left -= 1
            card.frames += 1
            reply = card.hear(frame)
            if reply is not None:
                replies.append((card, reply))
        return replies

    def note(self, start_us: int, end_us: int, sender: str, data: bytes) -> None:
        self.trace.append(Traced(start_us, end_us, sender, bytes(data)))

    def cost(self, since_us: int = 0) -> tuple[int, int]:
        """(frames on the air, microseconds from the first one's start to the last one's end) since a time."""
        seen = [traced for traced in self.trace if traced.start_us >= since_us]
        return (len(seen), seen[-1].end_us - seen[0].start_us) if seen else (0, 0)

    def _changed(self) -> None:
        for call in list(self.on_change):
            call()


class Card:
    """ISO/IEC 14443-3 type A: OFF, IDLE, READY, ACTIVE, HALT, and PROTOCOL for cards that go on to part 4.

    A card that was woken from HALT and then hears what it does not expect returns there, else to IDLE
    (figure 8 of part 3). What it then hears finds it mute: only a new request wakes it.
    """

    name = "card"
    atqa = b"\x44\x00"  # as on the air, low byte first
    sak = 0x00

    def __init__(self, uid: bytes):
        if len(uid) not in (4, 7, 10):
            raise ValueError("a UID has 4, 7 or 10 bytes")
        self.uid = bytes(uid)
        self.field: Field | None = None
        self.frames = 0
        self.frames_left: int | None = None
        self.state = "OFF"
        self._level = 0
        self._halted = False

    @property
    def now_us(self) -> int:
        return self.field.world.now_us if self.field else 0

    def reset(self, state: str) -> None:
        self.state = state
        self._halted = False

    def cascade(self) -> list[bytes]:
        """The UID as the anticollision loop sees it: per level four bytes and their check byte."""
        parts = [self.uid[:4]]
        if len(self.uid) == 7:
            parts = [b"\x88" + self.uid[:3], self.uid[3:]]
        elif len(self.uid) == 10:
            parts = [b"\x88" + self.uid[:3], b"\x88" + self.uid[3:6], self.uid[6:]]
        return [part + bytes((part[0] ^ part[1] ^ part[2] ^ part[3],)) for part in parts]

    def fall_back(self) -> None:
        self.state = "HALT" if self._halted else "IDLE"

    def hear(self, frame: Frame) -> Reply | None:
        if self.state == "PROTOCOL":
            return self.block(frame.data) if frame.crc and frame.bits >= 8 else None
        if frame.bits == 7:
            return self._requested(frame.data[0])
        if self.state == "READY":
            return self._anticollision(frame)
        if self.state != "ACTIVE":
            return None
        if not frame.crc:
            self.fall_back()
            return None
        if frame.data == b"\x50\x00":
            self.state = "HALT"
            self._halted = True
            return None
        return self.command(frame.data)

    def _requested(self, code: int) -> Reply | None:
        if (self.state == "IDLE" and code in (0x26, 0x52)) or (self.state == "HALT" and code == 0x52):
            self._halted = self.state == "HALT"
            self.state = "READY"
            self._level = 0
            return Reply(self.atqa, 16, False)
        if self.state in ("READY", "ACTIVE"):
            self.fall_back()
        return None

    def _anticollision(self, frame: Frame) -> Reply | None:
        data = frame.data
        parts = self.cascade()
        if len(data) < 2 or data[0] != 0x93 + 2 * self._level:
            self.fall_back()
            return None
        part = parts[self._level]
        if data[1] == 0x70:
            if not frame.crc or data[2:] != part:
                self.fall_back()
                return None
            self._level += 1
            if self._level < len(parts):
                return answer(b"\x04")
            self.state = "ACTIVE"
            return answer(bytes((self.sak,)))
        known = (data[1] >> 4) * 8 + (data[1] & 7) - 16
        mine = int.from_bytes(part, "little")
        asked = int.from_bytes(data[2:], "little")
        if not 0 <= known < 40 or (mine ^ asked) & ((1 << known) - 1):
            return None  # another card is meant; this one stays READY and hears the SELECT
        return Reply(part, 40 - known, False)

    def command(self, data: bytes) -> Reply | None:
        """A frame with a right CRC in ACTIVE. What a card does not know, it answers with silence."""
        self.fall_back()
        return None

    def block(self, data: bytes) -> Reply | None:
        """A frame with a right CRC in PROTOCOL (ISO/IEC 14443-4)."""
        return None
