"""The fuzzer of parsers. Importing it makes the firmware and the stand-ins of its tests importable."""

import sys
from pathlib import Path

HOST_TESTS = Path(__file__).resolve().parent.parent
FIRMWARE = HOST_TESTS.parent / "firmware"
PORTABLE = HOST_TESTS.parent / "tools/portable"
sys.path[:0] = [str(HOST_TESTS / folder) for folder in ("shims", "pure")] + [str(FIRMWARE), str(PORTABLE)]

import micropython  # noqa: E402, F401  the stand-in's additions to time and asyncio

from host_tests.runner import ours  # noqa: E402

if "ticket" not in sys.modules:
    ours.claim(str(FIRMWARE))
