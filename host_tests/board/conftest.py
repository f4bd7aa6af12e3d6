"""A station that is deployed and provisioned once for all tests of this folder; each test gets a copy of its flash."""

import fcntl
import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from host_tests.board.desk import as_on_boards
from tools.site.directory import Site
from tools.site.init import init
from tools.site.keys import load_key
from tools.tickets.mint import defaults, mint
from tools.units import epoch_ms
from tools.virtual.cards import Ntag, Type4Tag, ndef_message
from tools.virtual.image import mounted
from tools.virtual.station import Station

POLL_MS = 400  # what looks less often is simulated sooner; 3 s after a card has left, the next one may still come


_UNIX_2000_US = 946_684_800_000_000


@dataclass
class Provisioned:
    """A site directory and the flash of a reader that was deployed and provisioned for it with the real mpremote."""

    folder: Path

    @property
    def site(self) -> Path:
        return self.folder / "site"

    def ticket(self, form: str = "jws", **claims) -> bytes:
        now_ms = epoch_ms()
        whole = {**defaults("DE-XYZ", now_ms, now_ms - 3_600_000, 86_400), "maxDuration": 1, **claims}
        return mint(whole, load_key(self.site / "issuer.jwk", private=True), form)


@pytest.fixture(scope="session")
def provisioned(tmp_path_factory) -> Provisioned:
    # shared by the workers of one run: the first one makes it, the others wait
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "provisioned"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            init(folder / "site")
            config = folder / "site" / "site.toml"
            config.write_text(config.read_text().replace("poll_ms = 100 ", f"poll_ms = {POLL_MS} "))
            with Station(folder / "flash.img") as station:
                station.make_ready(Site.load(folder / "site"))
            (folder / "done").touch()
    return Provisioned(folder)


class Bench(Station):
    """A station for tests: its files can be changed while it is off, and its clock is set without mpremote."""

    def __init__(self, provisioned: Provisioned, image: Path, flash: Path | None = None, **options):
        shutil.copyfile(flash or provisioned.folder / "flash.img", image)
        super().__init__(image, **options)
        self.provisioned = provisioned
        self.image = image

    def start(self) -> None:
        """Power on, and the clock is set before the firmware looks at it: that saves the restart of `tell_time`."""
        since = len(self.board.console_log)
        self.clock.power(True)
        self.board.power_on()
        self.board.rtc.set(epoch_ms() // 1000 * 1_000_000 - _UNIX_2000_US)
        self._wait_ready(since)

    def tell_time(self) -> None:
        now = datetime.now(UTC)
        fields = (now.year, now.month, now.day, 0, now.hour, now.minute, now.second, 0)
        since = len(self.board.console_log)
        self.type_at_console(f"import machine; machine.RTC().datetime({fields}); machine.reset()")
        self._wait_ready(since)

    def type_at_console(self, line: str) -> None:
        """Interrupts the firmware and types a line at the REPL, its names as in the source."""
        self.board.type(b"\x03")
        self.world.run_until(lambda: self.board.at_prompt, 5)
        self.board.type(as_on_boards(line).encode() + b"\r\n")

    def card(self, ticket: bytes, kind: str = "type4"):
        message = ndef_message("application/charging-ticket+jws", ticket)
        return Type4Tag(message) if kind == "type4" else Ntag(int(kind[4:]), message)

    def tap_ticket(self, ticket: bytes | None = None, kind: str = "type4", **claims):
        return self.tap(self.card(ticket or self.provisioned.ticket(**claims), kind))

    def printed_since(self, start: int) -> str:
        return self.board.console_log[start:]

    def wait_relay_off(self) -> None:
        assert self.world.run_until(lambda: not self.relay_on, 120)
        self.world.run(1)

    def wrap_main(self, before: str) -> None:
        """While the board is off: puts code of the test in front of main.py, its names as in the source."""
        before = "import gc\ngc.threshold(8192)\n" + as_on_boards(before) + "\n"
        self.write("/main.py", before.encode() + self.read("/main.py"))

    def configure(self, **members) -> None:
        """While the board is off: members of its /site.json; of `nfc` only those that are named."""
        config = json.loads(self.read("/site.json"))
        members["nfc"] = {**config["nfc"], **members.get("nfc", {})}
        self.write("/site.json", json.dumps({**config, **members}).encode())

    def read(self, path: str) -> bytes:
        """While the board is off."""
        with mounted(self.image) as fs, fs.open(path, "rb") as file:
            return file.read()

    def append(self, path: str, content: bytes) -> None:
        """While the board is off."""
        self.write(path, self.read(path) + content)

    def write(self, path: str, content: bytes) -> None:
        """While the board is off."""
        with mounted(self.image) as fs, fs.open(path, "wb") as file:
            file.write(content)

    def remove(self, path: str) -> None:
        """While the board is off; a folder with all that is in it."""
        with mounted(self.image) as fs:
            fs.remove(path, recursive=True)


@pytest.fixture
def bench(provisioned, tmp_path):
    """A station that is off."""
    with Bench(provisioned, tmp_path / "flash.img") as made:
        yield made


@pytest.fixture
def roomy(provisioned, tmp_path):
    """A station that is off, with room for more than a reader with gpio needs: Modbus, code of the test."""
    with Bench(provisioned, tmp_path / "roomy.img", heap="128wK") as made:
        yield made


@pytest.fixture
def station(bench):
    """A station that serves, its clock set."""
    bench.start()
    return bench
