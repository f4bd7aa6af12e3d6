"""`devices`: the boards on this machine's serial ports, and which reader each one is."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table
from rich.text import Text
from serial.tools import list_ports

from tools.options import AS_JSON
from tools.problem import Problem
from tools.readers import asking
from tools.readers.port import ARCHITECTURES, Port
from tools.terminal import answers, printable, say, working

EXAMPLES = """Examples:

  python -m tools devices

  python -m tools devices --quiet"""

_LIMIT_S = 20

# Says who this board is. Nothing is imported that is not in MicroPython itself.
_ASK = """
import sys, machine, binascii, json
said = {"version": ".".join(str(part) for part in sys.implementation.version[:3])}
said["machine"] = getattr(sys.implementation, "_machine", sys.platform)
said["mpy"] = getattr(sys.implementation, "_mpy", 0)
said["id"] = binascii.hexlify(machine.unique_id()).decode()
try:
    with open("/site.json") as file:
        said["reader"] = json.load(file)["reader"]
except (OSError, ValueError, KeyError):
    said["reader"] = ""
print("device:" + json.dumps(said))
"""


@dataclass
class Device:
    """A serial port with USB behind it; `said` is what the board on it said of itself, None if none answered."""

    path: str
    usb: str
    said: dict[str, Any] | None = None


def devices(
    quiet: Annotated[bool, typer.Option("--quiet", help="Only list the ports: disturb no reader.")] = False,
    as_json: AS_JSON = False,
) -> None:
    """Find the boards on this machine and name them. A reader that is asked ends what it does, and starts anew."""
    found = ports()
    for one in () if quiet else found:
        with working(f"asking {one.path}"):
            one.said = ask(one.path)
    if as_json:
        print(json.dumps([{"port": one.path, "usb": one.usb, **(one.said or {})} for one in found], indent=1))
        return
    if not found:
        say("No board is plugged in. `--port virtual` is the virtual one.")
        return
    table = Table(Column("port", no_wrap=True), "reader", "board", box=SIMPLE_HEAD, pad_edge=False)
    for one in found:
        said = one.said or {}
        name = said.get("reader") or (
            "not provisioned" if one.said else "" if quiet else "no MicroPython answers: flash it"
        )
        board = [f"USB {one.usb}"]
        if one.said:
            board = [said["machine"], f"MicroPython {said['version']}, {march(said)}, {said['id']}", *board]
        table.add_row(*(Text("\n".join(map(printable, cell))) for cell in ([one.path], [name], board)))
    answers().print(table)


def ports() -> list[Device]:
    """The serial ports that hang on USB, by their paths."""
    return [
        Device(port.device, port.product or port.description or "")
        for port in sorted(list_ports.comports(), key=lambda port: port.device)
        if port.vid is not None
    ]


def ask(port: Port) -> dict[str, Any] | None:
    """What a board says of itself, which is reset afterwards; None if no MicroPython answers."""
    try:
        return asking.ask(port, _ASK, "device", _LIMIT_S)
    except Problem:
        return None


def march(said: dict[str, Any]) -> str:
    number = said.get("mpy", 0) >> 10 & 15
    return ARCHITECTURES[number] if said and number < len(ARCHITECTURES) else ""
