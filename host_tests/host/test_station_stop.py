"""A second tap of the ticket whose session runs ends it, if whoever taps may."""

import pytest

from host_tests.host.test_station_decision import DRIVER, DRIVER_JWK, E1, E2, Bench, ticket
from present.presentation import Presentation
from present.proof import Proof, message

NONCE = bytes(range(32))


@pytest.fixture
def bench(tmp_path):
    """One on whose first EVSE the session of whatever is tapped runs."""
    bench = Bench(tmp_path / "ledger")
    bench.decision.running = lambda key, evse_id: E1 if evse_id in (None, E1) else None
    bench.running.add(E1)
    return bench


def proven(jws: bytes, evse_id: str = E1, signer=DRIVER) -> Proof:
    return Proof(NONCE, "", signer.sign(message(NONCE, "reader-1", evse_id, "", jws)))


def told(bench, presentation) -> tuple:
    verdict = bench.decide(presentation)
    return verdict.reason, verdict.detail, verdict.stops


STOPPED = ("EVSE_BUSY", "STOPPED_BY_DRIVER", E1)


def test_a_card_ends_the_session_that_it_began(bench):
    assert told(bench, Presentation(ticket(), "card", E1)) == STOPPED


def test_an_ended_or_revoked_ticket_still_ends_its_session(bench):
    assert told(bench, Presentation(ticket(notAfter="2026-11-22T12:00:00Z"), "card", None)) == STOPPED
    assert told(bench, Presentation(ticket(id="DE-XYZ-CT-REVOKED"), "card", None)) == STOPPED


def test_at_another_evse_it_is_a_tap_like_any_other(bench):
    assert told(bench, Presentation(ticket(), "card", E2)) == ("GRANTED", "", None)


def test_a_ticket_that_names_a_driver_ends_nothing_without_the_driver_s_proof(bench):
    jws = ticket(driverPublicKey=DRIVER_JWK)
    assert told(bench, Presentation(jws, "card", E1))[2] is None
    for carrier in ("phone", "ble"):
        assert told(bench, Presentation(jws, carrier, E1))[2] is None
        forged = proven(jws, E2)
        assert told(bench, Presentation(jws, carrier, E1, proof=forged))[2] is None
        assert told(bench, Presentation(jws, carrier, E1, proof=proven(jws))) == STOPPED


def test_over_the_air_a_ticket_without_a_driver_s_key_ends_nothing(bench):
    jws = ticket()
    for proof in (None, proven(jws)):
        assert told(bench, Presentation(jws, "ble", E1, proof=proof))[2] is None


def test_a_session_that_ended_while_the_proof_was_checked_is_not_ended_again(bench):
    answers = [E1, None]
    bench.decision.running = lambda key, evse_id: answers.pop(0)
    jws = ticket(driverPublicKey=DRIVER_JWK)
    assert told(bench, Presentation(jws, "phone", E1, proof=proven(jws)))[2] is None
