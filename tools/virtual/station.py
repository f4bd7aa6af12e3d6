"""A whole station on a desk: world, board, PN532 and a field to hold cards into."""

import os
from dataclasses import dataclass

from tools.deploy import read_pins
from tools.virtual.board import Board
from tools.virtual.pn532 import Pn532
from tools.virtual.world import Wire, World

NFC_UART = 1
BAUD = 115200


@dataclass
class Tapped:
    """What came of one tap. reason: the firmware's word on its console (`-` and the cause for a card without a ticket);
    energised: what the relay's pin did, which is what counts; read_ms: from the card in the field to the verdict."""

    reason: str
    energised: bool
    ms: int


class Station:
    """A board of the kind VIRTUAL with its PN532, on the flash image at `flash_path`. It is off until `power_on`."""

    def __init__(self, flash_path: str | os.PathLike[str], world: World | None = None, heap: str = "96wK"):
        self.world = world or World()
        self.pins = read_pins("VIRTUAL")
        self.board = Board(self.world, flash_path, heap=heap)
        self.wire = Wire(self.world, BAUD)
        self.board.uart(NFC_UART).connect(self.wire.end("reader"))
        self.chip = Pn532(self.world, self.wire.end("pn532"))
        self.board.pins.watch(self.pins["NFC_RESET"], self._reset_chip)

    def _reset_chip(self, level: int | None) -> None:
        self.chip.reset_pin(1 if level is None else level)

    @property
    def relay_on(self) -> bool:
        return self.board.pins.level(self.pins["RELAY"]) == 1

    def power_on(self) -> None:
        self.board.power_on()
        self.chip.reset()

    def power_cut(self) -> None:
        """The whole station goes dark."""
        self.board.power_cut()

    def wait_for(self, text: str, timeout_s: float = 30) -> bool:
        """Whether the console prints `text` within so many seconds of the world's time, counted from now."""
        seen = len(self.board.console_log)
        return self.world.run_until(lambda: text in self.board.console_log[seen:], timeout_s)

    def close(self) -> None:
        self.board.close()

    def __enter__(self) -> "Station":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
