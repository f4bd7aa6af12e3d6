"""`log`: what a reader says on its console, as it says it. The reader is not disturbed."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import serial
import typer
from rich.console import Console
from rich.text import Text

from tools.boards.firmware_build import written_names
from tools.readers.deploy import PortOption
from tools.readers.port import opened
from tools.terminal import answers, printable, say
from tools.units import duration_s
from tools.virtual.board import Board

EXAMPLES = """Examples:

  python -m tools log --port /dev/ttyUSB0

  python -m tools log --port /dev/ttyUSB0 --during 10m > reader.log"""

_BAUD = 115200
_RETRY_S = 0.5
_FRAME = re.compile(r'File "([\w.]+)", line \d+, in (\w+)')
_STYLES = (("GRANTED", "green"), ("tap:", "yellow"), ("ready:", "bold"), ("Error", "red"), ("not ready", "red"))


def log(
    port: PortOption,
    during: Annotated[
        str, typer.Option(metavar="TIME", help="End after so long, such as 10m.", show_default="never")
    ] = "",
) -> None:
    """Follow what a reader says, line by line with the time, until Ctrl-C.

    Names in a traceback are short on boards; beside them stand those of this checkout's source that they may be.
    A port that vanishes, as those of boards with USB of their own do at a reset, is waited for.
    """
    end = time.monotonic() + duration_s(during) if during else float("inf")
    lines = Lines(answers())
    with opened(port) as board:
        if isinstance(board, Board):
            follow_virtual(board, lines.take, end)
        else:
            follow(board, lines.take, end)


class Lines:
    """Puts together lines of what comes in pieces, and shows each with the time of its end."""

    def __init__(self, console: Console):
        self._console = console
        self._begun = ""

    def take(self, text: str) -> None:
        *whole, self._begun = (self._begun + text).replace("\r\n", "\n").split("\n")
        for line in whole:
            style = next((style for word, style in _STYLES if word in line), "")
            shown = f"{datetime.now(UTC):%H:%M:%S} {printable(line)}"
            if frame := _FRAME.search(line):
                shown += "".join(f" = {name}" for name in written_names(*frame.groups()))
            self._console.print(Text(shown, style), soft_wrap=True)


def follow(path: str, take: Callable[[str], None], end: float) -> None:
    """A serial port. Its DTR and RTS lines stay as a terminal leaves them: on many boards they reset the chip."""
    waiting = False
    while time.monotonic() < end:
        line = serial.Serial(baudrate=_BAUD, timeout=0.2)
        line.port, line.dtr, line.rts = path, False, False
        try:
            with line:
                line.open() if not line.is_open else None
                waiting = False
                while time.monotonic() < end:
                    take(line.read(line.in_waiting or 1).decode(errors="replace"))
        except serial.SerialException:
            if not waiting:
                say(f"{path} is gone; waiting for it")
            waiting = True
            time.sleep(_RETRY_S)


def follow_virtual(board: Board, take: Callable[[str], None], end: float) -> None:
    """A virtual board, whose time goes on while we look."""
    at = 0
    while time.monotonic() < end:
        board.world.run(0.2)
        take(board.console_log[at:])
        at = len(board.console_log)
