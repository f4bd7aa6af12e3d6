"""Faults at the frames of a tap, on a station with any bus: what the tests of faults and soaks have in common."""

import re
from collections.abc import Callable
from pathlib import Path

from host_tests.board.conftest import Bench, Provisioned
from tools.site.keys import load_key
from tools.virtual.cards import Ntag, Type4Tag, ndef_message
from tools.virtual.phone import Phone, Wallet
from tools.virtual.pn532_faults import Fault, FaultAt
from tools.virtual.rf import Card

BUSES = ("hsu", "i2c", "spi")
KINDS = ("drop", "truncate", "corrupt", "duplicate", "delay", "nack", "error", "remove", "reset", "silent", "bus")
LATE_US = 1_500_000  # beyond every deadline of the driver
GRANT_LIMIT_S = 3
TOLD_S = 0.1  # a phone has heard its verdict by then, and the reader has looked whether it is still there
EVSES = 3
_SPARE_PINS = (12, 15)  # outputs of the virtual board's chip on which no device hangs
_MIME = "application/charging-ticket+"
_EIO = 5
_VERDICT = re.compile(r"^(?:tap|card): (\S+).*\n", re.MULTILINE)


class FaultStation(Bench):
    """A station with three EVSEs and a relay for each, so that a grant is possible while others' sessions run."""

    def __init__(
        self,
        provisioned: Provisioned,
        folder: Path,
        bus: str,
        prepare: Callable[[], None] = lambda: None,
        heap: str = "96wK",
        **config,
    ):
        """prepare: called before the first start. config: members of site.json."""
        super().__init__(provisioned, folder / f"{bus}.img", bus=bus, heap=heap)
        self.bus = bus
        self._customise(config)
        prepare()
        self.relays = [self.pins["RELAY"], *_SPARE_PINS]
        self._used = self._rises = self._looked_at = 0
        self.start()

    def _customise(self, changes: dict) -> None:
        evses = [{"id": f"DE*ABC*E1*{n + 1}", "kind": "AC"} for n in range(EVSES)]
        nfc = {**changes.pop("nfc", {}), "bus": self.bus, "poll_ms": 100}
        self.configure(evses=evses, nfc=nfc, **changes)
        self.append("/pins.py", "".join(f"RELAY_{n} = {n}\n" for n in _SPARE_PINS).encode())

    def rises(self) -> int:
        """How often a relay was switched on so far, by the trace of the pins: that is what counts as a grant."""
        trace = self.board.pins.trace
        self._rises += sum(level == 1 and pin in self.relays for _, pin, level in trace[self._looked_at :])
        self._looked_at = len(trace)
        return self._rises

    def granted_lines(self) -> int:
        return self.board.console_log.count("tap: GRANTED")

    def make_room(self, taps: int) -> None:
        """A restart, where so many grants need one: it ends all sessions, and sooner than their minute is over."""
        if self._used + taps > EVSES:
            self._used = 0
            since = len(self.board.console_log)
            self.type_at_console("import machine; machine.reset()")
            self._wait_ready(since)

    def good_card(self, kind: str = "type4") -> Card:
        """A card whose ticket opens an EVSE that is free; `make_room` comes first."""
        self._used += 1
        return make_card(kind, self.provisioned, validEVSEIds=[f"DE*ABC*E1*{self._used}"])

    def said_since(self, at: int) -> str:
        """The first verdict since then; "" while there is none."""
        found = _VERDICT.search(self.board.console_log, at)
        return found[1] if found else ""

    def settle(self) -> None:
        """The field is empty for as long as a reader needs to see that and to cool down."""
        self.chip.field.take()
        self.world.run(2)

    def hold(self, card: Card) -> str:
        """Holds a card to the reader until it has been judged, told, and looked for once more; what was said of it."""
        said = len(self.board.console_log)
        self.chip.field.put(card)
        self.world.run_until(lambda: bool(self.said_since(said)), 4)
        self.world.run(TOLD_S)
        return self.board.console_log[said:]

    def places_in_a_tap(self, card: Card) -> tuple[int, int]:
        """How many frames, and how many transactions of the bus, an undisturbed tap has, of a card without a grant."""
        frames, transactions = FaultAt(), 0

        def count() -> int:
            nonlocal transactions
            transactions += 1
            return 0

        self.chip.faults = frames
        if self.port is not None:
            self.port.bus_fault = count
        assert _VERDICT.search(self.hold(card))
        self.chip.faults = None
        if self.port is not None:
            self.port.bus_fault = lambda: 0
        self.settle()
        return len(frames.seen), transactions

    def faulty_tap(self, card: Card, kind: str, number: int) -> str:
        """A tap with one fault at its frame (or, for "bus", transaction) `number`; what was said about it."""
        restore = self._arm(kind, number)
        said = self.hold(card)
        self.settle()
        restore()
        return said

    def _arm(self, kind: str, number: int) -> Callable[[], None]:
        if kind != "bus":
            self.chip.faults = FaultAt(number, Fault(kind, LATE_US if kind == "delay" else None))

            def disarm() -> None:
                self.chip.faults = None

            return disarm
        port = self.port
        assert port is not None, "a UART has no errors of its own"
        left = number

        def fault() -> int:
            nonlocal left
            left -= 1
            return _EIO if left == -1 else 0

        port.bus_fault = fault

        def mend() -> None:
            port.bus_fault = lambda: 0

        return mend

    def good_tap(self) -> float:
        """Seconds of the world from a card with a good ticket in the field to the relay's rise."""
        card = self.good_card()
        before, start_us = self.rises(), self.world.now_us
        self.chip.field.put(card)
        self.world.run_until(lambda: self.rises() > before, 2 * GRANT_LIMIT_S)
        took_s = (self.world.now_us - start_us) / 1e6
        self.world.run(0.3)
        self.settle()
        return took_s


