"""`demo`: real firmware on a virtual station, deployed with mpremote, and a row of taps with what came of each."""

import base64
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tools.init import init
from tools.keys import load_key, new_key
from tools.mint import defaults, mint
from tools.site import Site
from tools.units import epoch_ms, wire_time
from tools.virtual.cards import Ntag, Type4Tag, ndef_message
from tools.virtual.phone import Phone, Wallet
from tools.virtual.rf import Card
from tools.virtual.station import Station, Tapped

EXAMPLES = """Examples:

  python -m tools demo"""

_MIME = "application/charging-ticket+"
_PULLED_AFTER_FRAMES = 9
_HOUR_MS = 3_600_000


@dataclass
class Tap:
    """One row: what is held to the reader, and what must come of it."""

    title: str
    card: Callable[[], Card]
    expected: str
    frames: int | None = None
    before: Callable[[Station], None] | None = None


@dataclass
class Row:
    tap: Tap
    tapped: Tapped
    relay_seconds: float
    told: str | None  # what the phone heard from the reader, "" if nothing; None for cards

    @property
    def as_expected(self) -> bool:
        """The relay's pin decides: it moved exactly if a grant was due, and the reason is the one that is due.
        A phone has heard it too."""
        granted = self.tap.expected == "GRANTED"
        if self.told not in (None, self.tap.expected):
            return False
        return self.tapped.reason == self.tap.expected and self.tapped.energised == granted == (self.relay_seconds > 0)


