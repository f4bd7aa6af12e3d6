"""The station's part of a decision: what is remembered, in which order, and what happens when that fails."""

import asyncio
import itertools
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from present.presentation import Presentation
from present.proof import Proof, message
from station.config import Site
from station.decision import Decision
from store import ledger as ledger_store
from store.files import Fault, Full
from ticket.verdict import Refused
from tools.tickets.signing import sign_jws

NOW_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z, a Sunday
E1, E2 = "DE*ABC*E1*1", "DE*ABC*E1*2"
KEY = OKPKey.generate_key("Ed25519", {"kid": "issuer-1"}).as_dict(private=True)
DRIVER = Ed25519PrivateKey.generate()
CLAIMS = {
    "id": "DE-XYZ-CT-1",
    "providerId": "DE-XYZ",
    "created": "2026-11-22T11:00:00Z",
    "notBefore": "2026-11-22T11:00:00Z",
    "notAfter": "2026-11-22T13:00:00Z",
    "multiUsage": "NotAllowed",
    "validationMethod": "OfflineChargingAllowed",
}


def unpadded(data):
    import base64

    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


DRIVER_JWK = {"kty": "OKP", "crv": "Ed25519", "x": unpadded(DRIVER.public_key().public_bytes_raw())}


class Issuer:
    kid = "issuer-1"
    public_key = OKPKey.import_key(KEY).public_key.public_bytes_raw()
    providers, places, limits, max_lifetime_s, table = ["DE-XYZ"], None, {}, 86400, None

    def valid_at(self, unix_ms):
        return True


class Trust:
    def find(self, kid):
        if kid != "issuer-1":
            raise Refused("UNKNOWN_ISSUER", kid)
        return Issuer()

    def revoked(self, kid, claims):
        return claims.id == b"DE-XYZ-CT-REVOKED"


class Clock:
    def __init__(self):
        self.reading: tuple[int, str] = (NOW_MS, "SET")
        self.settled = True

    def now(self):
        return self.reading


class Journal:
    """Keeps what it is told; fails when told to."""

    def __init__(self):
        self.entries = []
        self.fails = None

    def _keep(self, *entry):
        if self.fails:
            raise self.fails
        self.entries.append(entry)
        return len(self.entries)

    def room_for_grant(self, length):
        return True

    def grant_body(self, stamp, verdict, ticket):
        return verdict.evse_id

    def grant(self, body):
        return self._keep("grant", body)

    def refusal(self, stamp, verdict):
        self._keep("refusal", verdict.reason)

    def void(self, stamp, session, why):
        self._keep("void", session)

    def take_back(self, stamp, why):
        """There is nothing: what fails here has kept nothing."""


class Bench:
    """A decision over a real ledger, two EVSEs unless told otherwise, and an online answer to be set."""

    def __init__(self, folder, evses=(E1, E2), limit=10_000, **ports):
        ledger_store.make(str(folder))
        self.ledger = ledger_store.Ledger(str(folder), limit)
        self.journal, self.clock, self.running, self.online = Journal(), Clock(), set(), "silent"
        config = {
            "version": 1, "operator": "DE*ABC", "pool": "DE*ABC*P1", "station": "DE*ABC*S1", "reader": "reader-1",
            "evses": [{"id": evse, "kind": "AC"} for evse in evses], "roots": [{"kid": "r", "x": unpadded(bytes(32))}],
            "offsets": [[0, 60]], "max_duration_min": 480, "nfc": {"bus": "hsu"}, "relay": {"kind": "gpio"},
        }  # fmt: skip
        self.decision = Decision(
            Site(config), Trust(), self.clock, self.ledger, self.journal, ("maxDuration",), self.pause,
            busy=lambda evse: evse in self.running, online=self.answer, **ports,
        )  # fmt: skip

    async def pause(self):
        await asyncio.sleep(0)

    async def answer(self, claims, evse_id):
        return self.online

    def decide(self, presentation):
        return asyncio.run(self.decision.decide(presentation))

    def tap(self, evse_id=E1, **claims):
        return self.decide(Presentation(ticket(**claims), "card", evse_id))

    def reason(self, evse_id=E1, **claims):
        return self.tap(evse_id, **claims).reason


def ticket(**changes):
    return sign_jws(json.dumps({**CLAIMS, **changes}).encode(), KEY, "charging-ticket+jws")


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "ledger")


