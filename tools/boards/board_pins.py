"""What hangs on which pin of a board (`boards/<BOARD>/pins.csv`), and whether its chip can do that.

`pins.csv` has the form that MicroPython's build takes: NAME,GPIOn. What a name means is in `boards/roles.csv`: its
direction, the level that the wiring gives it while the chip is in reset, and the port that serves it.
"""

import csv
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tools import ROOT
from tools.problem import Problem, shown

BOARDS = ROOT / "boards"
_ROW = re.compile(r"([A-Z][A-Z0-9_]*),GPIO(\d+)")
_ALTERNATIVES = ("hsu", "i2c", "spi")  # a site wires one of these, so that they may share pins


@dataclass(frozen=True)
class Chip:
    """What a chip's pins can do. From its datasheet, and MicroPython's machine_pin.h.

    straps: GPIO -> the level that it must have at a reset for the chip to start from its flash; None: leave it alone.
    """

    name: str
    esptool: str
    gpios: frozenset[int]
    flash: frozenset[int]
    input_only: frozenset[int]
    straps: dict[int, int | None]
    usb: frozenset[int]
    console: frozenset[int]  # UART 0's
    uarts: int
    i2cs: int
    spis: tuple[int, ...]
    flash_offset: int  # of MicroPython's image
    lively: frozenset[int]  # driven, pulled up or with a glitch upwards while the chip starts: no place for a relay


def _pins(*spans: tuple[int, int]) -> frozenset[int]:
    return frozenset(number for first, last in spans for number in range(first, last + 1))


