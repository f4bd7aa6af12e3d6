"""The wallet page in Chromium, handed tickets, links and stations that were made to harm it."""

import json

import pytest

from host_tests.peers.wallet_page import ISSUER, WalletPage, chromium, needs_chromium
from tools.tickets.mint import defaults
from tools.tickets.signing import sign_jws
from tools.units import epoch_ms
from tools.wallet_server import Server

pytestmark = needs_chromium
HARM = "<img src=x onerror='window.harmed=1'><script>window.harmed=1</script>"
HARMED = """() => [window.harmed, ({}).harmed, Object.keys(Object.prototype).length,
    document.querySelectorAll('main img, main script, main a, main iframe, dialog img, dialog script').length]"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def wallet(browser):
    with Server() as server:
        page = WalletPage(browser, server.url).open()
        yield page
        assert page.faults == []
        page.context.close()


def hostile(wallet, **claims) -> str:
    """A ticket of any claims at all, well signed, for a fresh key of the wallet's."""
    now_ms = epoch_ms()
    if wallet.page.is_visible("#make-key"):
        wallet.key()
    bound = {"driverPublicKey": json.loads(wallet.page.input_value("#public-key"))}
    whole = {**defaults("DE-XYZ", now_ms, now_ms - 1000, 86_400), **bound, **claims}
    return sign_jws(json.dumps(whole).encode(), ISSUER, "charging-ticket+jws").decode()


def test_texts_of_tickets_links_and_stations_are_shown_and_never_run(wallet):
    refused = {
        "providerURL": "javascript:window.harmed=1",
        "__proto__": {"harmed": 1},
        "constructor": {"prototype": {"harmed": 1}},
        "providerId": HARM,
        "validEVSEIds": [HARM],
        "maxPrice": {"amount": "1", "currency": HARM},
    }
    for name, value in refused.items():
        wallet.paste(hostile(wallet, **{name: value}))
        assert (name, wallet.problem()) in ((name, "BAD_CLAIM"), (name, "UNKNOWN_CLAIM"))
    texts = [{"language": "en", "text": HARM}]
    wallet.add(
        hostile(
            wallet,
            providerName=texts,
            description=texts,
            tariffs=[HARM[:60]],
            providerURL="https://example.org/'\"><img/src=x/onerror=window.harmed=1>",
            customData={"__proto__": {"harmed": 1}},
            multiUsage="Allowed",
        ).encode()
    )
    assert HARM in wallet.page.inner_text(".ticket")
    wallet.page.click(".ticket details summary")
    assert wallet.page.evaluate(HARMED) == [None, None, 0, 0]

    wallet.station.evses = [HARM[:56], "{reader}$&__proto__"]
    wallet.use()
    assert HARM[:56] in wallet.page.inner_text("#present") and "{reader}$&__proto__" in wallet.page.inner_text(
        "#present"
    )
    assert wallet.page.evaluate(HARMED) == [None, None, 0, 0]
    wallet.close_dialog()

    for link in (HARM, "javascript:window.harmed=1", "%", "__proto__", "A" * 1_000_000, "(" * 1_000_000):
        wallet.page.evaluate("(text) => { location.hash = 'ticket=' + text; }", link)
        assert wallet.problem() in ("MALFORMED", "TOO_LARGE") and wallet.page.url == wallet.url
    assert wallet.page.locator(".ticket").count() == 1
    assert wallet.page.evaluate(HARMED) == [None, None, 0, 0]


def test_a_ticket_that_costs_the_most_to_read_is_refused_in_no_time(wallet):
    nested: list = []
    for _ in range(50):
        nested = [nested]
    deep = {"customData": nested}
    for claims in (deep, {"validEVSEIds": ["DE*ABC*E" + "*" * 2000]}, {"created": "1" * 2500}, {"id": "\ud7ff" * 300}):
        ticket = hostile(wallet, **claims)
        took_ms = wallet.page.evaluate(
            """async (text) => {
                const { fromText, read } = await import('./js/ticket.js');
                const begin = performance.now();
                try { read(fromText(text)); } catch (fault) { return fault.code && performance.now() - begin; }
            }""",
            ticket,
        )
        assert took_ms is not None and took_ms < 500
