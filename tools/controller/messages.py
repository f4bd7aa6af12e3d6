"""The bytes between controller and reader: `firmware/relay/OSDP.md`, sections 2 and 6.

A message is (id, number, values); values is a dict by the names of FORMS. Numbers are little endian.
"""

import struct
from enum import IntEnum
from typing import Any, NamedTuple

VENDOR = 0x544342  # the vendor code 42 43 54, as libosdp gives and takes it
LONGEST = 64  # bytes of a packet, its header included
UNKNOWN_WH = 0xFFFFFFFF
UNKNOWN_VEHICLE = 255


class Id(IntEnum):
    """Which message it is; below 80 (hexadecimal) from the reader."""

    READER = 0x01
    GRANT = 0x02
    RENEW = 0x03
    END = 0x04
    ENDED_TAKEN = 0x05
    VALIDATE = 0x06
    RESUME = 0x07
    TIME_ANSWER = 0x08
    DOCUMENT = 0x0A
    JOURNAL = 0x0B
    COLLECTED_ANSWER = 0x0C
    STATUS = 0x0D
    REJECTED = 0x0F
    CONTROLLER = 0x81
    GRANT_ANSWER = 0x82
    RUNS = 0x83
    END_ANSWER = 0x84
    ENDED = 0x85
    VALIDATE_ANSWER = 0x86
    VEHICLE = 0x87
    TIME = 0x88
    STOP = 0x89
    JOURNAL_READ = 0x8B
    COLLECTED = 0x8C
    STATUS_GET = 0x8D


ACCEPTED, BUSY, NOT_ENFORCED, NO_VEHICLE, FAULT, NOT_WANTED = range(6)  # results of GRANT_ANSWER
CAUSES = (
    "DURATION", "ENERGY", "UNPLUGGED", "STOPPED_BY_DRIVER", "STOPPED_BY_CONTROLLER", "LEASE_LOST", "RESTART",
    "RELAY_FAULT", "PRICE",
)  # fmt: skip
(
    DURATION, BY_ENERGY, UNPLUGGED, STOPPED_BY_DRIVER, STOPPED_BY_CONTROLLER, LEASE_LOST, RESTART, RELAY_FAULT, PRICE,
) = range(9)  # fmt: skip
ENERGY_BIT, POWER_BIT, CURRENT_BIT, DURATION_BIT, PRICE_BIT = 1, 2, 4, 8, 16  # of `limits` and `enforces`
LIMITS = ("maxEnergy", "maxPower", "maxCurrent", "maxDuration", "maxPrice")  # of those bits

# One letter a member, as in `struct`, and three of our own: t a text after its length byte, T texts to the end,
# J bytes after a u16 length, K 32 bytes, N 16 bytes.
FORMS: dict[Id, tuple[str, ...]] = {
    Id.READER: ("B version", "I starts", "B count", "t reader", "T evses"),
    Id.CONTROLLER: ("B version", "B enforces", "B flags"),
    Id.GRANT: (
        "I session", "B evse", "B holder", "B smart", "H lease_s", "B limits", "I max_energy_wh", "I max_power_w",
        "I max_current_a", "I max_duration_min", "K ticket_key", "t provider", "t ticket", "t price", "t currency",
        "J tariffs",
    ),
    Id.GRANT_ANSWER: ("I session", "B result"),
    Id.RENEW: ("I session", "H lease_s"),
    Id.RUNS: ("I session", "B result", "I seconds", "I energy_wh", "B vehicle"),
    Id.END: ("I session", "B cause"),
    Id.END_ANSWER: ("I session", "I seconds", "I energy_wh"),
    Id.ENDED: ("I session", "B cause", "I seconds", "I energy_wh"),
    Id.ENDED_TAKEN: ("I session",),
    Id.VALIDATE: ("B evse", "B why", "K ticket_key", "t provider", "t ticket"),
    Id.VALIDATE_ANSWER: ("B result",),
    Id.RESUME: ("I session", "B evse"),
    Id.VEHICLE: ("B evse", "B state"),
    Id.TIME: ("I unix_s",),
    Id.TIME_ANSWER: ("B result", "I unix_s"),
    Id.STOP: ("I session",),
    Id.DOCUMENT: ("B result", "t outcome"),
    Id.JOURNAL_READ: ("I first_kept", "I first_refusal", "N nonce"),
    Id.COLLECTED: ("I last_kept",),
    Id.COLLECTED_ANSWER: ("B result", "I oldest_kept", "I last_kept"),
    Id.STATUS_GET: (),
    Id.STATUS: (
        "B version", "B clock", "I unix_s", "I trust_version", "I oldest_kept", "I last_kept", "I oldest_refusal",
        "I last_refusal", "H remembered", "H room", "B dropped", "t fault",
    ),
    Id.REJECTED: ("B rejected", "B why"),
}  # fmt: skip

