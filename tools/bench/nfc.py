"""How long the reader takes from seeing a card to having its ticket: the NFC part of `bench`.

Real firmware on the virtual board reads virtual cards through the modelled chip, at the modelled speeds of the air
(106 kbit/s) and of the bus. Computed from the recorded traces. What the processor computes takes no time there.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from tools.site import init
from tools.site.directory import Site
from tools.site.keys import load_key
from tools.tickets.mint import defaults, mint
from tools.units import epoch_ms
from tools.virtual.cards import Ntag, Type4Tag, ndef_message
from tools.virtual.image import mounted
from tools.virtual.phone import Phone, Wallet
from tools.virtual.pn532_faults import Point
from tools.virtual.rf import Card
from tools.virtual.station import Station
from tools.virtual.world import BITS_PER_BYTE

SLOW = "hsu 115200"  # the UART of a board on which the chip's reset is not wired
BUSES = ("hsu", SLOW, "i2c", "spi")
NTAG, TAG, PHONE = "250-byte CWT, NTAG215", "1.3 KB JWS, Type 4 tag", "1.3 KB JWS with proof, phone"
LIMITS_MS = {NTAG: 120, TAG: 350, PHONE: 350}
_MIME = "application/charging-ticket+"
_BYTE_S = {"i2c": 9 / 400_000, "spi": 8 / 1_000_000}  # the UART's wire knows its own speed
_LIST = 0x4A
# What a command does, by the first bytes that the card gets of it.
_NAMES = (
    (b"\x30\x00", "READ page 0"),
    (b"\x30", "READ"),
    (b"\x3a", "FAST_READ"),
    (b"\x00\xa4\x04", "SELECT application"),
    (b"\x00\xa4", "SELECT file"),
    (b"\x00\xb0", "READ BINARY"),
    (b"\x80\x10", "HELLO"),
    (b"\x80\x12", "PRESENT"),
)


@dataclass
class Command:
    """One host command of a read: when its answer was in hand, its frames on the bus, and those on the air."""

    name: str
    in_hand_us: float = 0
    bus_frames: int = 0
    air_frames: int = 0


@dataclass
class Step:
    name: str
    commands: int
    bus_frames: int
    air_frames: int
    ms: float


class Recorder:
    """Takes the place of a station's faults, and of its chip's interrupt line, and notes what passes there."""

    def __init__(self, station: Station, bus: str):
        self.commands: list[Command] = []
        self._station = station
        self._byte_us = _BYTE_S.get(bus, 0) * 1e6
        self._answered: tuple[Command, int] | None = None  # whose answer waits to be fetched, and its bytes
        station.chip.faults = self._passes
        if station.port is not None:
            self._on_irq = station.port.on_irq
            station.port.on_irq = self._irq

    def _passes(self, point: Point) -> None:
        if point.where == "command":
            self.commands.append(Command(_name(point.data)))
        if not self.commands:
            return
        command = self.commands[-1]
        if point.where in ("to card", "from card"):
            command.air_frames += 1
            return
        command.bus_frames += 1
        if point.where == "response":
            if self._station.port is None:
                line_us = len(point.data) * BITS_PER_BYTE * 1e6 / self._station.wire.baud
                command.in_hand_us = self._station.world.now_us + line_us
            else:
                self._answered = command, len(point.data)

    def _irq(self, level: int) -> None:
        self._on_irq(level)
        if level == 1 and self._answered is not None:
            command, size = self._answered
            command.in_hand_us = self._station.world.now_us + size * self._byte_us
            self._answered = None

    def stop(self) -> None:
        self._station.chip.faults = None
        if self._station.port is not None:
            self._station.port.on_irq = self._on_irq


def _name(frame: bytes) -> str:
    """What a command frame (from its start code on) asks for."""
    data = frame[frame.index(b"\xd4", 4) + 1 :]
    if data[0] not in (0x40, 0x42):
        return f"{data[0]:02X}"
    data = data[2 if data[0] == 0x40 else 1 :]
    return next((name for start, name in _NAMES if data.startswith(start)), data[:2].hex())


def read(station: Station, bus: str, card: Card) -> list[Step]:
    """Holds a card to the reader and gives the steps from card seen to ticket bytes in hand."""
    recorder = Recorder(station, bus)
    said = len(station.board.console_log)
    station.chip.field.put(card)
    if not station.world.run_until(lambda: "\ntap: " in "\n" + station.board.console_log[said:], 10):
        raise RuntimeError("the card was not read: " + station.last_lines())
    recorder.stop()
    station.chip.field.take()
    station.world.run(3)
    return _steps(recorder.commands)


def _steps(commands: list[Command]) -> list[Step]:
    """The commands after the last look for cards, in rows of the same kind."""
    seen = max(index for index, command in enumerate(commands) if command.name == f"{_LIST:02X}")
    since_us = commands[seen].in_hand_us
    steps = []
    # what has no answer by now was begun after the ticket was judged
    read = [command for command in commands[seen + 1 :] if command.in_hand_us]
    for name, group in groupby(read, key=lambda command: command.name):
        row = list(group)
        ms = (row[-1].in_hand_us - since_us) / 1000
        since_us = row[-1].in_hand_us
        frames = sum(command.bus_frames for command in row), sum(command.air_frames for command in row)
        steps.append(Step(name, len(row), *frames, ms))
    return steps


def of_size(size: int, make: Callable[[int], bytes]) -> bytes:
    """The ticket of exactly so many bytes (or up to two more), from a function of how much text is in it."""
    length = max(0, size - len(make(0)))
    while len(make(length)) > size + 2:
        length -= 1
    while len(make(length)) < size:
        length += 1
    return make(length)


def cards(site: Path) -> dict[str, Card]:
    """The cards that the numbers are stated for. Their tickets are for another operator, so that no session begins."""
    key = load_key(site / "issuer.jwk", private=True)
    driver = load_key(site / "driver.jwk", private=True)
    now_ms = epoch_ms()
    base = {**defaults("DE-XYZ", now_ms, now_ms - 3_600_000, 86_400), "validOperators": ["DE*XYZ"]}
    public = {name: driver[name] for name in ("kty", "crv", "x")}

    def ticket(size: int, form: str, **claims) -> bytes:
        return of_size(
            size,
            lambda length: mint(
                {**base, **claims, "description": [{"language": "en", "text": "x" * (1 + length)}]}, key, form
            ),
        )

    personal = ticket(1300, "jws", driverPublicKey=public)
    return {
        NTAG: Ntag(215, ndef_message(_MIME + "cwt", ticket(250, "cwt"))),
        TAG: Type4Tag(ndef_message(_MIME + "jws", ticket(1300, "jws"))),
        PHONE: Phone(Wallet(personal, driver)),
    }


def measure() -> dict[str, dict[str, list[Step]]]:
    """Steps by card and bus."""
    result: dict[str, dict[str, list[Step]]] = {name: {} for name in LIMITS_MS}
    with tempfile.TemporaryDirectory(prefix="charging-ticket-") as name:
        folder = Path(name)
        init.make(folder / "site")
        config = (folder / "site" / "site.toml").read_text()
        for name in BUSES:
            bus = name.partition(" ")[0]
            image = folder / f"{name}.img"
            if name != BUSES[0]:
                shutil.copyfile(folder / f"{BUSES[0]}.img", image)
            (folder / "site" / "site.toml").write_text(config.replace('bus = "hsu"', f'bus = "{bus}"'))
            with Station(image, bus=bus) as station:
                station.make_ready(Site.load(folder / "site"))
                if name == SLOW:
                    _unwire_reset(station)
                for title, card in cards(folder / "site").items():
                    result[title][name] = read(station, bus, card)
    return result


def _unwire_reset(station: Station) -> None:
    station.power_cut()
    with mounted(station.board.flash.path) as fs:
        pins = fs.open("/pins.py", "rb").read()
        with fs.open("/pins.py", "wb") as file:
            file.write(pins.replace(b"NFC_RESET", b"NOT_WIRED"))
    station.power_on()
    station.set_clock()


def as_json(result: dict[str, dict[str, list[Step]]]) -> dict:
    return json.loads(json.dumps(result, default=vars))


def report(result: dict[str, dict[str, list[Step]]]) -> list[Table]:
    """A table for each card: its steps with their frames, which are the same on every bus, and the milliseconds."""
    tables = []
    for title, by_bus in result.items():
        heading = f"{title}: from card seen to ticket in hand"
        made = Table(title=heading, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        made.add_column("step", no_wrap=True)
        for heading in ("commands", "bus frames", "air frames", *(f"{bus} ms" for bus in by_bus)):
            made.add_column(heading, justify="right", min_width=max(map(len, heading.split())))
        for rows in zip(*by_bus.values(), strict=True):
            made.add_row(*_cells(rows[0].name, rows))
        sums = [total(steps) for steps in by_bus.values()]
        made.add_row(*_cells(f"all (limit {LIMITS_MS[title]} ms)", sums), style="bold")
        tables.append(made)
    return tables


def _cells(name: str, by_bus: Sequence[Step]) -> list[str]:
    one = by_bus[0]
    counts = (one.commands, one.bus_frames, one.air_frames)
    return [name, *(str(count) for count in counts), *(f"{step.ms:.1f}" for step in by_bus)]


def total(steps: list[Step]) -> Step:
    return Step(
        "all",
        sum(step.commands for step in steps),
        sum(step.bus_frames for step in steps),
        sum(step.air_frames for step in steps),
        sum(step.ms for step in steps),
    )
