"""Thousands of taps in a row on one station that is never restarted: each as expected, and no heap lost."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from host_tests.board.nfc_faults import EVSES, FaultStation, make_card, refused_card
from tools.site.keys import load_key
from tools.virtual.cards import MifareClassic, Ntag, PaymentCard, ndef_message
from tools.virtual.phone import Phone, Wallet
from tools.virtual.rf import Card

QUICK, SOAK = 40, 10_000
HEAP_PERCENT = 2
GRANT_EVERY = 50  # taps; what is granted stays in the journal until it is collected, and that is finite
SESSION_US = 61_000_000
_HEAP_PIN = 34  # a rising edge makes the board print its heap; only tests have that handler
_HEAP_HANDLER = f"""
from machine import Pin
def _heap(pin):
    gc.collect()
    print("heap:", gc.mem_alloc())
Pin({_HEAP_PIN}, Pin.IN).irq(_heap, Pin.IRQ_RISING)
"""
_COOLDOWN_MS = 200
_SETTLE_S = 0.9  # three looks at an empty field, and the cool-down

Tap = tuple[list[Card], int | None, str]  # cards, frames after which they are pulled away, what is to be said


class ManyTaps(FaultStation):
    """A station whose sessions run to their end while others tap."""

    def __init__(self, provisioned, folder, bus):
        def prepare() -> None:
            self.wrap_main(_HEAP_HANDLER)

        super().__init__(provisioned, folder, bus, prepare, cooldown_ms=_COOLDOWN_MS)
        self._free_at_us = [0] * EVSES

    def tap_cards(self, cards: list[Card], frames: int | None) -> str:
        """What the firmware says of them."""
        said = len(self.board.console_log)
        for card in cards:
            self.chip.field.put(card, frames)
        self.world.run_until(lambda: bool(self.said_since(said)), 6)
        verdict = self.said_since(said)
        self.chip.field.take()
        self.world.run(_SETTLE_S)
        return verdict

    def heap(self) -> int:
        said = len(self.board.console_log)
        self.board.drive(_HEAP_PIN, 1)
        self.world.run(0.1)
        self.board.drive(_HEAP_PIN, 0)
        return int(self.board.console_log[said:].partition("heap: ")[2].split()[0])

    def free_evse(self) -> int:
        evse = min(range(EVSES), key=lambda n: self._free_at_us[n])
        self.world.run(max(0, self._free_at_us[evse] - self.world.now_us) / 1e6)
        self._free_at_us[evse] = self.world.now_us + SESSION_US
        return evse + 1


def flipped(ticket: bytes) -> bytes:
    """The ticket with one bit of its signature changed."""
    return ticket[:-20] + bytes((ticket[-20] ^ 1,)) + ticket[-19:]


def cards(station: FaultStation) -> list[Callable[[], Tap]]:
    """Taps of cards that bring no grant."""
    provisioned = station.provisioned
    bad = flipped(provisioned.ticket("cwt"))
    expired = {name: f"2025-01-01T0{at}:00:00Z" for at, name in enumerate(("created", "notBefore", "notAfter"))}
    cwt = "application/charging-ticket+cwt"
    return [
        lambda: ([refused_card("type4", provisioned)], None, "WRONG_OPERATOR"),
        lambda: ([make_card("ntag215", provisioned, **expired)], None, "EXPIRED"),
        lambda: ([make_card("ntag216", provisioned, evseKind="DC")], None, "WRONG_EVSE_KIND"),
        lambda: ([MifareClassic()], None, "UNSUPPORTED_CARD"),
        lambda: ([PaymentCard()], None, "NO_NDEF"),
        lambda: ([Ntag(215, ndef_message("text/plain", b"hello"))], None, "NOT_A_TICKET"),
        lambda: ([Ntag(213), Ntag(215, uid=bytes.fromhex("04010203040506"))], None, "TWO_CARDS"),
        lambda: ([refused_card("ntag216", provisioned)], 12, "CARD_GONE"),
        lambda: ([Ntag(215, ndef_message(cwt, bad))], None, "BAD_SIGNATURE"),
    ]


def phones(station: FaultStation) -> list[Callable[[], Tap]]:
    """The same of phones, and of a card with a ticket that was copied out of one."""
    provisioned = station.provisioned
    driver = load_key(provisioned.site / "driver.jwk", private=True)
    public = {name: driver[name] for name in ("kty", "crv", "x")}
    personal = provisioned.ticket(driverPublicKey=public, validOperators=["DE*XYZ"])
    stolen = provisioned.ticket(driverPublicKey=public)
    return [
        lambda: ([make_card("ntag216", provisioned, driverPublicKey=public)], None, "HOLDER_PROOF_REQUIRED"),
        lambda: ([Phone(Wallet(personal, driver, "DE*ABC*E1*1"))], None, "WRONG_OPERATOR"),
        lambda: ([Phone(Wallet(stolen, None, "DE*ABC*E1*1"))], None, "HOLDER_PROOF_REQUIRED"),
    ]


def taps(station: ManyTaps, kinds: list[Callable[[], Tap]]) -> Iterator[Tap]:
    """Without end: taps of all these kinds, and now and then one that is granted."""
    for number in count():
        if number % GRANT_EVERY == GRANT_EVERY - 1:
            evse = station.free_evse()
            yield [make_card("ntag215", station.provisioned, validEVSEIds=[f"DE*ABC*E1*{evse}"])], None, "GRANTED"
        else:
            yield kinds[number % len(kinds)]()


def run(station: ManyTaps, kinds: list[Callable[[], Tap]], number: int) -> None:
    source = taps(station, kinds)
    start = 0
    for at in range(number):
        if at == GRANT_EVERY:
            start = station.heap()  # each kind of card has been there once
        held, frames, expected = next(source)
        before = station.rises()
        said = station.tap_cards(held, frames)
        assert said == expected, f"tap {at}: {station.last_lines(4)}"
        assert station.rises() - before == (expected == "GRANTED"), f"tap {at}"
    assert number > GRANT_EVERY
    end = station.heap()
    assert abs(end - start) * 100 <= HEAP_PERCENT * start, f"{start} bytes of heap in use, after {number} taps {end}"


@pytest.mark.slow
def test_ten_thousand_taps_of_cards_and_phones_in_a_row(provisioned, tmp_path):
    station = ManyTaps(provisioned, tmp_path, "hsu")
    with station:
        run(station, cards(station) + phones(station), SOAK)


def test_some_taps_in_a_row(provisioned, tmp_path):
    station = ManyTaps(provisioned, tmp_path, "i2c")
    with station:
        run(station, cards(station) + phones(station), GRANT_EVERY + QUICK)
