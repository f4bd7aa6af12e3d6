"""`init`: a new site directory, with its keys and a site.toml that explains itself."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from tools.problem import Problem, shown
from tools.site import passphrase, schema
from tools.site.directory import BUNDLE, CONFIG, Site
from tools.site.keys import PRIVATE, new_key, reason, write_private
from tools.site.zones import zone
from tools.terminal import say

_TEMPLATE = """\
# A charging station's ticket reader: who it is, whom it believes, how it behaves.
# `python -m tools verify --site DIR` judges by this file, `provision` brings it to a board.
# Ids are compared without case; separators (*) matter only where both sides have them.

operator = {operator}
pool = {pool}
station = {station}
reader = "reader-1"  # this reader's name, unique per operator, at most 32 characters
timezone = {timezone}  # whose Monday a ticket's daysOfWeek means

accept_clock_floor = false  # true: grant although only a lower bound of the time is known (tickets may have ended)
meter_signs = false  # true: the station's meter signs its values, as some tickets demand
pass_unenforced = false  # true: grant tickets with limits that this station cannot enforce
max_duration_min = 480  # the longest charging session, in minutes, whatever a ticket allows
cooldown_ms = 1000  # so long a card must be away before it is read again
encrypt = {encrypt}  # true: offer phones an encrypted channel, as some tickets demand

# One to three charging points, each AC or DC.
{evses}
[nfc]
bus = "hsu"  # how the PN532 is wired: hsu is its UART
poll_ms = 100  # how often it looks for a card

[relay]
kind = "gpio"  # who closes the contactor: gpio is one enable pin for each EVSE
# heartbeat = true  # a square wave of 5 Hz stands for "on", for controllers that want to see the reader alive
# feedback = "contactor"  # its mirror contact is wired to FEEDBACK; "controller" where one closes it when it likes
# Or a relay board or EVSE controller on RS-485, a device of firmware/relay/maps:
# kind = "modbus"
# map = "timed-relay"  # or heidelberg-energy-control, phoenix-ev-cc-ac1-m
# unit = 1  # its address; the second EVSE's is the next one
# baud = 19200
# parity = "even"  # "none" unless it stands here
# amps = 16  # what the installation bears, where the device takes a current
# Or a controller that polls this reader over OSDP:
# kind = "osdp"
# address = 0  # this reader's own number on the bus, 0 to 126; the key goes to reader-1.osdp-key at `provision`
# baud = 9600  # as the controller's
# enable = true  # the enable pins follow the sessions, too
# enforces = ["maxEnergy"]  # limits that the controller keeps besides minutes, for `verify`: the reader hears it itself

# Phones over Bluetooth. Their tickets must name a key of the driver's; without this table the radio stays off.
# The radio does not show that the driver is there, so before a grant the station wants one of these signs:
# cable (plugged into that EVSE, as an input of the board or the controller says), button (the one at the station was
# pressed), code (the driver types what the station shows), none.
{off}[ble]
{off}presence = "cable"
# code = "4711"  # what is printed on the station; without it the console shows a new code for each grant

# A clock with a battery of its own, so that the reader knows the time after a power cut:
# [rtc]
# kind = "ds3231"

# Pulled journals hold the tickets of drivers. They are deleted that long after their last record, by `journal pull` and
# `journal purge`, once `journal collect` has them without the tickets:
# [journal]
# keep_tickets = "90d"

[trust]
# valid_for = "90d"  # the reader stops believing a trust bundle that old; without it bundles do not end
# accept_ended = true  # but goes on with it where no new one came
revoked_keys = []  # kids of issuers whose tickets are refused from now on
retired_roots = []  # kids of roots that must never be believed again

# A single ticket is revoked like this:
# [[trust.revoked_ticket]]
# provider = {provider}
# id = "the ticket's id"

# Who may sign trust bundles. Two while one takes over from the other. The private key is in root.jwk: guard it.
[[root]]
kid = "{root[kid]}"
x = "{root[x]}"

# Who may sign tickets, and how far. The private key of this one is in issuer.jwk; a provider sends you only kid and x.
[[issuer]]
kid = "{issuer[kid]}"
x = "{issuer[x]}"
providers = [{provider}]  # whose tickets this key signs
valid_from = "2020-01-01T00:00:00Z"  # narrow this to when the key is to be used
valid_until = "2100-01-01T00:00:00Z"
max_lifetime = "31d"  # the longest that one of its tickets may live
places = [{operator}]  # operators, pools, stations or EVSEs that its tickets may open
# limits = {{ maxEnergy = 50000, maxPower = 22000, maxCurrent = 32, maxDuration = 240 }}  # Wh, W, A, minutes
"""

EXAMPLES = """Examples:

  python -m tools init site

  python -m tools init site --ble

  python -m tools init site --passphrase

  python -m tools init site --operator 'DE*GEF' --evse 'DE*GEF*E1*1=AC' --evse 'DE*GEF*E1*2=DC' --provider DE-XYZ
