"""`issue`: mint a ticket."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ticket import form as ticket_form
from ticket.verdict import Refused
from tools.options import SITE
from tools.problem import Problem
from tools.site.directory import Site
from tools.site.keys import load_key, new_key, reason
from tools.terminal import printable, say
from tools.tickets import mint, reasons, ticket_file, verify
from tools.tickets.cwt_claims import WORDS, Kind, Meter, Smart, Use, Validation
from tools.units import duration_s, epoch_ms, instant_ms

EXAMPLES = """Examples:

  python -m tools issue --site site > ticket.jws

  python -m tools issue --site site --evse 'DE*ABC*E1*1' --valid-for 2h --max-duration 120

  python -m tools issue --site site --form cwt --driver site/driver.jwk --out ticket.cwt

  echo '{"daysOfWeek": ["Monday"]}' | python -m tools issue --site site --claims - > monday.jws"""

Form = Literal["jws", "cwt"]
Alg = Literal["Ed25519", "EdDSA"]
Ids = list[str] | None
_PASSING = ("WRONG_DAY", "NOT_YET_VALID", "EXPIRED")  # refusals of a moment, which says nothing of another


def _listed(name: str) -> str:
    return ", ".join(WORDS[name])


_PLACE, _LIMIT, _HOLDER = "Where it is good", "How much it is good for", "Who may use it, and how often"


def _ids(option: str, metavar: str, help: str):
    return typer.Option(option, metavar=metavar, help=help, rich_help_panel=_PLACE)


def issue(
    site: SITE,
    form: Annotated[Form, typer.Option(help="jws is text; cwt is small, for cards.")] = "jws",
    provider: Annotated[
        str | None, typer.Option(help="Whose ticket it is.", show_default="the first of issuer.jwk")
    ] = None,
    valid_for: Annotated[str, typer.Option(metavar="DURATION", help="How long: 90m, 24h, 7d …")] = "24h",
    not_before: Annotated[str, typer.Option(metavar="TIME", help="From when: UTC, or +2h, or -1d.")] = "now",
    use: Annotated[
        Use | None,
        typer.Option(
            metavar="WORD",
            help=f"How often: {_listed('multiUsage')}.",
            show_default="NotAllowed, once",
            rich_help_panel=_HOLDER,
        ),
    ] = None,
    validation: Annotated[
        Validation | None,
        typer.Option(
            metavar="WORD",
            help=f"Whom to ask: {_listed('validationMethod')}.",
            show_default="OfflineChargingAllowed",
            rich_help_panel=_HOLDER,
        ),
    ] = None,
    driver: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Only for the holder of this key (JWK).", rich_help_panel=_HOLDER),
    ] = None,
    encrypted: Annotated[
        bool,
        typer.Option("--encrypted", help="Only over the encrypted channel; needs --driver.", rich_help_panel=_HOLDER),
    ] = False,
    evse: Annotated[Ids, _ids("--evse", "ID", "Only at this EVSE; may be given again, as all of these.")] = None,
    station: Annotated[Ids, _ids("--station", "ID", "Only at this station.")] = None,
    pool: Annotated[Ids, _ids("--pool", "ID", "Only in this charging pool.")] = None,
    operator: Annotated[Ids, _ids("--operator", "ID", "Only at this operator's stations.")] = None,
    not_evse: Annotated[Ids, _ids("--not-evse", "ID", "Not at this EVSE, whatever else is said.")] = None,
    not_station: Annotated[Ids, _ids("--not-station", "ID", "Not at this station.")] = None,
    not_pool: Annotated[Ids, _ids("--not-pool", "ID", "Not in this charging pool.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Only where it is AC or DC.", rich_help_panel=_PLACE)] = None,
    day: Annotated[
        list[str] | None, typer.Option(metavar="DAY", help="Only on Monday, Tuesday …", rich_help_panel=_PLACE)
    ] = None,
    max_energy: Annotated[int | None, typer.Option(metavar="WH", help="Watt-hours.", rich_help_panel=_LIMIT)] = None,
    max_power: Annotated[int | None, typer.Option(metavar="W", help="Watts.", rich_help_panel=_LIMIT)] = None,
    max_current: Annotated[int | None, typer.Option(metavar="A", help="Amperes.", rich_help_panel=_LIMIT)] = None,
    max_duration: Annotated[int | None, typer.Option(metavar="MIN", help="Minutes.", rich_help_panel=_LIMIT)] = None,
    max_price: Annotated[
        str | None, typer.Option(metavar="'AMOUNT CUR'", help="A price, such as '20.00 EUR'.", rich_help_panel=_LIMIT)
    ] = None,
    tariff: Annotated[Ids, typer.Option(metavar="ID", help="A tariff's id.", rich_help_panel=_LIMIT)] = None,
    smart_charging: Annotated[
        Smart | None,
        typer.Option(metavar="WORD", help=f"Passed on: {_listed('smartChargingMode')}.", rich_help_panel=_LIMIT),
    ] = None,
    meter_signatures: Annotated[
        Meter | None,
        typer.Option(
            metavar="WORD", help=f"Must the meter sign: {_listed('meterValueSignatures')}.", rich_help_panel=_LIMIT
        ),
    ] = None,
    claims: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="More claims: a JSON object, - for stdin. Options come on top of it."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The issuer's private JWK.", show_default="issuer.jwk of the site"),
    ] = None,
    alg: Annotated[Alg, typer.Option(help="EdDSA is the older name of the same signature.")] = "Ed25519",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the ticket here (a CWT as raw bytes).")
    ] = None,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Sign even claims that no reader takes, to see them refused.")
    ] = False,
):
    """Mint a ticket and print it: one JWS line, or a CWT.

    A ticket that says nothing of place or limits is good at all places and for all that its issuer may sign.
    """
    here = Site.load(site)
    issuer = load_key(key or site / "issuer.jwk", private=True)
    wanted = {
        "providerId": provider,
        "multiUsage": use,
        "validationMethod": validation,
        "driverPublicKey": driver and _public(driver),
        "e2eCommunicationSecurity": "EphemeralKeyAgreement" if encrypted else None,
        "validEVSEIds": evse,
        "validChargingStations": station,
        "validChargingPools": pool,
        "validOperators": operator,
        "invalidEVSEIds": not_evse,
        "invalidChargingStations": not_station,
        "invalidChargingPools": not_pool,
        "evseKind": kind,
        "daysOfWeek": day,
        "maxEnergy": max_energy,
        "maxPower": max_power,
        "maxCurrent": max_current,
        "maxDuration": max_duration,
        "maxPrice": _price(max_price),
        "tariffs": tariff,
        "smartChargingMode": smart_charging,
        "meterValueSignatures": meter_signatures,
    }
    now_ms = epoch_ms()
    start_ms = instant_ms(not_before, "--not-before", now_ms)
    filed = mint.claims_file(claims) if claims else {}
    who = provider or filed.get("providerId") or _first_provider(here, issuer)
    content = mint.defaults(str(who), now_ms, start_ms, duration_s(valid_for, "--valid-for"))
    content.update(filed)
    content.update({name: value for name, value in wanted.items() if value is not None})
    ticket = mint.mint(content, issuer, form, alg)
    if not unchecked:
        _check(ticket)
        _warn(here, content, issuer, max(now_ms, start_ms))
    _deliver(ticket, form, out)


def _public(path: Path) -> dict:
    jwk = load_key(path, private=False)
    return {name: jwk[name] for name in ("kty", "crv", "x")}


def _price(text: str | None) -> dict | None:
    if text is None:
        return None
    amount, _, currency = text.partition(" ")
    return {"amount": amount, "currency": currency.strip()}


def _first_provider(site: Site, issuer: dict) -> str:
    for entry in site.content["issuer"]:
        if entry["kid"] == issuer["kid"]:
            return entry["providers"][0]
    raise Problem(f"the site does not know the issuer key {issuer['kid']}; say for whom it signs with --provider")


def _check(ticket: bytes) -> None:
    """Reads the ticket as a reader does. Raises Problem for what no reader would take."""
    try:
        ticket_form.claims(ticket_form.read(ticket))
    except Refused as refused:
        detail = f" ({refused.detail})" if refused.detail else ""
        raise Problem(
            f"every reader would refuse this ticket: {refused.reason}{detail}; put that right, or add --unchecked"
        ) from None


def _warn(site: Site, claims: dict, issuer: dict, at_ms: int) -> None:
    """One line, where this site would refuse such a ticket at all of its EVSEs, though its holder did all that is due.

    Judged is a twin of the ticket, whose driver's key is at hand. A site directory without a bundle and without the
    root's key, as a provider may have one, cannot tell.
    """
    claims, driver = dict(claims), None
    if "driverPublicKey" in claims:
        driver = new_key()
        claims["driverPublicKey"] = {name: driver[name] for name in ("kty", "crv", "x")}
    twin = mint.mint(claims, issuer)
    encrypted = claims.get("e2eCommunicationSecurity") == "EphemeralKeyAgreement"
    verdicts = []
    try:
        with verify.Desk(site, at_ms, online="yes") as desk:
            for evse in site.evse_ids:
                verdicts.append(desk.judge(verify.present(site, twin, evse, driver, encrypted)))
                if verdicts[-1].granted:
                    return
    except Problem:
        return
    first = verdicts[0]
    untold = site.content["relay"]["kind"] == "osdp" and first.reason == "LIMIT_NOT_ENFORCEABLE"
    if first.reason not in _PASSING and not untold:  # which limits are kept is for the controller to tell the reader
        detail = f" ({printable(first.detail)})" if first.detail else ""
        say(f"warning: this site would refuse the ticket: {first.reason}{detail}. {reasons.WORDS[first.reason]}")


def _deliver(ticket: bytes, form: str, out: Path | None) -> None:
    if out:
        try:
            out.write_bytes(ticket if form == "cwt" else ticket + b"\n")
        except OSError as error:
            raise Problem(f"cannot write {out}: {reason(error)}") from None
        say(f"Wrote {out}: {len(ticket)} bytes of ticket")
        return
    print(ticket_file.written(ticket) if form == "cwt" else ticket.decode())
    if form == "cwt" and sys.stdout.isatty():
        say("This is base64url text, which inspect and verify take; --out FILE writes the raw bytes for a card.")
