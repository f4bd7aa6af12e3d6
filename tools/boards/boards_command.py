"""`boards`: the boards that there are, whether their chips can do what their pins ask, and pictures of their wiring."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from tools.boards import board_pins, partitions, upstream_rules, wiring
from tools.problem import Problem
from tools.terminal import answers, say

EXAMPLES = """Examples:

  python -m tools boards

  python -m tools boards --draw

  python -m tools boards --micropython ../micropython"""


def boards(
    draw: Annotated[bool, typer.Option("--draw", help="Draw each board's wiring.svg anew.")] = False,
    micropython: Annotated[
        Path | None, typer.Option(metavar="DIR", help="MicroPython's sources, to check the boards against them.")
    ] = None,
) -> int:
    """Show and check the boards: pins and ports by what each chip can do, partitions by ESP-IDF's rules."""
    table = Table(Column("board", no_wrap=True), "chip", "march", "pins", "console", "partitions")
    for board in board_pins.known_boards():
        pins, chosen = board_pins.check(board), board_pins.settings(board)
        layout = board_pins.BOARDS / board / "partitions.csv"
        parts = partitions.read(layout) if layout.exists() else {}
        sizes = ", ".join(f"{part.name} {part.size >> 10}K" for part in parts.values() if part.size >= 1 << 16)
        chip = board_pins.CHIPS[chosen["chip"]].name
        table.add_row(board, chip, chosen["march"], str(len(pins)), chosen["console"], sizes)
    answers().print(table)
    for board in upstream_rules.ours() if draw else ():
        path = board_pins.BOARDS / board / "wiring.svg"
        path.write_text(wiring.draw(board), "utf-8")
        say(f"drew {path}")
    if micropython:
        found = [line for board in upstream_rules.ours() for line in upstream_rules.check(board, micropython)]
        if found:
            raise Problem(f"MicroPython's build would not take this: {'; '.join(found)}")
        say(f"{', '.join(upstream_rules.ours())}: nothing that the sources in {micropython} would not take")
    return 0
