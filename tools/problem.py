"""What goes wrong at a command line, in words for the person at the keyboard."""

import json
from decimal import Decimal
from typing import Any

_SHOWN = 60  # characters of a value that an error quotes


class Problem(Exception):
    """One line that says what is wrong and what to do about it. Ends a command with exit code 2."""


debugging = False  # set by --debug: what is unforeseen is then raised, not put into words


def shown(value: Any) -> str:
    """A value as JSON and TOML write it, cut to what fits into a line: `"text"`, true, 1.5, [1, 2]."""
    text = str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
