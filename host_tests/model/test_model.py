"""The firmware's decision against the model of `rules.py`: in no life of a reader do they ever disagree."""

import asyncio
import collections
import json
import shutil
from functools import cache
from pathlib import Path
from random import Random

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from crypto import ed25519
from host_tests.model import rules
from host_tests.model.lives import DRIVER, Life, Tap, Ticket, a_life, instant, smaller
from host_tests.model.minting import Minted, NoCwtForm, mint, unpadded
from present.presentation import Presentation
from present.proof import Proof, message
from station.config import Site
from station.decision import Decision
from station.trusted import Trust
from store import ledger as ledger_store
from store.files import Fault, Full
from ticket.verdict import REASONS
from tools.site import zones
from tools.tickets.signing import BUNDLE_TYPE, sign_jws
from trust import bundle

READER = "reader-1"
LOOP = asyncio.Runner()
REAL_STEPS = ed25519.verify_steps
SEEDS = {"root": 1, "issuer-1": 2, "issuer-2": 3, "issuer-9": 4}
PRIVATE = {seed: Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed in range(1, 9)}
PUBLIC = {seed: key.public_key().public_bytes_raw() for seed, key in PRIVATE.items()}
JWK = {
    kid: {"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": unpadded(PUBLIC[seed]), "d": unpadded(bytes([seed]) * 32)}
    for kid, seed in SEEDS.items()
}


def quick_steps(public_key, signed, signature, table=None):
    """As the firmware's, by OpenSSL."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(bytes(signature), bytes(signed))
    except InvalidSignature:
        yield False
    else:
        yield True


class Journal:
    def __init__(self):
        self.entries: list[str] = []
        self.state = "good"

    def room_for_grant(self, ticket_length):
        return self.state != "full"

    def _keep(self, word):
        if self.state != "good":
            raise Full("x") if self.state == "full" else Fault("x")
        self.entries.append(word)
        return len(self.entries)

    def grant_body(self, stamp, verdict, ticket):
        return ticket

    def grant(self, body):
        return self._keep("GRANTED")

    def take_back(self, stamp, why):
        """What failed has kept nothing."""

    def refusal(self, stamp, verdict):
        self._keep(verdict.reason)


class Slots(dict):
    def read(self, name):
        return self.get(name)


@cache
def offsets(zone: str) -> list:
    return zones.offsets(zone, 1_795_000_000, 1)


def config(site: rules.Site) -> dict:
    return {
        "version": 1, "operator": site.operator, "pool": site.pool, "station": site.station, "reader": READER,
        "evses": [{"id": evse, "kind": kind} for evse, kind in site.evses.items()],
        "roots": [{"kid": "root", "x": unpadded(PUBLIC[1])}], "offsets": offsets(site.zone),
        "accept_floor": site.accept_floor, "meter_signs": site.meter_signs, "pass_unenforced": site.pass_unenforced,
        "max_duration_min": 480, "nfc": {"bus": "hsu"}, "relay": {"kind": "gpio"},
    }  # fmt: skip


def signed_bundle(trust: rules.Trust) -> bytes:
    issuers = []
    for kid, issuer in trust.issuers.items():
        entry = {
            "kid": kid, "x": JWK[kid]["x"], "providers": issuer.providers, "limits": issuer.limits,
            "notBefore": instant(issuer.not_before_ms), "notAfter": instant(issuer.not_after_ms),
            "maxLifetime": issuer.max_lifetime_s, "places": issuer.places,
        }  # fmt: skip
        issuers.append({name: value for name, value in entry.items() if value is not None})
    said = {"version": 1, "created": instant(1_795_000_000_000), "issuers": issuers}
    if trust.not_after_ms is not None:
        said["notAfter"] = instant(trust.not_after_ms)
    if trust.revoked_keys:
        said["revokedKeys"] = sorted(trust.revoked_keys)
    if trust.revoked_tickets:
        said["revokedTickets"] = [{"providerId": provider, "id": id} for provider, id in trust.revoked_tickets]
    return sign_jws(json.dumps(said).encode(), JWK["root"], BUNDLE_TYPE)


class Bench:
    """The firmware's decision over a real ledger and a real trust bundle, and the surroundings that the steps set."""

    def __init__(self, life: Life, folder: Path):
        self.life = life
        self.folder = folder
        self.clock: tuple[int, str] = (0, rules.UNKNOWN)
        self.answer = "silent"
        self.running: set[str] = set()
        self.journal = Journal()
        self.slots = Slots(trust=signed_bundle(life.trust))
        self.start()

    def start(self):
        site = Site(config(self.life.site))
        ledger = ledger_store.Ledger(str(self.folder), self.life.ledger_limit)
        trust = Trust(self.slots, site.roots, self.now)
        trust.require()
        self.decision = Decision(
            site, trust, self, ledger, self.journal, self.life.site.enforces, self.pause,
            busy=lambda evse: evse in self.running, online=self.ask,
        )  # fmt: skip

    def now(self):
        return self.clock

    @property
    def settled(self):
        return self.clock[1] == rules.SET

    async def pause(self): ...

    async def ask(self, claims, evse_id):
        return self.answer

    def decide(self, presentation):
        return LOOP.run(self.decision.decide(presentation))


