"""Composition root: makes the hardware, hands it to the station, and resets when that fails.

With boot.py and main.py the only file that names machine, bluetooth or esp32.
"""

import asyncio
import gc
import sys
import time

import machine
import pins
from machine import Pin

VERSION = 1  # of this firmware: an update is taken only if its own is higher
WATCHDOG_MS = 8000
# Collecting early keeps the heap in one piece: without it importing needs a sixth more than what stays.
GC_THRESHOLD = 8192


def clock_bus():
    """The I2C bus of a battery-backed clock; None: not on this board."""
    if not hasattr(pins, "RTC_SCL"):
        return None
    return machine.I2C(1, scl=Pin(pins.RTC_SCL), sda=Pin(pins.RTC_SDA), freq=100_000, timeout=20_000)


class Ports:
    """Everything outside the program that the station uses. Outputs are callables that take 0 or 1.

    tree, starts, guard: see trees.begin; `version` is that of this firmware.
    """

    def __init__(self, tree=None, starts=0, guard=None):
        self._tree = tree
        self._guard = guard
        self.starts = starts
        self.version = VERSION
        self.relays = []  # those in use; boot.py has driven all of them off
        self.green = Pin(pins.LED_GREEN, Pin.OUT, value=0).value
        self.red = Pin(pins.LED_RED, Pin.OUT, value=0).value
        self.buzzer = Pin(pins.BUZZER, Pin.OUT, value=0).value
        self.nfc_reset = Pin(pins.NFC_RESET, Pin.OUT, value=1).value if hasattr(pins, "NFC_RESET") else None
        self.ticks_ms = time.ticks_ms
        self.ticks_diff = time.ticks_diff
        self.rtc = machine.RTC()
        self.clock_bus = clock_bus
        self.reset_cause = {
            machine.PWRON_RESET: "POWER_ON",
            machine.HARD_RESET: "HARD",
            machine.WDT_RESET: "WATCHDOG",
            machine.DEEPSLEEP_RESET: "DEEPSLEEP",
            machine.SOFT_RESET: "SOFT",
        }.get(machine.reset_cause(), "OTHER")
        self.feed = machine.WDT(timeout=WATCHDOG_MS).feed  # last: from here on somebody must feed it

    def nfc(self, bus):
        """What the NFC chip hangs on, as its bus class takes it: the port, then its lines. None: not on this board."""
        names = {"hsu": ("TX", "RX"), "i2c": ("SCL", "SDA"), "spi": ("SCK", "MOSI", "MISO", "CS")}[bus]
        numbers = [getattr(pins, "NFC_" + name, None) for name in names]
        if None in numbers:
            return None
        if bus == "hsu":
            return (machine.UART(pins.NFC_UART, 115200, tx=Pin(numbers[0]), rx=Pin(numbers[1]), rxbuf=1024, timeout=0),)
        irq = Pin(pins.NFC_IRQ, Pin.IN).value if hasattr(pins, "NFC_IRQ") else None
        if bus == "i2c":
            # the longest transfer takes 8 ms; a stuck bus must not hold the loop for longer than that needs
            port = machine.I2C(0, scl=Pin(numbers[0]), sda=Pin(numbers[1]), freq=400_000, timeout=20_000)
            return port, irq
        select = Pin(numbers[3], Pin.OUT, value=1).value
        sck, mosi, miso = (Pin(number) for number in numbers[:3])
        port = machine.SPI(1, 1_000_000, firstbit=machine.SPI.LSB, sck=sck, mosi=mosi, miso=miso)
        return port, select, irq

    def rs485(self, baud, parity=None, stop=1):
        """(UART, driver enable: callable(level)) of a half-duplex line; None: not on this board."""
        if not hasattr(pins, "RS485_TX"):
            return None
        tx, rx = Pin(pins.RS485_TX), Pin(pins.RS485_RX)
        uart = machine.UART(pins.RS485_UART, baud, timeout=0, parity=parity, stop=stop, tx=tx, rx=rx, rxbuf=512)
        return uart, Pin(pins.RS485_DE, Pin.OUT, value=0).value

    def bluetooth(self):
        """The radio, and the class of its UUIDs."""
        import bluetooth

        return bluetooth.BLE(), bluetooth.UUID

    def button(self):
        """An input that is 0 while the driver's button is pressed; None: not on this board."""
        return Pin(pins.BUTTON, Pin.IN, Pin.PULL_UP).value if hasattr(pins, "BUTTON") else None

    def inputs(self, prefix):
        """The inputs of that name, in the order of the relays: VEHICLE is 1 while one is plugged in, FEEDBACK while the
        contactor is open."""
        return [Pin(getattr(pins, name), Pin.IN).value for name in sorted(dir(pins)) if name.startswith(prefix)]

    def use_relays(self, count):
        """As many outputs as the site has EVSEs, if this board has them."""
        for name in sorted(name for name in dir(pins) if name.startswith("RELAY"))[:count]:
            self.relays.append(Pin(getattr(pins, name), Pin.OUT, value=0).value)
        return self.relays

    def unload(self, package, name):
        """Gives back the memory of a module that has done its work, if nobody holds anything of it. package: "" for
        one that is in none."""
        sys.modules.pop(package + "." + name if package else name, None)
        if package and hasattr(sys.modules[package], name):
            delattr(sys.modules[package], name)
        gc.collect()  # what is allocated next fills the holes

    @property
    def trial(self):
        """Whether this firmware is new and has not proved itself."""
        return self._guard is not None

    def trees(self):
        """The module, to be unloaded after use; None where this board has no two trees."""
        if self._tree is None:
            return None
        import trees

        trees.running = self._tree
        return trees

    def confirm(self):
        """This firmware is the one to use from now on. Raises OSError."""
        self.trees().confirm()
        self.unload("", "trees")
        if self._guard is not None:
            self._guard.deinit()
            self._guard = None

    def restart(self):
        """Never returns."""
        self.all_off()
        machine.reset()

    def all_off(self):
        for output in self.relays:
            output(0)


def run(tree, starts, guard):
    """Runs the station, until it fails or is stopped. What it takes: see Ports."""
    print("firmware", VERSION)
    gc.threshold(GC_THRESHOLD)
    ports = Ports(tree, starts, guard)
    app = supervisor = None
    try:
        from station.app import App
        from station.supervisor import Supervisor

        supervisor = Supervisor(ports.rtc.memory)
        app = App(ports, supervisor)
        asyncio.run(app.run())
    except KeyboardInterrupt:
        ports.all_off()
        print("stopped from the console; the watchdog resets in", WATCHDOG_MS // 1000, "s")
        if app is not None and supervisor is not None:
            app.failed("STOPPED_FROM_CONSOLE", "")
            supervisor.healthy()
    except Exception as error:
        ports.all_off()
        sys.print_exception(error)
        if app is None:
            print("the firmware on this board is damaged: deploy again")
            return  # the console stays reachable until the watchdog bites
        try:
            app.failed("INTERNAL_FAULT", type(error).__name__)
        finally:
            machine.reset()
