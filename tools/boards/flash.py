"""`flash`: writes MicroPython, and with --factory the firmware's images too, to the flash of boards, with esptool."""

import os
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tools.boards import build_command, images
from tools.boards.board_pins import CHIPS, Chip, check, settings
from tools.boards.firmware_build import BUILD
from tools.problem import Problem
from tools.readers.port import Report
from tools.readers.several import PortsOption, each, ports

EXAMPLES = """Examples:

  python -m tools flash --board ESP32_GENERIC --port /dev/ttyUSB0 --firmware ESP32_GENERIC-20260406-v1.28.0.bin

  python -m tools flash --board ESP32_GENERIC --port /dev/ttyUSB0,/dev/ttyUSB1 --firmware firmware.bin --factory"""

_IMAGE_MAGIC = 0xE9  # ESP-IDF, esp_image_header_t: magic at byte 0, chip id in bytes 12 and 13, little endian
_CHIP_IDS = {"esp32": 0, "esp32s3": 9, "esp32c3": 5}
_TABLE_AT = 0x8000  # of the flash
_TABLE_BYTES = 0xC00
_ENTRY = struct.Struct("<2sBBII16sI")  # magic AA 50, type, subtype, offset, size, label, flags
_WRITING = re.compile(r"Writing at 0x([0-9a-f]+) .*?([0-9.]+)%")


def flash(
    board: Annotated[str, typer.Option("--board", help="Name of a folder of boards/.")],
    port: PortsOption,
    firmware: Annotated[
        Path | None, typer.Option(metavar="FILE", help="MicroPython for this chip, the .bin of its download page.")
    ] = None,
    factory: Annotated[
        bool, typer.Option("--factory", help="Write this firmware's images as well. ALL FILES ON THE BOARD ARE LOST.")
    ] = False,
    baud: Annotated[int, typer.Option(help="Speed of writing; 115200 where a cable is bad.")] = 460800,
) -> int:
    """Write MicroPython to a board, and with --factory the firmware too: it then wants no `deploy`.

    Nothing is written to another chip than the board's. What is in the flash already is not written again; what is
    written is read back there and compared by its hash. Interrupted, it is just run again.
    """
    parts = plan(board, firmware, factory)
    chip = CHIPS[settings(board)["chip"]]

    def work(one: str, progress: Report) -> str:
        count = write(one, chip, parts, baud, progress)
        return f"{board} at {one}: {count} of {len(parts)} images written, the rest was there already"

    return each(ports(port), "flashing", work)


def plan(board: str, firmware: Path | None, factory: bool) -> dict[int, bytes]:
    """What goes where in the flash. Raises Problem where the files are not for this board or do not go together."""
    check(board)
    chip = CHIPS[settings(board)["chip"]]
    if firmware is None and not factory:
        raise Problem("nothing to write: name MicroPython's image with --firmware, or add --factory")
    parts: dict[int, bytes] = {}
    table = {name: place for name, place in images.layout(board).items() if name in ("romfs", "vfs")}
    if firmware is not None:
        content = _read(firmware)
        _demand_chip(content, chip, firmware)
        parts[chip.flash_offset] = content
        table = _table(content[_TABLE_AT - chip.flash_offset :][:_TABLE_BYTES], firmware)
    if factory:
        build_command.make(board)
        parts.update(_factory(board, table, firmware))
    end = {at + len(content): at for at, content in sorted(parts.items())}
    for (stop, start), after in zip(sorted(end.items()), sorted(parts)[1:], strict=False):
        if stop > after:
            raise Problem(f"what is written at {start:#x} reaches {stop:#x}, into what is written at {after:#x}")
    return parts


