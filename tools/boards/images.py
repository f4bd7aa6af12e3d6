"""The littlefs image of a board's files, for factory flashing: the same bytes each time it is made."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from littlefs import LittleFS
from littlefs.errors import LittleFSError

from tools.boards import board_pins, partitions
from tools.problem import Problem

BLOCK = 4096
# Where the littlefs of MicroPython's stock firmware begins: behind 2 MB of program, up to the flash's end.
STOCK_OFFSET = 0x200000
STOCK_BYTES = 0x200000
VIRTUAL_BYTES = 432 * BLOCK


def littlefs(files: Mapping[str, bytes], size: int) -> bytes:
    """A littlefs of `size` bytes with `files` ("/main.py": content), with the ESP32 port's parameters.

    Blocks at its end that hold nothing are left out: the flash was erased. Raises Problem if the files do not fit.
    """
    fs = LittleFS(
        block_size=BLOCK, block_count=size // BLOCK, read_size=32, prog_size=32, cache_size=128,
        lookahead_size=32, block_cycles=100,
    )  # fmt: skip
    try:
        for path in sorted(files):
            fs.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
            with fs.open(path, "wb") as file:
                file.write(files[path])
    except LittleFSError as error:
        raise Problem(f"the files do not fit into {size >> 10} KB: {error}") from None
    fs.unmount()
    image = bytes(fs.context.buffer)
    return image[: -(-len(image.rstrip(b"\xff")) // BLOCK) * BLOCK]


def layout(board: str) -> dict[str, tuple[int, int]]:
    """Offset and size of the partitions "romfs" and "vfs" of a board; the virtual board's lie in its file."""
    path: Path = board_pins.BOARDS / board / "partitions.csv"
    if not path.exists():
        return {"vfs": (0, VIRTUAL_BYTES), "romfs": (VIRTUAL_BYTES, 112 * BLOCK)}
    return {name: (part.offset, part.size) for name, part in partitions.read(path).items()}
