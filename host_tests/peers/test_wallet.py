"""The wallet page in Chromium: keys, tickets, and how they are presented."""

import base64
import json
import threading

import cbor2
import pytest

from host_tests.peers.wallet_page import DESKTOP, WalletPage, needs_chromium, part, raw
from host_tests.peers.wallet_station import EVSE, READER, WalletStation
from ticket.verdict import REASONS
from tools.wallet_server import Server

pytestmark = needs_chromium
E2 = "DE*ABC*E1*2"


# Keys


def test_a_key_is_handed_over_as_the_jwk_that_issuers_take(wallet):
    key = wallet.key()
    assert list(key) == ["kty", "crv", "x"] and (key["kty"], key["crv"]) == ("OKP", "Ed25519")
    assert len(raw(key["x"])) == 32
    toast = wallet.page.get_by_text("A new key is ready")
    toast.wait_for()
    next_one, toast = wallet.page.locator("#copy-key").bounding_box(), toast.bounding_box()
    assert next_one["y"] + next_one["height"] <= toast["y"], "what comes next is not covered by it"
    wallet.context.grant_permissions(["clipboard-read", "clipboard-write"])
    wallet.page.click("#copy-key")
    wallet.page.get_by_text("Key copied").wait_for()
    assert json.loads(wallet.page.evaluate("navigator.clipboard.readText()")) == key


def test_a_key_is_shared_where_the_browser_can(new_wallet):
    wallet = new_wallet()
    wallet.context.add_init_script("navigator.share = async (what) => { globalThis.shared = what; };")
    key = wallet.open().key()
    wallet.page.click("#share-key")
    assert json.loads(wallet.page.evaluate("globalThis.shared.text")) == key


def test_each_ticket_gets_a_key_of_its_own(wallet):
    first = wallet.ticket()
    wallet.add(first)
    second = wallet.ticket()
    wallet.add(second)
    keys = [json.loads(part(ticket, 1))["driverPublicKey"]["x"] for ticket in (first, second)]
    assert keys[0] != keys[1]
    wallet.paste(wallet.ticket(key={"kty": "OKP", "crv": "Ed25519", "x": keys[0]}).decode())
    assert wallet.problem() == "KEY_USED"
    wallet.paste(first.decode())
    assert wallet.problem() == "ALREADY_HERE"
    assert wallet.page.locator(".ticket").count() == 2


_EVERYTHING = """async () => {
  const found = { keys: [], exports: [], others: [] };
  const walk = async (value) => {
    if (value instanceof CryptoKey) {
      found.keys.push([value.type, value.extractable, value.algorithm.name]);
      for (const format of ['jwk', 'pkcs8', 'raw']) {
        await crypto.subtle.exportKey(format, value).then(() => found.exports.push(format), (e) => e.name);
      }
      const wrapper = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, ['wrapKey']);
      await crypto.subtle.wrapKey('pkcs8', value, wrapper, { name: 'AES-GCM', iv: new Uint8Array(12) })
        .then(() => found.exports.push('wrapped'), () => {});
    } else if (value instanceof Uint8Array) found.others.push(Array.from(value));
    else if (value && typeof value === 'object') for (const one of Object.values(value)) await walk(one);
    else found.others.push(value);
  };
  for (const { name } of await indexedDB.databases()) {
    const database = await new Promise((done) => (indexedDB.open(name).onsuccess = (e) => done(e.target.result)));
    for (const store of database.objectStoreNames) {
      await walk(await new Promise((done) =>
        (database.transaction(store).objectStore(store).getAll().onsuccess = (e) => done(e.target.result))));
    }
  }
  const root = await navigator.storage.getDirectory(), files = [];
  for await (const name of root.keys()) files.push(name);
  const web = [{ ...localStorage }, { ...sessionStorage }, document.cookie, files];
  return { ...found, web };
}"""


def test_no_storage_that_script_reaches_holds_a_secret_key_that_it_could_export(wallet):
    ticket = wallet.add()
    wallet.key()
    assert wallet.unlock() == "Unlocked"
    found = wallet.page.evaluate(_EVERYTHING)
    assert found["keys"] == [["private", False, "Ed25519"]] * 2
    assert found["exports"] == []
    # besides the keys themselves: public keys, times, the ticket and what became of it
    texts = [value for value in found["others"] if isinstance(value, str)]
    assert sorted(len(text) for text in texts if text not in (EVSE, "GRANTED")) == [36, 43, 43, 43]
    assert [bytes(value) for value in found["others"] if isinstance(value, list)] == [ticket]
    assert found["web"] == [{}, {}, "", []]


