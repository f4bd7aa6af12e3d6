"""The taps of the demo: what is held to the reader, in which order, and what must come of it.

There is one for each reason that a tap can reach at this station, and one that brings a document. INTERNAL_FAULT is not
among them, being for what nobody has foreseen: the firmware then turns everything off, notes it and starts again.
"""

import base64
import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from store import ledger
from store.files import Full
from store.journal import GRANT, Journal
from ticket.rules import ticket_key
from tools.site.directory import CONFIG, Site
from tools.site.keys import load_key, new_key
from tools.tickets.cwt_claims import WORDS
from tools.tickets.mint import MAX_BYTES, defaults, mint
from tools.units import epoch_ms, wire_time
from tools.virtual.cards import Ntag, Type4Tag, ndef_message
from tools.virtual.image import mounted
from tools.virtual.phone import Phone, Wallet
from tools.virtual.rf import Card
from tools.virtual.station import Station

_MIME = "application/charging-ticket+"
_PULLED_AFTER_FRAMES = 9
_HOUR_MS = 3_600_000
_REVOKED_ID = "DE-XYZ-CT-revoked"
_ONCE_ID = "DE-XYZ-CT-once"


@dataclass
class Tap:
    """One row: what is held to the reader, and what must come of it."""

    title: str
    card: Callable[[], Card | Wallet]  # a wallet alone: the phone that has it stays away, and uses Bluetooth
    expected: str
    frames: int | None = None
    before: Callable[[Station], None] | None = None


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
    return lambda: Type4Tag(ndef_message(_MIME + "jws", ticket), size=8192)


def on_ntag(ticket: bytes, kind: int = 216, form: str = "jws") -> Callable[[], Card]:
    return lambda: Ntag(kind, ndef_message(_MIME + form, ticket))


def in_phone(ticket: bytes, driver: dict | None, confirm_s: float = 0) -> Callable[[], Card]:
    return lambda: Phone(Wallet(ticket, driver), confirm_s=confirm_s)


def afar(ticket: bytes, driver: dict) -> Callable[[], Wallet]:
    return lambda: Wallet(ticket, driver, encrypt=True)


def with_algorithm(ticket: bytes, name: str) -> bytes:
    """The ticket, saying that it is signed with something else."""
    header, rest = ticket.split(b".", 1)
    members = json.loads(base64.urlsafe_b64decode(header + b"==")) | {"alg": name}
    return base64.urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=") + b"." + rest


def configure(site: Path) -> None:
    """In a new site's config: one ticket is revoked, and phones are served over Bluetooth, encrypted."""
    text = (site / CONFIG).read_text("utf-8").replace("encrypt = false", "encrypt = true")
    text += f'\n[[trust.revoked_ticket]]\nprovider = "DE-XYZ"\nid = "{_REVOKED_ID}"\n\n[ble]\npresence = "cable"\n'
    (site / CONFIG).write_text(text, "utf-8")


