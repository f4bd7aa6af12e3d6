"""`repair`: what is damaged in a reader's stores, and giving it up so that the reader goes on."""

import secrets
from datetime import UTC, datetime
from typing import Annotated

import typer

from tools.fleet import journal_file
from tools.options import SITE
from tools.problem import Problem
from tools.readers import deploy, journal
from tools.site.directory import Site
from tools.terminal import say, working

EXAMPLES = """Examples:

  python -m tools repair --site site --port /dev/ttyUSB0

  python -m tools repair --site site --port /dev/ttyUSB0 --give-up"""

_SHOW = """
from station import repair
for line in repair.{call}:
    print("damage", line)
print("looked")
"""


def repair(
    site: SITE,
    port: deploy.PortOption,
    give_up: Annotated[
        bool, typer.Option("--give-up", help="Give up what is damaged: see above what that costs.")
    ] = False,
) -> int:
    """Show what is damaged in a reader's stores; with --give-up put them in order.

    A reader with a damaged store grants nothing, and says so by its lights. What is given up is lost: of a damaged
    part of the ledger the used tickets, which may then be used once more; of a damaged journal all records, of which
    those that can be read are saved to a file in the site directory first. Exit code 1 while something is damaged.
    """
    here = Site.load(site)
    with working(f"looking at {port}"), deploy.opened(port) as board:
        found = look(board)
        if found and give_up:
            save(board, here)
            put_in_order(board)
    for line in found:
        print(f"{'given up' if give_up else 'damaged'}: {line}")
    if not found:
        say(f"{port}: nothing is damaged")
    return 1 if found and not give_up else 0


def look(port: deploy.Port) -> list[str]:
    """What is damaged on a board, in words."""
    return _asked(port, "damage()", brief=True)


def put_in_order(port: deploy.Port) -> list[str]:
    """Puts in order what is damaged on a board, and says what it was."""
    return _asked(port, f"give_up({(1 << 62) + secrets.randbits(62)})")


def _asked(port: deploy.Port, call: str, *, brief: bool = False) -> list[str]:
    with deploy.maintenance(port, brief=brief):
        lines = deploy.execute(port, _SHOW.format(call=call)).splitlines()
    if "looked" not in lines:
        raise Problem(f"the board did not look: {lines[-1] if lines else 'it said nothing'}; is it provisioned?")
    return [line.removeprefix("damage ") for line in lines if line.startswith("damage ")]


def save(port: deploy.Port, site: Site) -> None:
    """Writes what can be read of a board's journal to the site directory, as `journal pull` does, but unchecked."""
    try:
        export, _ = journal.fetch_unchecked(port)
    except Problem as problem:
        say(f"nothing of the journal can be saved: {problem}")
        return
    path = site.folder / f"{site.reader}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-damaged.journal"
    journal_file.write(path, export)
    say(f"Saved {len(journal_file.records(export))} records to {path}")