def test_a_key_that_is_discarded_and_a_ticket_that_is_deleted_are_gone(wallet):
    wallet.add()
    wallet.key()
    wallet.page.click("#drop-key")
    wallet.page.click("#present .actions .primary")
    wallet.page.wait_for_selector("#no-key:not([hidden])")
    wallet.page.click("[data-p=remove]")
    wallet.page.click("#present .actions button:last-child")
    assert wallet.page.locator(".ticket").count() == 1, "kept, as the driver chose"
    wallet.page.click("[data-p=remove]")
    wallet.page.click("#present .actions .primary")
    wallet.page.wait_for_selector("#no-tickets:not([hidden])")
    found = wallet.page.evaluate(_EVERYTHING)
    assert found["keys"] == found["others"] == []


# Tickets


def test_a_ticket_says_what_it_is_good_for(wallet):
    wallet.add(
        wallet.ticket(
            providerName=[{"language": "de", "text": "Beispiel"}, {"language": "en", "text": "<b>Example</b>"}],
            validEVSEIds=[EVSE], validChargingPools=["DE*ABC*P1"], invalidEVSEIds=[E2], daysOfWeek=["Monday"],
            maxEnergy=50500, maxPower=22000, maxCurrent=32, maxDuration=90,
            maxPrice={"amount": "20.50", "currency": "EUR"}, smartChargingMode="Bidirectional",
            tariffs=["night", {"tariffId": "day", "currency": "EUR"}], evseKind="AC", multiUsage="Allowed",
        )
    )  # fmt: skip
    shown = wallet.page.inner_text(".ticket")
    for text in (
        "Valid", "<b>Example</b>", "site DE*ABC*P1 or DE*ABC*E1*1, except DE*ABC*E1*2", "Monday",
        "50.5 kWh, 22 kW, 32 A, 1 h 30 min, 20.50 EUR", "night, day", "AC", "as often as you like",
    ):  # fmt: skip
        assert text in shown
    wallet.page.click(".ticket summary")
    assert "Smart charging\nyes, in both directions" in wallet.page.inner_text(".ticket")
    wallet.speak("de")
    shown = wallet.page.inner_text(".ticket")
    for text in ("Gültig", "Beispiel", "Standort DE*ABC*P1 oder DE*ABC*E1*1, außer", "Montag", "50,5 kWh", "20,50 EUR"):
        assert text in shown


def test_tickets_come_by_file_by_link_and_as_text_in_both_forms(wallet):
    ways = ("file", "base64url", "link", "text with line ends")
    for count, way in enumerate(ways, 1):
        ticket = wallet.ticket(form="jws" if way.startswith("text") else "cwt")
        text = base64.urlsafe_b64encode(ticket).decode().rstrip("=")
        if way == "file":
            wallet.page.set_input_files("#ticket-file", {"name": "t.cwt", "mimeType": "", "buffer": ticket})
        elif way == "link":
            wallet.page.evaluate("(text) => { location.hash = 'ticket=' + text; }", text)
        else:
            wallet.paste(f" {text}== \n" if way == "base64url" else ticket.decode().replace(".", ".\r\n  "))
        wallet.page.locator(".ticket").nth(count - 1).wait_for()
        assert wallet.unlock() == "Unlocked"  # the newest that was not used stands first
        assert (way, wallet.station.presented.ticket) == (way, ticket)
        wallet.close_dialog()


def test_a_ticket_in_a_link_is_taken_and_leaves_no_trace_in_address_or_history(wallet):
    ticket = wallet.ticket()
    wallet.page.goto("about:blank")
    wallet.open(f"#ticket={ticket.decode()}")
    wallet.page.wait_for_selector(".ticket")
    assert wallet.page.url == wallet.url
    wallet.page.evaluate("history.pushState(null, '', '#elsewhere')")
    wallet.page.go_back()
    assert wallet.page.url == wallet.url
    session = wallet.context.new_cdp_session(wallet.page)
    entries = session.send("Page.getNavigationHistory")["entries"]
    assert not [entry for entry in entries if "ticket=" in entry["url"]]
    wallet.page.evaluate("location.hash = 'ticket=%E0%A4%A'")
    assert wallet.problem() == "MALFORMED"
    assert wallet.page.url == wallet.url


