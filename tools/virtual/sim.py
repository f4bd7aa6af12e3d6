"""`tap` and `sim`: a virtual station to hold tickets to, once or for as long as you like."""

import json
import os
import shlex
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from tools.options import AS_JSON, SITE, TICKET
from tools.problem import Problem, shown
from tools.readers.port import RADIO_HEAP, virtual_flash
from tools.site import init
from tools.site.directory import CONFIG, Site
from tools.site.keys import load_key
from tools.terminal import say
from tools.tickets import ticket_file
from tools.tickets.reasons import WORDS
from tools.virtual.cards import Ntag, Type4Tag, ndef_message
from tools.virtual.phone import Phone, Wallet
from tools.virtual.rf import Card
from tools.virtual.station import Station
from tools.wallet_server import VIRTUAL_PORT, serving

if TYPE_CHECKING:
    from tools.virtual.radio import Air

TAP_EXAMPLES = """Examples:

  python -m tools tap --site site ticket.jws

  python -m tools tap --site site --card ntag215 --json ticket.cwt

  python -m tools tap --site site --card phone --driver site/driver.jwk ticket.jws"""

SIM_EXAMPLES = """Examples:

  python -m tools sim

  python -m tools sim --site site

  python -m tools sim --wallet

Then type `tap ticket.jws`, `cut`, `power`, `help`; the console's path is for mpremote or any terminal program."""

CardKind = Literal["type4", "ntag213", "ntag215", "ntag216", "phone"]
_ON_THE_AIR = '\n[ble]\npresence = "none"\n'
_LONGEST_US = 15_000_000  # so long a card is held to a reader that says nothing about it
_AFTER_US = 1_000_000  # and so long after the reader's word, which a phone is still told
_PRESS_US = 300_000
_NEXT_US = 2_000_000  # until the reader has seen that it left, and takes the next
_HELP = """tap FILE [type4|ntag213|ntag215|ntag216]   hold a ticket to the reader (type4 unless named)
tap FILE phone [KEY]                        the same in a phone, which proves that it holds a driver's key (JWK)
plug, unplug                                a vehicle at the first EVSE
press                                       the driver's button at the station, for a moment
cut                                         the power fails
power                                       and comes back (the clock is lost: `make provision` sets it)
quit"""


def card_with(ticket: bytes, kind: str, driver: Path | None = None) -> Card:
    """A virtual card that holds the ticket as NDEF, or a phone with it and, where there is one, the driver's key.

    Problem where it does not fit, or the key is none.
    """
    if kind == "phone":
        return Phone(Wallet(ticket, load_key(driver, private=True) if driver else None))
    form = "jws" if ticket.count(b".") == 2 and ticket.isascii() else "cwt"
    message = ndef_message(f"application/charging-ticket+{form}", ticket)
    try:
        return Type4Tag(message) if kind == "type4" else Ntag(int(kind[4:]), message)
    except ValueError as error:
        raise Problem(f"the ticket does not fit on an {kind}: {error}; try ntag216 or type4") from None


def tap(
    site: SITE,
    ticket: TICKET,
    card: Annotated[CardKind, typer.Option("--card", help="What the ticket is on.")] = "type4",
    driver: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A phone's: the driver's private JWK, to prove it is held.")
    ] = None,
    as_json: AS_JSON = False,
) -> int:
    """Hold a ticket, on a virtual card, to a virtual reader of this site; exit 0 if its relay closes, 1 if not.

    The reader's flash is kept from call to call, so that a single-use ticket is granted once. Commands that take a port
    reach that reader as `virtual:DIR`.
    """
    if driver and card != "phone":
        raise Problem("only a phone can prove a driver's key: add --card phone")
    held = card_with(ticket_file.read(ticket), card, driver)
    here = Site.load(site)
    with Station(virtual_flash(site), bus=here.bus) as station:
        say("deploying to the virtual board …")
        station.make_ready(here)
        tapped = station.tap(held)
    if as_json:
        print(json.dumps({"energised": tapped.energised, "reason": tapped.reason, "ms": tapped.took_ms}))
    else:
        print(f"{tapped.reason or 'no word'}: {WORDS.get(tapped.reason, 'no ticket was read from this card.')}")
        print(
            f"relay {'on' if tapped.energised else 'off'}, {tapped.took_ms} ms from the card in the field to the word"
        )
    return 0 if tapped.energised else 1


def sim(
    site: Annotated[Path | None, typer.Option("--site", metavar="DIR", help="A site; else a fresh one.")] = None,
    wallet: Annotated[
        bool, typer.Option("--wallet", help="Serve the wallet page as well, with this station in its reach.")
    ] = False,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Where the wallet is.")] = VIRTUAL_PORT,
):
    """A virtual station that stays: tap tickets on it, watch its relay, reach its console with mpremote."""
    from tools.virtual.radio import Air, Radio  # half a second that no other command has to wait

    with tempfile.TemporaryDirectory(prefix="charging-ticket-") as name:
        folder = site or Path(name) / "site"
        if site is None:
            init.make(folder)
            if wallet:
                with (folder / CONFIG).open("a") as file:
                    file.write(_ON_THE_AIR)
        here = Site.load(folder)
        phones = here.content.get("ble") is not None
        if wallet and not phones:
            raise Problem(f"{folder / CONFIG} has no table [ble], so its radio is off: add [ble] and its presence")
        image = virtual_flash(folder) if site else Path(name) / "flash.img"
        with ExitStack() as stack:
            station = stack.enter_context(Station(image, RADIO_HEAP if phones else "96wK", "real", here.bus))
            air = stack.enter_context(Air(station.world))
            Radio(station.board, air)
            say("deploying to the virtual board …")
            station.make_ready(here)
            between = stack.enter_context(_wallet_at(air, port)) if wallet else lambda: None
            _Bench(station, folder).run(between)