"""


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The directory to make; existing ones are kept.")],
    operator: Annotated[str, typer.Option(help="Who runs the station: CC*OOO.")] = "DE*ABC",
    pool: Annotated[str, typer.Option(help="Its charging pool.", show_default="OPERATOR*P1")] = "",
    station: Annotated[str, typer.Option(help="The station.", show_default="OPERATOR*S1")] = "",
    evse: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID=AC|DC", help="A charging point and its kind; up to three.", show_default="OPERATOR*E1*1=AC"
        ),
    ] = None,
    provider: Annotated[str, typer.Option(help="Whose tickets issuer.jwk may sign: CC-PPP.")] = "DE-XYZ",
    timezone: Annotated[str, typer.Option(help="IANA zone of the station.")] = "Europe/Berlin",
    ble: Annotated[
        bool, typer.Option("--ble", help="Serve phones over Bluetooth, encrypted, once a cable is plugged.")
    ] = False,
    protect: Annotated[
        bool,
        typer.Option(
            "--passphrase",
            help="Encrypt the private keys: asks twice for a passphrase. Where the variable "
            f"{passphrase.VARIABLE} has one, that is taken, with this option or without.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace site.toml AND ITS KEYS; journal keys are kept.")
    ] = False,
):
    """Make a site: a directory with site.toml and the keys of operator, issuer and driver."""
    _refuse_to_overwrite(folder, force)  # before somebody thinks of a passphrase
    secret = passphrase.new() if protect or os.environ.get(passphrase.VARIABLE) else ""
    site = make(folder, operator, pool, station, evse, provider, timezone, force, ble, secret)
    say(f"Made the site {folder}: {', '.join(site.evse_ids)}")
    say(f"  {CONFIG:11} what to edit; it explains itself")
    say("  root.jwk    signs whom the reader trusts: keep it secret, and a copy elsewhere")
    say("  issuer.jwk  signs tickets: keep it secret")
    say("  driver.jwk  a driver's key, to try tickets that name their holder")
    if secret:
        say("The keys are under the passphrase. Whoever loses it loses them.")
    for path in sorted(folder.glob("*.journal-key")):
        say(f"Kept {path}: that reader's journal is checked with it; for a new reader of that name, delete it")
    say(
        f"Next: python -m tools issue --site {folder} > ticket.jws && python -m tools verify --site {folder} ticket.jws"
    )


def make(
    folder: Path,
    operator: str = "DE*ABC",
    pool: str = "",
    station: str = "",
    evse: list[str] | None = None,
    provider: str = "DE-XYZ",
    timezone: str = "Europe/Berlin",
    force: bool = False,
    ble: bool = False,
    secret: str = "",
) -> Site:
    """The site that `init` makes of these, without a word; `secret`: the passphrase. Problem where it cannot."""
    _demand(operator, "--operator", "operator")
    base = operator if "*" in operator else f"{operator[:2]}*{operator[2:]}"
    pool, station = pool or f"{base}*P1", station or f"{base}*S1"
    _demand(pool, "--pool", "pool")
    _demand(station, "--station", "station")
    _demand(provider, "--provider", "provider")
    zone(timezone)
    evses = [_evse(text) for text in evse or [f"{base}*E1*1=AC"]]
    _refuse_to_overwrite(folder, force)
    keys = {name: new_key() for name in PRIVATE}
    text = _TEMPLATE.format(
        operator=json.dumps(operator),
        pool=json.dumps(pool),
        station=json.dumps(station),
        timezone=json.dumps(timezone),
        provider=json.dumps(provider),
        encrypt="true" if ble else "false",
        off="" if ble else "# ",
        evses="".join(f'[[evse]]\nid = {json.dumps(id)}\nkind = "{kind}"\n\n' for id, kind in evses),
        root=keys["root.jwk"],
        issuer=keys["issuer.jwk"],
    )
    schema.read(text, folder / CONFIG)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if force:
            # versions of bundles under the old root mean nothing to the new one
            (folder / BUNDLE).unlink(missing_ok=True)
        for name, key in keys.items():
            content = json.dumps(key, indent=2) + "\n"
            write_private(
                folder / name, (passphrase.lock(content, secret) if secret else content).encode(), replace=force
            )
        (folder / CONFIG).write_text(text, "utf-8")
        (folder / ".gitignore").write_text("*\n", "utf-8")  # private keys are not for repositories
    except OSError as error:
        raise Problem(f"cannot write the site {folder}: {reason(error)}") from None
    return Site.load(folder)


def _demand(value: str, option: str, kind: str) -> None:
    if not schema.is_id(kind, value):
        raise Problem(f"{option} {shown(value)} will not do; write {schema.EXAMPLES[kind]}")


def _evse(text: str) -> tuple[str, str]:
    id, _, kind = text.rpartition("=")
    if kind.upper() not in ("AC", "DC") or not id:
        raise Problem(f"--evse {shown(text)} will not do; write the id, = and AC or DC, such as 'DE*ABC*E1*1=AC'")
    _demand(id, "--evse", "evse")
    return id, kind.upper()


def _refuse_to_overwrite(folder: Path, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise Problem(f"{folder} is a file; name a directory to make")
    there = [name for name in (CONFIG, *PRIVATE) if (folder / name).exists()]
    if there and not force:
        raise Problem(f"{folder} already has {', '.join(there)}; name another directory, or add --force to lose them")
