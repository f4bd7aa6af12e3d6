"""`demo`: real firmware on a virtual station, deployed with mpremote, and a row of taps with what came of each."""

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tools.demo import lines
from tools.demo.script import Minter, Tap, configure, on_type4, script
from tools.site import init
from tools.site.directory import Site
from tools.virtual.phone import Phone, Wallet
from tools.virtual.station import Station, Tapped

if TYPE_CHECKING:
    from tools.virtual.radio import Air

EXAMPLES = """Examples:

  python -m tools demo"""


_WIDE = 132  # columns for all that there is to say of a tap


@dataclass
class Row:
    tap: Tap
    tapped: Tapped
    closings: int  # how often the relay closed
    relay_seconds: float
    told: str | None  # what the phone heard from the reader, "" if nothing; None for cards

    @property
    def as_expected(self) -> bool:
        """The relay's pin decides: it closed exactly if a grant was due, and the reason is the one that is due.
        A phone has heard it too."""
        if self.told not in (None, self.tap.expected):
            return False
        return self.tapped.reason == self.tap.expected and self.closings == (self.tap.expected == "GRANTED")


def present_afar(station: Station, air: "Air", wallet: Wallet) -> Tapped:
    """As `Station.tap`, over Bluetooth."""
    from tools.virtual.ble_phone import BlePhone

    on_before, start_us = station.relay_seconds(), station.world.now_us
    reason = air.run(BlePhone(air, wallet).present())
    took_ms = (station.world.now_us - start_us) // 1000
    station.world.run(0.5)
    return Tapped(station.relay_seconds() > on_before, reason, took_ms)


def run_tap(station: Station, air: "Air", tap: Tap) -> Row:
    """One tap and, if it switched the relay on, the charging session to its end."""
    if tap.before:
        tap.before(station)
    before, closed = station.relay_seconds(), station.relay_closings()
    card = tap.card()
    tapped = present_afar(station, air, card) if isinstance(card, Wallet) else station.tap(card, tap.frames)
    station.world.run_until(lambda: not station.relay_on, timeout_s=120)
    station.world.run(1)
    told = card.reason if isinstance(card, Phone | Wallet) else None
    return Row(tap, tapped, station.relay_closings() - closed, station.relay_seconds() - before, told)


def run_way(way: lines.Way, site: Path, made: Path) -> list[Row]:
    """Taps at a station that was made ready for the site, whose grants go over a line; judged by its device."""
    image = made.with_name(f"{made.stem}-line.img")
    shutil.copyfile(made, image)
    mint_ticket = Minter(site)
    cards = [on_type4(mint_ticket(**claims)) for _, claims, _ in way.taps]
    done = lines.deliver(way, site, image, [card() for card in cards])
    return [
        Row(Tap(title, card, expected), it.tapped, it.closings, it.seconds, None)
        for (title, _, expected), card, it in zip(way.taps, cards, done, strict=True)
    ]


def table(rows: list[Row], wide: bool) -> Table:
    """wide: with a column of what was expected, which else is told only where something else came."""
    made = Table(title="Taps on the virtual station", title_justify="left", pad_edge=wide)
    for name, right in (("", 0), ("tap", 0), ("reason", 0), ("expected", 0), ("phone", 0), ("relay s", 1), ("ms", 1)):
        if wide or name != "expected":
            made.add_column(
                name,
                justify="right" if right else "left",
                no_wrap=name == "reason",
                min_width=20 if name == "tap" else 0,
            )
    for row in rows:
        good, came = row.as_expected, row.tapped.reason or "(nothing)"
        made.add_row(
            "ok" if good else "NOT AS EXPECTED",
            row.tap.title,
            *((came, row.tap.expected) if wide else (came if good else f"{came},\nnot {row.tap.expected}",)),
            "" if row.told is None else "knows" if row.told == row.tapped.reason else row.told or "untold",
            f"{row.relay_seconds:.0f}" if row.closings else "-",
            str(row.tapped.took_ms),
            style="" if good else "bold red",
        )
    return made


def demo() -> int:
    """Watch real firmware, on a real MicroPython and littlefs, read tickets through PN532 frames and close a relay.

    Times in the table are those of the modelled chip and radio; what the processor computes takes no time there.
    """
    from tools.virtual.radio import Air, Radio  # half a second that no other command has to wait

    started = time.monotonic()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(width=None if Console().is_terminal else _WIDE)
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory(prefix="charging-ticket-") as name,
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
        # a phone's proof takes more than 96wK leave, and Bluetooth another 24
        Station(Path(name) / "flash.img", heap="128wK") as station,
        Air(station.world) as air,
    ):
        Radio(station.board, air)
        task = progress.add_task("making a site, deploying to the virtual board with mpremote")
        folder = Path(name) / "site"
        init.make(folder)
        configure(folder)
        station.make_ready(Site.load(folder))
        made = Path(name) / "made.img"
        shutil.copyfile(station.board.flash.path, made)
        for tap in script(folder):
            progress.update(task, description=f"tap: {tap.title}")
            rows.append(run_tap(station, air, tap))
        for way in lines.WAYS:
            progress.update(task, description=f"tap: {way.taps[0][0]}")
            rows += run_way(way, folder, made)
    console.print(table(rows, console.width >= _WIDE))
    good = sum(row.as_expected for row in rows)
    console.print(
        f"{time.monotonic() - started:.0f} s on the wall, relay judged by its pin's trace or its line's device"
    )
    print(f"{len(rows)} taps, {good} as expected")
    return 0 if good == len(rows) else 1
