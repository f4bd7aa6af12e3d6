"""`verify`: the firmware's own decision about a ticket, on this machine."""

import asyncio
import json
import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from present.presentation import Presentation
from present.proof import NO_CHANNEL, Proof, message
from relay.gpio import GpioRelay
from relay.modbus import enforced_by
from station.clock import SET
from station.config import Site as DeviceSite
from station.decision import Decision, Verdict
from station.trusted import SLOT, Trust
from store import ledger as ledger_store
from store.slots import Slots
from ticket import scope
from ticket.verdict import INTERNAL_FAULT
from tools import problem
from tools.options import AS_JSON, EVSE, SITE, TICKET
from tools.problem import Problem
from tools.site.directory import Site
from tools.site.keys import load_key, reason
from tools.terminal import answers, printable
from tools.tickets import ticket_file
from tools.tickets.reasons import WORDS
from tools.tickets.signing import sign_bytes
from tools.units import epoch_ms, instant_ms, wire_time

EXAMPLES = """Examples:

  python -m tools verify --site site ticket.jws

  python -m tools verify --site site --at 2026-12-24T18:00:00Z --json ticket.jws

  python -m tools verify --site site --state used ticket.jws  (twice: the second time it is ALREADY_USED)

  python -m tools verify --site site --proof site/driver.jwk ticket.jws"""

Online = Literal["yes", "no", "silent"]


class _Clock:
    """A clock that is set, and stands still."""

    settled = True

    def __init__(self, now_ms: int):
        self.now_ms = now_ms

    def now(self) -> tuple[int, str]:
        return self.now_ms, SET


class _NoJournal:
    """Takes every entry and keeps none: a verdict on a desk is no charging session."""

    def room_for_grant(self, ticket_length: int) -> bool:
        return True

    def grant_body(self, stamp, verdict, ticket) -> None: ...

    def grant(self, body) -> int:
        return 1

    def refusal(self, stamp, verdict) -> None: ...

    def take_back(self, stamp, why) -> None: ...


async def _go_on() -> None:
    """Nothing else waits to be served here."""


class Desk:
    """One site's reader as far as a decision needs it: its config, trust, a clock set to `at_ms`, and a ledger.

    `state`: the folder whose ledger is kept; without it the ledger starts empty, and `close` removes it. Raises Problem
    where the site or the folder cannot be used.
    """

    def __init__(self, site: Site, at_ms: int, state: Path | None = None, online: Online = "silent"):
        self._own = tempfile.TemporaryDirectory(prefix="charging-ticket-")
        own = Path(self._own.name)
        device = DeviceSite(site.device_config(at_ms))
        clock = _Clock(at_ms)

        async def answer(claims, evse_id):
            return online

        self.decision = Decision(
            device,
            _trust(site, own, device, clock),
            clock,
            _ledger(state or own),
            _NoJournal(),
            _enforced(site.content["relay"], device.relay),
            _go_on,
            online=answer,
        )

    def judge(self, presentation: Presentation) -> Verdict:
        """The verdict; a grant is in the ledger when this returns. INTERNAL_FAULT for what is unforeseen."""
        try:
            return asyncio.run(self.decision.decide(presentation))
        except Exception as error:
            if problem.debugging:
                raise
            return Verdict(INTERNAL_FAULT, type(error).__name__)

    def close(self) -> None:
        self._own.cleanup()

    def __enter__(self) -> "Desk":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _enforced(written: dict, relay: dict) -> tuple[str, ...]:
    """The limits that the deliverer of such a site keeps, by its [relay] as written and as the reader has it. Only the
    controller itself knows what it keeps; here it is what the site says of it."""
    if relay["kind"] == "modbus":
        return enforced_by(relay["map"])
    return (*GpioRelay.enforces, *written.get("enforces", ()))


def _trust(site: Site, folder: Path, device: DeviceSite, clock: _Clock) -> Trust:
    """The site's bundle as installed: whether it has ended by now is the decision's to say."""
    slots = Slots(str(folder / "trust"))
    slots.write(SLOT, site.trust_bundle(keep=False))
    return Trust(slots, device.roots, clock.now, device.accept_ended)


