"""`provision` and `clock`: a board learns whose reader it is, whom it believes, and what time it is."""

from datetime import UTC, datetime

from tools import deploy
from tools.options import SITE
from tools.problem import Problem
from tools.site import Site
from tools.terminal import say

PROVISION_EXAMPLES = """Examples:

  python -m tools provision --site site --port /dev/ttyUSB0

  python -m tools provision --site site --port virtual"""

CLOCK_EXAMPLES = """Examples:

  python -m tools clock --port /dev/ttyUSB0"""

# Only what is not there is made: a ledger that was lost must show, so the reader itself never makes one.
_PREPARE = """
try:
    from station.stores import prepare
except ImportError:
    print("no firmware")
else:
    prepare()
    print("prepared")
"""


def install(port: deploy.Port, site: Site) -> None:
    """Brings the site's files to a board that has firmware, makes its empty stores, sets its clock and restarts it."""
    files = site.provision_files()
    with deploy.maintenance(port):
        deploy.push(port, files)
        if "prepared" not in deploy.execute(port, _PREPARE):
            raise Problem("this board has no firmware, or a damaged one; deploy it first, then provision again")
        _tell_time(port)


def set_clock(port: deploy.Port, now: datetime | None = None) -> None:
    """Sets the board's clock (UTC; default: this machine's time) and restarts it, so that the reader takes it up."""
    _tell_time(port, now)
    deploy.reset(port)


def _tell_time(port: deploy.Port, now: datetime | None = None) -> None:
    now = now or datetime.now(UTC)
    fields = (now.year, now.month, now.day, now.weekday(), now.hour, now.minute, now.second, 0)
    deploy.execute(port, f"from machine import RTC; RTC().datetime({fields})")


def provision(site: SITE, port: deploy.PortOption):
    """Put a site's config, trust bundle and journal key on a board, and set its clock.

    The board needs the firmware first (`deploy`). Used tickets and the journal on it are kept.
    """
    here = Site.load(site)
    with deploy.opened(port) as board:
        install(board, here)
    say(f"{port} is {here.reader} of {', '.join(here.evse_ids)}")


def clock(port: deploy.PortOption):
    """Set a board's clock to this machine's time.

    A reader refuses tickets until it knows the time; without a battery it forgets it when the power goes.
    """
    with deploy.opened(port) as board:
        set_clock(board)
    say(f"{port}: clock set")
