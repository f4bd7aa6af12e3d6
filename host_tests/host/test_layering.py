"""Who may import whom in the firmware, and that hardware is named only where the firmware is put together."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FIRMWARE = REPOSITORY / "firmware"

# Each folder, and those of ours that it may import besides itself.
ARROWS = {
    "crypto": set(),
    "store": set(),
    "relay": set(),
    "ticket": {"crypto"},
    "trust": {"crypto", "ticket"},
    "present": {"crypto", "ticket"},
    "nfc": {"present"},
    "ble": {"present"},
    "station": {"crypto", "store", "relay", "ticket", "trust", "present", "nfc", "ble"},
    "start": {"station", "trees"},
    "main": {"start", "trees"},
    "boot": {"trees"},
    "trees": set(),
}
HARDWARE = {"machine", "bluetooth", "esp32", "esp", "network", "pyb", "pins"}
ROOTS = {"boot.py", "main.py", "start.py", "trees.py"}  # the only files that may name hardware
# What of MicroPython's standard library the firmware may use; each is there on the boards, on unix and, but for
# cryptolib, on wasm32.
STANDARD = {
    "array", "asyncio", "binascii", "collections", "cryptolib", "errno", "gc", "hashlib", "io", "json", "micropython",
    "os", "select", "struct", "sys", "time", "uctypes", "vfs",
}  # fmt: skip
# Ways to import that this test could not read.
INDIRECT = {"__import__", "import_module", "exec", "execfile", "eval", "compile"}


def modules_imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and top-level name of every import, wherever in the file it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # One dot is the own room; more would leave it.
            yield node.lineno, "." * (node.level - 1) if node.level else (node.module or "").split(".")[0]


def indirect_imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of everything that could import behind this test's back."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in INDIRECT:
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and node.attr in INDIRECT | {"modules"}:
            yield node.lineno, node.attr


def offences(firmware: Path) -> list[str]:
    """Everything in the tree that is against the rules, one line each."""
    found = []
    for path in sorted(firmware.rglob("*.py")):
        place = path.relative_to(firmware)
        own = place.parts[0].removesuffix(".py")
        if own not in ARROWS:
            found.append(f"{place}: no arrows are known for {own}")
            continue
        tree = ast.parse(path.read_bytes(), str(place))
        for line, name in modules_imported(tree):
            if name in HARDWARE:
                if str(place) not in ROOTS:
                    found.append(f"{place}:{line}: names the hardware module {name}")
            elif name in ("main", "boot"):
                found.append(f"{place}:{line}: imports {name}, which nothing may")
            elif name.startswith("."):
                found.append(f"{place}:{line}: imports from outside its room by dots")
            elif name in ARROWS:
                if name != own and name not in ARROWS[own]:
                    found.append(f"{place}:{line}: {own} may not import {name}")
            elif name and name not in STANDARD:
                found.append(f"{place}:{line}: {name} is neither ours nor in the standard library of the boards")
        for line, name in indirect_imports(tree):
            if name != "modules" or str(place) not in ("main.py", "start.py"):  # which unloads what has done its work
                found.append(f"{place}:{line}: imports indirectly by {name}")
    return found


def test_firmware_keeps_the_arrows():
    assert "\n".join(offences(FIRMWARE)) == ""


def test_every_room_of_the_firmware_is_known():
    rooms = {path.name for path in FIRMWARE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms <= set(ARROWS)
    assert {"crypto", "ticket", "trust", "store", "nfc", "present", "relay", "station"} <= rooms


@pytest.mark.parametrize(
    ("place", "planted", "complaint"),
    [
        ("nfc/planted.py", "import machine", "hardware module machine"),
        ("station/planted.py", "def f():\n    from machine import Pin", "hardware module machine"),
        ("ble/planted.py", "import bluetooth", "hardware module bluetooth"),
        ("crypto/planted.py", "if 1:\n    import esp32", "hardware module esp32"),
        ("relay/planted.py", "import pins", "hardware module pins"),
        ("crypto/planted.py", "from ticket import claims", "crypto may not import ticket"),
        ("store/planted.py", "import crypto.sha512", "store may not import crypto"),
        ("ticket/planted.py", "from trust.bundle import read", "ticket may not import trust"),
        ("trust/planted.py", "import store.ledger", "trust may not import store"),
        ("nfc/planted.py", "import ble.frames", "nfc may not import ble"),
        ("ble/planted.py", "import nfc.frames as frames", "ble may not import nfc"),
        ("present/planted.py", "import nfc", "present may not import nfc"),
        ("relay/planted.py", "from station.clock import Clock", "relay may not import station"),
        ("main.py", "import nfc.pn532", "main may not import nfc"),
        ("boot.py", "import station.app", "boot may not import station"),
        ("station/planted.py", "import main", "imports main"),
        ("station/planted.py", "from ..nfc import frames", "by dots"),
        ("nfc/planted.py", "machine = __import__('machine')", "indirectly by __import__"),
        ("nfc/planted.py", "import sys as s\ns.modules['machine']", "indirectly by modules"),
        (
            "nfc/planted.py",
            "from json import import_module\nimport_module('mach' + 'ine')",
            "indirectly by import_module",
        ),
        ("nfc/planted.py", "exec('import machine')", "indirectly by exec"),
        ("ticket/planted.py", "import dataclasses", "neither ours nor in the standard library"),
        ("led/planted.py", "x = 1", "no arrows are known for led"),
    ],
)
def test_a_planted_offence_is_found(tmp_path, place, planted, complaint):
    file = tmp_path / place
    file.parent.mkdir(exist_ok=True)
    file.write_text("import json\n" + planted + "\n")
    (found,) = offences(tmp_path)
    assert found.startswith(place)
    assert complaint in found


def test_hardware_is_allowed_where_the_firmware_is_put_together(tmp_path):
    for name in ROOTS:
        (tmp_path / name).write_text("import machine\nimport pins\nfrom esp32 import Partition\n")
    assert offences(tmp_path) == []
