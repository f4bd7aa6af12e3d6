"""Two holders at once, and what changes while a proof is checked or the controller is asked: one grant, never two."""

import asyncio

import pytest

from host_tests.host.test_station_decision import DRIVER_JWK, E1, E2, NOW_MS, Bench, proof, ticket
from present.presentation import Presentation


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "ledger")


def at_once(bench, *presentations):
    """The reasons, in the order of the presentations; each is begun before any of them is decided."""

    async def all_of_them():
        return await asyncio.gather(*(bench.decision.decide(presentation) for presentation in presentations))

    return [verdict.reason for verdict in asyncio.run(all_of_them())]


async def slow_yes(claims, evse_id):
    for _ in range(50):
        await asyncio.sleep(0)
    return "yes"


def proven(evse_id=E1, **claims):
    shown = ticket(driverPublicKey=DRIVER_JWK, **claims)
    return Presentation(shown, "phone", evse_id, proof(shown, evse_id=evse_id))


def test_two_proofs_for_one_evse_at_once_are_one_grant(bench):
    bench.decision.online = slow_yes
    reasons = at_once(bench, *(proven(id=number, validationMethod="MustBeValidated") for number in ("1", "2")))
    assert sorted(reasons) == ["EVSE_BUSY", "GRANTED"]


def test_one_ticket_at_two_evses_is_one_grant_while_the_controller_is_asked(bench):
    bench.decision.online = slow_yes
    shown = ticket(validationMethod="ShouldBeValidated")
    assert at_once(bench, Presentation(shown, "card", E1), Presentation(shown, "card", E2)) == [
        "GRANTED",
        "ALREADY_USED",
    ]


def test_an_evse_that_waits_for_the_controller_is_not_free_for_who_has_no_choice(bench):
    bench.decision.online = slow_yes
    waits = Presentation(ticket(id="1", validationMethod="MustBeValidated"), "card", E1)
    other = Presentation(ticket(id="2"), "card", None)
    assert at_once(bench, waits, other) == ["GRANTED", "GRANTED"]
    assert bench.journal.entries == [("grant", E2), ("grant", E1)]


def test_a_session_that_begins_while_the_proof_is_checked_is_not_given_a_second(bench):
    taken = proven()
    assert taken.proof is not None
    check = taken.proof.verify_steps

    def session_begins(*of_what):
        bench.running.add(E1)
        return check(*of_what)

    taken.proof.verify_steps = session_begins
    assert bench.decide(taken).reason == "EVSE_BUSY"


def test_a_full_journal_is_seen_before_the_ticket_is_marked_as_used(bench):
    added = []
    bench.journal.room_for_grant = lambda length: False
    bench.ledger.add = lambda *record: added.append(record)
    assert bench.reason() == "JOURNAL_FULL" and added == []


def test_a_full_ledger_is_seen_before_the_controller_is_asked(tmp_path):
    bench = Bench(tmp_path / "ledger", limit=1)
    assert bench.reason(id="1") == "GRANTED"
    bench.online = "no"
    assert bench.reason(id="2", validationMethod="MustBeValidated") == "LEDGER_FULL"


def test_an_evse_that_is_not_here_is_never_opened_for_another(bench):
    assert bench.reason("DE*ABC*E9") == "WRONG_PLACE"
    shown = ticket(driverPublicKey=DRIVER_JWK)
    assert bench.decide(Presentation(shown, "phone", "DE*ABC*E9", proof(shown))).reason == "WRONG_PLACE"


def test_a_full_ledger_forgets_nothing_by_a_clock_that_has_just_jumped(tmp_path):
    bench = Bench(tmp_path / "ledger", limit=1)
    later = {"notBefore": "2026-11-24T11:00:00Z", "notAfter": "2026-11-24T13:00:00Z"}
    assert bench.reason(id="a") == "GRANTED"
    bench.clock.reading, bench.clock.settled = (NOW_MS + 2 * 86_400_000, "SET"), False
    assert bench.reason(id="b", **later, created=later["notBefore"]) == "LEDGER_FULL"
    bench.clock.reading = (NOW_MS, "SET")  # put right
    assert bench.reason(id="a") == "ALREADY_USED"
    bench.clock.reading, bench.clock.settled = (NOW_MS + 2 * 86_400_000, "SET"), True
    assert bench.reason(id="b", **later, created=later["notBefore"]) == "GRANTED"
