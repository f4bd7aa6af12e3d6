"""`selftest`: whether each part of a board does its work, with numbers that can be compared."""

import json
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tools import terminal
from tools.options import AS_JSON
from tools.readers import deploy, doctor
from tools.readers.asking import ask
from tools.readers.port import Port
from tools.terminal import answers, working

EXAMPLES = """Examples:

  python -m tools selftest --port /dev/ttyUSB0

  python -m tools selftest --port virtual --energise --json > board-7.json"""

ENERGISE = Annotated[
    bool | None,
    typer.Option("--energise/--leave-relay", help="Close each relay for a third of a second. [default: ask]"),
]
_DEVICE = Path(__file__).with_name("selftest_device.py")
_CLOCK_S = 60  # farther from this machine's time than that is wrong
_DRIFT_MS = 20  # in a second
_LIMIT_S = 60
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
_STYLES = {PASSED: "green", FAILED: "red", SKIPPED: "yellow"}


@dataclass
class Result:
    test: str
    state: str
    said: str


def selftest(port: deploy.PortOption, energise: ENERGISE = None, as_json: AS_JSON = False) -> int:
    """Test a board: published vectors of the cryptography, flash, PN532, clock, relay and its feedback.

    The reader stands still for some seconds. A relay is closed only with --energise, or where you say yes, and never
    while VEHICLE says that one is plugged in. Exit code 1 if anything failed.
    """
    energise = allowed(energise)
    with working(f"testing {port}"), deploy.opened(port) as board:
        facts = examine(board, energise)
    results = judge(facts, datetime.now(UTC))
    if as_json:
        print(json.dumps({**numbers(facts), "results": [asdict(one) for one in results]}, indent=1))
    else:
        rows = [(one.test, one.state, one.said) for one in results]
        answers().print(terminal.findings(f"{port}: {facts['machine']}, {facts['id']}", ("", "", ""), rows, _STYLES))
    return 1 if any(one.state == FAILED for one in results) else 0


def allowed(energise: bool | None) -> bool:
    """Whether relays may be closed: as the option says, or the person at the terminal; without one, no."""
    if energise is None and sys.stdin.isatty():
        question = "This closes each relay for a third of a second. Is nothing behind them that may not have power?"
        return typer.confirm(question, err=True)
    return bool(energise)


def examine(port: Port, energise: bool) -> dict[str, Any]:
    """What the doctor learns of a board, and under "selftest" what was tried. It is reset afterwards."""
    return {**doctor.examine(port), "selftest": attempt(port, energise)}


def attempt(port: Port, energise: bool) -> dict[str, Any]:
    """What became of each test on a board, as selftest_device says it. It is reset afterwards."""
    return ask(port, f"{_DEVICE.read_text('utf-8')}\nmain({energise})\n", "selftest", _LIMIT_S)


def numbers(facts: dict[str, Any]) -> dict[str, Any]:
    """The times, microseconds each, as `bench` compares them: {"board": whose, "parts": {part: {what: us}}}."""
    tried = facts["selftest"]
    parts = {part: tried[part]["us"] for part in ("crypto", "store") if "us" in tried[part]}
    parts["nfc"] = {f"PN532 on {bus}, question and answer": us for bus, us in facts.get("nfc_us", {}).items()}
    parts["relay"] = {
        f"{output['name']} {what}": output[name]
        for output in tried["relay"].get("outputs", [])
        for name, what in (("closes_us", "closes"), ("opens_us", "opens"))
        if output.get(name) is not None
    }
    board = {name: facts[name] for name in ("machine", "id", "version")}
    return {"board": board, "parts": {part: times for part, times in parts.items() if times}}


def judge(facts: dict[str, Any], now: datetime) -> list[Result]:
    """What the facts of `examine` mean; now: by this machine's clock."""
    tried = facts["selftest"]
    found = []
    for name, read in (("crypto", _crypto), ("store", _store), ("clock", lambda said: _clock(said, now))):
        error = tried[name].get("error")
        found.append(Result(name, FAILED, f"{error}; `python -m tools doctor`") if error else read(tried[name]))
    chip = doctor.reader_chip(facts)
    found.append(Result("PN532", PASSED if chip.state == doctor.GOOD else FAILED, _joined(chip.said, chip.remedy)))
    if "error" in tried["relay"]:
        return [*found, Result("relay", FAILED, tried["relay"]["error"])]
    if tried["relay"]["kind"] != "gpio":
        return [*found, Result("relay", SKIPPED, f"it is on {tried['relay']['kind']}: tap a ticket to try it")]
    return [*found, *(_relay(output, tried["relay"]["feedback"]) for output in tried["relay"]["outputs"])]


def _joined(said: str, remedy: str) -> str:
    return f"{said}: {remedy}" if remedy else said


def _ms(times: dict[str, int]) -> str:
    return ", ".join(f"{what} {us / 1000:.1f} ms" for what, us in times.items())


def _crypto(said: dict[str, Any]) -> Result:
    wrong = [what for what, right in said["right"].items() if not right]
    if wrong:
        return Result("crypto", FAILED, f"wrong: {', '.join(wrong)}; deploy again, or replace the board")
    return Result("crypto", PASSED, f"published vectors; {_ms(said['us'])}")


def _store(said: dict[str, Any]) -> Result:
    if not said["same"]:
        return Result("store", FAILED, "what was written was read back differently: replace the board, its flash fails")
    return Result("store", PASSED, _ms(said["us"]))


def _clock(said: dict[str, Any], now: datetime) -> Result:
    second_ms = said["second_ms"]
    if second_ms is None or abs(second_ms - 1000) > _DRIFT_MS:
        told = "it stands still" if second_ms is None else f"a second of it takes {second_ms} ms"
        return Result("clock", FAILED, f"{told}: replace the board")
    year, *rest = said["now"]
    if year < now.year:
        return Result("clock", SKIPPED, "it runs, and is not set: `python -m tools clock`")
    off_s = abs((datetime(year, *rest, tzinfo=UTC) - now).total_seconds())
    if off_s > _CLOCK_S:
        return Result("clock", FAILED, f"it is {off_s:.0f} s off: `python -m tools clock`")
    return Result("clock", PASSED, f"runs, a second takes {second_ms} ms")


def _relay(output: dict[str, Any], feedback: str | None) -> Result:
    name = output["name"]
    if output["off"] != 0:
        return Result(name, FAILED, "the output is high while it is driven low: a short to the supply, or a dead pin")
    if feedback and output["rest"] != 1:
        return Result(
            name, FAILED, "FEEDBACK says closed while the output is off: a broken wire, or a welded contactor"
        )
    if output["vehicle"] == 1:
        return Result(name, SKIPPED, "a vehicle is plugged in (VEHICLE is 1): nothing was closed")
    if "on" not in output:
        return Result(name, SKIPPED, "off; nothing was closed: --energise does")
    if output["on"] != 1:
        return Result(name, FAILED, "the output is low while it is driven high: a short to ground, or a dead pin")
    loop = {what: output[key] for key, what in (("closes_us", "closes after"), ("opens_us", "opens after"))}
    if feedback == "contactor" and None in loop.values():
        return Result(
            name, FAILED, "FEEDBACK does not follow the output: contactor, its supply, or the wire to FEEDBACK"
        )
    if None in loop.values():
        return Result(name, PASSED, "the output switches; no FEEDBACK follows it, and site.toml asks for none")
    return Result(name, PASSED, f"the output switches; {_ms(loop)}")