def script(site: Path) -> list[Tap]:
    """The taps, in order."""
    mint_ticket = Minter(site)
    good, once = mint_ticket(), mint_ticket(id=_ONCE_ID)
    driver = load_key(site / "driver.jwk", private=True)
    personal: dict[str, Any] = {"driverPublicKey": {name: driver[name] for name in ("kty", "crv", "x")}}
    stranger = new_key()
    now = mint_ticket.time
    other_day = WORDS["daysOfWeek"][(datetime.now(UTC).weekday() + 3) % 7]
    private: dict[str, Any] = {**personal, "e2eCommunicationSecurity": "EphemeralKeyAgreement"}
    minute = on_type4(mint_ticket())
    here = Site.load(site)
    newer = here.sign_bundle(here.next_payload(), load_key(site / "root.jwk", private=True))
    return [
        Tap("a valid ticket on a Type 4 tag", on_type4(good), "GRANTED"),
        Tap("a valid ticket on an NTAG216", on_ntag(mint_ticket()), "GRANTED"),
        Tap("a valid ticket as CWT on an NTAG215", on_ntag(mint_ticket(form="cwt"), 215, "cwt"), "GRANTED"),
        Tap("expired", on_ntag(mint_ticket(notBefore=now(-3), created=now(-3), notAfter=now(-1))), "EXPIRED"),
        Tap("not yet valid", on_ntag(mint_ticket(notBefore=now(1), notAfter=now(3))), "NOT_YET_VALID"),
        Tap("for another day of the week", on_ntag(mint_ticket(daysOfWeek=[other_day])), "WRONG_DAY"),
        Tap("good for forty days", on_ntag(mint_ticket(notAfter=now(960))), "LIFETIME_TOO_LONG"),
        Tap("for another EVSE", on_type4(mint_ticket(validEVSEIds=["DE*ABC*E9*9"])), "WRONG_PLACE"),
        Tap("this EVSE excluded", on_type4(mint_ticket(invalidEVSEIds=["DE*ABC*E1*1"])), "EXCLUDED_PLACE"),
        Tap("for another operator", on_ntag(mint_ticket(validOperators=["DE*XYZ"])), "WRONG_OPERATOR"),
        Tap("for DC, at an AC point", on_ntag(mint_ticket(evseKind="DC")), "WRONG_EVSE_KIND"),
        Tap("another provider's ticket", on_ntag(mint_ticket(providerId="DE-QQQ")), "ISSUER_NOT_ALLOWED"),
        Tap("an energy limit, on a bare relay", on_ntag(mint_ticket(maxEnergy=5000)), "LIMIT_NOT_ENFORCEABLE"),
        Tap("wants a meter that signs", on_ntag(mint_ticket(meterValueSignatures="Mandatory")), _METER),
        Tap("revoked", on_ntag(mint_ticket(id=_REVOKED_ID)), "REVOKED"),
        Tap("good for no minute at all", on_ntag(mint_ticket(maxDuration=0)), "RELAY_FAULT"),
        Tap("must be validated online", on_ntag(mint_ticket(validationMethod="MustBeValidated")), _MUST_ASK),
        Tap("a phone that proves its driver's key", in_phone(mint_ticket(**personal), driver), "GRANTED"),
        Tap("a phone, its driver confirms after 3 s", in_phone(mint_ticket(**personal), driver, 3), "GRANTED"),
        Tap("a phone that does not prove it", in_phone(mint_ticket(**personal), None), "HOLDER_PROOF_REQUIRED"),
        Tap("a phone with another driver's ticket", in_phone(mint_ticket(**personal), stranger), "HOLDER_PROOF_FAILED"),
        Tap("a driver's ticket copied to a card", on_ntag(mint_ticket(**personal)), "HOLDER_PROOF_REQUIRED"),
        Tap("only over an encrypted channel", in_phone(mint_ticket(**private), driver), "ENCRYPTION_REQUIRED"),
        Tap("Bluetooth, encrypted, no cable plugged", afar(mint_ticket(**private), driver), "PRESENCE_REQUIRED"),
        Tap("Bluetooth, encrypted, with proof", afar(mint_ticket(**private), driver), "GRANTED", before=plug_in),
        Tap("Bluetooth, a ticket that names nobody", afar(mint_ticket(), driver), "HOLDER_PROOF_REQUIRED"),
        Tap("Bluetooth, a newer trust bundle", lambda: Wallet(newer, encrypt=True), "ACCEPTED"),
        Tap("a second one while a vehicle charges", on_ntag(mint_ticket()), "EVSE_BUSY", before=starts_with(minute)),
        Tap("an unknown member", on_ntag(mint_ticket(onlyOnFullMoon=True)), "UNKNOWN_CLAIM"),
        Tap("a number as text", on_ntag(mint_ticket(maxDuration="1")), "BAD_CLAIM"),
        Tap("an unknown issuer", on_type4(mint_ticket(key=stranger)), "UNKNOWN_ISSUER"),
        Tap("signed, it says, with ES256", on_type4(with_algorithm(good, "ES256")), "UNSUPPORTED_ALGORITHM"),
        Tap("a text that is no ticket", on_ntag(b"hello"), "MALFORMED"),
        Tap("five thousand bytes", on_type4(bytes(MAX_BYTES + 904)), "TOO_LARGE"),
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
        Tap("the ten thousandth and first used ticket", on_ntag(mint_ticket()), "LEDGER_FULL", before=fills_up(site)),
        Tap("a used ticket whose record has rotted", on_ntag(once), "STORE_FAULT", before=rots),
        Tap("no room to record a grant in", on_ntag(mint_ticket(multiUsage="Allowed")), "JOURNAL_FULL"),
    ]


_MUST_ASK = "ONLINE_VALIDATION_REQUIRED"
_METER = "METER_SIGNATURE_REQUIRED"


def plug_in(station: Station) -> None:
    station.board.drive(station.pins["VEHICLE"], 1)


def power_cycle(station: Station) -> None:
    station.power_cut()
    station.power_on()


def starts_with(card: Callable[[], Card]) -> Callable[[Station], None]:
    """A session that runs when the tap begins."""

    def start(station: Station) -> None:
        station.tap(card())

    return start


def fills_up(site: Path) -> Callable[[Station], None]:
    """As many used tickets and as many uncollected grants as the reader holds, written to its flash while it is off."""
    key = Site.load(site).journal_key()

    def fill(station: Station) -> None:
        station.power_cut()
        with tempfile.TemporaryDirectory() as name, mounted(station.board.flash.path) as fs:
            folder = Path(name)
            for store in ("/data/ledger", "/data/journal/kept", "/data/journal/refused"):
                (folder / store[1:]).mkdir(parents=True)
                for file in fs.listdir(store):
                    with fs.open(f"{store}/{file}", "rb") as source:
                        (folder / store[1:] / file).write_bytes(source.read())
            _fill_ledger(folder / "data/ledger")
            _fill_journal(Journal(str(folder / "data/journal"), key))
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    with fs.open("/" + str(path.relative_to(folder)), "wb") as target:
                        target.write(path.read_bytes())
        station.power_on()
        station.set_clock()

    return fill


def rots(station: Station) -> None:
    """One bit of the flash falls over, in the record that the single-use ticket was used."""
    record = b"use" + ticket_key("DE-XYZ", _ONCE_ID)[:17]
    with station.board.flash.path.open("r+b") as flash:
        image = flash.read()
        at = image.find(record)
        while at >= 0:
            # With three others behind it, it is in a file's own blocks; elsewhere the file system would notice.
            if image[at + 36 : at + 144 : 36] == b"uuu":
                flash.seek(at + len(record))  # its EVSE
                flash.write(bytes((image[at + len(record)] ^ 1,)))
            at = image.find(record, at + 1)


def _fill_ledger(folder: Path) -> None:
    book = ledger.Ledger(str(folder))
    until_s = epoch_ms() // 1000 + 86_400
    for number in range(book.limit - book.live):
        key = hashlib.sha256(b"%d" % number).digest()
        with (folder / f"{key[0] % 64:02d}").open("ab") as file:
            file.write(ledger.seal(b"use", key[:17], bytes(8), until_s))


def _fill_journal(journal: Journal) -> None:
    for length in (4600, 300, 1):
        try:
            while True:
                journal.append(GRANT, (bytes(length),))
        except Full:
            pass
