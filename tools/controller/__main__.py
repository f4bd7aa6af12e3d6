"""`python -m tools.controller`: the command alone, for machines on which not all of the tools' packages are."""

import sys

import typer

from tools.controller.command import EXAMPLES, controller
from tools.problem import Problem

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=EXAMPLES)(controller)

if __name__ == "__main__":
    try:
        app()
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)
