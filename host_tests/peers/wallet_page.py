"""The wallet page in a headless Chromium, as its driver handles it."""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from host_tests.peers.wallet_station import WalletStation
from tools.site.keys import new_key
from tools.tickets.mint import defaults, mint
from tools.units import epoch_ms
from tools.wallet_server import BRIDGE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
# The worker that keeps the files for offline use costs each fresh browser half a second.
QUICK: dict[str, Any] = {"service_workers": "block", "reduced_motion": "reduce"}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
ISSUER = new_key()

needs_chromium = pytest.mark.skipif(
    not CHROMIUM, reason="no Chromium here: the wallet page is not tried in a browser (Debian: apt install chromium)"
)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS.split())
        try:
            yield browser
        finally:
            browser.close()


class WalletPage:
    """One driver's browser with the wallet open and one station in reach. Its own storage: nothing is shared.

    call: what answers the calls of tools/virtual/web_bluetooth.js, else a WalletStation does; "served": the server.
    """

    def __init__(
        self, browser: Browser, url: str, call: Callable[..., Any] | str = "", language: str = "en-GB", **options
    ):
        self.station = WalletStation()
        self.url = url
        self.faults: list[str] = []  # what went wrong in the page and nobody caught, and what its policy stopped
        self.context: BrowserContext = browser.new_context(locale=language, **{**QUICK, **PHONE, **options})
        self.context.set_default_timeout(10_000)
        if call != "served":
            self.context.expose_function("virtualRadio", call if callable(call) else self.station.call)
            self.context.add_init_script(path=BRIDGE)
        self.page: Page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._hear)

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.faults.append(said.text)

    def open(self, fragment: str = "") -> "WalletPage":
        self.page.goto(self.url + fragment)
        return self.ready()

    def ready(self) -> "WalletPage":
        self.page.wait_for_selector("html[data-ready]")
        return self

    def key(self) -> dict:
        """Makes a key and gives the JWK that is handed to the issuer."""
        self.page.click("#make-key")
        self.page.wait_for_selector("#has-key:not([hidden])")
        return json.loads(self.page.input_value("#public-key"))

    def ticket(self, form: str = "jws", key: dict | None = None, **claims: Any) -> bytes:
        """A ticket for a fresh key of this wallet, or for `key`."""
        now_ms = epoch_ms()
        bound = {"driverPublicKey": key or self.key()}
        return mint({**defaults("DE-XYZ", now_ms, now_ms - 1000, 86_400), **bound, **claims}, ISSUER, form)

    def paste(self, text: str) -> None:
        self.page.fill("#ticket-text", text)
        self.page.click("#add [type=submit]")

    def add(self, ticket: bytes | None = None) -> bytes:
        """Puts a ticket in, one of its own unless given, and gives it."""
        ticket = ticket or self.ticket()
        before = self.page.locator(".ticket").count()
        self.paste(ticket.decode())
        self.page.locator(".ticket").nth(before).wait_for()
        return ticket

    def problem(self) -> str:
        """The code of what is wrong with what was put in."""
        self.page.wait_for_selector("#add-problem:not([hidden])")
        return self.page.get_attribute("#add-problem", "data-code") or ""

    def use(self) -> None:
        """As far as the question whether this is the charging point."""
        self.page.click("[data-p=use]")
        self.page.wait_for_selector("#present form, #present.told")

    def confirm(self, code: str = "") -> str:
        """Agrees, and gives the title of what the station says."""
        if code:
            if not self.page.is_visible("#code"):
                self.page.click("#present summary")
            self.page.fill("#code", code)
        self.page.click("#present [type=submit]")
        return self.told()

    def told(self) -> str:
        self.page.wait_for_selector("#present.told")
        return self.page.inner_text("#present-title")

    def advice(self) -> str:
        return self.page.inner_text("#present .advice")

    def unlock(self, code: str = "") -> str:
        """The whole way, to the title of the verdict."""
        self.use()
        return self.confirm(code)

    def again(self) -> None:
        """Tries again, as far as the question whether this is the charging point."""
        self.page.click("#present .actions .primary")
        self.page.wait_for_selector("#present form")

    def close_dialog(self) -> None:
        self.page.keyboard.press("Escape")
        self.page.wait_for_selector("#present", state="hidden")

    def speak(self, tag: str) -> None:
        self.page.click(f"#lang-{tag}")

    def words(self, tag: str) -> dict[str, dict[str, list[str]]]:
        """The texts for reasons and faults in a language, from the page's own module."""
        return self.page.evaluate("async (tag) => (await import('./js/words.js')).LANGUAGES[tag]", tag)


def raw(x: str) -> bytes:
    """The bytes of a key in a JWK."""
    return base64.urlsafe_b64decode(x + "=")


def part(jws: bytes, index: int) -> bytes:
    """The header (0), payload (1) or signature (2) of a JWS."""
    text = jws.split(b".")[index]
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