class Minter:
    """Makes the demo's tickets, each good for one minute of charging unless it says otherwise."""

    def __init__(self, site: Path):
        self._key = load_key(site / "issuer.jwk", private=True)
        self._now_ms = epoch_ms()

    def __call__(self, key: dict | None = None, form: str = "jws", **claims) -> bytes:
        whole = {**defaults("DE-XYZ", self._now_ms, self._now_ms - _HOUR_MS, 6 * 3600), "maxDuration": 1, **claims}
        return mint(whole, key or self._key, form)

    def time(self, hours: int) -> str:
        return wire_time(self._now_ms // 1000 * 1000 + hours * _HOUR_MS)


def flipped(ticket: bytes, part: int, find: bytes = b"") -> bytes:
    """The ticket with one bit changed in what its header (0), payload (1) or signature (2) decodes to."""
    parts = ticket.split(b".")
    data = bytearray(base64.urlsafe_b64decode(parts[part] + b"=="))
    data[data.index(find) + len(find)] ^= 1
    parts[part] = base64.urlsafe_b64encode(data).rstrip(b"=")
    return b".".join(parts)


def on_type4(ticket: bytes) -> Callable[[], Card]:
    return lambda: Type4Tag(ndef_message(_MIME + "jws", ticket))


def on_ntag(ticket: bytes, kind: int = 216, form: str = "jws") -> Callable[[], Card]:
    return lambda: Ntag(kind, ndef_message(_MIME + form, ticket))


def in_phone(ticket: bytes, driver: dict, confirm_s: float = 0) -> Callable[[], Card]:
    return lambda: Phone(Wallet(ticket, driver), confirm_s=confirm_s)


def script(site: Path) -> list[Tap]:
    """The taps, in order."""
    mint_ticket = Minter(site)
    good, once = mint_ticket(), mint_ticket()
    driver = load_key(site / "driver.jwk", private=True)
    personal: dict[str, Any] = {"driverPublicKey": {name: driver[name] for name in ("kty", "crv", "x")}}
    stranger = new_key()
    now = mint_ticket.time
    return [
        Tap("a valid ticket on a Type 4 tag", on_type4(good), "GRANTED"),
        Tap("a valid ticket on an NTAG216", on_ntag(mint_ticket()), "GRANTED"),
        Tap("a valid ticket as CWT on an NTAG215", on_ntag(mint_ticket(form="cwt"), 215, "cwt"), "GRANTED"),
        Tap("expired", on_ntag(mint_ticket(notBefore=now(-3), created=now(-3), notAfter=now(-1))), "EXPIRED"),
        Tap("not yet valid", on_ntag(mint_ticket(notBefore=now(1), notAfter=now(3))), "NOT_YET_VALID"),
        Tap("for another EVSE", on_type4(mint_ticket(validEVSEIds=["DE*ABC*E9*9"])), "WRONG_PLACE"),
        Tap("this EVSE excluded", on_type4(mint_ticket(invalidEVSEIds=["DE*ABC*E1*1"])), "EXCLUDED_PLACE"),
        Tap("for another operator", on_ntag(mint_ticket(validOperators=["DE*XYZ"])), "WRONG_OPERATOR"),
        Tap("for DC, at an AC point", on_ntag(mint_ticket(evseKind="DC")), "WRONG_EVSE_KIND"),
        Tap("another provider's ticket", on_ntag(mint_ticket(providerId="DE-QQQ")), "ISSUER_NOT_ALLOWED"),
        Tap("an energy limit, on a bare relay", on_ntag(mint_ticket(maxEnergy=5000)), "LIMIT_NOT_ENFORCEABLE"),
        Tap("must be validated online", on_ntag(mint_ticket(validationMethod="MustBeValidated")), _MUST_ASK),
        Tap("a phone that proves its driver's key", in_phone(mint_ticket(**personal), driver), "GRANTED"),
        Tap("a phone, its driver confirms after 3 s", in_phone(mint_ticket(**personal), driver, 3), "GRANTED"),
        Tap("a phone with another driver's ticket", in_phone(mint_ticket(**personal), stranger), "HOLDER_PROOF_FAILED"),
        Tap("a driver's ticket copied to a card", on_ntag(mint_ticket(**personal)), "HOLDER_PROOF_REQUIRED"),
        Tap("an unknown member", on_ntag(mint_ticket(onlyOnFullMoon=True)), "UNKNOWN_CLAIM"),
        Tap("a number as text", on_ntag(mint_ticket(maxDuration="1")), "BAD_CLAIM"),
        Tap("an unknown issuer", on_type4(mint_ticket(key=stranger)), "UNKNOWN_ISSUER"),
        Tap("one bit flipped in the signature", on_type4(flipped(good, 2)), "BAD_SIGNATURE"),
        Tap("one bit flipped in the payload", on_type4(flipped(good, 1, b'"id":"DE')), "BAD_SIGNATURE"),
        Tap("one bit flipped in the header", on_type4(flipped(good, 0, b'"kid":"')), "UNKNOWN_ISSUER"),
        Tap("a single-use ticket", on_ntag(once), "GRANTED"),
        Tap("the same again", on_ntag(once), "ALREADY_USED"),
        Tap("the same after a power cycle, clock lost", on_ntag(once), "CLOCK_UNKNOWN", before=power_cycle),
        Tap("the same, the clock set again", on_ntag(once), "ALREADY_USED", before=Station.set_clock),
        Tap("NDEF that is no ticket", lambda: Ntag(215, ndef_message("text/plain", b"hello")), "NOT_A_TICKET"),
        Tap("a card pulled away mid-read", on_ntag(mint_ticket()), "CARD_GONE", frames=_PULLED_AFTER_FRAMES),
        Tap("and a good one after all that", on_type4(mint_ticket()), "GRANTED"),
    ]


_MUST_ASK = "ONLINE_VALIDATION_REQUIRED"


def power_cycle(station: Station) -> None:
    station.power_cut()
    station.power_on()


def run_tap(station: Station, tap: Tap) -> Row:
    """One tap and, if it switched the relay on, the charging session to its end."""
    if tap.before:
        tap.before(station)
    before = station.relay_seconds()
    card = tap.card()
    tapped = station.tap(card, tap.frames)
    station.world.run_until(lambda: not station.relay_on, timeout_s=120)
    station.world.run(1)
    told = card.reason if isinstance(card, Phone) else None
    return Row(tap, tapped, station.relay_seconds() - before, told)


def table(rows: list[Row]) -> Table:
    made = Table(title="Taps on the virtual station", title_justify="left")
    for name, justify in (("", "left"), ("tap", "left"), ("reason", "left"), ("expected", "left"), ("phone", "left")):
        made.add_column(name, justify=justify)  # type: ignore[arg-type]
    made.add_column("relay s", justify="right")
    made.add_column("ms", justify="right")
    for row in rows:
        good = row.as_expected
        made.add_row(
            "ok" if good else "NOT AS EXPECTED",
            row.tap.title,
            row.tapped.reason or "(nothing)",
            row.tap.expected,
            "" if row.told is None else "knows" if row.told == row.tapped.reason else row.told or "untold",
            f"{row.relay_seconds:.0f}" if row.relay_seconds else "-",
            str(row.tapped.took_ms),
            style="" if good else "bold red",
        )
    return made


def demo() -> int:
    """Watch real firmware, on a real MicroPython and littlefs, read tickets through PN532 frames and close a relay.

    Times in the table are those of the modelled chip and radio; what the processor computes takes no time there.
    """
    started = time.monotonic()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(width=None if Console().is_terminal else 132)
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory(prefix="charging-ticket-") as name,
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
        Station(Path(name) / "flash.img") as station,
    ):
        task = progress.add_task("making a site, deploying to the virtual board with mpremote")
        folder = Path(name) / "site"
        init(folder)
        station.make_ready(Site.load(folder))
        for tap in script(folder):
            progress.update(task, description=f"tap: {tap.title}")
            rows.append(run_tap(station, tap))
    console.print(table(rows))
    good = sum(row.as_expected for row in rows)
    console.print(f"{time.monotonic() - started:.0f} s on the wall, relay judged by the trace of its pin")
    print(f"{len(rows)} taps, {good} as expected")
    return 0 if good == len(rows) else 1
