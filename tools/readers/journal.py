"""`journal`: what a reader decided, fetched from the board, checked and shown."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from tools.fleet import journal_file
from tools.fleet.purge import purge
from tools.options import AS_JSON, SITE
from tools.problem import Problem
from tools.readers import deploy
from tools.site.directory import Site
from tools.terminal import answers, printable, say, working

EXAMPLES = """Examples:

  python -m tools journal pull --site site --port /dev/ttyUSB0

  python -m tools journal show site/reader-1-20261122T120000Z.journal

  python -m tools journal verify --site site site/reader-1-20261122T120000Z.journal"""

_MORE = ("detail", "holder", "online", "grant", "seconds", "energy")
_NONCE_BYTES = 16

_EXPORT = """
import binascii
from store.journal import Journal
with open("/keys/journal.key", "rb") as file:
    journal = Journal("/data/journal", file.read())
for part in journal.export(1, 1, binascii.unhexlify("{nonce}")):
    print("+", binascii.hexlify(part).decode())
print("exported")
"""
# Grants that have no end yet stay: the reader's next start ends them, or asks its controller about them.
_RELEASE = """
from station import unended
from store.journal import Journal
with open("/keys/journal.key", "rb") as file:
    journal = Journal("/data/journal", file.read())
found = ()
for found in unended.steps(journal):
    pass
journal.collected(min([{last}] + [session - 1 for session in found]))
print("released")
"""

app = typer.Typer(
    help="What a reader granted and refused: fetch its journal, check that nothing is missing or changed, show it.",
    epilog=EXAMPLES,
    rich_markup_mode="rich",
    no_args_is_help=True,
)
_FILE = Annotated[Path, typer.Argument(metavar="FILE", help="A journal that `pull` fetched.")]


@app.command()
def pull(
    site: SITE,
    port: deploy.PortOption,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to.", show_default="a new file in the site directory")
    ] = None,
    release: Annotated[
        bool, typer.Option("--release", help="Then let the reader use the room of the grants again that were fetched.")
    ] = False,
):
    """Fetch a reader's journal and check it. The reader stands still for the while.

    The file is checked before anything is released: what fails the check stays on the reader. Journals in the site
    directory that are older than site.toml lets them be are purged, as `purge` does.
    """
    here = Site.load(site)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    out = out or site / f"{here.reader}-{stamp}.journal"
    with working(f"fetching from {port}"), deploy.opened(port) as board:
        # nothing that may fail here is inside a maintenance: that would keep the reader from its work
        export = fetch(board, here.journal_key())
        journal_file.write(out, export)
        grants = [record["sequence"] for record in journal_file.records(export) if record["stream"] == "kept"]
        if release and grants:
            _release(board, grants[-1])
    say(f"Wrote {out}: {len(journal_file.records(export))} records, none missing or changed")
    if gone := purge(here)[0]:
        say(f"Deleted, since their time is over and all of it is collected: {', '.join(file.name for file in gone)}")


@app.command()
def verify(site: SITE, file: _FILE):
    """Check a fetched journal with the reader's key: a removed, added, changed or reordered record is found."""
    export = journal_file.read_checked(file, Site.load(site).journal_key())
    say(f"{file}: {len(journal_file.records(export))} records, none missing or changed")


@app.command()
def show(file: _FILE, as_json: AS_JSON = False):
    """Show what a fetched journal says, oldest first, grants before refusals. `verify` checks it."""
    export = journal_file.read(file)
    found = journal_file.records(export)
    if not found and not journal_file.trailer(export):
        raise Problem(f"{file} is no journal, nothing in it can be read; `journal pull` fetches one")
    if as_json:
        print(json.dumps(found, indent=2))
        return
    table = Table(title=f"{file.name}: {len(found)} records", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "kind", "time", "what"):
        table.add_column(heading, overflow="fold")
    for record in found:
        row = [str(record["sequence"]), record["kind"], journal_file.known_time(record)]
        more = {name: record[name] for name in _MORE if name in record}
        more |= record.get("limits", {})
        said = [" ".join(str(record[name]) for name in ("what", "evse") if name in record)]
        said.append(", ".join(f"{name} {value}" for name, value in more.items()))
        what = "\n".join(printable(line) for line in said if line)
        colour = {"GRANT": "green", "REFUSAL": "red"}.get(record["kind"], "")
        table.add_row(*(Text(cell) for cell in [*row, what]), style=colour)
    answers().print(table)


def fetch(port: deploy.Port, key: bytes) -> bytes:
    """The export of a board's journal, checked: made for this question, whole, unchanged. Problem otherwise."""
    export, nonce = fetch_unchecked(port)
    journal_file.check(export, key, nonce, "the board's journal", "`python -m tools repair` shows what is damaged")
    return export


def fetch_unchecked(port: deploy.Port) -> tuple[bytes, bytes]:
    """(what a board can still give of its journal, the nonce that it was asked with)."""
    nonce = os.urandom(_NONCE_BYTES)
    with deploy.maintenance(port, brief=True):
        lines = deploy.execute(port, _EXPORT.format(nonce=nonce.hex())).splitlines()
    if "exported" not in lines:
        raise Problem(f"the board gave no journal: {lines[-1] if lines else 'it said nothing'}; is it provisioned?")
    return b"".join(bytes.fromhex(line[2:]) for line in lines if line.startswith("+ ")), nonce


def _release(port: deploy.Port, last: int) -> None:
    with deploy.maintenance(port, brief=True):
        said = deploy.execute(port, _RELEASE.format(last=last))
    if "released" not in said:
        raise Problem("the journal was fetched, but the reader did not release it; pull once more with --release")
