"""Nobody closes a station by tapping what is refused, however often."""

from host_tests.measure_store import on_littlefs


def test_refused_taps_take_no_room_from_grants_and_the_chain_tells_how_many_there_were(soak):
    count = 100_000 if soak else 2000
    printed = on_littlefs("store_flood.py", str(count))
    print(printed)
    said = dict(line.split(": ", 1) for line in printed.splitlines())
    assert said["problems"] == said["damage"] == "[]"
    assert said["room for a grant"] == "True" and said["granted on"] == said["kept"] == "21"
    assert said["still used"] == "20"
    assert int(said["refused"]) == count and said["newest"] == f"refused {count - 1}"
    assert int(said["overwritten"]) + int(said["there"]) == count
    assert int(said["overwritten"]) > count // 2
    assert int(said["erases of one refusal in a tidied journal, at most"]) == 1
    assert int(said["blocks more than halfway"]) <= 4
