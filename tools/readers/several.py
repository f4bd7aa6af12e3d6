"""One piece of work on several boards at once, each with a bar of its own, and one word on all that failed."""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from tools.problem import Problem
from tools.readers.port import Report

PortsOption = Annotated[
    list[str],
    typer.Option("--port", help="Serial port, or `virtual`; several with commas or by repeating this."),
]


def ports(given: Sequence[str]) -> list[str]:
    """`a,b` and `a` `b` alike. Raises Problem for one that is named twice, since two would write to it at once."""
    named = [port for text in given for port in text.split(",") if port]
    if not named:
        raise Problem("--port names no port; `python -m tools devices` shows those that are there")
    if len(set(named)) != len(named):
        raise Problem(f"--port names {next(port for port in named if named.count(port) > 1)} twice")
    return named


def each(named: Sequence[str], what: str, work: Callable[[str, Report], str]) -> int:
    """Runs `work(port, progress)` for each port at once and prints what it returns; 2 if any failed, each with a line.

    The work of one port does not end because another one's failed.
    """
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[name]}"),
    )  # fmt: skip
    shown = Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    failed = 0
    with shown, ThreadPoolExecutor(len(named)) as pool:

        def run(port: str) -> str:
            task = shown.add_task(f"{what} {port}", total=None, name="")
            return work(port, lambda done, total, name: shown.update(task, completed=done, total=total, name=name))

        for port, job in [(port, pool.submit(run, port)) for port in named]:
            try:
                print(job.result(), flush=True)
            except Problem as problem:
                if len(named) == 1:
                    raise
                failed += 1
                print(f"error: {port}: {problem}", file=sys.stderr)
    return 2 if failed else 0
