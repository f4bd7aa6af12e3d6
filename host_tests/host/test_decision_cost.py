"""A whole decision fits the heap that is set aside for it, ledger and journal included."""

import re

from host_tests.measure_decision import on_unix


def test_a_whole_decision_needs_at_most_48_kb_of_heap():
    """In the words of a 64-bit machine, which are larger than a board's."""
    printed = on_unix()
    print(printed)
    needed = [int(size) for size in re.findall(r"whole decision .*?: (\d+) bytes", printed)]
    assert len(needed) == 4
    assert max(needed) <= 48 * 1024