@contextmanager
def _wallet_at(air: "Air", port: int) -> Iterator[Callable[[], None]]:
    """Serves the wallet; what comes out is to be called between the world's steps."""
    from tools.virtual.web_radio import Counter, WebRadio

    counter = Counter(air.world, WebRadio(air).call)
    try:
        with serving(port, counter.call) as server:
            print(f"wallet   {server.url}   (open it in a browser on this machine)")
            yield counter.serve
    finally:
        counter.close()


class _Bench:
    """The prompt, and a line for each change of the relay."""

    def __init__(self, station: Station, folder: Path):
        self._station = station
        self._ended = False
        self._shown = len(station.board.console_log)
        self._typed = b""
        self._lines: deque[str] = deque()  # typed, and not yet obeyed
        self._busy = False  # a card is there, or the reader is not yet ready for the next
        self._held: Card | None = None  # a card of which the reader has said nothing yet
        print(f"site     {folder}")
        print(f"console  {station.board.console}   (for example: mpremote connect {station.board.console})")
        print(_HELP)
        station.board.pins.watch(
            station.pins["RELAY"], lambda level: print("relay on" if level else "relay off", flush=True)
        )

    def run(self, between: Callable[[], None]) -> None:
        """Until its end; `between` is called between the world's steps."""
        world = self._station.world
        world.add_reader(sys.stdin.fileno(), self._read)
        try:
            while self._lines or self._busy or not self._ended:
                world.step()
                between()
                self._print_console()
                if self._lines and not self._busy:
                    self._try(self._lines.popleft())
        except KeyboardInterrupt:
            pass
        finally:
            if not self._ended:
                world.remove_reader(sys.stdin.fileno())

    def _print_console(self) -> None:
        """Its whole lines; none of what mpremote says to it in between."""
        *lines, _ = self._station.board.console_log[self._shown :].split("\n")
        for line in lines:
            self._shown += len(line) + 1
            shown = line.rstrip("\r")
            if shown.isprintable() and not shown.startswith("raw REPL"):
                print(shown, flush=True)
            if self._held and shown.startswith(("tap: ", "card: ")):
                self._take(self._held, _AFTER_US)

    def _read(self) -> None:
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            self._end()
        self._typed += data
        while b"\n" in self._typed:
            line, _, self._typed = self._typed.partition(b"\n")
            self._lines.append(line.decode(errors="replace"))

    def _try(self, line: str) -> None:
        try:
            self._obey(shlex.split(line))
        except (Problem, ValueError, OSError, TimeoutError) as wrong:
            print(wrong, flush=True)

    def _end(self) -> None:
        """No more is read; what was typed before is still obeyed."""
        if not self._ended:
            self._ended = True
            self._station.world.remove_reader(sys.stdin.fileno())

    def _obey(self, words: list[str]) -> None:
        match words:
            case []:
                pass
            case ["quit"]:
                self._lines.clear()
                self._end()
            case ["plug" | "unplug" as what]:
                self._drive("VEHICLE", int(what == "plug"))
            case ["press"]:
                self._drive("BUTTON", 0)
                self._station.world.call_later(_PRESS_US, lambda: self._drive("BUTTON", 1))
            case ["cut"]:
                self._station.power_cut()
            case ["power"] if self._station.board.alive:
                print("the power is on already")
            case ["power"]:
                self._station.board.power_on()
            case ["tap", name]:
                self._tap(name, "type4")
            case ["tap", name, kind]:
                self._tap(name, kind)
            case ["tap", name, "phone", key]:
                self._tap(name, "phone", Path(key))
            case _:
                print(_HELP)

    def _drive(self, pin: str, level: int) -> None:
        self._station.board.drive(self._station.pins[pin], level)

    def _tap(self, name: str, kind: str, driver: Path | None = None) -> None:
        if kind not in get_args(CardKind):
            raise Problem(f"there is no card {shown(kind)}: {', '.join(get_args(CardKind))}")
        card = card_with(ticket_file.read(name), kind, driver)
        self._station.chip.field.put(card)
        self._busy, self._held = True, card
        self._station.world.call_later(_LONGEST_US, lambda: self._take(card, 0))

    def _take(self, card: Card, later_us: int) -> None:
        if self._held is card:
            self._held = None
            self._station.world.call_later(later_us, lambda: self._station.chip.field.take(card))
            self._station.world.call_later(later_us + _NEXT_US, self._free)

    def _free(self) -> None:
        self._busy = False
