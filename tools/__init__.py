"""The host command line, `python -m tools`, and the desk that the firmware runs on.

The firmware's pure code is imported here as it is: `firmware/` goes on the path, and with it the stand-in for what
MicroPython has built in and CPython lacks.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

for _folder in (ROOT / "host_tests" / "shims", ROOT / "firmware"):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))
