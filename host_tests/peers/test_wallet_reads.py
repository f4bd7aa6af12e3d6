"""What the wallet's page reads and how it stands up: the same tickets as the firmware takes, axe, keyboard, screens."""

import json
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from host_tests.model.minting import Minted, NoCwtForm
from host_tests.model.minting import mint as mint_any
from host_tests.model.test_bad_input import KEY, changed
from host_tests.peers.wallet_page import DESKTOP, WalletPage, chromium, needs_chromium
from host_tests.peers.wallet_station import Channel
from ticket import form, times
from ticket.verdict import Refused
from tools.wallet_server import Server

pytestmark = needs_chromium
HOST_TESTS = Path(__file__).resolve().parents[1]
AXE = HOST_TESTS / "node_modules/axe-core/axe.min.js"
VECTORS = json.loads((HOST_TESTS / "vectors/tickets.json").read_text())["cases"]
_READ_ALL = """async (tickets) => {
  const { read } = await import('./js/ticket.js');
  return tickets.map((hex) => {
    try {
      return [null, read(Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16)))];
    } catch (error) { return [error.code ?? String(error), null]; }
  });
}"""


@pytest.fixture(scope="module")
def page():
    """One page for what only reads."""
    with chromium() as browser, Server() as server:
        yield WalletPage(browser, server.url).open().page


@pytest.fixture(scope="module")
def screens(page):
    """Makes a wallet with other options in the same browser."""
    opened = []

    def make(**options) -> WalletPage:
        opened.append(WalletPage(page.context.browser, page.url, **options))
        return opened[-1].open()

    yield make
    for wallet in opened:
        wallet.context.close()


def read_all(page, tickets: list[bytes]) -> list:
    return page.evaluate(_READ_ALL, [ticket.hex() for ticket in tickets])


def firmware(ticket: bytes) -> str | None:
    """The reason for which the firmware would not even look at the claims, or None."""
    try:
        form.claims(form.read(ticket))
    except Refused as refused:
        return refused.reason
    return None


def test_published_tickets_are_read_and_refused_as_by_the_firmware(page):
    asked = [(case, case["jws"].encode()) for case in VECTORS if "jws" in case]
    asked += [(case, bytes.fromhex(case["cwt"])) for case in VECTORS if "cwt" in case]
    assert len(asked) > 70
    answers = read_all(page, [ticket for _, ticket in asked])
    for (case, ticket), (code, claims) in zip(asked, answers, strict=True):
        assert (case["name"], code) == (case["name"], firmware(ticket))
        if code is None and "claims" in case:
            said = case["claims"]
            assert set(claims) == set(said)
            assert claims["notAfter"] == times.parse(said["notAfter"])
            assert claims.get("driverPublicKey") == said.get("driverPublicKey", {}).get("x")
            same = set(said) - {"created", "notBefore", "notAfter", "driverPublicKey", "customData"}
            assert {name: claims[name] for name in same} == {name: said[name] for name in same}


def test_a_member_with_a_wrong_value_is_found_as_by_the_firmware(page, soak):
    """Every thirteenth of them here, all with --soak."""
    tickets = []
    for what, claims in islice(changed(), 0, None, 1 if soak else 13):
        for kind in ("jws", "cwt"):
            with suppress(NoCwtForm):
                tickets.append((f"{kind}: {what}", mint_any(claims, KEY, Minted(kind))))
    assert len(tickets) > 700
    answers = read_all(page, [ticket for _, ticket in tickets])
    judged = [(what, code, firmware(ticket)) for (what, ticket), (code, _) in zip(tickets, answers, strict=True)]
    assert [entry for entry in judged if entry[1] != entry[2]] == []


def test_bytes_cut_short_or_changed_never_make_it_stumble(page):
    whole = [VECTORS[0]["jws"].encode(), bytes.fromhex(VECTORS[0]["cwt"])]
    tickets = [ticket[:size] for ticket in whole for size in range(0, len(ticket), 5)]
    tickets += [
        ticket[:at] + bytes((ticket[at] ^ 0x41,)) + ticket[at + 1 :]
        for ticket in whole
        for at in range(0, len(ticket), 3)
    ]
    answers = read_all(page, tickets)
    assert [
        (code, firmware(ticket)) for ticket, (code, _) in zip(tickets, answers, strict=True) if code != firmware(ticket)
    ] == []


_CHANNEL = """async (given) => {
  const bytes = (hex) => Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
  const hex = (data) => Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join('');
  const { agree, sharedSecret } = await import('./js/channel.js');
  const prefix = bytes('302e020100300506032b656e04220420');
  const key = await crypto.subtle.importKey('pkcs8', new Uint8Array([...prefix, ...bytes(given.holderPrivate)]),
    { name: 'X25519' }, false, ['deriveBits']);
  const hello = { nonce: bytes(given.nonce), ephemeral: bytes(given.reader) };
  const channel = await agree(key, bytes(given.holder), hello);
  const refused = [];
  for (const point of given.weak) {
    refused.push(await sharedSecret(key, bytes(point)).then(() => 'taken', (error) => error.code));
  }
  const record = hex(await channel.seal(bytes(given.present)));
  const second = hex(await channel.seal(bytes(given.present)));
  const tampered = [];
  for (let i = 0; i < given.verdict.length / 2; i++) {
    const changed = bytes(given.verdict);
    changed[i] ^= 1;
    tampered.push(await channel.open(changed).then(() => 'taken', (error) => error.code));
  }
  const verdict = hex(await channel.open(bytes(given.verdict)));
  const replayed = await channel.open(bytes(given.verdict)).then(() => 'taken', (error) => error.code);
  return { binding: hex(channel.binding), record, second, verdict, refused, tampered, replayed };
}"""
# Points of low order: RFC 7748 section 6.1 wants the secret that they yield refused.
_WEAK = (
    "00" * 32,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ec" + "ff" * 30 + "7f",
    "ed" + "ff" * 30 + "7f",
    "ee" + "ff" * 30 + "7f",
)


