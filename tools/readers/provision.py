"""`provision` and `clock`: a board learns whose reader it is, whom it believes, and what time it is."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from tools.problem import Problem
from tools.readers import deploy
from tools.readers.several import PortsOption, each, ports
from tools.site.directory import Site
from tools.terminal import say, working

PROVISION_EXAMPLES = """Examples:

  python -m tools provision --site site --port /dev/ttyUSB0

  python -m tools provision --site site --port virtual

  python -m tools provision --site gate-1,gate-2 --port /dev/ttyUSB0,/dev/ttyUSB1"""

CLOCK_EXAMPLES = """Examples:

  python -m tools clock --port /dev/ttyUSB0"""

_HAS_FIRMWARE = """
try:
    import station.stores
    print("firmware")
except ImportError:
    pass
"""
# Only what is not there is made: a ledger that was lost must show, so the reader itself never makes one.
_PREPARE = """
from station.stores import prepare
prepare()
"""


def install(port: deploy.Port, site: Site, progress: deploy.Report = lambda done, total, name: None) -> None:
    """Brings the site's files to a board that has firmware, makes its empty stores, sets its clock and restarts it.

    Raises Problem, with nothing written, if it has none.
    """
    files = site.provision_files()
    with deploy.maintenance(port):
        able = "firmware" in deploy.execute(port, _HAS_FIRMWARE)
        if able:
            deploy.push(port, files, progress)
            deploy.execute(port, _PREPARE)
            _tell_time(port)
    if not able:
        raise Problem("this board has no firmware, or a damaged one; deploy it first, then provision again")


def set_clock(port: deploy.Port, now: datetime | None = None) -> None:
    """Sets the board's clock (UTC; default: this machine's time) and restarts it, so that the reader takes it up."""
    _tell_time(port, now)
    deploy.reset(port)


def _tell_time(port: deploy.Port, now: datetime | None = None) -> None:
    now = now or datetime.now(UTC)
    fields = (now.year, now.month, now.day, now.weekday(), now.hour, now.minute, now.second, 0)
    deploy.execute(port, f"from machine import RTC; RTC().datetime({fields})")


def provision(
    site: Annotated[
        list[str],
        typer.Option("--site", metavar="DIR", help="The site, made by `init`; as many as ports, in their order."),
    ],
    port: PortsOption,
) -> int:
    """Put a site's config, trust bundle and journal key on a board, and set its clock; or on several boards at once.

    The board needs the firmware first (`deploy`). Used tickets and the journal on it are kept.
    """
    named = ports(port)
    sites = dict(zip(named, sites_for([name for text in site for name in text.split(",") if name], named), strict=True))
    for here in sites.values():
        here.trust_bundle()  # may ask for a passphrase, which several at once could not

    def work(one: str, report: deploy.Report) -> str:
        with deploy.opened(one) as board:
            install(board, sites[one], report)
        return f"{one} is {sites[one].reader} of {', '.join(sites[one].evse_ids)}"

    return each(named, "provisioning", work)


def sites_for(folders: list[str], named: list[str]) -> list[Site]:
    """The sites of the ports. Problem unless each port has one of its own: two readers with one name and one journal
    key could not be told apart, and each would take what the other has seen for unused."""
    if len(folders) != len(named):
        raise Problem(
            f"{len(named)} ports need {len(named)} sites, each a reader of its own, and {len(folders)} are named; "
            "make them with `python -m tools init`"
        )
    sites = [Site.load(folder) for folder in folders]
    readers = [(site.content["operator"].upper(), site.reader) for site in sites]
    for index, reader in enumerate(readers):
        if reader in readers[:index]:
            raise Problem(f"{folders[index]} is the reader {reader[1]} again; name it otherwise in its site.toml")
    return sites


def clock(port: deploy.PortOption):
    """Set a board's clock to this machine's time.

    A reader refuses tickets until it knows the time; without a battery it forgets it when the power goes.
    """
    with working(f"setting the clock of {port}"), deploy.opened(port) as board:
        set_clock(board)
    say(f"{port}: clock set")
