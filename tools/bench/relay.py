"""How long after the durable record of a grant the relay's output closes: the relay part of `bench`.

On the virtual board, by the trace of its flash and of the relay's pin: what the firmware waits for in between. What its
processor computes there takes no time on that board; `bench_device` measures that.
"""

import tempfile
from pathlib import Path

from rich.table import Table

from tools.site import init
from tools.site.directory import Site
from tools.site.keys import load_key
from tools.tickets.mint import defaults, mint
from tools.units import epoch_ms
from tools.virtual.cards import Type4Tag, ndef_message
from tools.virtual.rf import Card
from tools.virtual.station import Station

LIMIT_MS = 5
COMPUTED = "record returned to relay output, gpio"  # as bench_device calls it


def record_to_relay_us(station: Station, card: Card) -> int:
    """Microseconds from the last change of the flash before the relay's output closes to that moment, in one tap."""
    flash = station.board.flash
    program, erase = flash.program, flash.erase
    changed: list[int] = []
    closed: list[int] = []

    def programmed(offset, data, power_cut):
        program(offset, data, power_cut)
        if not closed:
            changed.append(station.world.now_us)

    def erased(block, power_cut):
        erase(block, power_cut)
        if not closed:
            changed.append(station.world.now_us)

    def follow(level: int | None) -> None:
        if level == 1:
            closed.append(station.world.now_us)

    station.board.pins.watch(station.pins["RELAY"], follow)
    flash.program, flash.erase = programmed, erased  # type: ignore[method-assign]
    tapped = station.tap(card)
    flash.program, flash.erase = program, erase  # type: ignore[method-assign]
    if tapped.reason != "GRANTED" or not changed or not closed:
        raise RuntimeError(f"no grant to measure: {tapped.reason}")
    return closed[0] - changed[-1]


def measure() -> int:
    with tempfile.TemporaryDirectory(prefix="charging-ticket-") as name:
        folder = Path(name)
        init.make(folder / "site")
        key, now_ms = load_key(folder / "site" / "issuer.jwk", private=True), epoch_ms()
        claims = {**defaults("DE-XYZ", now_ms, now_ms - 3_600_000, 86_400), "maxDuration": 1}
        with Station(folder / "flash.img") as station:
            station.make_ready(Site.load(folder / "site"))
            card = Type4Tag(ndef_message("application/charging-ticket+jws", mint(claims, key)))
            return record_to_relay_us(station, card)


def report(waited_us: int, computed_us: float | None) -> Table:
    """computed_us: as measured on MicroPython here; None: it was not."""
    made = Table(title=f"gpio: durable record to relay output (limit {LIMIT_MS} ms)", title_justify="left")
    made.add_column("")
    made.add_column("ms", justify="right")
    made.add_row("waiting, on the virtual board", f"{waited_us / 1000:.3f}")
    if computed_us is not None:
        made.add_row("computing, on MicroPython here", f"{computed_us / 1000:.3f}")
    return made
