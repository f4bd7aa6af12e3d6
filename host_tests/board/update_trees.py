"""Firmware of other versions, some of it broken, and how a reader on a desk gets it."""

import re
from pathlib import Path

from host_tests.board.conftest import Bench
from tools.boards.firmware_build import build, compile_all, settings, short_sources
from tools.readers.update import BLOCK, Update, native, signed_update, tree_image
from tools.site.keys import load_key
from tools.units import epoch_ms
from tools.virtual.flash import FILE_BLOCKS, ROM_BLOCKS

BOARD = "VIRTUAL"
_UNIX_2000_MS = 946_684_800_000
OPTIONS = settings(BOARD)["march"], settings(BOARD)["optimisation"]
IN_RUN = r"(?m)^(    ports = Ports\(.*\)\n)"
# what becomes of start.py, as it is on boards, in a firmware that must not stay
BROKEN = {
    "import": ('"""', 'import nothing_of_that_name\n"""'),
    "raises": (IN_RUN, r"\1    raise ValueError\n"),
    "hangs": (IN_RUN, r"\1    while True:\n        time.sleep_ms(100)\n"),
    "not ready": ("        if None in numbers:", "        if True:"),
    "no chip": ("pins.NFC_UART, 115200", "2, 115200"),
}


def image(version: int, broken: str = "") -> bytes:
    """The tree of this checkout as another version."""
    text = short_sources()[0]["start.py"]
    text = re.sub("^VERSION = .*", f"VERSION = {version}", text, count=1, flags=re.M)
    if broken:
        text, found = re.subn(*BROKEN[broken], text, count=1)
        assert found
    files = build(BOARD)
    files["/start.mpy"] = compile_all({"start.py": text}, *OPTIONS)["start.mpy"]
    return tree_image(BOARD, files)


def update(site: Path, version: int, broken: str = "") -> Update:
    return signed(image(version, broken), version, site)


def signed(tree: bytes, version: int, site: Path, root: dict | None = None, mpy: int | None = None) -> Update:
    key = root or load_key(site / "root.jwk", private=True)
    return signed_update(tree, version, native(build(BOARD)) if mpy is None else mpy, key)


# Typed at the prompt of a reader in maintenance: takes the update in the file /update.
INSTALL = """
import gc
block = bytearray(4102)
gc.threshold(8192)
import machine, start, trees
from station.console import Console
def read(number=None):
    with open("/update", "rb") as file:
        line = file.readline()
        if number is None:
            return line[:-1]
        file.seek(len(line) + number * 4096)
        block[:6] = b"CTFB" + bytes((number & 255, number >> 8))
        file.readinto(memoryview(block)[6:])
        return block
Console(machine.RTC(), start.clock_bus()).install(trees if trees.running is not None else None, start.VERSION, read)
"""


class Updated(Bench):
    """A reader on a desk whose flash can hold an update to be taken."""

    def hold(self, update: Update) -> None:
        """Puts an update where `install` finds it, and the board into maintenance. It is off after this."""
        self.power_cut()
        self.write("/maintenance", b"")
        self.write("/update", update.manifest + b"\n" + update.image)
        self.write("/install.py", INSTALL.encode())

    def switch_on(self) -> None:
        """Power on, the time set by something that keeps it; whether it serves or waits in maintenance is not asked."""
        self.board.power_on()
        self.board.rtc.set((epoch_ms() - _UNIX_2000_MS) * 1000)

    def install(self) -> str:
        """Has the reader take the update that it holds; what became of it. It restarts with that."""
        since = len(self.board.console_log)
        if not self.board.alive:
            self.switch_on()
        self.world.run_until(lambda: self.board.at_prompt, 5)
        self.board.type(b"import os, install; os.remove('/maintenance'); install.machine.reset()\r\n")
        self.world.run_until(lambda: self.served(since) or not self.board.alive, 60)
        said = [line for line in self.printed_since(since).splitlines() if line.startswith("update ")]
        return said[-1].removeprefix("update ") if said else ""

    def runs(self) -> int:
        """The version that serves, or began to serve last."""
        return version_of(self)


def version_of(reader: Bench) -> int:
    log = reader.board.console_log
    return int(re.findall(r"\bfirmware (\d+)\r", log[: log.rfind("ready: ")])[-1])


def tree_at(number: int) -> int:
    """Where in a flash image a tree begins."""
    return (FILE_BLOCKS + number * ROM_BLOCKS // 2) * BLOCK
