"""Words to the person at the terminal, on stderr, so that stdout holds nothing but the answer."""

import sys

from rich.console import Console


def answers() -> Console:
    """The console of stdout, made when it is asked for, so that a redirected stdout is the one that is meant."""
    return Console(highlight=False)


def say(text: str) -> None:
    """A message."""
    print(text, file=sys.stderr)


def printable(text: str) -> str:
    """A text that came from outside, with nothing in it that a terminal would obey."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