def test_a_grant_is_in_the_journal_when_it_is_returned(bench):
    verdict = bench.tap()
    assert verdict.granted and verdict.session == 1
    assert bench.journal.entries == [("grant", E1)]


def test_a_refusal_is_journaled_or_says_that_it_is_not(bench):
    assert bench.reason(notAfter="2026-11-22T12:00:00Z") == "EXPIRED"
    assert bench.journal.entries == [("refusal", "EXPIRED")]
    bench.journal.fails = Fault("errno 5")
    assert bench.tap(evseKind="DC").detail == "not journaled: errno 5"


def test_not_allowed_grants_once(bench):
    assert [bench.reason() for _ in range(3)] == ["GRANTED", "ALREADY_USED", "ALREADY_USED"]


def test_one_id_of_two_spellings_of_a_provider_is_one_ticket(bench):
    assert [bench.reason(), bench.reason(providerId="de*xyz")] == ["GRANTED", "ALREADY_USED"]


def test_allowed_grants_until_it_ends(bench):
    assert [bench.reason(multiUsage="Allowed") for _ in range(3)] == ["GRANTED"] * 3
    bench.clock.reading = (NOW_MS + 3_600_000, "SET")
    assert bench.reason(multiUsage="Allowed") == "EXPIRED"


def test_only_at_the_same_evse_grants_again_there_and_nowhere_else(bench):
    reasons = [bench.reason(evse, multiUsage="OnlyAtTheSameEVSE") for evse in (E1, E2, E1)]
    assert reasons == ["GRANTED", "ALREADY_USED", "GRANTED"]


def test_after_online_validation_grants_once_and_then_asks(bench):
    answers = []
    for bench.online in ("silent", "silent", "no", "yes"):
        answers.append(bench.reason(multiUsage="AfterOnlineValidation"))
    assert answers == ["GRANTED", "ONLINE_VALIDATION_REQUIRED", "ONLINE_REFUSED", "GRANTED"]


@pytest.mark.parametrize(
    ("method", "answer", "reason"),
    [
        ("ShouldBeValidated", "silent", "GRANTED"),
        ("ShouldBeValidated", "no", "ONLINE_REFUSED"),
        ("MustBeValidated", "silent", "ONLINE_VALIDATION_REQUIRED"),
        ("MustBeValidated", "no", "ONLINE_REFUSED"),
        ("MustBeValidated", "yes", "GRANTED"),
        ("OfflineChargingAllowed", "no", "GRANTED"),
    ],
)
def test_validation_methods(bench, method, answer, reason):
    bench.online = answer
    assert bench.reason(validationMethod=method) == reason


def test_a_ticket_that_was_not_granted_is_not_used_up(bench):
    bench.online = "no"
    assert bench.reason(validationMethod="MustBeValidated") == "ONLINE_REFUSED"
    bench.online = "yes"
    assert bench.reason(validationMethod="MustBeValidated") == "GRANTED"


def test_two_taps_of_one_ticket_at_once_are_one_grant(bench):
    async def both():
        one, other = Presentation(ticket(), "card", E1), Presentation(ticket(), "card", E2)
        return await asyncio.gather(bench.decision.decide(one), bench.decision.decide(other))

    assert sorted(verdict.reason for verdict in asyncio.run(both())) == ["ALREADY_USED", "GRANTED"]


def test_two_tickets_at_once_for_one_evse_are_one_grant_while_the_controller_is_asked(bench):
    async def slow_yes(claims, evse_id):
        for _ in range(50):
            await asyncio.sleep(0)
        return "yes"

    async def both():
        shown = [
            Presentation(ticket(id=number, validationMethod="MustBeValidated"), "card", E1) for number in ("1", "2")
        ]
        return await asyncio.gather(*(bench.decision.decide(presentation) for presentation in shown))

    bench.decision.online = slow_yes
    assert sorted(verdict.reason for verdict in asyncio.run(both())) == ["EVSE_BUSY", "GRANTED"]


def test_a_voided_grant_may_be_used_again(bench):
    verdict = bench.tap()
    bench.decision.void(verdict, "RELAY_FAULT")
    assert bench.journal.entries[-1] == ("void", 1)
    assert bench.reason() == "GRANTED"