def test_the_channel_is_what_others_software_makes_of_it(page):
    station, nonce = Channel(bytes(range(32))), bytes(range(32))
    private = X25519PrivateKey.from_private_bytes(bytes(range(0x60, 0x80)))
    holder = private.public_key().public_bytes_raw()
    station.agree(holder)
    given = {
        "holderPrivate": bytes(range(0x60, 0x80)).hex(), "holder": holder.hex(), "nonce": nonce.hex(),
        "reader": station.public.hex(), "weak": _WEAK, "present": b"present".hex(),
        "verdict": station.seal(b"verdict").hex(),
    }  # fmt: skip
    done = page.evaluate(_CHANNEL, given)
    assert bytes.fromhex(done["binding"]) == station.binding
    assert station.open(bytes.fromhex(done["record"])) == b"present"
    assert done["second"][:8] == "00000001" and done["second"][8:] != done["record"][8:], "no counter serves twice"
    assert bytes.fromhex(done["verdict"]) == b"verdict"
    assert set(done["refused"]) | set(done["tampered"]) | {done["replayed"]} == {"BAD_READER"}
    assert len(done["tampered"]) == len(b"verdict") + 20


_AXE = "(rules) => axe.run(document, { resultTypes: ['violations'], ...(rules && { runOnly: rules }) })"


def violations(page) -> list[str]:
    """What axe finds against WCAG 2.2 A and AA and its own best practices, one line each; contrasts in the dark too."""
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(AXE.read_text())
    found = page.evaluate(_AXE, None)["violations"]
    page.emulate_media(color_scheme="dark")
    found += page.evaluate(_AXE, ["color-contrast"])["violations"]
    page.emulate_media(color_scheme="light")
    return [f"{one['id']}: {node['html']} {node['failureSummary']}" for one in found for node in one["nodes"]]


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed (make test, with Node): no accessibility check")
def test_axe_finds_nothing_on_any_screen(screens):
    wallet = screens(language="de-DE")
    wallet.paste("hello")
    wallet.problem()
    found = violations(wallet.page)
    wallet.add(wallet.ticket(multiUsage="Allowed", maxEnergy=1))
    wallet.add(wallet.ticket(notBefore="2099-01-01T00:00:00Z", notAfter="2099-01-02T00:00:00Z"))
    wallet.key()
    wallet.page.click("summary >> nth=0")
    found += violations(wallet.page)
    wallet.station.evses = ["DE*ABC*E1*1", "DE*ABC*E1*2"]
    wallet.use()
    wallet.page.click("#present summary")
    wallet.page.get_by_label("DE*ABC*E1*2").check()
    found += violations(wallet.page)
    wallet.confirm()
    found += violations(wallet.page)
    wallet.close_dialog()
    wallet.station.decide = lambda _: ("EVSE_BUSY", {})
    wallet.use()
    wallet.page.get_by_label("DE*ABC*E1*2").check()
    wallet.confirm()
    assert found + violations(wallet.page) == []


def test_the_keyboard_is_enough(screens):
    wallet = screens(**DESKTOP)
    page, press = wallet.page, wallet.page.keyboard.press
    where = "document.activeElement.id || document.activeElement.className"
    press("Tab")
    assert page.evaluate(where) == "skip"
    press("Enter")
    assert page.evaluate(where) == "main"
    press("Tab")
    assert page.evaluate(where) == "make-key"
    press("Enter")
    page.wait_for_selector("#has-key:not([hidden])")
    assert page.evaluate(where) == "copy-key"
    ticket = wallet.ticket(key=json.loads(page.input_value("#public-key")))
    while page.evaluate(where) != "ticket-text":
        press("Tab")
    page.keyboard.insert_text(ticket.decode())
    press("Tab")
    press("Enter")
    page.wait_for_selector(".ticket")
    assert page.evaluate(where).startswith("use-"), "on the new ticket"
    press("Enter")
    page.wait_for_selector("#present form")
    assert page.evaluate(where) == "present-title", "where a screen reader begins to read"
    press("Escape")
    page.wait_for_selector("#present", state="hidden")
    assert page.evaluate(where).startswith("use-"), "back where it was"
    press("Enter")
    page.wait_for_selector("#present form")
    press("Tab")
    press("Tab")
    press("Enter")
    assert wallet.told() == "Unlocked"


_WIDER = "['html', '#present'].filter((one) => document.querySelector(one).scrollWidth > innerWidth)"
_SMALL = """Array.from(document.querySelectorAll('button, summary, .pick'))
  .map((e) => [e.id || e.innerText, e.getBoundingClientRect()])
  .filter(([, box]) => box.height && (box.height < 44 || box.width < 44)).map(([name]) => name)"""


def test_it_fits_screens_and_fingers(screens):
    wallet = screens(language="de-DE")
    long = "DE*ABC*E" + "1" * 30
    texts = {"id": "x" * 64, "tariffs": ["t" * 60], "description": [{"language": "de", "text": "m" * 80}]}
    wallet.add(wallet.ticket(validEVSEIds=[long], **texts))
    wallet.key()
    wallet.page.click("summary >> nth=0")
    wallet.station.evses = [long, long[:-1]]
    for asking in (False, True):
        if asking:
            wallet.use()
        for width in (320, 390, 768, 1280):
            wallet.page.set_viewport_size({"width": width, "height": 640})
            assert [width, wallet.page.evaluate(_WIDER), wallet.page.evaluate(_SMALL)] == [width, [], []]
