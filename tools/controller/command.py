"""`controller`: runs on a station's own computer, between its readers, its contactors and its back end."""

import asyncio
import re
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from tools.controller.evse import Evse, Gpiod, GpioEvse, SimulatedEvse
from tools.problem import Problem, shown
from tools.readers.update import load as load_update
from tools.site.directory import Site
from tools.site.keys import reason

EXAMPLES = """Examples:

  python -m tools controller --site site --port /dev/ttyUSB0 --simulate

  python -m tools controller --site site --port /dev/ttyS1 --gpio 'DE*ABC*E1*1=17,vehicle:27,pulse:22'

  python -m tools controller --site site --port /dev/ttyS1 --simulate --csms wss://csms.example --password password

  python -m tools controller --site left --site right --port /dev/ttyUSB0 --simulate"""

_LINES = re.compile(r"(\d{1,4})(?:,vehicle:(\d{1,4}))?(?:,pulse:(\d{1,4}))?", re.ASCII)
_KEY_BYTES = 16
_DEFAULT_BAUD = 9600


class Time(Enum):
    """When readers are told the time."""

    auto = "auto"
    always = "always"
    never = "never"


def controller(
    site: Annotated[
        list[Path], typer.Option("--site", metavar="DIR", help="The site of a reader on the bus; once for each.")
    ],
    port: Annotated[str, typer.Option("--port", metavar="PORT", help="The serial port of the OSDP bus.")],
    simulate: Annotated[bool, typer.Option("--simulate", help="EVSEs of memory alone: nothing is switched.")] = False,
    gpio: Annotated[
        list[str] | None,
        typer.Option(
            "--gpio", metavar="EVSE=LINES", help="An EVSE's lines: enable[,vehicle:LINE][,pulse:LINE]; once for each."
        ),
    ] = None,
    gpio_chip: Annotated[str, typer.Option("--gpio-chip", metavar="PATH", help="Whose lines.")] = "/dev/gpiochip0",
    pulses_per_kwh: Annotated[int, typer.Option(min=1, max=100_000, help="Of the meter on `pulse`.")] = 1000,
    csms: Annotated[
        str | None, typer.Option("--csms", metavar="URL", help="An OCPP 2.1 back end, as ws://… or wss://…")
    ] = None,
    identity: Annotated[
        str | None, typer.Option(metavar="NAME", help="Our name there.", show_default="the site's station id")
    ] = None,
    password: Annotated[
        Path | None, typer.Option("--password", metavar="FILE", help="A file with our password there.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="FILE", show_default="controller.sqlite in the first site",
                                  help="Where sessions and what the back end has not yet been told are kept.")
    ] = None,
    release: Annotated[
        bool, typer.Option("--release", help="Let readers use the room of grants again that are fetched and checked.")
    ] = False,
    time: Annotated[
        Time, typer.Option("--time", help="Tell readers the time: auto is while this machine's clock is synchronised.")
    ] = Time.auto,
    baud: Annotated[
        int | None, typer.Option(min=9600, max=230400, show_default="the site's", help="Of the bus.")
    ] = None,
    update: Annotated[
        Path | None, typer.Option("--update", metavar="FILE", help="A new firmware for the readers: `update make`.")
    ] = None,
    rs485: Annotated[bool, typer.Option("--rs485", help="The kernel's RS-485 mode: RTS enables the driver.")] = False,
):  # fmt: skip
    """Be the controller of OSDP readers: switch their EVSEs, keep their limits, report to an OCPP 2.1 back end.

    Fetches their journals into the site directory, brings them the site's trust bundle, the time, and a new firmware
    where --update names one. Runs until it is stopped; everything is off then.
    """
    sites = [Site.load(folder) for folder in site]
    addresses = {_address(here): here for here in sites}
    if len(addresses) != len(sites):
        raise Problem("two of these readers have the same address on the bus; give each its own in site.toml")
    keys = {address: read_key(here) for address, here in addresses.items()}
    for here in sites:
        if not (here.folder / f"{here.reader}.journal-key").exists():
            raise Problem(
                f"{here.folder} has no {here.reader}.journal-key; copy it from where the reader was provisioned"
            )
    if csms and not re.fullmatch(r"wss?://[^\s/]+(/\S*)?", csms):
        raise Problem(f"{csms} is no address of a back end; write ws://host/path or wss://host/path")
    secret = _password(password)
    evses = _evses(sites, simulate, gpio or [], gpio_chip, pulses_per_kwh)
    try:
        from tools.controller import serve
    except ImportError as error:
        raise Problem(
            f"{error.name} is missing; `pip install -r tools/controller-requirements.txt` brings it"
        ) from None
    asyncio.run(
        serve.run(
            addresses, keys, port, baud or _baud(sites), rs485, evses, state or site[0] / "controller.sqlite",
            csms, identity or sites[0].content["station"], secret, release, time.value,
            load_update(update) if update else None,
        )
    )  # fmt: skip


