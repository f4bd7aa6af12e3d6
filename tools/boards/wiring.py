"""Draws a board's wiring as SVG from its pins.csv and boards/roles.csv: what it shows is what the firmware uses."""

from dataclasses import dataclass
from html import escape

from tools.boards import board_pins
from tools.boards.board_pins import CHIPS
from tools.problem import Problem

_WIDTH, _BOX, _BOARD = 1240, 400, 150
_ROW, _HEAD, _GAP, _TOP = 32, 36, 20, 84
_BOARD_LEFT = (_WIDTH - _BOARD) // 2
_NOTE_PX, _LABEL_PX = 5.8, 8.6  # a character on average, in the widest of the usual fonts
_INK, _PALE, _GREY = "#1d2733", "#f5f7f9", "#5d6b7a"


@dataclass(frozen=True)
class Group:
    """A thing that is wired to the board: its heading, what else it needs, its colour, and its side of the board."""

    title: str
    power: str
    colour: str
    side: str


GROUPS = {
    "relay": Group("EVSE controller", "GND", "#b3261e", "left"),
    "lights": Group("Lights, buzzer, strap", "GND", "#8a5a00", "left"),
    "rs485": Group("RS-485 transceiver", "3V3, GND", "#6a3d9a", "left"),
    "rtc": Group("DS3231 clock", "3V3, GND, its battery", "#33691e", "left"),
    "hsu": Group("PN532, switched to HSU", "3V3, GND", "#0b57a4", "right"),
    "i2c": Group("or PN532, switched to I2C", "3V3, GND", "#00696b", "right"),
    "spi": Group("or PN532, switched to SPI", "3V3, GND", "#2e5aac", "right"),
    "nfc": Group("PN532, with any of these", "", "#455a64", "right"),
}


def draw(board: str) -> str:
    """The picture, as the text of an SVG file. Raises Problem where the pins are in conflict."""
    pins = board_pins.check(board)
    chosen = board_pins.settings(board)
    columns: dict[str, list[tuple[Group, list[str]]]] = {"left": [], "right": []}
    for name, group in GROUPS.items():
        members = [pin for pin in pins if board_pins.role(pin).group == name]
        if members:
            columns[group.side].append((group, members))
    height = _TOP + max(_height(column) for column in columns.values()) + 44
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'font-family="Helvetica, Arial, sans-serif">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(20, 38, f"Wiring of {board}", 22, weight="bold"),
        _text(20, 60, "Drawn from pins.csv. All signals are 3.3 V. Grounds of all parts are connected.", 13, _GREY),
        f'<rect x="{_BOARD_LEFT}" y="{_TOP}" width="{_BOARD}" height="{height - _TOP - 44}" rx="10" fill="{_INK}"/>',
        _text(_WIDTH // 2, _TOP + 22, CHIPS[chosen["chip"]].name, 14, "#ffffff", "middle", "bold"),
    ]
    for side, column in columns.items():
        y = _TOP
        for group, members in column:
            parts += _group(group, members, pins, chosen["uarts"], side, y)
            y += _HEAD + _ROW * len(members) + 8 + _GAP
    console = "USB" if chosen["console"] == "usb" else "UART 0 (the board's USB bridge)"
    footer = f"The console is on {console}. The PN532 is wired in one of the ways shown, and site.toml says in which."
    parts += [_text(20, height - 16, footer, 13, _GREY), "</svg>", ""]
    return "\n".join(parts)


def _height(column: list[tuple[Group, list[str]]]) -> int:
    return sum(_HEAD + _ROW * len(members) + 8 + _GAP for _, members in column)


def _group(
    group: Group, members: list[str], pins: dict[str, int], uarts: dict[str, int], side: str, top: int
) -> list[str]:
    left = 20 if side == "left" else _WIDTH - 20 - _BOX
    edge, board_edge = (left + _BOX, _BOARD_LEFT) if side == "left" else (left, _BOARD_LEFT + _BOARD)
    inward = -1 if side == "left" else 1  # from the wire into the box
    anchor = "end" if side == "left" else "start"
    ports = {_port(pin, uarts) for pin in members} - {""}
    extra = "; ".join(part for part in (group.power, ", ".join(sorted(ports))) if part)
    parts = [
        f'<rect x="{left}" y="{top}" width="{_BOX}" height="{_HEAD + _ROW * len(members) + 8}" rx="8" fill="{_PALE}" '
        f'stroke="{group.colour}" stroke-width="1.5"/>',
        _text(left + 12, top + 22, group.title, 14, group.colour, weight="bold"),
        _text(left + _BOX - 12, top + 22, extra, 12, _GREY, "end"),
    ]
    for row, pin in enumerate(members):
        y = top + _HEAD + _ROW * row + _ROW // 2
        what = board_pins.role(pin)
        number = pin.rpartition("_")[2]
        label = what.wired_to + (f" {number}" if number.isdigit() else "")
        parts += [
            f'<line x1="{edge}" y1="{y}" x2="{board_edge}" y2="{y}" stroke="{group.colour}" stroke-width="2.5"/>',
            f'<circle cx="{edge}" cy="{y}" r="4.5" fill="{group.colour}"/>',
            f'<circle cx="{board_edge}" cy="{y}" r="4.5" fill="#d9a400"/>',
            _text(edge + inward * 14, y + 5, label, 13, anchor=anchor, weight="bold"),
            _text((edge + board_edge) // 2, y - 8, pin, 11, group.colour, "middle"),
            _text(
                board_edge - inward * 12,
                y + 5,
                f"GPIO {pins[pin]}",
                12,
                "#ffffff",
                "start" if side == "left" else "end",
            ),
            _arrow((edge + board_edge) // 2, y, what.direction, side, group.colour),
        ]
        if what.what:
            if len(what.what) * _NOTE_PX + len(label) * _LABEL_PX > _BOX - 2 * 14 - 6:
                raise Problem(f"boards/roles.csv says more of {pin} than its box in the picture holds: {what.what}")
            far = left + 12 if side == "left" else left + _BOX - 12
            parts.append(_text(far, y + 4, what.what, 11, _GREY, "start" if side == "left" else "end"))
    return parts


def _port(pin: str, uarts: dict[str, int]) -> str:
    port = board_pins.role(pin).port
    if port == "uart":
        return f"UART {uarts[pin.partition('_')[0]]}"
    return f"{port[:3].upper()} {port[3:]}" if port else ""


def _arrow(x: int, y: int, direction: str, side: str, colour: str) -> str:
    """Which way the signal goes: out of the board or into it; none where it goes both ways."""
    if direction == "both":
        return ""
    away = (side == "right") == (direction == "out")
    tip, tail = (x + 6, x - 5) if away else (x - 6, x + 5)
    return f'<path d="M{tip} {y} L{tail} {y - 5} L{tail} {y + 5} Z" fill="{colour}"/>'


def _text(x: int, y: int, text: str, size: int, fill: str = _INK, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(text, quote=False)}</text>"
    )