def _factory(board: str, table: dict[str, tuple[int, int]], firmware: Path | None) -> dict[int, bytes]:
    folder = BUILD / board
    if "romfs" not in table and "vfs" not in table:  # MicroPython's stock firmware makes its file system behind it
        return {images.STOCK_OFFSET: (folder / "stock.lfs").read_bytes()}
    wanted = images.layout(board)
    for name in ("romfs", "vfs"):
        if table.get(name) != wanted[name]:
            raise Problem(
                f"{firmware}: its partition {name} is not where boards/{board}/partitions.csv has it; "
                f"build MicroPython with BOARD_DIR=boards/{board}, or flash without --factory and deploy"
            )
    return {
        wanted["romfs"][0]: (folder / "firmware.romfs").read_bytes(),
        wanted["vfs"][0]: (folder / "files.lfs").read_bytes(),
    }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Problem(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None


def _demand_chip(content: bytes, chip: Chip, path: Path) -> None:
    if len(content) < 16 or content[0] != _IMAGE_MAGIC:
        raise Problem(f"{path} is no ESP32 image; download the .bin of MicroPython for the {chip.name}")
    number = int.from_bytes(content[12:14], "little")
    if number != _CHIP_IDS[chip.esptool]:
        name = next((CHIPS[key].name for key, value in _CHIP_IDS.items() if value == number), f"chip {number}")
        raise Problem(f"{path} is for the {name}, and this board has an {chip.name}")


def _table(content: bytes, path: Path) -> dict[str, tuple[int, int]]:
    """Offset and size of the partitions in an image, by label."""
    found = {}
    for at in range(0, len(content) - _ENTRY.size + 1, _ENTRY.size):
        magic, _, _, offset, size, label, _ = _ENTRY.unpack_from(content, at)
        if magic != b"\xaa\x50":
            break
        found[label.rstrip(b"\0").decode("ascii", "replace")] = (offset, size)
    if not found:
        raise Problem(f"{path} holds no partition table: the whole image is wanted, not the program alone")
    return found


def write(port: str, chip: Chip, parts: Mapping[int, bytes], baud: int, progress: Report) -> int:
    """Writes with esptool, which reads back and compares; gives how many parts were not there already."""
    total = sum(len(content) for content in parts.values())
    ended = 0
    with tempfile.TemporaryDirectory() as name:
        command = ["--chip", chip.esptool, "--port", port, "--baud", str(baud), "write-flash", "--skip-flashed"]
        for at, content in sorted(parts.items()):
            path = Path(name) / f"{at:x}.bin"
            path.write_bytes(content)
            command += [hex(at), str(path)]
        process = subprocess.Popen(
            [sys.executable, "-m", "esptool", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200", "NO_COLOR": "1"},
            text=True,
            errors="replace",
        )
        said = []
        try:
            for line in process.stdout or ():
                said.append(line.strip())
                if match := _WRITING.search(line):
                    at = int(match[1], 16)
                    start = max((begin for begin in parts if begin <= at), default=0)
                    before = sum(len(content) for begin, content in parts.items() if begin < start)
                    ended = max(ended, before + at - start)
                    progress(ended, total, f"{at:#x}")
        finally:
            process.kill()
            process.wait()
    _judge(port, chip, said)
    progress(total, total, "")
    return sum("Hash of data verified" in line for line in said)


def _judge(port: str, chip: Chip, said: list[str]) -> None:
    """Raises Problem unless esptool has said that every part is there."""
    text = "\n".join(said)
    if match := re.search(r"This chip is (\S+), not \S+?\. ", text):
        raise Problem(f"{port}: this is an {match[1]}, and the board has an {chip.name}; nothing was written")
    errors = [line for line in said if "error" in line.lower()]
    if errors or not re.search(r"Hash of data verified|[Ss]kip", text):
        told = errors[-1].removeprefix("ERROR: A fatal error occurred: ") if errors else "it ended without a word"
        hint = "hold BOOT, press RESET, let go of both, and try again" if "connect" in told.lower() else "try again"
        raise Problem(f"{port}: esptool: {told.rstrip('.')}; {hint}")
