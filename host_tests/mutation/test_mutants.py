"""Each check of the firmware is needed: without it some test fails."""

import pytest

from host_tests.mutation import mutants


def test_every_kind_of_check_is_found():
    rules = [mutant.what for mutant in mutants.mutants(mutants.RULES)]
    assert sum(what.startswith("rule ") for what in rules) == 18
    decision = [mutant.what for mutant in mutants.mutants(mutants.DECISION)]
    for reason in ("BAD_SIGNATURE", "EVSE_BUSY", "ALREADY_USED", "LEDGER_FULL", "ONLINE_REFUSED", "JOURNAL_FULL"):
        assert any(f"raise Refused(reason.{reason}" in what for what in decision), reason


@pytest.mark.slow
def test_no_check_can_be_taken_away_unnoticed():
    assert mutants.run(list(mutants.TESTS)) == []