_NONE: frozenset[int] = frozenset()
CHIPS = {
    "esp32": Chip(
        "ESP32-WROOM", "esp32", _pins((0, 19), (21, 23), (25, 27), (32, 36), (39, 39)), _pins((6, 11)),
        _pins((34, 39)), {0: 1, 2: 0, 5: 1, 12: 0, 15: 1}, _NONE, frozenset({1, 3}), 3, 2, (1, 2), 0x1000,
        frozenset({0, 1, 3, 5, 14, 15}),
    ),
    "esp32s3": Chip(
        "ESP32-S3", "esp32s3", _pins((0, 21), (26, 48)), _pins((26, 37)),
        _NONE, {0: 1, 3: None, 45: 0, 46: 0}, frozenset({19, 20}), frozenset({43, 44}), 3, 2, (1, 2), 0,
        frozenset({0, 18, 19, 20, 39, 43}),
    ),
    "esp32c3": Chip(
        "ESP32-C3", "esp32c3", _pins((0, 10), (12, 21)), _pins((12, 17)),
        _NONE, {2: 1, 8: 1, 9: None}, frozenset({18, 19}), frozenset({20, 21}), 2, 1, (1,), 0,
        frozenset({9, 18, 19, 20, 21}),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Role:
    """A line of roles.csv. at_reset: the level that the wiring gives the pin, where it gives one."""

    direction: str
    at_reset: int | None
    port: str
    group: str
    wired_to: str
    what: str


@cache
def roles() -> dict[str, Role]:
    with (BOARDS / "roles.csv").open(newline="", encoding="utf-8") as file:
        return {
            row["role"]: Role(
                row["direction"], int(row["at_reset"]) if row["at_reset"] else None,
                row["port"], row["group"], row["wired_to"], row["what"],
            )
            for row in csv.DictReader(file)
        }  # fmt: skip


def role(name: str) -> Role:
    """The role of a pin: RELAY_2 is a RELAY."""
    known = roles()
    found = known.get(name) or known.get(re.sub(r"_\d+$", "", name))
    if found is None:
        raise Problem(f"{name} is no role that boards/roles.csv knows; correct the name, or add what it is there")
    return found


def known_boards(folder: Path = BOARDS) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("*/pins.csv"))


def settings(board: str, folder: Path = BOARDS) -> dict[str, Any]:
    """build.toml of a board."""
    if board not in known_boards(folder):  # a path to one elsewhere would have files written there
        raise Problem(f"there is no board {shown(board)} in boards/: there are {', '.join(known_boards(folder))}")
    return tomllib.loads((folder / board / "build.toml").read_text())


def read(board: str, folder: Path = BOARDS) -> dict[str, int]:
    """GPIO numbers of a board's pins by name, in the order of pins.csv. Raises Problem."""
    settings(board, folder)
    pins: dict[str, int] = {}
    for number, line in enumerate((folder / board / "pins.csv").read_text("utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        match = _ROW.fullmatch(line)
        if match is None:
            raise Problem(f"boards/{board}/pins.csv:{number}: {shown(line)} is not like RELAY,GPIO25")
        if match[1] in pins:
            raise Problem(f"boards/{board}/pins.csv:{number}: {match[1]} is there twice")
        pins[match[1]] = int(match[2])
    return pins


def conflicts(pins: dict[str, int], chip: Chip, uarts: dict[str, int], console: str) -> list[str]:
    """What the chip cannot do of this, each in a line that says why; none: it can."""
    found = []
    for name, gpio in pins.items():
        found += [f"{name} on GPIO {gpio}: {why}" for why in _pin_conflicts(role(name), gpio, chip, console)]
        if role(name) is roles()["RELAY"] and gpio in chip.lively:
            found.append(
                f"{name} on GPIO {gpio}: that pin is not quiet while the chip starts, and a relay would follow it"
            )
    names = list(pins)
    for at, name in enumerate(names):
        for other in names[:at]:
            if pins[name] == pins[other] and not _alternatives(role(name), role(other)):
                found.append(f"{name} and {other} are both on GPIO {pins[name]}")
    return found + _port_conflicts(pins, chip, uarts, console)


def _alternatives(one: Role, other: Role) -> bool:
    return one.group != other.group and one.group in _ALTERNATIVES and other.group in _ALTERNATIVES


def _pin_conflicts(what: Role, gpio: int, chip: Chip, console: str) -> list[str]:
    found = []
    if gpio not in chip.gpios:
        return [f"the {chip.name} has no such pin"]
    if gpio in chip.flash:
        found.append("the flash or the memory of the module hangs there")
    if gpio in chip.usb:
        found.append("that is the chip's USB")
    if gpio in chip.console and console == "uart":
        found.append("the console is there")
    if gpio in chip.input_only and what.direction != "in":
        found.append("that pin can only be an input")
    if gpio in chip.straps:
        wants = chip.straps[gpio]
        if wants is None:
            found.append("that strapping pin decides how the chip starts: nothing may hang there")
        elif what.at_reset != wants:
            gives = "leaves that open" if what.at_reset is None else f"makes it {what.at_reset}"
            found.append(f"that strapping pin must be {wants} at a reset, and this wiring {gives}")
    return found


def _port_conflicts(pins: dict[str, int], chip: Chip, uarts: dict[str, int], console: str) -> list[str]:
    found, taken = [], {0: "the console"} if console == "uart" else {}
    for user in sorted({name.partition("_")[0] for name in pins if role(name).port == "uart"}):
        number = uarts.get(user)
        if number is None:
            found.append(f"{user} needs a UART, and build.toml's uarts names none for it")
        elif number >= chip.uarts:
            found.append(f"{user} is on UART {number}, and the {chip.name} has UART 0 to {chip.uarts - 1} only")
        elif number in taken:
            found.append(f"{user} is on UART {number}, which {taken[number]} has")
        else:
            taken[number] = user
    for name in pins:
        kind, number = role(name).port[:3], role(name).port[3:]
        if kind == "i2c" and int(number) >= chip.i2cs:
            found.append(f"{name} needs I2C {number}, and the {chip.name} has {chip.i2cs}")
        if kind == "spi" and int(number) not in chip.spis:
            found.append(f"{name} needs SPI {number}, which the {chip.name} does not have")
    return found


def check(board: str, folder: Path = BOARDS) -> dict[str, int]:
    """The board's pins, if its chip can do what they ask of it; raises Problem that says what it cannot."""
    pins, chosen = read(board, folder), settings(board, folder)
    chip = CHIPS.get(chosen["chip"])
    if chip is None:
        raise Problem(f"boards/{board}/build.toml: chip {shown(chosen['chip'])} is none of {', '.join(CHIPS)}")
    found = conflicts(pins, chip, chosen["uarts"], chosen["console"])
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise Problem(f"boards/{board}: {found[0]}{more}")
    return pins