def minted(ticket: Ticket) -> tuple[bytes, dict]:
    """(bytes, the claims as signed). What has no CWT form is minted as JWS."""
    claims = dict(ticket.claims)
    if ticket.driver is not None and isinstance(claims["driverPublicKey"], dict):
        claims["driverPublicKey"] = {"kty": "OKP", "crv": "Ed25519", "x": unpadded(PUBLIC[ticket.driver])}
    try:
        return mint(claims, JWK[ticket.kid], ticket.how), claims
    except NoCwtForm:
        return mint(claims, JWK[ticket.kid], Minted("jws", ticket.how.alg, ticket.how.odd)), claims


def proof_for(kind: str, data: bytes, evse: str) -> Proof:
    """A proof by the driver; for anything but "good", of something else than was asked."""
    signed = message(
        bytes(31) + b"1" if kind == "nonce" else bytes(32),
        "reader-2" if kind == "reader" else READER,
        evse + "1" if kind == "evse" else evse,
        "",
        data + b"1" if kind == "ticket" else data,
    )
    return Proof(bytes(32), "", PRIVATE[DRIVER].sign(signed))


def proven(tap: Tap, ticket: Ticket) -> str:
    if tap.proof == "none":
        return "none"
    return "good" if tap.proof == "good" and ticket.driver == DRIVER else "bad"


def as_shown(tap: Tap, ticket: Ticket, claims: dict, size: int) -> rules.Shown:
    """What the model is told of a tap."""
    odd = ticket.how.odd
    return rules.Shown(
        claims if odd in ("", "signature", "alg", "header", "typ") else None,
        ticket.kid,
        tap.carrier,
        tap.evse,
        size,
        odd not in ("header", "typ"),
        "ES256" if odd == "alg" else ticket.how.alg,
        odd != "signature",
        proven(tap, ticket),
        tap.encrypted,
    )


def run(life: Life, folder: Path, seen: collections.Counter) -> None:
    bench = Bench(life, folder)
    model = rules.Reader(life.site, life.trust, life.ledger_limit)
    known = [minted(ticket) for ticket in life.tickets]
    for step in life.steps:
        if step.what == "clock":
            bench.clock = model.clock = step.value
        elif step.what == "reboot":
            bench.running.clear()
            model.running.clear()
            bench.start()
        elif step.what == "end":
            bench.running.discard(step.value)
            model.running.discard(step.value)
        elif step.what == "answer":
            bench.answer = model.answer = step.value
        elif step.what == "journal":
            bench.journal.state = model.journal = step.value
        else:
            data, claims = known[step.value.ticket]
            expected = model.tap(as_shown(step.value, life.tickets[step.value.ticket], claims, len(data)))
            seen[compare_tap(bench, step.value, data, expected)] += 1


def compare_tap(bench: Bench, tap: Tap, data: bytes, expected: rules.Outcome) -> str:
    proof = proof_for(tap.proof, data, tap.evse) if tap.evse and tap.proof != "none" else None
    written = len(bench.journal.entries)
    verdict = bench.decide(Presentation(data, tap.carrier, tap.evse, proof, tap.encrypted))
    assert verdict.reason in expected.reasons, (tap, verdict.detail)
    if verdict.granted:
        assert verdict.limits == expected.limits
        assert verdict.evse_id is not None and verdict.evse_id == expected.evse
        bench.running.add(verdict.evse_id)
    assert bench.journal.entries[written:] == [verdict.reason] * (bench.journal.state == "good")
    return verdict.reason


class Comparison:
    """Lives one after the other, each with an empty ledger. `seen` counts the verdicts."""

    def __init__(self, folder: Path):
        self.seen = collections.Counter()
        self._folder = folder
        ledger_store.make(str(folder / "empty"))

    def live(self, life: Life) -> None:
        ed25519.verify_steps = REAL_STEPS if life.real_signatures else quick_steps
        folder = self._folder / "ledger"
        shutil.copytree(self._folder / "empty", folder)
        try:
            run(life, folder, self.seen)
        finally:
            shutil.rmtree(folder)
            ed25519.verify_steps = REAL_STEPS

    def fails(self, life: Life) -> bool:
        try:
            self.live(life)
        except AssertionError:
            return True
        return False

    def smallest(self, life: Life) -> Life:
        while less := next(filter(self.fails, smaller(life)), None):
            life = less
        return life


@pytest.fixture
def comparison(tmp_path, monkeypatch):
    read = bundle.read
    monkeypatch.setattr(
        bundle, "read", lambda token, roots: read(token, roots, lambda *known: next(quick_steps(*known)))
    )
    return Comparison(tmp_path)


def test_the_firmware_and_the_model_never_disagree(soak, comparison):
    # a smaller number is another life, not a smaller one
    @settings(max_examples=20_000 if soak else 500, database=None, phases=[Phase.generate])
    @given(st.integers(0, 2**64))
    def compare(number):
        life = a_life(Random(number))
        if comparison.fails(life):
            life = comparison.smallest(life)
            print(life)
            comparison.live(life)

    compare()
    seen = comparison.seen
    print(sum(seen.values()), "verdicts:", dict(seen.most_common()))
    unreached = set(REASONS) - set(seen) - {"RELAY_FAULT", "INTERNAL_FAULT"}
    assert not unreached, "the lives are too tame: nothing was refused with these"
