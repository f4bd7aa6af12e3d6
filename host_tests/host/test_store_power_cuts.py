"""The stores on MicroPython's littlefs: the power cut at the changes of the flash, and what they cost."""

import re

import pytest

from host_tests.measure_store import on_littlefs


def test_nothing_acknowledged_is_lost_by_a_cut_and_a_second_one(soak):
    """A sample of the cuts here, every one of them with --soak."""
    printed = on_littlefs("store_cuts.py", "1" if soak else "97")
    print(printed)
    changes = sum(int(count) for count in re.findall(r"(\d+) changes of the flash", printed))
    tried = re.search(r"(\d+) cut points", printed)
    assert changes > 2000
    assert tried and int(tried[1]) >= (2 * changes if soak else 2 * changes // 97)


@pytest.fixture(scope="module")
def measured(request) -> dict[str, list[float]]:
    """The numbers of each line of the measurement."""
    lines = on_littlefs("store_measure.py", *([] if request.config.getoption("soak") else ["quick"])).splitlines()
    return {
        name: [float(n) for n in re.findall(r"[\d.]+", rest)] for name, _, rest in (x.partition(": ") for x in lines)
    }


def test_a_refused_tap_costs_at_most_one_erase_on_average_and_none_more_in_a_tidied_journal(measured):
    costs = {name: numbers for name, numbers in measured.items() if name.startswith("refused")}
    tidied = [numbers[1] for name, numbers in costs.items() if "tidied" in name]
    assert len(costs) == 8 and len(tidied) == 4
    assert max(numbers[0] for numbers in costs.values()) <= 1 and max(tidied) <= 1, costs


def test_a_granted_tap_with_its_end_costs_at_most_four_erases_on_average(measured):
    costs = {name: numbers[0] for name, numbers in measured.items() if name.startswith("granted")}
    assert len(costs) == 6
    assert max(costs.values()) <= 4, costs


def test_a_look_up_among_ten_thousand_costs_at_most_three_times_one_among_a_hundred(measured):
    few, many = measured["look-up at 100"], measured["look-up at 10000"]
    assert many[0] <= 3 * few[0], "time"
    assert many[1] <= 3 * few[1], "bytes read"