def test_voiding_a_second_use_does_not_forget_the_first(bench):
    assert bench.reason(multiUsage="OnlyAtTheSameEVSE") == "GRANTED"
    bench.decision.void(bench.tap(multiUsage="OnlyAtTheSameEVSE"), "RELAY_FAULT")
    assert bench.reason(E2, multiUsage="OnlyAtTheSameEVSE") == "ALREADY_USED"


def test_a_full_ledger_refuses_and_forgets_nothing(tmp_path):
    bench = Bench(tmp_path / "ledger", limit=2)
    assert [bench.reason(id=str(number)) for number in range(3)] == ["GRANTED", "GRANTED", "LEDGER_FULL"]
    assert bench.reason(id="0") == "ALREADY_USED"


def test_a_full_ledger_makes_room_of_what_has_ended_only_when_the_clock_is_set(tmp_path):
    bench = Bench(tmp_path / "ledger", limit=1)
    bench.decision.site.accept_floor = True
    assert bench.reason(id="0", notAfter="2026-11-22T12:30:00Z") == "GRANTED"
    bench.clock.reading, bench.clock.settled = (NOW_MS + 1_800_000, "FLOOR"), False
    assert bench.reason(id="1") == "LEDGER_FULL"
    bench.clock.reading, bench.clock.settled = (NOW_MS + 1_800_000, "SET"), True
    assert bench.reason(id="1") == "GRANTED"


@pytest.mark.parametrize(("error", "reason"), [(Full("x"), "JOURNAL_FULL"), (Fault("x"), "STORE_FAULT")])
def test_a_grant_that_cannot_be_journaled_is_refused_and_leaves_the_ticket_unused(bench, error, reason):
    bench.journal.fails = error
    assert bench.reason() == reason
    bench.journal.fails = None
    assert bench.reason() == "GRANTED"


def test_a_ledger_that_cannot_be_read_refuses(bench, tmp_path):
    for path in (tmp_path / "ledger").iterdir():
        path.unlink()
    assert bench.reason() == "STORE_FAULT"


def test_several_free_evses_need_the_holder_s_choice_unless_the_ticket_names_one(bench):
    assert bench.reason(None) == "EVSE_BUSY"
    assert bench.tap(None, id="2", validEVSEIds=[E2]).evse_id == E2


def test_the_only_free_evse_is_chosen(bench):
    bench.running = {E1}
    assert bench.tap(None).evse_id == E2
    bench.running = {E1, E2}
    assert bench.reason(None, id="2") == "EVSE_BUSY"


def proof(ticket_bytes, signer=DRIVER, nonce=bytes(32), reader_id="reader-1", evse_id=E1, code=""):
    """A holder's signature over the given facts; the reader sent a nonce of zeros and shows no code."""
    return Proof(bytes(32), "", signer.sign(message(nonce, reader_id, evse_id, code, ticket_bytes)))


def test_a_holder_who_proves_the_key_is_granted(bench):
    shown = ticket(driverPublicKey=DRIVER_JWK)
    verdict = bench.decide(Presentation(shown, "phone", E1, proof(shown)))
    assert (verdict.reason, verdict.holder) == ("GRANTED", "proven")


def test_a_passive_card_cannot_prove(bench):
    assert bench.reason(driverPublicKey=DRIVER_JWK) == "HOLDER_PROOF_REQUIRED"


@pytest.mark.parametrize(
    "changes", [{"nonce": bytes(31) + b"1"}, {"reader_id": "reader-2"}, {"evse_id": E2}, {"code": "1"}]
)
def test_a_proof_made_for_anything_else_is_refused(bench, changes):
    shown = ticket(driverPublicKey=DRIVER_JWK)
    assert bench.decide(Presentation(shown, "phone", E1, proof(shown, **changes))).reason == "HOLDER_PROOF_FAILED"


def test_a_proof_for_another_ticket_or_by_another_key_is_refused(bench):
    shown, other = ticket(driverPublicKey=DRIVER_JWK), ticket(id="2", driverPublicKey=DRIVER_JWK)
    assert bench.decide(Presentation(shown, "phone", E1, proof(other))).reason == "HOLDER_PROOF_FAILED"
    stranger = proof(shown, signer=Ed25519PrivateKey.generate())
    assert bench.decide(Presentation(shown, "phone", E1, stranger)).reason == "HOLDER_PROOF_FAILED"


