"""Documents that a root has signed, brought to the whole firmware by a phone or a card: the bearer needs no trust."""

import itertools
import json

import pytest

from host_tests.board.ble_site import Site as Radioed
from host_tests.board.conftest import Bench
from host_tests.board.life import read_stores
from tools.fleet import journal_file
from tools.readers.signed_time import signed_by
from tools.site.directory import Site
from tools.site.keys import load_key, new_key
from tools.tickets.signing import BUNDLE_TYPE, sign_jws
from tools.units import epoch_ms
from tools.virtual.phone import NONCE, Phone, Wallet


@pytest.fixture
def bench(provisioned, tmp_path):
    """With more heap than other tests have: what reads a document is loaded beside the phone that brings it."""
    with Bench(provisioned, tmp_path / "flash.img", heap="104wK") as made:
        yield made


@pytest.fixture
def station(bench):
    bench.power_on()  # its clock is not set
    return bench


@pytest.fixture(scope="module")
def root(provisioned):
    return load_key(provisioned.site / "root.jwk", private=True)


def bundle(provisioned, root, version=0, **members):
    """One version above the one that the reader has, or that version."""
    payload = {**Site.load(provisioned.site).next_payload(), **members}
    payload["version"] = version or payload["version"]
    return sign_jws(json.dumps(payload).encode(), root, BUNDLE_TYPE)


class Clockmaker(Wallet):
    """An app that has the operator sign the time over the reader's nonce while the phone is held there."""

    def __init__(self, root, other_nonce=None):
        super().__init__(b"")
        self.root, self.other_nonce = root, other_nonce

    def present(self, hello):
        nonce = hello[NONCE] if self.other_nonce is None else self.other_nonce
        self.ticket = signed_by(self.root, epoch_ms(), nonce, "reader-1", False)
        return super().present(hello)


def brought(station, document):
    """What became of it, as the console and the phone were told; nothing is ever energised for it."""
    phone = Phone(document if isinstance(document, Wallet) else Wallet(document))
    tapped = station.tap(phone, wait_s=15)
    assert not tapped.energised and phone.reason == tapped.reason
    return tapped.reason


def test_a_phone_brings_a_bundle_that_counts_from_then_on_and_after_a_restart(bench, provisioned, root):
    bench.start()
    ticket = provisioned.ticket(id="DE-XYZ-CT-stolen", multiUsage="Allowed")
    assert bench.tap_ticket(ticket).reason == "GRANTED"
    bench.wait_relay_off()
    newer = bundle(provisioned, root, revokedTickets=[{"providerId": "DE-XYZ", "id": "DE-XYZ-CT-stolen"}])
    assert brought(bench, newer) == "ACCEPTED"
    assert bench.tap_ticket(ticket).reason == "REVOKED"
    assert bench.tap_ticket(kind="type4").reason == "GRANTED"
    bench.power_cut()
    bench.start()
    assert bench.tap_ticket(ticket).reason == "REVOKED"
    assert brought(bench, newer) == "SAME"


def test_what_is_old_a_strangers_or_damaged_is_refused_by_name(station, provisioned, root):
    stranger = {**new_key(), "kid": root["kid"]}
    good = bundle(provisioned, root)
    refused = {
        "an old version": (bundle(provisioned, root, version=1, created="2026-01-01T00:00:00Z"), "OLD_VERSION"),
        "one of a root that is unknown here": (bundle(provisioned, {**new_key(), "kid": "who"}), "UNKNOWN_ISSUER"),
        "one by another's key in a root's name": (bundle(provisioned, stranger), "BAD_SIGNATURE"),
        "one that was cut": (good[:-4], "MALFORMED"),
        "one with a byte more": (good + b"A", "MALFORMED"),
        "one with a member that nobody knows": (bundle(provisioned, root, sale=True), "UNKNOWN_CLAIM"),
        "a manifest of nothing": (sign_jws(b"{}", root, "charging-firmware+jws"), "BAD_CLAIM"),
        "what nobody knows": (sign_jws(b"{}", root, "charging-sale+jws"), "MALFORMED"),
        "a ticket signed by a root": (sign_jws(b"{}", root, "charging-ticket+jws"), "UNKNOWN_ISSUER"),
    }
    for name, (document, reason) in refused.items():
        assert (name, brought(station, document)) == (name, reason)
    assert brought(station, good) == "ACCEPTED"