def _relay(site: Site) -> dict:
    relay = site.content["relay"]
    if relay["kind"] != "osdp":
        raise Problem(
            f'{site.folder / "site.toml"}: [relay] has kind = {shown(relay["kind"])}; a controller serves "osdp"'
        )
    return relay


def _address(site: Site) -> int:
    return _relay(site)["address"]


def _baud(sites: list[Site]) -> int:
    found = {_relay(site).get("baud", _DEFAULT_BAUD) for site in sites}
    if len(found) > 1:
        raise Problem(f"readers of one bus have one speed; these sites say {', '.join(map(str, sorted(found)))}")
    return found.pop()


def read_key(site: Site) -> bytes:
    """The key of the reader's secure channel, as `provision` has left it beside site.toml in hexadecimal."""
    path = site.folder / f"{site.reader}.osdp-key"
    try:
        key = bytes.fromhex(path.read_text("ascii"))
    except OSError as error:
        raise Problem(f"cannot read {path}: {reason(error)}; `python -m tools provision` makes it") from None
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise Problem(f"{path} is no key of 32 hexadecimal digits; take it from where the reader was provisioned")
    return key


def _password(path: Path | None) -> str | None:
    try:
        return path.read_text("utf-8").strip() if path else None
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"cannot read {path}: {reason(error)}") from None


def _evses(sites: list[Site], simulate: bool, gpio: list[str], chip: str, per_kwh: int) -> dict[str, list[Evse]]:
    """The EVSEs of each reader in its order, by the reader's name."""
    if simulate == bool(gpio):
        raise Problem("say what is switched: either --simulate, or --gpio for each EVSE")
    ids = {evse.upper() for site in sites for evse in site.evse_ids}
    if simulate:
        return {site.reader: [SimulatedEvse() for _ in site.evse_ids] for site in sites}
    wired: dict[str, tuple[int | None, ...]] = {}
    for entry in gpio:
        name, _, lines = entry.rpartition("=")
        match = _LINES.fullmatch(lines)
        if not match or name.upper() not in ids:
            raise Problem(
                f"--gpio {shown(entry)} will not do; write an EVSE of a site and its lines, as in 'ID=17,vehicle:27'"
            )
        wired[name.upper()] = tuple(int(text) if text else None for text in match.groups())
    if missing := sorted(ids - set(wired)):
        raise Problem(f"{missing[0]} has no lines; add --gpio '{missing[0]}=LINE'")
    used = [line for lines in wired.values() for line in lines if line is not None]
    if len(used) != len(set(used)):
        raise Problem("a GPIO line can be used only once; give each its own")
    enables, vehicles, pulses = (
        [line for line in column if line is not None] for column in zip(*wired.values(), strict=True)
    )
    try:
        lines = Gpiod(chip, enables, vehicles, pulses)
    except OSError as error:
        raise Problem(f"cannot use {chip}: {reason(error)}; does it exist, and are its lines free?") from None
    return {
        site.reader: [
            GpioEvse(enable or 0, vehicle, pulse, per_kwh, lines)
            for enable, vehicle, pulse in (wired[evse.upper()] for evse in site.evse_ids)
        ]
        for site in sites
    }
