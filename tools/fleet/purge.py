"""`journal purge`: pulled journals hold the drivers' tickets, and go when the site's time for them is over.

Nothing is rewritten: a journal without its tickets could not be verified any more. A whole file goes, and only once
every record of it is found, code for code, in the Parquet files of `collect`, which hold no tickets. Those codes are
also what the reader's next journal must continue, so that a gap is found after a purge as before.
"""

from pathlib import Path
from typing import Annotated

import typer

from store.journal import KEPT, TRAILER
from tools.fleet import collect, journal_file
from tools.options import SITE
from tools.portable import chain
from tools.problem import Problem
from tools.site.directory import Site
from tools.site.keys import reason
from tools.terminal import say
from tools.units import duration_s, epoch_ms, instant_ms

EXAMPLES = """Examples:

  python -m tools journal purge --site site"""


def purge_command(
    site: SITE,
    uncollected: Annotated[
        bool,
        typer.Option(
            "--uncollected", help="Also those that no `collect` has: their sessions are then settled nowhere."
        ),
    ] = False,
) -> int:
    """Delete pulled journals whose tickets are older than site.toml allows (`[journal] keep_tickets`).

    The age of a journal is that of its last record. It is deleted once `collect` has each of its records; exit code 1
    where one is overdue and has to stay. What the reader still holds comes again with the next pull: use --release.
    """
    here = Site.load(site)
    if "keep_tickets" not in here.content.get("journal", {}):
        raise Problem(f'{site / "site.toml"} names no time; write keep_tickets = "90d" under [journal]')
    gone, kept = purge(here, uncollected=uncollected)
    say(f"{site}: {len(gone)} journals deleted, {len(kept)} overdue ones kept")
    return 1 if kept else 0


def purge(site: Site, now_ms: int | None = None, uncollected: bool = False) -> tuple[list[Path], list[Path]]:
    """(journals that were deleted, overdue ones that had to stay, each with a line that says why)."""
    keep = site.content.get("journal", {}).get("keep_tickets")
    gone: list[Path] = []
    kept: list[Path] = []
    if keep is None:
        return gone, kept
    before_ms = (epoch_ms() if now_ms is None else now_ms) - 1000 * duration_s(keep)
    for file in sorted(site.folder.glob("*.journal")):
        try:
            if _last_ms(file) >= before_ms:
                continue
            if not uncollected:
                _demand_collected(site, file)
            file.unlink()
            gone.append(file)
        except Problem as problem:
            kept.append(file)
            say(f"{file.name} is overdue and stays: {problem}")
        except OSError as error:
            kept.append(file)
            say(f"{file.name} is overdue and stays: {reason(error)}")
    return gone, kept


def _last_ms(file: Path) -> int:
    """When the last record was made; not after the file itself, whatever the reader's clock said."""
    changed_ms = int(file.stat().st_mtime * 1000)
    times = [
        instant_ms(record["time"]) for record in journal_file.records(file.read_bytes()) if record.get("clock") == "SET"
    ]
    return min([changed_ms, max(times)]) if times else changed_ms


def _demand_collected(site: Site, file: Path) -> None:
    """Problem unless every record of a journal is in one of the folders that `collect` has put this site into."""
    key = site.journal_key()
    known: dict[tuple[str, int], str] = {}
    for folder in collect.collected_in(site):
        known |= collect.known_codes(folder, collect.device_of(key))
    for entry in chain.split(journal_file.read_checked(file, key)):
        name = ("kept" if entry[0] == KEPT else "refused", entry[1])
        if entry[0] != TRAILER and known.get(name) != entry[5].hex():
            raise Problem("not all of it is collected; run `python -m tools journal collect`, then purge again")
