"""The self-test through the real mpremote: what works passes, what is broken fails, and nothing is closed unasked."""

import json
from contextlib import nullcontext
from datetime import UTC, datetime

import pytest

from host_tests.board.conftest import Bench
from host_tests.host.tools_cli import run
from tools.bench import command
from tools.readers import deploy, selftest

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HEALTHY = {
    "machine": "x with ESP32", "id": "00", "version": "1.29.0", "site": {"bus": "hsu"},
    "nfc_hsu": "PN532 firmware 1.6", "nfc_us": {"hsu": 1500},
    "selftest": {
        "crypto": {"right": {"SHA-512": True}, "us": {"X25519": 90_000}},
        "store": {"same": True, "us": {"write 16 KB": 200_000}},
        "clock": {"second_ms": 1000, "now": [2026, 11, 22, 12, 0, 5]},
        "relay": {"kind": "gpio", "feedback": "contactor", "outputs": [
            {"name": "RELAY", "vehicle": 0, "off": 0, "rest": 1, "on": 1, "closes_us": 9000, "opens_us": 8000}]},
    },
}  # fmt: skip


@pytest.fixture
def wired(provisioned, tmp_path, monkeypatch):
    """A station whose contactor's mirror contact is wired to FEEDBACK, as its pins.py and site.json say."""
    bench = Bench(provisioned, tmp_path / "flash.img")
    with bench:
        feedback = bench.pins["VEHICLE_2"]
        pins = deploy.build("VIRTUAL")["/pins.py"] + f"FEEDBACK = {feedback}\n".encode()
        bench.write("/pins.py", pins)
        bench.board.pins.drive(feedback, 1)
        bench.board.pins.watch(bench.pins["RELAY"], lambda level: bench.board.pins.drive(feedback, 0 if level else 1))
        monkeypatch.setattr(deploy, "opened", lambda port: nullcontext(bench.board))
        bench.power_on()
        yield bench


def test_a_good_board_passes_and_its_relay_is_closed_only_when_asked(wired, capsys):
    closings = wired.relay_closings()
    (left,) = selftest.attempt(wired.board, selftest.allowed(None))["relay"]["outputs"]  # no terminal to ask on
    assert (left["off"], left["rest"], "on" in left) == (0, 1, False)
    assert wired.relay_closings() == closings
    answer = run(capsys, "selftest", "--port", "any", "--energise", "--json")
    found = json.loads(answer.out)
    assert answer.code == 0, found["results"]
    states = {one["test"]: one["state"] for one in found["results"] if one["test"] != "clock"}
    assert states == dict.fromkeys(("crypto", "store", "PN532", "RELAY"), "passed")
    assert wired.relay_closings() == closings + 1
    assert not wired.relay_on
    counted = {part: len(times) for part, times in found["parts"].items()}
    assert counted == {"crypto": 3, "store": 4, "nfc": 1, "relay": 2}


def test_a_board_is_measured_and_what_was_measured_can_be_compared(wired, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "opened", deploy.opened)
    monkeypatch.setattr(selftest, "examine", lambda board, energise: HEALTHY)
    file = tmp_path / "board.json"
    answer = run(capsys, "bench", "--port", "any", "--leave-relay", "--json", file)
    assert answer.code == 0, answer.err
    found = json.loads(file.read_text())
    took = found["us"]
    assert found["native"] is True
    assert 0 < took["sha512"] < took["verify, table"] < took["verify, unknown key"] < took["plain verifier"]
    assert took["record returned to relay output, gpio"] < took["plain verifier"]
    assert {part: list(times) for part, times in found["parts"].items()} == {
        "store": ["write 16 KB"], "nfc": ["PN532 on hsu, question and answer"], "relay": ["RELAY closes", "RELAY opens"]
    }  # fmt: skip
    compared = run(capsys, "bench", "--compare", f"{file},{file}").out
    assert "verify, unknown key" in compared and "write 16 KB" in compared


def states(change, part=None):
    facts = {**HEALTHY, **change} if part is None else {
        **HEALTHY, "selftest": {**HEALTHY["selftest"], part: {**HEALTHY["selftest"][part], **change}}
    }  # fmt: skip
    return {one.test: one.state for one in selftest.judge(facts, NOW) if one.state != "passed"}


def output(**change):
    return {"outputs": [{**HEALTHY["selftest"]["relay"]["outputs"][0], **change}]}


@pytest.mark.parametrize(
    ("change", "part", "wrong"),
    [
        ({}, None, {}),
        ({"nfc_hsu": "ChipError: silent"}, None, {"PN532": "failed"}),
        ({"right": {"SHA-512": False}}, "crypto", {"crypto": "failed"}),
        ({"error": "ImportError: x"}, "crypto", {"crypto": "failed"}),
        ({"same": False}, "store", {"store": "failed"}),
        ({"second_ms": None}, "clock", {"clock": "failed"}),
        ({"second_ms": 1100}, "clock", {"clock": "failed"}),
        ({"now": [2026, 11, 22, 13, 0, 0]}, "clock", {"clock": "failed"}),
        ({"now": [2000, 1, 1, 0, 0, 0]}, "clock", {"clock": "skipped"}),
        ({"kind": "modbus"}, "relay", {"relay": "skipped"}),
        (output(closes_us=None), "relay", {"RELAY": "failed"}),
        (output(rest=0), "relay", {"RELAY": "failed"}),
        (output(off=1), "relay", {"RELAY": "failed"}),
        (output(on=0), "relay", {"RELAY": "failed"}),
        (output(vehicle=1), "relay", {"RELAY": "skipped"}),
        ({**output(closes_us=None), "feedback": None}, "relay", {}),
    ],
)
def test_what_fails_is_told(change, part, wrong):
    assert states(change, part) == wrong
