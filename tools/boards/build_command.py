"""`build`: the firmware compiled for a board, the images for its flash, and what each folder takes of its budget."""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tools.boards import firmware_build, images
from tools.boards.firmware_build import BUILD, FILES_ON_EVERY_BOARD
from tools.problem import Problem
from tools.terminal import answers

EXAMPLES = """Examples:

  python -m tools build --board ESP32_GENERIC

  python -m tools build --board ESP32_GENERIC_C3 --json sizes.json"""

BUDGET = firmware_build.BOARDS / "budget.toml"
_BAR = 24


def build(
    board: Annotated[str, typer.Option("--board", help="Name of a folder of boards/.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the sizes to this file.")] = None,
) -> int:
    """Compile the firmware for a board and make its images, the same byte for byte each time.

    In build/BOARD: tree/ (the .mpy files), firmware.romfs and files.lfs (for a MicroPython that was built with the
    board's own partitions; `flash` takes both), stock.lfs (all of it, for MicroPython's stock firmware), frozen/.
    Exit code 1 when a folder takes more than its budget.
    """
    made = make(board)
    sizes, budget = measure(board), tomllib.loads(BUDGET.read_text())
    over = {name: size for name, size in sizes.items() if size > budget.get(name, 0)}
    answers().print(report(board, sizes, budget))
    table = Table("image", "bytes", "at", "SHA-256", title_justify="left")
    for path, offset in made.items():
        content = path.read_bytes()
        table.add_row(path.name, f"{len(content):,}", f"{offset:#x}", hashlib.sha256(content).hexdigest()[:16] + "…")
    answers().print(table)
    if json_file:
        json_file.write_text(json.dumps({"board": board, "sizes": sizes, "budget": budget}, indent=1) + "\n")
    for name, size in over.items():
        print(f"{name} takes {size:,} bytes, {size - budget.get(name, 0):,} more than boards/budget.toml gives it")
    return 1 if over else 0


def make(board: str) -> dict[Path, int]:
    """Makes the images in build/BOARD; gives where in the flash each belongs."""
    files = firmware_build.build(board)
    firmware_build.write_pins(board)
    parts = images.layout(board)
    on_littlefs = {path: files[path] for path in FILES_ON_EVERY_BOARD}
    rom = firmware_build.rom_image(board, {path: data for path, data in files.items() if path not in on_littlefs})
    if len(rom) > parts["romfs"][1]:
        raise Problem(f"firmware.romfs has {len(rom):,} bytes, and the partition {parts['romfs'][1]:,}")
    folder = BUILD / board
    (folder / "files.lfs").write_bytes(images.littlefs(on_littlefs, parts["vfs"][1]))
    (folder / "stock.lfs").write_bytes(images.littlefs(files, images.STOCK_BYTES))
    return {
        folder / "firmware.romfs": parts["romfs"][0],
        folder / "files.lfs": parts["vfs"][0],
        folder / "stock.lfs": images.STOCK_OFFSET,
    }


def measure(board: str) -> dict[str, int]:
    """Bytes of .mpy by folder of the firmware, and in all as "total"; of what `make` has compiled."""
    sizes: dict[str, int] = {}
    for path in sorted((BUILD / board / "tree").rglob("*.mpy")):
        room = firmware_build.room(path.relative_to(BUILD / board / "tree").as_posix())
        sizes[room] = sizes.get(room, 0) + path.stat().st_size
    return {**sizes, "total": sum(sizes.values())}


def report(board: str, sizes: dict[str, int], budget: dict[str, int]) -> Table:
    """The sizes against their budgets, the largest first."""
    table = Table(title=f"{board}: compiled firmware", title_justify="left")
    for heading, side in (("", "left"), ("bytes", "right"), ("budget", "right"), ("used", "left")):
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    for name, size in sorted(sizes.items(), key=lambda row: (row[0] == "total", -row[1])):
        room = budget.get(name, 0)
        share = size / room if room else 9.99
        bar = "█" * min(_BAR, round(share * _BAR))
        style = "red" if share > 1 else "yellow" if share > 0.9 else "green"
        if name == "total":
            table.add_section()
        table.add_row(name, f"{size:,}", f"{room:,}", f"[{style}]{bar:<{_BAR}}[/] {share:4.0%}")
    return table
