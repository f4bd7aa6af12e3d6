"""Puts the firmware on a board, virtual or on a cable.

A board with a ROMFS partition gets the compiled firmware as one image there, where code is run in place and takes no
heap; one without gets it file by file. `boot.py`, `main.py`, `pins.py` and `trees.mpy` are files on every board.

While files are copied the board is in maintenance (`port.maintenance`). An interrupted run leaves it there, and the
next run goes on where it stopped, since only what differs is copied.
"""

import hashlib
import tempfile
from typing import Annotated

import typer

from tools.boards.firmware_build import DATA_SUFFIXES, FILES_ON_EVERY_BOARD, build, read_pins, rom_image, settings
from tools.problem import Problem
from tools.readers.port import (  # fmt: skip
    Port,
    Report,
    execute,
    install,
    maintenance,
    mpremote,
    opened,
    pull,
    push,
    reset,
)
from tools.readers.program import program, program_hash
from tools.readers.several import PortsOption, each, ports

__all__ = [
    "FILES_ON_EVERY_BOARD", "Port", "PortOption", "Report", "build", "deploy", "deploy_command", "execute",
    "maintenance", "mpremote", "opened", "pull", "push", "read_pins", "reset", "rom_image",
]  # fmt: skip

# Prints the digest of what the ROMFS partition holds now, where there is one.
_CHECK_ROM = """
import vfs, binascii
from hashlib import sha256
if hasattr(vfs, "rom_ioctl") and vfs.rom_ioctl(1) > 0:
    part, state, left, at = bytearray(4096), sha256(), {size}, 0
    while left > 0:
        vfs.rom_ioctl(2, 0).readblocks(at, part)
        state.update(memoryview(part)[:min(4096, left)])
        left -= 4096
        at += 1
    print("rom", binascii.hexlify(state.digest()).decode())
"""

# Has the board run what was deployed, whatever updates came before; what they said of versions stays (UPDATE.md).
_FIRST_TREE = """
import trees
if trees.record()[2:] != (0, 0):
    trees.write(0, 0, trees.record()[1])
"""


def deploy(port: Port, board_name: str, progress: Report = lambda done, total, name: None) -> list[str]:
    """Brings the firmware of this checkout onto a board; returns the paths that were copied or removed.

    Raises Problem if the board's chip is another than `board_name` is made for, before anything is touched.
    """
    files, chosen = build(board_name), settings(board_name)
    chip = None if chosen["march"] == "x64" else chosen["chip"].upper()
    in_rom = {path: content for path, content in files.items() if path not in FILES_ON_EVERY_BOARD}
    image = rom_image(board_name, in_rom)
    on_files = {path: content for path, content in files.items() if path in FILES_ON_EVERY_BOARD}
    rom_digest = hashlib.sha256(image).hexdigest()
    there = program(port, [path for path in files if path.endswith(DATA_SUFFIXES)], len(image))
    if there in ((program_hash(on_files), rom_digest), (program_hash(files), "")):
        return []
    with maintenance(port, chosen["march"], chip) as has_rom:
        if not has_rom:
            return install(port, files, progress, remove_stale=True)[0]
        check = _CHECK_ROM.format(size=len(image))
        touched, printed = install(port, on_files, progress, remove_stale=True, before=check)
        if f"rom {rom_digest}" not in printed:
            _write_rom(port, image, f"rom {rom_digest}", check, progress)
            touched = ["/rom", *touched]
        execute(port, _FIRST_TREE)
        return touched


def _write_rom(port: Port, image: bytes, expected: str, check: str, progress: Report) -> None:
    """Writes the ROMFS partition, has the board read it back, and raises Problem unless it says what is `expected`."""
    total = -(-len(image) // 4096)

    def on_line(line: str) -> None:
        if line.startswith("Writing at offset "):
            progress(int(line.split()[-1]) // 4096, total, "firmware.romfs")

    with tempfile.NamedTemporaryFile(suffix=".romfs") as file:
        file.write(image)
        file.flush()
        printed = mpremote(port, "romfs", "deploy", file.name, "+", "exec", check, on_line=on_line)
    if expected not in printed:
        raise Problem("the firmware arrived damaged: deploy again; if that does not help, the board's flash is failing")
    progress(total, total, "")


PortOption = Annotated[
    str, typer.Option("--port", help="Serial port, or `virtual`, or `virtual:DIR`: the virtual board of the site DIR.")
]


def deploy_command(
    board: Annotated[str, typer.Option("--board", help="Name of a folder of boards/.")],
    port: PortsOption,
) -> int:
    """Put the firmware on a board, or on several at once: only what differs is copied, and checked there.

    Interrupted, it is just run again; until then the board stays in maintenance, with its relay off.
    """
    build(board)

    def work(one: str, report: Report) -> str:
        with opened(one) as device:
            touched = deploy(device, board, report)
        return f"{board} at {one}: {len(touched)} files changed" if touched else f"{board} at {one}: nothing to do"

    return each(ports(port), "deploying to", work)
