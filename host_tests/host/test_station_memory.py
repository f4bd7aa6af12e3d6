"""Memory that runs out in a decision: refused by name, recorded, and the ticket is as it was before."""

import asyncio

import pytest

from host_tests.host.test_station_decision import E1, Bench, ticket
from present.presentation import Presentation
from relay.gpio import GpioRelay
from station.journal import DecisionJournal
from station.tap import Tap
from store import journal as journal_store
from store.files import Fault
from ticket import cbor, form, rules


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "ledger")


def runs_out(monkeypatch, owner, name, after=False):
    """Memory runs out as `owner.name` is called, or after it has done its work."""
    whole = getattr(owner, name)

    def no_memory(*arguments):
        if after:
            whole(*arguments)
        raise MemoryError

    monkeypatch.setattr(owner, name, no_memory)


MEMORY = [("form", "read"), ("form", "claims"), ("rules", "check"), ("journal", "grant_body"), ("ledger", "add")]
CUTS = [(*place, after) for place in MEMORY for after in (False, True)] + [("journal", "grant", False)]


@pytest.mark.parametrize(("owner", "name", "after"), CUTS)
def test_out_of_memory_is_a_recorded_refusal_that_leaves_the_ticket_unused(bench, monkeypatch, owner, name, after):
    with monkeypatch.context() as patch:
        runs_out(patch, {"form": form, "rules": rules}.get(owner) or getattr(bench, owner), name, after)
        verdict = bench.tap()
    assert (verdict.reason, verdict.detail, verdict.session) == ("INTERNAL_FAULT", "NO_MEMORY", None)
    assert bench.journal.entries == [("refusal", "INTERNAL_FAULT")]
    assert bench.reason() == "GRANTED"


def test_out_of_memory_at_a_later_use_does_not_forget_the_first(bench, monkeypatch):
    assert bench.reason(multiUsage="OnlyAtTheSameEVSE") == "GRANTED"
    with monkeypatch.context() as patch:
        runs_out(patch, bench.ledger, "add", after=True)
        assert bench.reason(multiUsage="OnlyAtTheSameEVSE") == "INTERNAL_FAULT"
    assert bench.reason(multiUsage="NotAllowed") == "ALREADY_USED"


def test_out_of_memory_before_there_is_a_ticket_is_recorded(bench):
    verdict = bench.decision.no_memory()
    assert (verdict.granted, verdict.reason, verdict.detail) == (False, "INTERNAL_FAULT", "NO_MEMORY")
    assert bench.journal.entries == [("refusal", "INTERNAL_FAULT")]


def fails_once(monkeypatch, owner, name, error, after):
    """The next call of `owner.name` raises, before or after it has done its work."""
    whole, left = getattr(owner, name), [error]

    def failing(*arguments):
        if left and not after:
            raise left.pop()
        done = whole(*arguments)
        if left:
            raise left.pop()
        return done

    monkeypatch.setattr(owner, name, failing)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [MemoryError(), Fault("flash")])
@pytest.mark.parametrize("inside", [False, True])
def test_a_grant_that_is_in_flash_though_its_write_failed_is_voided(bench, tmp_path, monkeypatch, inside, error, after):
    """Where the store itself failed (`inside`) it has to look at the flash again to know."""
    journal_store.make(str(tmp_path / "journal"))
    store = journal_store.Journal(str(tmp_path / "journal"), bytes(32))
    bench.decision.journal = DecisionJournal(store)
    fails_once(monkeypatch, *((store._kept, "_flush") if inside else (store, "append")), error, after)
    verdict = bench.tap()
    assert verdict.reason == ("INTERNAL_FAULT" if isinstance(error, MemoryError) else "STORE_FAULT")
    assert verdict.session is None and not bench.decision.journal.unended
    written = [(kind, cbor.loads(bytes(body)).get(8)) for _, kind, body in store.read()]
    assert written == ([(journal_store.GRANT, None), (journal_store.VOID, 1)] if after else [])
    assert bench.reason() == "GRANTED"
    assert [kind for _, kind, _ in store.read()][-1] == journal_store.GRANT and len(bench.decision.journal.unended) == 1


class Lights:
    def once(self, pattern):
        pass


@pytest.mark.parametrize("after", [False, True])
def test_a_recorded_grant_whose_delivery_runs_out_of_memory_is_voided_or_ended_at_once(bench, monkeypatch, after):
    """`after`: the output was on by then, so that the ticket has served."""
    levels = []
    relay = GpioRelay({E1: levels.append}, 60_000, lambda: 0, lambda end, start: end - start)
    tap = Tap(bench.decision, relay, Lights(), lambda verdict, ms: None, lambda: 0, lambda end, start: 0)
    whole = relay.deliver

    async def no_memory(grant):
        if after:
            await whole(grant)
        raise MemoryError

    monkeypatch.setattr(relay, "deliver", no_memory)
    verdict = asyncio.run(tap.present(Presentation(ticket(), "card", E1), 0))
    assert (verdict.reason, verdict.detail) == ("INTERNAL_FAULT", "NO_MEMORY")
    assert not relay.busy(E1) and levels == ([1, 0] if after else [])
    assert [one.cause for one in relay.service()] == (["RELAY_FAULT"] if after else [])
    assert [entry[0] for entry in bench.journal.entries] == (["grant"] if after else ["grant", "void"])
    assert bench.reason() == ("ALREADY_USED" if after else "GRANTED")
