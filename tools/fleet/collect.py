"""`journal collect`: the pulled journals of many readers, checked, as Parquet files for `settle`."""

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from store.journal import KEPT
from ticket import form
from ticket.rules import ledger_key
from ticket.verdict import Refused
from tools.fleet import journal_file
from tools.problem import Problem
from tools.site.directory import Site
from tools.terminal import say
from tools.units import instant_ms

EXAMPLES = """Examples:

  python -m tools journal collect site --to fleet

  python -m tools journal collect stations/* --to fleet"""

# One row a record of a journal. `device` stands for the reader's journal key, so a reader that was emptied and given a
# new one begins anew. `session` is a GRANT's own sequence number, and the one that a VOID or an END belongs to.
# `code` is the record's link in the chain. Absent is null.
COLUMNS = {
    "operator": "string", "reader": "string", "device": "string", "stream": "string", "sequence": "int64",
    "code": "string", "kind": "string", "time_s": "int64", "clock": "string", "reason": "string", "detail": "string",
    "evse": "string", "kid": "string", "ticket_key": "string", "provider": "string", "ticket_id": "string",
    "multi_usage": "string", "tariff": "string", "holder": "string", "online": "string", "session": "int64",
    "seconds": "int64", "energy_wh": "int64",
}  # fmt: skip
_FOLDERS = "collected.txt"  # in a site directory: where its journals were collected, a folder a line
_SHORT = 16  # characters of a SHA-256 in hexadecimal that stand for a device, or an export


def collect(
    sites: Annotated[list[Path], typer.Argument(metavar="SITE…", help="Site directories with pulled journals.")],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where the Parquet files go; made if need be.")],
):
    """Turn the pulled journals of many readers into Parquet files, which `settle` reads.

    Each journal is checked with its reader's key, and that it goes on where the reader's last one ended. What was
    collected before is not written twice. The tickets themselves stay in the journals.
    """
    if missing := [site for site in sites if not site.is_dir()]:
        raise Problem(f"{missing[0]} is no site directory; correct the path: a reader left out would not be settled")
    to.mkdir(parents=True, exist_ok=True)
    found = [(Site.load(site), file) for site in sites for file in sorted(site.glob("*.journal"))]
    if not found:
        raise Problem("no journals there; fetch them with `python -m tools journal pull`")
    added = 0
    for site, file in track(found, "collecting", console=Console(stderr=True), transient=True):
        added += collect_one(site, file, to)
    for site in {site.folder: site for site, _ in found}.values():
        _note(site, to)
    say(f"{to}: {added} new records of {len(found)} journals")


def collect_one(site: Site, file: Path, to: Path) -> int:
    """Writes what is new in a pulled journal to the folder; how many records that were."""
    key = site.journal_key()
    device = device_of(key)
    export = journal_file.read_checked(file, key)
    target = to / f"{device}-{hashlib.sha256(export).hexdigest()[:_SHORT]}.parquet"
    if target.exists():
        return 0
    known, rows, entries = known_codes(to, device), [], journal_file.entries(export)
    _continue(entries, known, file)
    for entry in entries:
        record = journal_file.record(entry)
        if (record["stream"], record["sequence"]) not in known:
            rows.append(_row(site, device, record, entry[5].hex()))
    write(rows, target)
    return len(rows)


def device_of(key: bytes) -> str:
    """What stands for a reader with that journal key."""
    return hashlib.sha256(b"journal" + key).hexdigest()[:_SHORT]


def collected_in(site: Site) -> list[Path]:
    """The folders that a site's journals were collected into."""
    note = site.folder / _FOLDERS
    return [Path(line) for line in note.read_text("utf-8").splitlines() if line] if note.exists() else []


def _note(site: Site, to: Path) -> None:
    """Remembers the folder, so that `purge` finds what was collected."""
    folders = collected_in(site)
    if to.resolve() not in folders:
        with (site.folder / _FOLDERS).open("a", encoding="utf-8") as file:
            file.write(f"{to.resolve()}\n")


def write(rows: list[dict[str, Any]], target: Path) -> None:
    """One Parquet file of rows as COLUMNS has them, whole or not at all."""
    arrow, parquet = packages()
    schema = arrow.schema([(name, arrow.type_for_alias(kind)) for name, kind in COLUMNS.items()])
    part = target.with_suffix(".part")
    parquet.write_table(arrow.Table.from_pylist(rows, schema=schema), part)
    part.replace(target)


def packages() -> tuple[Any, Any]:
    """pyarrow and its Parquet module, or Problem."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise Problem("this needs Parquet: pip install -r tools/fleet-requirements.txt") from None
    return pyarrow, pyarrow.parquet


def known_codes(folder: Path, device: str) -> dict[tuple[str, int], str]:
    """(stream, sequence): code of what was collected of a device."""
    _, parquet = packages()
    known = {}
    for path in sorted(folder.glob(f"{device}-*.parquet")):
        for row in parquet.read_table(path, columns=["stream", "sequence", "code"]).to_pylist():
            known[row["stream"], row["sequence"]] = row["code"]
    return known


def _continue(entries: list, known: dict[tuple[str, int], str], file: Path) -> None:
    """Problem where a journal does not go on from what was collected before."""
    kept = [entry for entry in entries if entry[0] == KEPT]
    last = max((sequence for stream, sequence in known if stream == "kept"), default=0)
    for entry in kept:
        if known.get(("kept", entry[1]), entry[5].hex()) != entry[5].hex():
            raise Problem(
                f"{file}: record {entry[1]} is not the one that was collected before; was this reader emptied "
                "without a new journal key? collect it into a folder of its own"
            )
    if kept and last and kept[0][1] > last + 1:
        raise Problem(f"{file}: begins at record {kept[0][1]}, but {last + 1} was never collected; where is it?")
    if kept and kept[0][1] == last + 1 and last and not known["kept", last].startswith(kept[0][4].hex()):
        raise Problem(f"{file}: does not continue the journal that was collected before; keep both, and ask why")


def _row(site: Site, device: str, record: dict[str, Any], code: str) -> dict[str, Any]:
    row = {
        "operator": site.content["operator"],
        "reader": site.reader,
        "device": device,
        "code": code,
        "reason": record.get("what"),
        "ticket_key": record.get("ticketKey"),
        "energy_wh": record.get("energy"),
        "session": record["sequence"] if record["kind"] == "GRANT" else record.get("grant"),
        **{name: record.get(name) for name in ("stream", "sequence", "kind", "clock", "detail", "evse", "kid")},
        **{name: record.get(name) for name in ("holder", "online", "seconds")},
        "time_s": instant_ms(record["time"]) // 1000 if "time" in record else None,
    }
    if record["kind"] == "GRANT" and "ticket" in record:
        row |= _ticket(bytes.fromhex(record["ticket"]))
    return row


def _ticket(ticket: bytes) -> dict[str, Any]:
    """What settling needs of a granted ticket, by the firmware's own reading of it."""
    try:
        claims = form.claims(form.read(ticket))
    except Refused:
        return {}  # an older reader took what this version would not: its session still counts
    return {
        "ticket_key": ledger_key(claims).hex(),
        "provider": claims.provider_id.decode(),
        "ticket_id": claims.id.decode(),
        "multi_usage": claims.multi_usage,
        "tariff": ", ".join(one.decode() for one in claims.tariffs or ()) or None,
    }
