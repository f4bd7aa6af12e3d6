"""The wallet page in Chromium at stations that break off, lie, or ask for something."""

import json

import cbor2

from host_tests.peers.wallet_page import needs_chromium, part, raw
from host_tests.peers.wallet_station import EVSE

pytestmark = needs_chromium
E2 = "DE*ABC*E1*2"


STEPS = {
    "connect": "UNREACHABLE", "service": "UNREACHABLE", "read": "LOST", "subscribe": "LOST", "write": "LOST",
    "ticket": "LOST", "last frame": "LOST_LATE", "verdict": "LOST_LATE",
}  # fmt: skip


def test_a_connection_may_be_lost_at_any_step_and_the_next_try_goes_through(wallet):
    station, words = wallet.station, wallet.words("en")["faults"]
    wallet.add(wallet.ticket(multiUsage="Allowed", customData={"filler": "x" * 500}))
    for step, told in STEPS.items():
        station.breaks, station.presented = step, None
        wallet.use()
        if not wallet.page.is_visible("#present.told"):
            wallet.confirm()
        assert [step, wallet.told(), wallet.advice()] == [step, *words[told]]
        assert (station.presented is None) == (step != "verdict")
        station.breaks = ""
        wallet.again()
        assert wallet.confirm() == "Unlocked"
        wallet.close_dialog()


def _changed(changes: dict):
    return lambda name, message: cbor2.dumps({**cbor2.loads(message), **changes}) if name == "hello" else message


def _flipped(name: str):
    return lambda which, message: message[:-1] + bytes((message[-1] ^ 1,)) if which == name else message


FORGERIES = [
    (_changed({1: "reader-2"}), "OTHER_READER", 1),
    (_changed({2: [E2]}), "OTHER_READER", 1),
    (_changed({4: bytes(32)}), "BAD_READER", 1),
    (_changed({4: b"\1" + bytes(31)}), "BAD_READER", 1),
    (_changed({12: 1}), "BAD_READER", 1),
    (lambda name, message: b"\xa0" if name == "info" else message, "BAD_READER", 0),
    (lambda name, message: message + b"\0" if name == "hello" else message, "BAD_READER", 1),
    (_flipped("verdict"), "BAD_READER", 2),
    (lambda name, message: cbor2.dumps({0: 1, 10: "GRANTED"}) if name == "verdict" else message, "BAD_READER", 2),
]  # what is changed, what the driver is told, how many messages the station got, the first of them but a key


def test_a_station_that_cheats_gets_nothing_and_is_not_believed(wallet):
    words = wallet.words("en")["faults"]
    wallet.add(wallet.ticket(multiUsage="Allowed"))
    for number, (forge, told, sent) in enumerate(FORGERIES):
        wallet.station.forge = forge
        wallet.use()
        if not wallet.page.is_visible("#present.told"):
            wallet.confirm()
        assert [number, wallet.told(), wallet.advice()] == [number, *words[told]]
        assert (number, len(wallet.station.received)) == (number, sent)
        wallet.close_dialog()


def test_a_ticket_that_wants_encryption_is_not_sent_without(wallet):
    wallet.station.encrypts = False
    wallet.add(wallet.ticket(e2eCommunicationSecurity="EphemeralKeyAgreement"))
    assert "only encrypted" in wallet.page.inner_text(".ticket")
    assert wallet.unlock() == wallet.words("en")["faults"]["NO_CHANNEL"][0]
    assert len(wallet.station.received) == 1, "no more than the key to agree with"


def test_a_station_that_wants_its_code_is_given_it_and_the_proof_covers_it(wallet):
    station = wallet.station
    station.code = "4711"
    x = raw(json.loads(part(wallet.add(), 1))["driverPublicKey"]["x"])
    station.decide = lambda s: ("GRANTED" if s.presented.code and s.proved_by(x) else "PRESENCE_REQUIRED", {})
    assert wallet.unlock() == "The station wants to know that you are there"
    wallet.again()
    assert wallet.page.is_visible("#code"), "asked for now"
    assert wallet.confirm("4711") == "Unlocked"


def test_of_several_charging_points_the_driver_chooses_one(wallet):
    wallet.station.evses = [EVSE, E2]
    wallet.add()
    wallet.use()
    assert wallet.page.locator("#present :checked").count() == 0
    wallet.page.click("#present [type=submit]")
    wallet.page.get_by_text("Choose a charging point first.").wait_for()
    assert wallet.station.received == []
    wallet.page.get_by_label(E2).check()
    assert wallet.confirm() == "Unlocked"
    assert wallet.station.presented.evse_id == E2


def test_who_presents_the_ticket_of_a_running_session_is_warned_and_told_that_it_has_ended(wallet):
    station, words = wallet.station, wallet.words("en")
    wallet.add(wallet.ticket(multiUsage="Allowed"))
    station.decide = lambda _: ("STOPPED", {})  # who was never granted anything is not told so
    wallet.use()
    assert words["mayRun"] not in wallet.page.inner_text("#present")
    assert wallet.confirm() == words["reasons"]["EVSE_BUSY"][0]
    wallet.close_dialog()
    for breaks in ("verdict", ""):  # perhaps granted, and granted
        station.decide, station.breaks = lambda _: ("GRANTED", {}), breaks
        wallet.unlock()
        wallet.close_dialog()
        station.decide, station.breaks = lambda _: ("STOPPED", {}), ""
        wallet.use()
        assert words["mayRun"] in wallet.page.inner_text("#present")
        assert [wallet.confirm(), wallet.advice()] == words["faults"]["STOPPED"]
        wallet.close_dialog()
        assert "Last: Charging ended, DE*ABC*E1*1" in wallet.page.inner_text(".ticket")
    station.decide = lambda _: ("EVSE_BUSY", {})  # by somebody else's
    assert wallet.unlock() == words["reasons"]["EVSE_BUSY"][0]


def test_a_driver_who_gives_up_while_it_is_being_sent_takes_the_ticket_back(wallet):
    wallet.add()
    wallet.use()
    wallet.page.evaluate("""() => {
      const dialog = document.querySelector('#present');
      const watch = new MutationObserver(() => {
        if (document.querySelector('#working')) {
          watch.disconnect();
          dialog.close();
        }
      });
      watch.observe(dialog, { childList: true, subtree: true });
    }""")
    wallet.page.click("#present [type=submit]")
    wallet.page.wait_for_selector("#present", state="hidden")
    for _ in range(100):
        if not wallet.station.connected:
            break
        wallet.page.wait_for_timeout(20)
    assert len(wallet.station.received) == 1 and not wallet.station.presented, "no more than a key to agree with"
    assert "Last" not in wallet.page.inner_text(".ticket") and wallet.unlock() == "Unlocked"


def test_a_driver_who_says_no_sends_nothing(wallet):
    wallet.add()
    wallet.use()
    wallet.close_dialog()
    assert wallet.station.received == []
    assert "Last" not in wallet.page.inner_text(".ticket")