def make_card(kind: str, provisioned: Provisioned, **claims) -> Card:
    if kind == "phone":
        driver = load_key(provisioned.site / "driver.jwk", private=True)
        public = {name: driver[name] for name in ("kty", "crv", "x")}
        ticket = provisioned.ticket(driverPublicKey=public, **claims)
        return Phone(Wallet(ticket, driver, *claims.get("validEVSEIds", [])))
    form = "cwt" if kind == "ntag215" else "jws"
    message = ndef_message(_MIME + form, provisioned.ticket(form, **claims))
    return Type4Tag(message) if kind == "type4" else Ntag(int(kind[4:]), message)


def refused_card(kind: str, provisioned: Provisioned) -> Card:
    return make_card(kind, provisioned, validOperators=["DE*XYZ"])


def check(station: FaultStation, card_kind: str, good: bool, kind: str, number: int) -> None:
    """One fault, and what must hold whatever came of it: no grant that was not earned, and the next tap works."""
    what = f"{kind} at {number} of {card_kind} on {station.bus}"
    station.make_room(1 + good)
    card = station.good_card(card_kind) if good else refused_card(card_kind, station.provisioned)
    rises, lines = station.rises(), station.granted_lines()
    said = station.faulty_tap(card, kind, number)
    granted = station.granted_lines() - lines
    assert station.rises() - rises == granted, f"{what}: the relay did what was not said: {said}"
    assert granted <= int(good), f"{what}: {said}"
    if isinstance(card, Phone) and card.reason:
        assert (card.reason == "GRANTED") == bool(granted), f"{what}: the phone heard {card.reason}: {said}"
    took_s = station.good_tap()
    assert took_s <= GRANT_LIMIT_S, f"{what}: the next tap took {took_s} s: {station.last_lines(8)}"
    assert station.rises() - rises == granted + 1, f"{what}: {station.last_lines(8)}"
    assert "Traceback" not in station.board.console_log, station.last_lines(20)