_HEAD = struct.Struct("<BBHH")
_PIECE = struct.Struct("<BBI")
_FIXED = {"K": 32, "N": 16}
_LONGEST_MESSAGE = 24576  # bytes: more than the tariffs of any ticket can take as JSON


class Malformed(Exception):
    """Bytes that are no message of the reader; the words say why."""


class Message(NamedTuple):
    """A whole message: its id, its number, its values by name."""

    id: Id
    number: int
    values: dict[str, Any]


class Piece(NamedTuple):
    """A part of a journal export; an empty one ends it."""

    number: int
    offset: int
    data: bytes


def pack(id: Id, number: int, **values: Any) -> bytes:
    """A message to the reader in its one fragment, at most LONGEST bytes. Raises Malformed for what does not fit."""
    body = pack_body(id, **values)
    if _HEAD.size + len(body) > LONGEST:
        raise Malformed(f"{id.name} is {len(body)} bytes long")
    return _HEAD.pack(id, number, len(body), 0) + body


def pack_body(id: Id, **values: Any) -> bytes:
    """What stands behind the header. Raises Malformed for a value out of its range, KeyError for a missing one."""
    body = b""
    for form in FORMS[id]:
        kind, name = form.split()
        value = values[name]
        try:
            if kind in "tT":
                texts = [value] if kind == "t" else value
                body += b"".join(struct.pack("<B", len(text.encode())) + text.encode() for text in texts)
            elif kind == "J":
                body += struct.pack("<H", len(value)) + value
            elif kind in _FIXED:
                if len(value) != _FIXED[kind]:
                    raise Malformed(f"{name} has {len(value)} bytes")
                body += value
            else:
                body += struct.pack("<" + kind, value)
        except struct.error as error:
            raise Malformed(f"{name}: {error}") from None
    return body


def unpack_body(id: Id, body: bytes) -> dict[str, Any]:
    """The values of a message. Raises Malformed for too few bytes, too many, and texts that are none."""
    values: dict[str, Any] = {}
    at = 0

    def take(size: int) -> bytes:
        nonlocal at
        if at + size > len(body):
            raise Malformed(f"{id.name} ends within {name}")
        at += size
        return body[at - size : at]

    for form in FORMS[id]:
        kind, name = form.split()
        try:
            if kind == "t":
                values[name] = take(take(1)[0]).decode()
            elif kind == "T":
                values[name] = []
                while at < len(body):
                    values[name].append(take(take(1)[0]).decode())
            elif kind == "J":
                values[name] = take(struct.unpack("<H", take(2))[0])
            elif kind in _FIXED:
                values[name] = take(_FIXED[kind])
            else:
                values[name] = struct.unpack("<" + kind, take(struct.calcsize("<" + kind)))[0]
        except UnicodeDecodeError:
            raise Malformed(f"{id.name}: {name} is not UTF-8") from None
    if at != len(body):
        raise Malformed(f"{id.name} has {len(body) - at} bytes too many")
    return values


class Assembly:
    """Puts one reader's fragments together."""

    def __init__(self) -> None:
        self._begun: tuple[int, int, int] | None = None  # id, number, length
        self._body = b""

    def feed(self, data: bytes) -> Message | Piece | None:
        """A whole message or a journal piece, once there is one. Raises Malformed, and has forgotten what it held."""
        if len(data) > LONGEST:
            raise self._lost(f"a packet of {len(data)} bytes")
        if data[:1] == bytes((Id.JOURNAL,)):
            if len(data) < _PIECE.size:
                raise self._lost("a short JOURNAL piece")
            _, number, offset = _PIECE.unpack_from(data)
            return Piece(number, offset, data[_PIECE.size :])
        if len(data) < _HEAD.size:
            raise self._lost("a packet without a whole header")
        id, number, length, offset = _HEAD.unpack_from(data)
        if offset == 0:
            self._begun, self._body = (id, number, length), b""
        elif self._begun != (id, number, length) or offset != len(self._body):
            raise self._lost(f"a fragment of offset {offset} that is not due")
        self._body += data[_HEAD.size :]
        if length > _LONGEST_MESSAGE or len(self._body) > length:
            raise self._lost(f"{len(self._body)} of {length} bytes")
        if len(self._body) < length:
            return None
        body = self._body
        self._begun, self._body = None, b""
        try:
            known = Id(id)
        except ValueError:
            known = Id.CONTROLLER
        if known >= 0x80:
            raise Malformed(f"no message of a reader has the id {id:#04x}")
        return Message(known, number, unpack_body(known, body))

    def _lost(self, why: str) -> Malformed:
        self._begun, self._body = None, b""
        return Malformed(why)
