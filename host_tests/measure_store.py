"""Measures the stores on MicroPython's littlefs: python -m host_tests.measure_store [quick]"""

import os
import subprocess
import sys
from pathlib import Path

from host_tests.runner import pure

REPOSITORY = Path(__file__).resolve().parents[1]
POWER = REPOSITORY / "host_tests/power"
PORTABLE = REPOSITORY / "tools/portable"


def on_littlefs(script: str, *arguments: str, heap: str = "64m") -> str:
    """What a script of host_tests/power prints on the unix port. Raises CalledProcessError if it fails."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MICROPY"))}
    environment["MICROPYPATH"] = os.pathsep.join([str(REPOSITORY / "firmware"), str(PORTABLE), str(POWER), ".frozen"])
    command = [pure.micropython(), "-X", f"heapsize={heap}", str(POWER / script), *arguments]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout)
    return done.stdout


if __name__ == "__main__":
    print(on_littlefs("store_measure.py", *sys.argv[1:]), end="")