def test_what_is_no_ticket_for_this_wallet_is_refused_in_words(wallet):
    foreign = {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(bytes(31) + b"\1").decode().rstrip("=")}
    good = wallet.ticket()
    unbound = part(good, 1)
    bearer = json.loads(unbound)
    del bearer["driverPublicKey"]
    body = base64.urlsafe_b64encode(json.dumps(bearer).encode()).rstrip(b"=")
    attempts = {
        "": "EMPTY",
        "hello": "MALFORMED",
        good.decode()[:-4]: "MALFORMED",
        "x" * 5000: "TOO_LARGE",
        "x" * 20_000: "TOO_LARGE",
        wallet.ticket(key=foreign).decode(): "NOT_MINE",
        good.replace(good.split(b".")[1], body).decode(): "NOT_BOUND",
        wallet.ticket(key=foreign, more=1).decode(): "UNKNOWN_CLAIM",
    }
    for text, code in attempts.items():
        wallet.paste(text)
        wallet.page.wait_for_selector(f"#add-problem[data-code={code}]:not([hidden])")
        words = wallet.words("en")
        title, advice = {**words["reasons"], **words["faults"]}[code]
        assert wallet.page.inner_text("#add-problem") == f"{title}. {advice}"
        assert wallet.page.evaluate("document.activeElement.id") == "ticket-text"
    assert wallet.page.locator(".ticket").count() == 0


def test_expired_early_and_used_tickets_say_so(wallet):
    times = {"created": "2020-01-01T00:00:00Z", "notBefore": "2020-01-01T00:00:00Z", "notAfter": "2020-01-02T00:00:00Z"}
    wallet.add(wallet.ticket(**times))
    wallet.add(wallet.ticket(notBefore="2099-01-01T00:00:00Z", notAfter="2099-01-02T00:00:00Z"))
    wallet.add()
    states = wallet.page.locator("[data-p=state]")
    assert states.all_inner_texts() == ["Valid", "Not yet", "Expired"]
    assert wallet.page.locator("[data-p=use]").nth(2).is_disabled()
    assert wallet.unlock() == "Unlocked"
    wallet.close_dialog()
    assert states.all_inner_texts() == ["Not yet", "Used", "Expired"]
    assert "Last: Unlocked, DE*ABC*E1*1" in wallet.page.inner_text(".ticket:nth-child(2)")
    wallet.page.clock.set_fixed_time("2100-01-01")
    wallet.speak("en")
    assert states.all_inner_texts() == ["Expired"] * 3
    usable = wallet.page.locator(".ticket:has([data-p=use]:enabled)").all_inner_texts()
    assert len(usable) == 1 and "Last: Unlocked" in usable[0], "it can still end the session that it began"


# At the station


@pytest.mark.parametrize("encrypts", [True, False])
def test_a_ticket_is_presented_with_its_proof_and_granted(wallet, encrypts):
    station = wallet.station
    station.encrypts = encrypts
    ticket = wallet.add(wallet.ticket(customData={"filler": "x" * 500}))
    wallet.use()
    assert wallet.page.inner_text("#present .evse") == EVSE and READER in wallet.page.inner_text("#present")
    assert not station.received, "nothing is sent before the driver has agreed"
    assert wallet.confirm() == "Unlocked"
    shown = wallet.page.inner_text("#present")
    assert "60 kWh, 4 h" in shown and ("Sent encrypted" in shown) == encrypts
    assert station.presented.ticket == ticket and station.presented.evse_id == EVSE
    assert station.proved_by(raw(json.loads(part(ticket, 1))["driverPublicKey"]["x"]))
    assert (ticket in b"".join(station.received)) != encrypts
    assert len(station.received) == 2 and max(station.written) <= 512
    assert list(cbor2.loads(station.received[0])) == [0, 8]


def test_no_ephemeral_key_serves_twice(wallet):
    wallet.add(wallet.ticket(multiUsage="Allowed"))
    keys = set()
    for _ in range(3):
        wallet.unlock()
        keys.add(cbor2.loads(wallet.station.received[0])[8])
        wallet.close_dialog()
    assert len(keys) == 3


