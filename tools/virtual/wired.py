"""A virtual board with what its pins are wired to: a PN532 with its field, and a clock chip with a battery."""

import os

from tools.boards.firmware_build import read_pins
from tools.virtual.board import Board
from tools.virtual.ds3231 import Ds3231
from tools.virtual.pn532 import Chip, Pn532
from tools.virtual.pn532_bus import I2cPort, SpiPort
from tools.virtual.world import Wire, World

BOARD = "VIRTUAL"
_NFC_UART = 1
_BAUD = 115200


class Wired:
    """The board whose flash is the image at `flash_path`; it is off until its power is switched on.

    bus: the one that the PN532's switches choose, "hsu", "i2c" or "spi"; the site's config should say the same.
    """

    def __init__(self, world: World, flash_path: str | os.PathLike[str], heap: str = "96wK", bus: str = "hsu"):
        self.world = world
        self.pins = read_pins(BOARD)
        self.board = Board(world, flash_path, heap=heap)
        self.wire = Wire(world, _BAUD)
        self.port: I2cPort | SpiPort | None = None  # the chip's own side of an I2C or SPI bus
        self.chip = self._connect(bus)
        self.board.pins.watch(self.pins["NFC_RESET"], self._reset_pin)
        self.clock = Ds3231(world)  # wired to every board; a reader uses it where its site has an rtc
        self.board.i2c(self.pins["RTC_SCL"], self.pins["RTC_SDA"]).devices[Ds3231.ADDRESS] = self.clock

    def _connect(self, bus: str) -> Chip:
        pins = self.pins
        if bus == "hsu":
            self.board.uart(_NFC_UART).connect(self.wire.end("reader"))
            return Pn532(self.world, self.wire.end("pn532"))
        chip = Chip(self.world)
        if bus == "i2c":
            self.port = I2cPort(chip)
            self.board.i2c(pins["NFC_SCL"], pins["NFC_SDA"]).devices[I2cPort.ADDRESS] = self.port
        elif bus == "spi":
            self.port = SpiPort(chip)
            spi = self.board.spi(pins["NFC_SCK"], pins["NFC_MOSI"], pins["NFC_MISO"])
            spi.attach(pins["NFC_CS"], self.port)
        else:
            raise ValueError(f"bus is hsu, i2c or spi, not {bus!r}")
        self.port.on_irq = lambda level: self.board.drive(pins["NFC_IRQ"], level)
        return chip

    def _reset_pin(self, level: int | None) -> None:
        self.chip.reset_pin(1 if level is None else level)  # a pull-up on the breakout board

    def switch_on(self) -> None:
        self.clock.power(True)
        self.board.power_on()

    def power_cut(self) -> None:
        """All of it goes dark."""
        self.board.power_cut()
        self.chip.reset()
        self.clock.power(False)

    def close(self) -> None:
        self.board.close()
