"""The wallet in Chromium against the firmware on the virtual board: real pages, real ATT, real verdicts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from host_tests.board.conftest import Bench, provisioned  # noqa: F401  the fixture
from host_tests.peers.wallet_page import WalletPage, chromium, needs_chromium
from tools.site.keys import load_key
from tools.tickets.mint import defaults, mint
from tools.units import epoch_ms
from tools.virtual.radio import Air, Radio
from tools.virtual.web_radio import WebRadio
from tools.wallet_server import Server

pytestmark = needs_chromium
T = TypeVar("T")


class RadioBench(Bench):
    """A station with its radio on: encrypted, and with the presence that a test asks for."""

    def __init__(self, provisioned, image, **ble):  # noqa: F811
        super().__init__(provisioned, image, heap="160wK")
        self.configure(nfc={"poll_ms": 1000}, ble={"presence": "none", **ble}, encrypt=True)
        self.air = Air(self.world)
        self.radio = Radio(self.board, self.air)
        self.web = WebRadio(self.air)
        self.start()

    def close(self) -> None:
        super().close()
        self.air.close()


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


class Desk:
    """A station in a thread of its own: playwright's asyncio has this one, bumble's needs another."""

    def __init__(self, *args, **options):
        self._thread = ThreadPoolExecutor(1)
        self._station = self.do(lambda: RadioBench(*args, **options))

    def do(self, work: Callable[[], T]) -> T:
        return self._thread.submit(work).result(120)

    def call(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        return self.do(lambda: self._station.web.call(operation, given))

    def __getattr__(self, name: str) -> Any:
        """The station's methods, run over there, and its values."""
        value = self.do(lambda: getattr(self._station, name))
        return (lambda *args: self.do(lambda: value(*args))) if callable(value) else value

    def stop(self) -> None:
        self.do(self._station.close)
        self._thread.shutdown()


@pytest.fixture
def in_reach(browser, provisioned, tmp_path):  # noqa: F811
    """Makes (wallet, station) of a site with `ble` options."""
    ends: list[Callable[[], Any]] = []

    def make(**ble) -> tuple[WalletPage, Desk]:
        station = Desk(provisioned, tmp_path / "flash.img", **ble)
        ends.append(station.stop)
        server = Server().__enter__()
        ends.append(server.__exit__)
        wallet = WalletPage(browser, server.url, station.call)
        ends.append(wallet.context.close)
        return wallet.open(), station

    yield make
    for end in reversed(ends):
        end()


def ticket(wallet: WalletPage, station: Desk, **claims) -> bytes:
    """A ticket of the station's own issuer for a fresh key of the wallet."""
    now_ms = epoch_ms()
    whole = {**defaults("DE-XYZ", now_ms, now_ms - 3_600_000, 86_400), "maxDuration": 1, **claims}
    whole["driverPublicKey"] = wallet.key()
    return mint(whole, load_key(station.provisioned.site / "issuer.jwk", private=True))


def test_a_driver_is_granted_and_ends_the_session_and_is_told_so_and_the_ticket_serves_once(in_reach):
    wallet, station = in_reach()
    wallet.add(ticket(wallet, station, e2eCommunicationSecurity="EphemeralKeyAgreement"))
    assert wallet.unlock() == "Unlocked"
    shown = wallet.page.inner_text("#present")
    assert "1 min" in shown and "Sent encrypted" in shown
    assert station.relay_on
    wallet.close_dialog()
    wallet.speak("de")
    assert wallet.unlock() == "Laden beendet"
    assert not station.relay_on
    wallet.close_dialog()
    assert wallet.unlock() == "Das Ticket wurde schon benutzt"
    assert not station.relay_on
    wallet.close_dialog()
    wallet.speak("en")
    refused = {
        "Not valid at this charging point": {"validEVSEIds": ["DE*ABC*E9"]},
        "Not valid with this operator": {"validOperators": ["DE*XXX"]},
    }
    for title, claims in refused.items():
        wallet.add(ticket(wallet, station, **claims))
        assert wallet.unlock() == title
        wallet.close_dialog()
        wallet.page.click("[data-p=remove] >> nth=0")
        wallet.page.click("#present .actions .primary")
        wallet.page.wait_for_selector(".ticket:nth-child(2)", state="detached")
    assert not station.relay_on


def test_a_site_that_wants_its_code_is_satisfied_by_the_code_alone(in_reach):
    wallet, station = in_reach(presence="code", code="4711")
    wallet.add(ticket(wallet, station))
    assert wallet.unlock() == "The station wants to know that you are there"
    assert not station.relay_on
    wallet.again()
    assert wallet.confirm("0815") == "The proof did not match"
    wallet.again()
    assert wallet.confirm("4711") == "Unlocked"
    assert station.relay_on


def test_a_station_that_goes_dark_is_told_and_serves_again_later(in_reach):
    wallet, station = in_reach(presence="none")
    wallet.add(ticket(wallet, station))
    wallet.use()
    station.power_cut()
    wallet.page.click("#present [type=submit]")
    assert wallet.told() == "The station could not be reached"
    assert not station.relay_on
    station.start()
    wallet.again()
    assert wallet.confirm() == "Unlocked"