_TELL_ALL = """async (reasons) => {
  const { tellVerdict } = await import('./js/dialog.js');
  const shown = (id) => document.querySelector(id)?.innerText;
  const told = [];
  for (const reason of reasons) {
    const closed = tellVerdict({ reason });
    told.push([reason, shown('#present-title'), shown('#present .advice'), shown('#present').includes(reason)]);
    document.querySelector('#present').close();
    await closed;
  }
  return told;
}"""


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_refusal_is_told_in_words_with_what_to_do(new_wallet, language):
    wallet = new_wallet("de-AT" if language == "de" else "fr-FR").open()
    assert wallet.page.get_attribute("html", "lang") == language
    words = wallet.words(language)["reasons"]
    assert set(words) == set(REASONS)
    assert wallet.page.evaluate(_TELL_ALL, list(words)) == [
        [reason, *words[reason], reason != "GRANTED"] for reason in words
    ]
    assert len({tuple(texts) for texts in words.values()}) == len(REASONS)
    wallet.add()
    for reason in ("GRANTED", "HOLDER_PROOF_FAILED", "EVSE_BUSY", "INTERNAL_FAULT"):
        wallet.station.decide = lambda _, reason=reason: (reason, {})
        assert [wallet.unlock(), wallet.advice()] == words[reason]
        wallet.close_dialog()
    assert wallet.page.inner_text("[data-p=state]") == {"en": "Used", "de": "Benutzt"}[language], "whatever came later"


def test_both_languages_have_the_same_words_and_none_is_empty(wallet):
    english, german = wallet.words("en"), wallet.words("de")

    def shape(words):
        if isinstance(words, dict):
            return {name: shape(value) for name, value in words.items()}
        return len(words) if isinstance(words, list) else bool(words)

    assert shape(english) == shape(german)
    assert all(
        a != b
        for pair in ("reasons", "faults")
        for a, b in zip(*(w[pair].values() for w in (english, german)), strict=True)
    )
    asked = wallet.page.evaluate(
        "[document, document.querySelector('#ticket-card').content].flatMap((root) => Array.from("
        "root.querySelectorAll('[data-t], [data-t-label]'), (e) => e.dataset.t ?? e.dataset.tLabel))"
    )
    assert len(asked) > 20 and set(asked) <= set(english)


def test_the_language_is_the_driver_s_choice_and_remembered(wallet):
    wallet.speak("de")
    assert wallet.page.inner_text("h1") == "Lade-Wallet" and wallet.page.title() == "Lade-Wallet"
    wallet.page.reload()
    wallet.ready()
    assert wallet.page.get_attribute("html", "lang") == "de"
    assert wallet.page.get_attribute("#lang-de", "aria-pressed") == "true"


def test_a_browser_without_bluetooth_is_told_what_to_use(browser, server):
    wallet = WalletPage(browser, server.url, "served")
    wallet.context.add_init_script("delete Navigator.prototype.bluetooth;")
    title, advice = wallet.open().words("en")["faults"]["NO_BLUETOOTH"]
    assert wallet.page.inner_text("#notices").split("\n") == [title, advice] and "Chrome" in advice
    wallet.add()
    wallet.use()
    assert [wallet.told(), wallet.advice()] == [title, advice]
    wallet.context.close()


def test_a_virtual_station_that_the_server_brings_along_is_labelled_and_grants(browser):
    station = WalletStation()
    lock = threading.Lock()

    def call(operation, given):
        with lock:
            return station.call(operation, given)

    with Server(radio=call) as server:
        wallet = WalletPage(browser, server.url, "served").open()
        assert "not to a real one" in wallet.page.inner_text(".notice.virtual")
        ticket = wallet.add()
        assert wallet.unlock() == "Unlocked" and station.presented.ticket == ticket
        wallet.context.close()


# Without a network


def test_the_wallet_opens_and_presents_without_a_network(browser):
    with Server() as gone:
        wallet = WalletPage(browser, gone.url, service_workers="allow").open()
        ticket = wallet.add()
        wallet.page.get_by_text("Works without a network.").wait_for(state="attached")
    wallet.page.reload()
    wallet.ready()
    assert wallet.unlock() == "Unlocked" and wallet.station.presented.ticket == ticket
    wallet.context.close()


def test_the_page_asks_nobody_but_its_own_host(browser, server):
    wallet = WalletPage(browser, server.url, **DESKTOP)
    asked: list[str] = []
    wallet.context.on("request", lambda request: asked.append(request.url))
    wallet.open()
    wallet.add()
    wallet.unlock()
    assert len(asked) > 10 and all(url.startswith(server.url) for url in asked)
    wallet.context.close()
