"""`bench --compare`: what `bench --json` and `selftest --json` wrote of several boards, side by side."""

import json
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from tools.bench import relay
from tools.problem import Problem
from tools.site.keys import reason

Board = tuple[str, dict[str, float]]  # what it is called, {"part: what": ms}


def read(file: Path) -> Board:
    """A board's name and its times from a JSON file. Problem for one that is no such file."""
    try:
        content = json.loads(file.read_text("utf-8"))
        times = {
            ("relay" if name == relay.COMPUTED else "crypto", name): us for name, us in content.get("us", {}).items()
        }
        for part, measured in content.get("parts", {}).items():
            times |= {(part, name): us for name, us in measured.items()}
        found = {f"{part}: {name}": us / 1000 for (part, name), us in times.items()}
    except OSError as error:
        raise Problem(f"cannot read {file}: {reason(error)}") from None
    except (ValueError, AttributeError, TypeError):
        found = {}
    if not found:
        raise Problem(f"{file} holds no measurement; `bench --json` and `selftest --json` write such files")
    return file.stem, found


def names(boards: list[Board]) -> list[str]:
    """Everything that was measured on any of the boards, in the order of the first."""
    return list(dict.fromkeys(name for _, times in boards for name in times))


def table(boards: list[Board]) -> Table:
    """A row for each thing measured, a column of milliseconds for each board, and how they compare to the first."""
    made = Table("ms", title="the first board is 1.0", title_justify="left")
    for label, _ in boards:
        made.add_column(escape(label), justify="right")
    first = boards[0][1]
    for name in names(boards):
        cells = []
        for number, (_, times) in enumerate(boards):
            ms, base = times.get(name), first.get(name)
            told = "" if ms is None else f"{ms:.3f}"
            cells.append(f"{told} ({ms / base:.1f})" if number and ms is not None and base else told)
        made.add_row(escape(name), *cells)
    return made


def draw(boards: list[Board], path: Path) -> None:
    """A bar for each board under each thing measured, logarithmic, since a hash and a signature are far apart."""
    try:
        from matplotlib import colormaps
        from matplotlib.figure import Figure
    except ImportError:
        raise Problem("--plot needs matplotlib: pip install -r requirements-dev.txt") from None
    rows = names(boards)
    figure = Figure(figsize=(9, 1.2 + len(rows) * (0.16 + 0.16 * len(boards))), layout="constrained")
    axes = figure.subplots()
    high = 0.8 / len(boards)
    colours = colormaps["tab10"].colors  # type: ignore[attr-defined]
    for number, (label, times) in enumerate(boards):
        there = [(row, times[name]) for row, name in enumerate(rows) if name in times]
        at = [row + (number - (len(boards) - 1) / 2) * high for row, _ in there]
        bars = axes.barh(at, [ms for _, ms in there], height=high, color=colours[number % 10], label=label)
        axes.bar_label(bars, [f"{ms:.3g}" for _, ms in there], fontsize=7, padding=2)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds, logarithmic")
    axes.margins(x=0.12, y=0.02)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=min(len(boards), 4), fontsize=8, frameon=False)
    figure.savefig(path, dpi=150)
