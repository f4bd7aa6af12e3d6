"""Entry point of `python -m tools`."""

import sys

try:
    from tools.cli import main
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] == "tools":
        raise
    remedy = "use `make …`, or activate what `make demo` sets up: `. .venv/bin/activate`"
    print(f"error: this Python has no {missing.name}; {remedy}", file=sys.stderr)
    sys.exit(2)

sys.exit(main())
