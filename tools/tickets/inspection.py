"""`inspect`: what a ticket says, and nothing about whether it is true."""

import base64
import binascii
import json

import cbor2
import typer
from rich.table import Table
from rich.text import Text

from tools.options import AS_JSON, TICKET
from tools.terminal import answers, printable, say
from tools.tickets import cwt_claims, ticket_file

EXAMPLES = """Examples:

  python -m tools inspect ticket.jws

  python -m tools issue --site site | python -m tools inspect -"""

# Bytes of NDEF that a tag holds. A ticket on it needs its own and 4 of TLV, 6 of record header, its type, 1 of TLV end.
_TAGS = {"NTAG213": 144, "NTAG215": 504, "NTAG216": 888}
_RECORD_BYTES = 4 + 6 + len("application/charging-ticket+jws") + 1
_UNITS = {"maxEnergy": "Wh", "maxPower": "W", "maxCurrent": "A", "maxDuration": "min"}
_HEADERS = {1: "alg", 4: "kid"}
_ALGORITHMS = {-19: "Ed25519", -8: "EdDSA"}


class Broken(Exception):
    """What is wrong with a ticket, where no more can be told of it."""


def inspect(
    ticket: TICKET,
    as_json: AS_JSON = False,
):
    """Show what a ticket says, without judging it: no signature is checked, no rule applied.

    Exit code 0 if all of it could be read, 1 if it is broken; what could be read is shown all the same.
    """
    data = ticket_file.read(ticket)
    found = describe(data)
    if as_json:
        print(json.dumps(found, indent=2, default=_as_text))
    else:
        _show(found)
    if found["problem"]:
        say(f"broken: {found['problem']}")
        raise typer.Exit(1)


def describe(data: bytes) -> dict:
    """`form`, `bytes`, `verified` (always false), `header`, `claims`, `signatureBytes`, `problem` (None or a line)."""
    form = "cwt" if data[:1] in ticket_file.CWT_STARTS else "jws"
    found = {"form": form, "bytes": len(data), "verified": False, "header": None, "claims": None}
    found |= {"signatureBytes": None, "problem": None}
    try:
        (_cwt if form == "cwt" else _jws)(data, found)
        _complain_of_shape(found)
    except Broken as broken:
        found["problem"] = str(broken)
    return found


def _jws(data: bytes, found: dict) -> None:
    parts = data.split(b".")
    broken = []
    for part, name, read in zip(parts, ("header", "claims", "signatureBytes"), (_object, _object, len), strict=False):
        try:
            found[name] = read(_decoded(part))
        except Broken as error:
            broken.append(f"the {name.removesuffix('Bytes')} {error}")
    if len(parts) != 3:
        found["form"] = found["form"] if found["header"] else None
        raise Broken(f"a JWS has three parts between dots, this has {len(parts)}")
    if broken:
        raise Broken("; ".join(broken))


def _decoded(part: bytes) -> bytes:
    try:
        if not part.isascii() or part.strip(ticket_file.ALPHABET):
            raise ValueError
        return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except (ValueError, binascii.Error):
        raise Broken("is no base64url") from None


def _object(text: bytes) -> dict:
    try:
        content = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Broken("is no JSON") from None
    if not isinstance(content, dict):
        raise Broken("is no JSON object")
    return content


def _cwt(data: bytes, found: dict) -> None:
    message = _cbor(data, "the ticket")
    while isinstance(message, cbor2.CBORTag):
        message = message.value
    if not isinstance(message, list | tuple) or len(message) != 4:
        raise Broken("a COSE_Sign1 is an array of four, this is not")
    protected, _, payload, signature = message
    if isinstance(signature, bytes):
        found["signatureBytes"] = len(signature)
    if not isinstance(protected, bytes) or not isinstance(payload, bytes):
        raise Broken("header and payload of a COSE_Sign1 are byte strings, these are not")
    header = _cbor(protected, "the header")
    if isinstance(header, dict):
        found["header"] = {str(_HEADERS.get(key, key)): _header_value(key, value) for key, value in header.items()}
    found["claims"] = cwt_claims.decode(_cbor(payload, "the payload"))


def _header_value(key, value):
    if key == 4 and isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return _ALGORITHMS.get(value, value) if key == 1 and isinstance(value, int) else value


def _cbor(data: bytes, what: str):
    try:
        return cbor2.loads(data)
    except (cbor2.CBORDecodeError, ValueError, TypeError, RecursionError, MemoryError, OverflowError):
        raise Broken(f"{what} is no CBOR") from None


def _complain_of_shape(found: dict) -> None:
    if not isinstance(found["claims"], dict) or "" in found["claims"]:
        raise Broken("the payload is no map of claims")
    if found["signatureBytes"] != 64:
        raise Broken("the signature is not 64 bytes long")


def _show(found: dict) -> None:
    title = {"jws": "JWS", "cwt": "CWT"}.get(found["form"], "of no known form")
    table = Table(title=f"Ticket, {title}, {found['bytes']} bytes", title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for part in ("header", "claims"):
        for name, value in (found[part] or {}).items():
            table.add_row(_plain(name), _plain(value, _UNITS.get(name, "")))
        table.add_section()
    if found["signatureBytes"] is not None:
        table.add_row("signature", f"{found['signatureBytes']} bytes, not checked")
    if room := [tag for tag, size in _TAGS.items() if found["bytes"] + _RECORD_BYTES <= size]:
        table.add_row("fits on", ", ".join(room))
    console = answers()
    console.print(table)
    console.print("Nothing of this was verified: anybody can write such a ticket. `verify` judges it.", style="yellow")


def _plain(value, unit: str = "") -> Text:
    """A value on the screen: texts as they are, all else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_as_text)
    return Text(f"{printable(text)} {unit}".rstrip())


def _as_text(value) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
