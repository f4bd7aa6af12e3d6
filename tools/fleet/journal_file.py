"""The journal of a reader as a file on the host: written, read, checked, its records in words."""

from pathlib import Path

import cbor2

from station import clock
from store.journal import END, GRANT, KEPT, NOTE, REFUSAL, TRAILER, VOID
from tools.portable import chain
from tools.problem import Problem
from tools.site.keys import reason, write_private
from tools.units import wire_time

_KINDS = {GRANT: "GRANT", VOID: "VOID", END: "END", REFUSAL: "REFUSAL", NOTE: "NOTE"}
_STATES = (clock.UNKNOWN, clock.FLOOR, clock.SET)
# JSON names of the members of a record, by the numbers of firmware/station/journal.py
_MEMBERS = {
    2: "what", 3: "evse", 4: "limits", 5: "ticket", 6: "kid", 7: "holder", 8: "grant", 9: "seconds", 10: "detail",
    11: "ticketKey", 12: "energy", 13: "online",
}  # fmt: skip
_NONCE_AT = 48  # in the trailer of an export, after its ranges and codes


def records(export: bytes) -> list[dict]:
    """What an export says: `stream`, `sequence`, `kind`, `time`, `clock` and the members of each record."""
    return [record(entry) for entry in entries(export)]


def entries(export: bytes) -> list[tuple]:
    """The records of an export as `chain.split` parts them, without its end."""
    return [entry for entry in chain.split(export) if entry[0] != TRAILER]


def record(entry: tuple) -> dict:
    """What one of `entries` says."""
    stream, sequence, kind, body, *_ = entry
    said = {
        "stream": "kept" if stream == KEPT else "refused",
        "sequence": sequence,
        "kind": _KINDS.get(kind, str(kind)),
    }
    return said | _members(body)


def known_time(record: dict) -> str:
    """When that was; "" where the reader did not know, since it then counts from the start of its clock."""
    return record.get("time", "") if record.get("clock") != clock.UNKNOWN else ""


def _members(body: bytes) -> dict:
    try:
        said = cbor2.loads(body)
        members = {"time": wire_time(1000 * said[0]), "clock": _STATES[said[1]]}
        for key, name in _MEMBERS.items():
            if key in said:
                members[name] = said[key].hex() if isinstance(said[key], bytes) else said[key]
    except (cbor2.CBORDecodeError, ValueError, TypeError, KeyError, IndexError, Problem):
        return {"what": "unreadable", "detail": body.hex()}
    return members


def read_checked(file: Path, key: bytes) -> bytes:
    """A journal from a file, checked with its reader's key. Problem where it is not what the reader wrote."""
    export = read(file)
    check(export, key, _nonce(export), file)
    return export


def _nonce(export: bytes) -> bytes:
    """The nonce that the export was made for, as its trailer tells; the pull itself has compared it."""
    return trailer(export)[_NONCE_AT:]


def trailer(export: bytes) -> bytes:
    """The body of the record that ends an export; empty without one."""
    return next((body for stream, _, _, body, *_ in reversed(chain.split(export)) if stream == TRAILER), b"")


def check(export: bytes, key: bytes, nonce: bytes, what: object, remedy: str = "keep it, and pull again") -> None:
    """Problem, which calls the export `what`, unless a reader with this key made it, whole, for this nonce."""
    _, problems = chain.verify(export, key, nonce)
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise Problem(f"{what} is not what the reader wrote: {problems[0]}{more}; {remedy}")


def read(file: Path) -> bytes:
    """An export from a file, unchecked."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise Problem(f"cannot read the journal {file}: {reason(error)}") from None


def write(file: Path, export: bytes) -> None:
    """Durably, since the reader may forget what is in it; for its owner only, since the tickets are in it."""
    try:
        write_private(file, export)
    except OSError as error:
        raise Problem(f"cannot write {file}: {reason(error)}") from None
