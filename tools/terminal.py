"""Words to the person at the terminal, on stderr, so that stdout holds nothing but the answer."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager

from rich.console import Console
from rich.table import Table
from rich.text import Text


def answers() -> Console:
    """The console of stdout, made when it is asked for, so that a redirected stdout is the one that is meant."""
    return Console(highlight=False)


def say(text: str) -> None:
    """A message."""
    print(text, file=sys.stderr)


def working(what: str) -> AbstractContextManager[object]:
    """A sign of life while something takes seconds; none where stderr is no terminal."""
    return Console(stderr=True).status(what)


def printable(text: str) -> str:
    """A text that came from outside, with nothing in it that a terminal would obey."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def findings(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]], styles: Mapping[str, str]) -> Table:
    """A table of what was found, each row in the style of its second cell, the state."""
    table = Table(*headings, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row), style=styles[row[1]])
    return table