def test_a_phone_brings_the_time_over_the_readers_nonce_and_any_other_time_is_a_lower_bound(station, provisioned, root):
    assert station.tap_ticket().reason == "CLOCK_UNKNOWN"
    old = signed_by(root, epoch_ms() - 60_000, None, "reader-1", False)
    assert station.tap(station.card(old)).reason == "FLOOR"
    assert station.tap_ticket().reason == "CLOCK_UNKNOWN"
    assert brought(station, Clockmaker(root, bytes(32))) == "STALE_NONCE"
    assert brought(station, Clockmaker({**new_key(), "kid": root["kid"]})) == "BAD_SIGNATURE"
    assert station.tap_ticket().reason == "CLOCK_UNKNOWN"
    clockmaker = Clockmaker(root)
    assert brought(station, clockmaker) == "SET"
    assert brought(station, clockmaker.ticket) == "STALE_NONCE", "what was recorded is worth nothing"
    assert station.tap(station.card(clockmaker.ticket)).reason == "STALE_NONCE"
    assert station.tap_ticket().reason == "GRANTED"


def lit(bench, since_us):
    """The colours of the blinks, in their order, that are as long as those for documents; reading is green, too."""
    blinks = []
    for colour, shortest_us in (("green", 390_000), ("red", 190_000)):
        pin = bench.pins[f"LED_{colour.upper()}"]
        changes = [(at, level) for at, changed, level in bench.board.pins.trace if changed == pin and at >= since_us]
        blinks += [
            (begun, colour)
            for (begun, on), (ended, _) in itertools.pairwise(changes)
            if on and ended - begun >= shortest_us
        ]
    return [colour for _, colour in sorted(blinks)]


def test_over_bluetooth_what_is_brought_is_taken_or_refused_shown_and_journaled(provisioned, root, tmp_path):
    site = Radioed(provisioned, tmp_path / "flash.img")
    newer = bundle(provisioned, root)
    stranger = {**new_key(), "kid": root["kid"]}
    bench = site.bench
    with bench, site.air:
        bench.power_on()  # its clock is not set
        for document, word, lights in (
            (Clockmaker(root), "SET", ["green"] * 3),
            (Clockmaker(root, bytes(32)), "STALE_NONCE", ["red"]),
            (newer, "ACCEPTED", ["green"] * 3),
            (newer, "SAME", ["green"] * 3),
            (bundle(provisioned, root, version=1, created="2026-01-01T00:00:00Z"), "OLD_VERSION", ["red"]),
            (bundle(provisioned, stranger), "BAD_SIGNATURE", ["red"] * 2),
        ):
            wallet = document if isinstance(document, Wallet) else Wallet(document)
            wallet.encrypt, since_us = True, bench.world.now_us
            assert site.present(wallet) == word
            bench.world.run(2.5)
            assert (word, lit(bench, since_us)[-len(lights) :]) == (word, lights)  # before: that it has no time
            assert word == "SET" or len(lit(bench, since_us)) == len(lights)
        assert not bench.relay_closings()
        site.plug(1)
        bench.world.run(0.5)
        assert site.present() == "GRANTED", "the time that was brought serves"
        bench.power_cut()
        export = b"".join(read_stores(bench.image, tmp_path / "stores").journal.export(nonce=b"now"))
    said = [record for record in journal_file.records(export) if record["kind"] == "NOTE"]
    words = [(record["what"], record["detail"]) for record in said if record["what"] in ("SIGNED_TIME", "TRUST_BUNDLE")]
    assert words[1:] == [  # the first is what it was provisioned with
        ("SIGNED_TIME", "SET"), ("SIGNED_TIME", "STALE_NONCE"), ("TRUST_BUNDLE", "ACCEPTED"), ("TRUST_BUNDLE", "SAME"),
        ("TRUST_BUNDLE", "OLD_VERSION"), ("TRUST_BUNDLE", "BAD_SIGNATURE"),
    ]  # fmt: skip
