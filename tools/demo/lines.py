"""The demo's grants over a line: for each deliverer that has one, a device that takes a grant and is switched off."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.site.directory import CONFIG, Site
from tools.virtual.image import mounted
from tools.virtual.modbus import Device
from tools.virtual.rf import Card
from tools.virtual.station import Station, Tapped
from tools.virtual.world import Wire

_RS485_UART = 2
_HEAP = "128wK"


@dataclass
class Way:
    """A deliverer. relay: the [relay] of its site.toml; connect: hangs a device on a station that is off, and gives
    what tells whether that device energises."""

    title: str
    relay: str
    connect: Callable[[Station], Callable[[], bool]]


@dataclass
class Delivered:
    tapped: Tapped
    closings: int
    seconds: float


def deliver(way: Way, site: Path, image: Path, card: Card) -> Delivered:
    """One tap at a station with that deliverer, and the session to its end, as the device saw it.

    image: the flash of a station that was made ready for the site and has been tapped nothing; it is changed.
    """
    with mounted(image) as fs, fs.open("/site.json", "wb") as file:
        file.write(json.dumps(_changed(site, way).device_config()).encode())
    with Station(image, heap=_HEAP) as station:
        energised = way.connect(station)
        station.power_on()
        station.set_clock()
        station.world.run(2)
        begun_us = station.world.now_us
        tapped = station.tap(card)
        tapped.energised = energised()
        ended = station.world.run_until(lambda: not energised(), 120)
        seconds = (station.world.now_us - begun_us) / 1e6 - tapped.took_ms / 1000
        station.world.run(1)
        return Delivered(tapped, int(tapped.energised and ended and not energised()), seconds)


def _changed(site: Path, way: Way) -> Site:
    """The site with the deliverer of that way."""
    folder = site.with_name("site-" + "-".join(way.title.split()))
    shutil.copytree(site, folder)
    text = (folder / CONFIG).read_text("utf-8")
    (folder / CONFIG).write_text(re.sub(r'(?m)^kind = "gpio".*$', way.relay, text), "utf-8")
    return Site.load(folder)


def _relay_board(station: Station) -> Callable[[], bool]:
    wire = Wire(station.world, 19200)
    station.board.uart(_RS485_UART).connect(wire.end("reader"))
    device = Device(station.world, wire.end("relays"))
    return lambda: device.coils.get(0) == 1


WAYS = [Way("a relay board, over Modbus", 'kind = "modbus"\nmap = "timed-relay"\nunit = 1\nbaud = 19200', _relay_board)]
