"""The demo's grants over a line: for each deliverer that has one, a device that takes a grant and is switched off."""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.site.directory import CONFIG, Site
from tools.virtual.image import mounted
from tools.virtual.modbus import Device
from tools.virtual.osdp import Controller
from tools.virtual.rf import Card
from tools.virtual.station import Station, Tapped
from tools.virtual.world import Wire

_RS485_UART = 2
_HEAP = "128wK"
_FILES = ("/site.json", "/keys/osdp.key")  # what a reader is given that depends on its deliverer
_POLL_S = 0.2


@dataclass
class Way:
    """A deliverer. relay: the [relay] of its site.toml; connect: hangs a device on a station that is off, and gives
    what tells whether that device energises; taps: (what it is, the ticket's claims, what must come of it)."""

    relay: str
    connect: Callable[[Station, Site], Callable[[], bool]]
    taps: list[tuple[str, dict[str, Any], str]]


@dataclass
class Delivered:
    tapped: Tapped
    closings: int
    seconds: float


def deliver(way: Way, site: Path, image: Path, cards: Sequence[Card]) -> list[Delivered]:
    """A tap of each card at a station with that deliverer, and the session to its end, as the device saw it.

    image: the flash of a station that was made ready for the site and has been tapped nothing; it is changed.
    """
    changed = _changed(site, way)
    with mounted(image) as fs:
        for path, content in changed.provision_files().items():
            if path in _FILES:
                with fs.open(path, "wb") as file:
                    file.write(content)
    with Station(image, heap=_HEAP) as station:
        energised = way.connect(station, changed)
        station.power_on()
        station.set_clock()
        station.run_until(lambda: False, 2)
        return [_tap(station, energised, card) for card in cards]


def _tap(station: Station, energised: Callable[[], bool], card: Card) -> Delivered:
    begun_us = station.world.now_us
    tapped = station.tap(card)
    tapped.energised = energised()
    ended = station.run_until(lambda: not energised(), 120)
    seconds = (station.world.now_us - begun_us) / 1e6 - tapped.took_ms / 1000
    station.run_until(lambda: False, 1)
    return Delivered(tapped, int(tapped.energised and ended and not energised()), seconds)


def _changed(site: Path, way: Way) -> Site:
    """The site with the deliverer of that way."""
    folder = site.with_name("site-" + "-".join(re.findall("[a-z]+", way.relay)))
    shutil.copytree(site, folder)
    text = (folder / CONFIG).read_text("utf-8")
    (folder / CONFIG).write_text(re.sub(r'(?m)^kind = "gpio".*$', way.relay, text), "utf-8")
    return Site.load(folder)


def _relay_board(station: Station, site: Site) -> Callable[[], bool]:
    wire = Wire(station.world, 19200)
    station.board.uart(_RS485_UART).connect(wire.end("reader"))
    device = Device(station.world, wire.end("relays"))
    return lambda: device.coils.get(0) == 1


def _controller(station: Station, site: Site) -> Callable[[], bool]:
    """It polls from the first time on that somebody waits for the station, and answers no to whatever it is asked."""
    wire = Wire(station.world, 9600)
    station.board.uart(_RS485_UART).connect(wire.end("reader"))
    panel = Controller(station.world, wire, 0, site.osdp_key())
    panel.pause_s, panel.validates = _POLL_S, 0
    station.run_until = panel.run_until
    return lambda: bool(panel.runs)


WAYS = [
    Way(
        'kind = "modbus"\nmap = "timed-relay"\nunit = 1\nbaud = 19200',
        _relay_board,
        [("a relay board, over Modbus", {}, "GRANTED")],
    ),
    Way(
        'kind = "osdp"\naddress = 0',
        _controller,
        [
            ("a controller, over OSDP", {}, "GRANTED"),
            ("a controller that says no", {"validationMethod": "ShouldBeValidated"}, "ONLINE_REFUSED"),
        ],
    ),
]
