"""The power fails at any change of the flash, in the middle of any of them, and the whole firmware starts again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tests.board.life import HEAP, Fact, Life, Liver, Stored, card, ledger_key, read_stores, switch_on
from tools.virtual.flash import BLOCK
from tools.virtual.station import Station

LATER_MS = 3_600_000
FRESH = "fresh"


class Cut:
    """A life up to `changes` of the flash, as far as it can be known from outside then."""

    def __init__(self, life: Life, changes: int):
        self.life = life
        self.changes = changes
        self.acknowledged = [fact for fact in life.facts if fact.ended is not None and fact.ended <= changes]
        self.open = [fact for fact in life.facts if fact.begun <= changes and fact not in self.acknowledged]
        # At the same change the power can fail before or after the edge: the worse is taken.
        self.energised = [ticket for at, ticket in life.edges if at <= changes]

    def tickets(self) -> list[bytes]:
        """The ticket that was presented when the power failed, and the last one that was granted before."""
        latest = [fact.ticket for fact in self.open if fact.ticket]
        return list(dict.fromkeys(latest + self.energised[-1:]))

    def of(self, *whats: str) -> list[Fact]:
        return [fact for fact in self.acknowledged + self.open if fact.what in whats]


def torn(image: bytearray, operation: tuple[int, bytes | None], number: int) -> bytes:
    """The image with a part of one change made: the first bytes of a write and some bits of the next, half an erase."""
    place, data = operation
    result = bytearray(image)
    if data is None:
        result[place * BLOCK : place * BLOCK + BLOCK // 2] = b"\xff" * (BLOCK // 2)
        return bytes(result)
    keep = (number * 7919 + 1) % len(data)
    for at in range(keep):
        result[place + at] &= data[at]
    result[place + keep] &= data[keep] | (0xF0 if number % 2 else 0x0F)
    return bytes(result)


def apply(image: bytearray, operation: tuple[int, bytes | None]) -> None:
    place, data = operation
    if data is None:
        image[place * BLOCK : (place + 1) * BLOCK] = b"\xff" * BLOCK
    else:
        there = int.from_bytes(image[place : place + len(data)], "big")
        image[place : place + len(data)] = (there & int.from_bytes(data, "big")).to_bytes(len(data), "big")


class Afterlife:
    """Restarts a station from the flash that a power cut left, and checks what was promised."""

    def __init__(self, liver: Liver, folder: Path):
        self.liver = liver
        self.image = folder / "after.img"
        self.stores = folder / "after"
        self.fresh = liver.ticket(FRESH)

    def check(self, cut: Cut, image: bytes) -> None:
        self.image.write_bytes(image)
        energised = list(cut.energised)
        with Station(self.image, HEAP) as station:
            switch_on(station, self.liver.started_ms + LATER_MS)
            assert not station.relay_on
            # twice: what the cut left ungranted may be granted now, and then never again
            for ticket in (*cut.tickets(), *cut.tickets()):
                self._tap(station, ticket, energised)
            assert self._tap(station, self.fresh, energised).reason == "GRANTED", "not back in service"
            assert station.board.flash.faults == []
        stored = read_stores(self.image, self.stores)
        check_stores(cut, stored, energised)

    def _tap(self, station: Station, ticket: bytes, energised: list[bytes]):
        form = "jws" if ticket.startswith(b"ey") else "cwt"
        tapped = station.tap(card(ticket, form))
        if tapped.energised:
            assert ticket not in energised, "granted twice"
            energised.append(ticket)
        if station.relay_on and ticket != self.fresh:
            assert station.world.run_until(lambda: not station.relay_on, 120)
            station.world.run(1)
        return tapped


def check_stores(cut: Cut, stored: Stored, energised: list[bytes]) -> None:
    assert stored.damage == [] and stored.problems == []
    life = cut.life
    kept_last, refused_last = life.last(cut.changes)
    first = min(stored.kept, default=0)
    gone = max((fact.collected for fact in cut.of("collected")), default=0)
    assert first <= gone + 1, "a record was deleted that nobody had collected"
    for sequence in range(first, kept_last + 1):
        assert stored.kept.get(sequence) == life.kept[sequence], f"record {sequence} lost"
    # the ring drops whole segments, and by then there are three full ones after it
    first = min(stored.refused)
    assert sum(len(body) for _, body in stored.refused.values()) > 3 * 13_000
    for sequence in range(first, refused_last + 1):
        assert stored.refused.get(sequence) == life.refused[sequence], f"refusal {sequence} lost"
    for fact in cut.acknowledged:
        if fact.what == "granted":
            assert fact.ticket in energised and any(fact.ticket in body for _, body in life.kept.values())
    for id in life.ids:
        if life.ids[id] in energised:
            assert stored.ledger.find(ledger_key(id)) is not None, f"{id} is forgotten"
    bundles = life.bundles
    if not cut.of("bundle"):
        bundles = bundles[:1]
    elif not [fact for fact in cut.open if fact.what == "bundle"]:
        bundles = bundles[1:]
    assert stored.bundle in bundles, "neither the old nor the new bundle"


def cuts_of(life: Life, stride: int) -> Iterator[tuple[Cut, bytes]]:
    """Each cut with the flash as it leaves it, between two changes and in the middle of one; every so many only."""
    image = bytearray(life.before)
    for changes, operation in enumerate([*life.operations, None]):
        if changes % stride == stride // 2:
            yield Cut(life, changes), bytes(image)
            if operation is not None:
                yield Cut(life, changes), torn(image, operation, changes)
        if operation is not None:
            apply(image, operation)


@pytest.fixture(scope="module")
def full(provisioned, tmp_path_factory) -> Path:
    """The flash of a reader whose stores are near their turning points."""
    liver = Liver(provisioned.site, provisioned.folder / "flash.img", tmp_path_factory.mktemp("full"))
    liver.prepare()
    return liver.image


@pytest.fixture
def liver(provisioned, full, tmp_path) -> Liver:
    return Liver(provisioned.site, full, tmp_path)


def checked(after: Afterlife, cut: Cut, image: bytes) -> None:
    try:
        after.check(cut, image)
    except BaseException:
        print(f"cut after {cut.changes} changes, in {[fact.what for fact in cut.open]}")
        raise


def test_nothing_promised_is_lost_wherever_the_power_fails(liver, tmp_path, soak):
    """A sample of the cuts here, every one of them with --soak."""
    life = liver.live()
    lived = read_stores(liver.image, tmp_path / "lived")
    assert lived.bundle == life.bundles[1] and min(lived.kept) > 1 and min(lived.refused) > 1
    assert (tmp_path / "lived/data/ledger/07").stat().st_size < 10 * 36, "the bucket was not compacted"
    assert len(life.edges) == 4 and [fact.what for fact in life.facts].count("voided") == 2
    after = Afterlife(liver, tmp_path)
    tried = 0
    for cut, image in cuts_of(life, 1 if soak else len(life.operations) // 5):
        checked(after, cut, image)
        tried += 1
    print(f"{tried} cut points of {2 * len(life.operations) + 1}, in a life of {len(life.facts)} events")
    assert tried == 2 * len(life.operations) + 1 if soak else tried >= 10


# Writes and erases of the same script at which the power really is taken away while the firmware runs.
ARMED = [("write", 40, None), ("write", 95, 7), ("erase", 12, None)]


@pytest.mark.parametrize(("what", "number", "keep"), ARMED)
def test_a_station_that_goes_dark_in_the_middle_of_its_work_comes_back(liver, tmp_path, what, number, keep):
    def arm(station: Station) -> None:
        if what == "write":
            station.board.cut_at_write(number, keep)
        else:
            station.board.cut_at_erase(number)

    life = liver.live(arm)
    assert life.facts[-1].ended is None, "the power never failed"
    checked(Afterlife(liver, tmp_path), Cut(life, len(life.operations)), liver.image.read_bytes())