def test_a_failed_proof_is_named_before_a_busy_evse_and_after_an_expired_ticket(bench):
    stranger = Ed25519PrivateKey.generate()
    bench.running = {E1}
    shown = ticket(driverPublicKey=DRIVER_JWK)
    assert bench.decide(Presentation(shown, "phone", E1, proof(shown, signer=stranger))).reason == "HOLDER_PROOF_FAILED"
    shown = ticket(driverPublicKey=DRIVER_JWK, notAfter="2026-11-22T12:00:00Z")
    assert bench.decide(Presentation(shown, "phone", E1, proof(shown, signer=stranger))).reason == "EXPIRED"


def test_a_bearer_ticket_over_ble_needs_a_proof_since_anyone_near_could_copy_it(bench):
    assert bench.decide(Presentation(ticket(), "ble", E1)).reason == "HOLDER_PROOF_REQUIRED"


def test_ble_needs_presence_until_the_site_provides_it(bench):
    shown = ticket(driverPublicKey=DRIVER_JWK)
    assert bench.decide(Presentation(shown, "ble", E1, proof(shown))).reason == "PRESENCE_REQUIRED"


def test_without_a_clock_the_reason_is_the_clock(bench):
    bench.clock.reading = (0, "UNKNOWN")
    assert bench.reason() == "CLOCK_UNKNOWN"
    bench.clock.reading = (NOW_MS, "FLOOR")
    assert bench.reason() == "CLOCK_UNKNOWN"
    bench.decision.site.accept_floor = True
    assert bench.reason() == "GRANTED"


def test_a_revoked_ticket_is_refused(bench):
    assert bench.reason(id="DE-XYZ-CT-REVOKED") == "REVOKED"


def test_an_unforeseen_fault_is_the_caller_s_and_frees_what_was_held(bench):
    bench.decision.online = None
    for _ in itertools.repeat(None, 2):
        with pytest.raises(TypeError):
            bench.tap(validationMethod="MustBeValidated")
    assert bench.reason() == "GRANTED"


def test_no_second_grant_while_the_ticket_ends_during_the_decision(bench):
    shown = ticket(notAfter="2026-11-22T12:00:10Z")
    assert bench.decide(Presentation(shown, "card", E1)).granted
    for before_ms in range(1, 12):
        times = itertools.count(NOW_MS + 10_000 - before_ms)  # the clock moves on with every look at it
        bench.clock.now = lambda times=times: (next(times), "SET")
        assert bench.decide(Presentation(shown, "card", E1)).reason in ("ALREADY_USED", "EXPIRED")


def test_no_grant_starts_after_the_end_however_long_the_controller_took(bench):
    async def late_yes(claims, evse_id):
        bench.clock.reading = (NOW_MS + 3_600_000, "SET")
        return "yes"

    bench.decision.online = late_yes
    assert bench.reason(validationMethod="MustBeValidated") == "EXPIRED"


def test_a_signature_that_nobody_checked_proves_nothing(bench):
    verdict = bench.decide(Presentation(ticket(), "phone", E1, Proof(bytes(32), "", bytes(64))))
    assert (verdict.reason, verdict.holder) == ("GRANTED", "passive")


def test_what_the_relay_would_refuse_is_not_recorded_as_a_grant(bench):
    bench.decision.accepts = lambda evse_id, limits: limits.get("maxDuration") != 0
    assert [bench.reason(maxDuration=0), bench.reason(maxDuration=1)] == ["RELAY_FAULT", "GRANTED"]
    assert bench.journal.entries == [("refusal", "RELAY_FAULT"), ("grant", E1)]


def test_a_busy_evse_is_the_reason_where_the_others_are_wrong(bench):
    bench.running = {E1}
    assert bench.reason(None, validEVSEIds=[E1]) == "EVSE_BUSY"


def test_what_an_attacker_wrote_is_made_printable():
    refusal = Refused("UNKNOWN_ISSUER", "x\r\ntap: GRANTED\x1b[2Jé" + "y" * 100)
    assert refusal.detail.startswith("x??tap: GRANTED?[2J?yyy") and len(refusal.detail) == 64


def test_a_relay_that_would_refuse_says_what_is_wrong_with_it(tmp_path):
    faults = ["WELDED", ""]
    bench = Bench(tmp_path / "ledger", accepts=lambda evse_id, limits: False, fault=lambda: faults.pop(0))
    assert [bench.tap().detail for _ in range(2)] == ["WELDED", E1]