def _ledger(folder: Path) -> ledger_store.Ledger:
    where = folder / "ledger"
    try:
        if not where.exists():
            # only a folder that is not there is new: one that lost a file is damaged, and refuses
            folder.mkdir(parents=True, exist_ok=True)
            ledger_store.make(str(where))
        return ledger_store.Ledger(str(where))
    except OSError as error:
        raise Problem(f"cannot keep the ledger in {folder}: {reason(error)}") from None


def choose_evse(site: Site, wanted: str | None) -> str:
    """The site's EVSE of that id, or its only one. Raises Problem where there is none such, or no one choice."""
    ours = site.evse_ids
    if wanted is None:
        if len(ours) > 1:
            raise Problem(f"this site has several EVSEs; choose with --evse: {', '.join(ours)}")
        return ours[0]
    asked = scope.parse(scope.EVSE, wanted)
    for evse in ours:
        if asked is not None and scope.same(asked, scope.parse(scope.EVSE, evse)):
            return evse
    raise Problem(f"this site has no EVSE {wanted}; it has {', '.join(ours)}")


def present(site: Site, ticket: bytes, evse: str, driver: dict | None = None, encrypted: bool = False) -> Presentation:
    """The ticket as a passive card shows it, or as a phone with the driver's private JWK does, which signs a proof."""
    if driver is None:
        return Presentation(ticket, "phone" if encrypted else "card", evse, encrypted=encrypted)
    nonce = os.urandom(32)
    channel = os.urandom(32) if encrypted else NO_CHANNEL
    signed = message(nonce, site.reader, evse, "", ticket, channel)
    signature = sign_bytes(signed, driver)
    return Presentation(ticket, "phone", evse, Proof(nonce, "", signature, channel), encrypted)


def verify(
    site: SITE,
    ticket: TICKET,
    at: Annotated[str, typer.Option(metavar="TIME", help="What time it is: UTC, or +2h, or -1d.")] = "now",
    evse: EVSE = None,
    state: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Remember used tickets here, from call to call.", show_default="nothing is"),
    ] = None,
    proof: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The driver's private JWK: a phone proves to hold it. Else a passive card."),
    ] = None,
    encrypted: Annotated[bool, typer.Option("--encrypted", help="It comes over the encrypted channel.")] = False,
    online: Annotated[Online, typer.Option(help="What the controller says when it is asked.")] = "silent",
    as_json: AS_JSON = False,
):
    """Judge a ticket as this site's reader would, with the firmware's own code.

    Exit code 0 if it is granted, 1 if it is refused, 2 if the question makes no sense.
    """
    here = Site.load(site)
    at_ms = instant_ms(at, "--at", epoch_ms())
    chosen = choose_evse(here, evse)
    data = ticket_file.read(ticket)
    presentation = present(here, data, chosen, proof and load_key(proof, private=True), encrypted)
    with Desk(here, at_ms, state, online) as desk:
        verdict = desk.judge(presentation)
    if as_json:
        print(json.dumps(as_object(verdict)))
    else:
        _show(verdict, at_ms, chosen)
    if not verdict.granted:
        raise typer.Exit(1)


def as_object(verdict: Verdict) -> dict:
    """`granted`, `reason` and `limits` by the names and in the units of a ticket; a refusal has no limits."""
    return {"granted": verdict.granted, "reason": verdict.reason, "limits": verdict.limits if verdict.granted else {}}


def _show(verdict: Verdict, at_ms: int, evse: str) -> None:
    table = Table(show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    word, colour = ("GRANTED", "bold green") if verdict.granted else (f"REFUSED: {verdict.reason}", "bold red")
    table.add_row("verdict", Text(word, colour))
    table.add_row("that is", Text(WORDS[verdict.reason]))
    rows = [("at fault", verdict.detail)] if verdict.detail else []
    rows += [("time", wire_time(at_ms)), ("EVSE", evse)]
    if verdict.claims:
        rows += [("ticket", verdict.claims.id.decode()), ("provider", verdict.claims.provider_id.decode())]
    if verdict.granted:
        units = {"maxEnergy": "Wh", "maxPower": "W", "maxCurrent": "A", "maxDuration": "min"}
        for name, value in verdict.limits.items():
            said = f"{value['amount']} {value['currency']}" if isinstance(value, dict) else f"{value} {units[name]}"
            rows.append((name, said))
    for name, value in rows:
        table.add_row(name, Text(printable(value)))
    answers().print(table)
