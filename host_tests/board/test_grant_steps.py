"""An exception, a reset, a watchdog's bite or a brown-out at each step of a grant: the enable output by its pin's
trace, and the journal."""

import inspect

import pytest

from host_tests.board.life import read_stores
from station.journal import END, GRANT
from ticket import cbor
from tools.boards.firmware_build import public_names
from tools.virtual.board import HARD_RESET, WDT_RESET

EXCEPTION_OFF_US = 200_000  # the loop looks every 100 ms for a part that failed
BITE_OFF_US = 8_000_000
RESET_OFF_US = 5_000  # the step is written down before it
STEPS = (  # what raises, before or after it has done its work
    ("station.tap", "Tap", "present", False),
    ("station.decision", "Decision", "decide", False),
    ("store.ledger", "Ledger", "add", False),
    ("store.ledger", "Ledger", "add", True),
    ("station.journal", "DecisionJournal", "grant", False),
    ("station.journal", "DecisionJournal", "grant", True),
    ("relay.gpio", "GpioRelay", "deliver", False),
    ("relay.gpio", "GpioRelay", "deliver", True),
    ("station.tap", "Tap", "present", True),
)
RECORDED, CLOSED = 5, 7  # the first step at which a grant is on record, and the first at which the output was on
_NAMES = public_names()
_FAILS = f"""
_STEPS = {[(module, _NAMES.get(owner, owner), _NAMES.get(name, name), after) for module, owner, name, after in STEPS]!r}
_AWAITED = {[_NAMES.get(name, name) for name in ("present", "decide", "deliver")]!r}
def _number():
    try:
        with open("/step") as file:
            return int(file.read())
    except OSError:
        return 0
def _fail(number):
    with open("/step", "w") as file:
        file.write(str(number + 1))
    print("fails at step", number)
    _end(number)
def _patch(number):
    module, owner, name, after = _STEPS[number]
    owner = getattr(__import__(module, None, None, (owner,)), owner)
    real = getattr(owner, name)
    def at_once(*args):
        if after:
            real(*args)
        _fail(number)
    async def awaited(*args):
        if after:
            await real(*args)
        _fail(number)
    setattr(owner, name, awaited if name in _AWAITED else at_once)
if _number() < len(_STEPS):
    _patch(_number())
"""


def edges(bench, since_us=0):
    """[(time_us, whether it is on)] of the enable output."""
    trace = bench.board.pins.trace
    return [(at, level == 1) for at, pin, level in trace if pin == bench.pins["RELAY"] and at >= since_us]


def on_us(bench, since_us):
    """Each stretch for which the enable output was on, in microseconds."""
    found, since = [], None
    for at, on in [*edges(bench, since_us), (bench.world.now_us, False)]:
        if on and since is None:
            since = at
        elif not on and since is not None:
            found.append(at - since)
            since = None
    return found


def journaled(bench, folder):
    """(sessions granted, {session: [causes of its ends]})."""
    kept = read_stores(bench.image, folder).kept
    ends = {}
    for kind, body in kept.values():
        if kind == END:
            end = cbor.loads(body)
            ends.setdefault(end[8], []).append(end[2])
    return [sequence for sequence, (kind, _) in kept.items() if kind == GRANT], ends


def _raises(number):
    raise RuntimeError(number)


def _resets(number):
    import machine  # pyright: ignore[reportMissingImports]

    machine.reset()


def _hangs(number):
    while True:
        pass


@pytest.mark.parametrize(
    ("end", "reset", "off_us"),
    [
        (_raises, HARD_RESET, EXCEPTION_OFF_US),
        pytest.param(_resets, HARD_RESET, RESET_OFF_US, marks=pytest.mark.slow),
        pytest.param(_hangs, WDT_RESET, BITE_OFF_US, marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_failure_at_any_step_of_a_grant_opens_in_time_and_leaves_one_end_for_each_grant(
    roomy, tmp_path, end, reset, off_us
):
    station = roomy
    station.wrap_main(inspect.getsource(end).replace(end.__name__, "_end") + _FAILS)
    station.start()
    for number in range(len(STEPS)):
        began_us, said = station.world.now_us, len(station.board.console_log)
        resets = len(station.board.resets)
        station.chip.field.put(station.card(station.provisioned.ticket()))
        assert station.world.run_until(lambda: len(station.board.resets) > resets, 15), STEPS[number]  # noqa: B023
        station.chip.field.take()
        assert f"fails at step {number}\r" in station.printed_since(said), STEPS[number]
        assert station.board.resets[-1][1] == reset and not station.relay_on
        assert station.world.run_until(lambda: station.served(said), 400)  # noqa: B023  the brake after some
        closed_us = on_us(station, began_us)
        assert len(closed_us) == (number >= CLOSED), (STEPS[number], closed_us)
        assert all(us <= off_us for us in closed_us), (STEPS[number], closed_us)
    assert station.tap_ticket().reason == "GRANTED" and station.relay_on
    station.power_cut()
    grants, ends = journaled(station, tmp_path / "stores")
    assert len(grants) == len(STEPS) - RECORDED + 1  # and the one that runs
    assert ends == {session: ["RESTART"] for session in grants[:-1]}


def test_a_brown_out_after_the_output_closed_opens_it_with_the_power_and_is_journaled_at_the_restart(bench, tmp_path):
    due = []

    def closes(level):
        if level == 1:
            bench.world.call_later(due[-1], bench.board.power_cut)

    bench.board.pins.watch(bench.pins["RELAY"], closes)
    for delay_us in (0, 1_000, 50_000, 2_500_000):
        due.append(delay_us)
        bench.start()
        began_us = bench.world.now_us
        bench.tap_ticket()
        assert bench.world.run_until(lambda: not bench.board.alive, 5)
        assert on_us(bench, began_us) == [delay_us]
        bench.power_cut()
    bench.start()
    bench.world.run(2)
    assert not bench.relay_on and not on_us(bench, bench.board.resets[-1][0])
    bench.power_cut()
    grants, ends = journaled(bench, tmp_path / "stores")
    assert len(grants) == len(due) and ends == {session: ["BROWN_OUT"] for session in grants}


def test_a_brown_out_at_any_erase_of_a_grant_leaves_the_output_off_unless_the_grant_is_journaled(bench, tmp_path):
    number, cut, closed = 0, True, []
    while cut:
        number += 1
        bench.start()
        began_us = bench.world.now_us
        bench.board.cut_at_erase(number)
        bench.chip.field.put(bench.card(bench.provisioned.ticket()))
        cut = bench.world.run_until(lambda: not bench.board.alive, 3)
        bench.chip.field.take()
        bench.power_cut()
        bench.board.flash.disarm()
        grants, ends = journaled(bench, tmp_path / "stores")
        closed = on_us(bench, began_us)
        assert len(closed) <= len(grants) - len(ends)
    assert number > 1 and len(closed) == 1
