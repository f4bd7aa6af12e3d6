"""`doctor`: what is wrong with a board, and what to do about it."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools import terminal
from tools.fleet import journal_file
from tools.options import AS_JSON
from tools.problem import Problem
from tools.readers import deploy, journal
from tools.readers.asking import ask
from tools.readers.port import Port
from tools.terminal import answers, working

EXAMPLES = """Examples:

  python -m tools doctor --port /dev/ttyUSB0

  python -m tools doctor --port virtual --json"""

_DEVICE = Path(__file__).with_name("doctor_device.py")
_OLDEST = (1, 28)  # MicroPython that this firmware is made for
_LEAST_FREE = 40 << 10  # bytes of heap, with nothing of the firmware loaded
_SLOW_FLASH_MS = 2000  # for 4 KB: an erase takes 45 ms, and littlefs needs a few
_FULL = 10  # percent of the file system that should be free
_BUSES = {"nfc_hsu": "hsu", "nfc_i2c": "i2c", "nfc_spi": "spi"}
_LAST_STARTS = 5
_NAMED = 3  # pieces of damage; `repair` names all
_LIMIT_S = 60  # the examination takes a quarter of that where no PN532 answers
GOOD, _POOR, _BAD = "well", "look", "bad"
_STYLES = {GOOD: "green", _POOR: "yellow", _BAD: "red"}


@dataclass
class Finding:
    """state: "well"; "look": works, but is not as it should be; "bad": the reader cannot do its work like this."""

    about: str
    state: str
    said: str
    remedy: str = ""


def doctor(port: deploy.PortOption, as_json: AS_JSON = False) -> int:
    """Say what is wrong with a board, and what to do about it. The reader stands still for some seconds.

    Looked at are MicroPython, the heap, the flash, the firmware, its native code, the site, the stores, the clock, the
    PN532 on each bus that the board has pins for, and the last resets. Exit code 1 if anything is bad.
    """
    with working(f"looking at {port}"), deploy.opened(port) as board:
        facts = examine(board)
        starts = last_starts(board) if "site" in facts and not facts.get("stores") else []
    findings = judge(facts, starts)
    if as_json:
        print(json.dumps({"facts": facts, "findings": [asdict(one) for one in findings]}, indent=1))
    else:
        title = f"{port}: {facts['machine']}, {facts['id']}"
        rows = [(one.about, one.state, one.said, one.remedy) for one in findings]
        answers().print(terminal.findings(title, ("", "", "", "what to do"), rows, _STYLES))
    return 1 if any(one.state == _BAD for one in findings) else 0


def examine(port: Port) -> dict[str, Any]:
    """What a board says of itself; it is reset afterwards. Raises Problem if it does not answer."""
    return ask(port, _DEVICE.read_text("utf-8"), "doctor", _LIMIT_S)


def last_starts(port: Port) -> list[tuple[str, str]]:
    """(time, what) of the last starts and faults that the journal tells of, the newest first."""
    try:
        export, _ = journal.fetch_unchecked(port)
    except Problem:
        return []
    words = ("START", "INTERNAL_FAULT", "STOPPED_FROM_CONSOLE")
    found = [record for record in journal_file.records(export) if record.get("what") in words]
    return [
        (journal_file.known_time(record), f"{record['what']} {record.get('detail', '')}".strip())
        for record in found[: -_LAST_STARTS - 1 : -1]
    ]


def judge(facts: dict[str, Any], starts: list[tuple[str, str]]) -> list[Finding]:
    """What the facts mean."""
    found = [_version(facts), _heap(facts), _flash(facts), *_firmware(facts)]
    if "site" in facts:
        damage = facts.get("stores", [])
        told = "; ".join(damage[:_NAMED]) or facts.get("stores_error", "")
        if len(damage) > _NAMED:
            told += f"; and {len(damage) - _NAMED} more"
        remedy = "`python -m tools repair` shows what giving it up costs" if damage else ""
        found.append(
            Finding("stores", _BAD if told else GOOD, told or "ledger, journal and clock floor are whole", remedy)
        )
    if "clock" in facts:
        found.append(_clock(facts))
        found.append(reader_chip(facts))
    if facts["maintenance"]:
        remedy = "deploy or provision again, or remove /maintenance and reset"
        found.append(Finding("maintenance", _BAD, "the board is in maintenance: no station runs", remedy))
    found.append(_resets(facts, starts))
    return found


def _version(facts: dict[str, Any]) -> Finding:
    version = tuple(int(part) for part in facts["version"].split(".")[:2])
    if version < _OLDEST:
        least = ".".join(map(str, _OLDEST))
        return Finding("MicroPython", _BAD, facts["version"], f"flash {least} or newer")
    return Finding("MicroPython", GOOD, facts["version"])


def _heap(facts: dict[str, Any]) -> Finding:
    free = facts["heap"]["free"]
    said = f"{free >> 10} KB free of {free + facts['heap']['used'] >> 10} KB, nothing loaded"
    if free < _LEAST_FREE:
        return Finding("heap", _BAD, said, "this MicroPython leaves too little: build it with boards/ of this firmware")
    return Finding("heap", GOOD, said)


def _flash(facts: dict[str, Any]) -> Finding:
    flash = facts.get("flash")
    if flash is None:
        remedy = (
            "erase the flash (esptool erase-flash), flash, deploy and provision; if it comes back, replace the board"
        )
        return Finding("flash", _BAD, facts.get("flash_error", "no file can be written"), remedy)
    said = f"{flash['free'] >> 10} of {flash['size'] >> 10} KB free, 4 KB written in {flash['took_ms']} ms"
    if not flash["same"]:
        return Finding(
            "flash", _BAD, "what was written was read back differently", "replace the board: its flash fails"
        )
    if flash["took_ms"] > _SLOW_FLASH_MS:
        return Finding(
            "flash", _POOR, said, "writing is slow: the flash may be worn; replace the board before it fails"
        )
    if flash["free"] * 100 < flash["size"] * _FULL:
        return Finding("flash", _POOR, said, "remove files that do not belong there (`mpremote fs ls`)")
    return Finding("flash", GOOD, said)


def _firmware(facts: dict[str, Any]) -> list[Finding]:
    if "native" not in facts or "ports_error" in facts:
        told = facts.get("ports_error") or facts.get("native_error", "")
        return [Finding("firmware", _BAD, f"missing or damaged ({told})", "deploy")]
    place = f"version {facts['firmware']}, " + ("in the ROMFS partition" if facts.get("rom") else "in files")
    if facts.get("trial"):
        place += "; an update that is on trial"
    remedy = "" if facts.get("rom") else "a MicroPython with a romfs partition (boards/README.md) saves 70 KB of heap"
    found = [Finding("firmware", GOOD, place, remedy)]
    if facts["native"]:
        found.append(Finding("native code", GOOD, "the signature check is compiled for this chip"))
    else:
        remedy = "deploy with the --board of this chip; if it is that, executable memory ran out: reset"
        found.append(Finding("native code", _BAD, "plain bytecode serves: a signature takes seconds", remedy))
    if "site" not in facts:
        found.append(Finding("site", _BAD, facts.get("site_error", "none"), "provision"))
    else:
        found.append(Finding("site", GOOD, f"reader {facts['site']['reader']}, PN532 on {facts['site']['bus']}"))
    return found


def _clock(facts: dict[str, Any]) -> Finding:
    year, battery = facts["clock"]["year"], facts["clock"].get("battery", "none")
    wants = facts.get("site", {}).get("rtc", False)
    said = f"{'set' if year >= datetime.now(UTC).year else 'not set'}; battery clock: {battery}"
    if wants and battery != "runs":
        remedy = {
            "silent": "it does not answer: check SDA, SCL, 3V3 and GND of the DS3231",
            "stopped": "its battery was empty or its time was never set: replace it, then `python -m tools clock`",
        }.get(battery, "this board has no pins for one: take [rtc] out of site.toml")
        return Finding("clock", _BAD, said, remedy)
    if year < datetime.now(UTC).year and not wants:
        fitted = battery in ("runs", "stopped")
        outlast = "let [rtc] in site.toml use the DS3231" if fitted else "fit a DS3231"
        return Finding("clock", _POOR, said, f"`python -m tools time set`; {outlast} so that it outlasts a power cut")
    return Finding("clock", GOOD, said)


def reader_chip(facts: dict[str, Any]) -> Finding:
    """Whether the PN532 answers on the site's bus, or on any where there is no site."""
    heard = {bus: facts[name] for name, bus in _BUSES.items() if str(facts.get(name, "")).startswith("PN532")}
    wants = facts.get("site", {}).get("bus")
    if wants in heard:
        return Finding("PN532", GOOD, f"answers on {wants}: {heard[wants]}")
    tried = ", ".join(bus for name, bus in _BUSES.items() if facts.get(name) != "no pins")
    if heard:
        there = next(iter(heard))
        if wants is None:
            return Finding("PN532", GOOD, f"answers on {there}: {heard[there]}")
        remedy = f'set its switches to {wants.upper()}, or write bus = "{there}" in site.toml and provision'
        return Finding("PN532", _BAD, f"silent on {wants}, and answers on {there}", remedy)
    remedy = "check its 3V3 and GND, its switches, and by the board's wiring.svg whether two lines are swapped"
    return Finding("PN532", _BAD, f"does not answer (tried {tried})", remedy)


def _resets(facts: dict[str, Any], starts: list[tuple[str, str]]) -> Finding:
    said = ", ".join(f"{when} {what}".strip() for when, what in starts) or "none in the journal"
    crashes = facts.get("crashes", 0)
    if crashes > 2:
        return Finding("resets", _BAD, f"{crashes} crashes in a row; {said}", "see why: `python -m tools log`")
    if any("WATCHDOG" in what or "FAULT" in what for _, what in starts):
        return Finding("resets", _POOR, said, "see why with `python -m tools log`; a weak supply does this too")
    return Finding("resets", GOOD, said)
