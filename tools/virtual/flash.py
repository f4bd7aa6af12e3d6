"""The virtual board's flash: an image file with NOR rules, counters, and the instant at which power fails."""

import os
from collections.abc import Callable
from pathlib import Path

BLOCK = 4096
FILE_BLOCKS = 432  # littlefs, at the start of the image
ROM_BLOCKS = 112  # the ROMFS partition, behind it


class Flash:
    """`blocks` erase blocks of 4096 bytes in a file, and behind them `rom_blocks` for the ROMFS partition, which the
    chip also sees as memory. Programming only clears bits; erasing sets a block to FF.

    `writes` and `erases` count since this object was made, `worn[block]` the erases of each block. The file is made
    sparse when there is none: a block of zeros at its start means that it was never written.
    """

    def __init__(self, path: str | os.PathLike[str], blocks: int, rom_blocks: int):
        self.path = Path(path)
        self.blocks = blocks
        self.rom_blocks = rom_blocks
        self.writes = 0
        self.erases = 0
        self.worn: dict[int, int] = {}
        self.faults: list[str] = []  # bytes programmed over others that were not erased
        self._cut_write: tuple[int, int | None] | None = None
        self._cut_erase: int | None = None
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        if os.fstat(self._fd).st_size < (blocks + rom_blocks) * BLOCK:
            os.truncate(self._fd, (blocks + rom_blocks) * BLOCK)

    def close(self) -> None:
        os.close(self._fd)

    def cut_at_write(self, number: int, keep_bytes: int | None = None) -> None:
        """Power fails at the `number`th write from now (1 is the next): right after it, or after `keep_bytes` of it."""
        self._cut_write = (self.writes + number, keep_bytes)

    def cut_at_erase(self, number: int) -> None:
        """Power fails at the `number`th erase from now, halfway: the block's first half is erased, the rest is not."""
        self._cut_erase = self.erases + number

    def disarm(self) -> None:
        self._cut_write = self._cut_erase = None

    def program(self, offset: int, data: bytes, cut: Callable[[], None]) -> None:
        """Writes `data`, which lies within one block; calls `cut` if power fails with it."""
        self.writes += 1
        keep = len(data)
        cuts = self._cut_write is not None and self._cut_write[0] == self.writes
        if cuts and self._cut_write is not None and self._cut_write[1] is not None:
            keep = min(keep, self._cut_write[1])
        there = os.pread(self._fd, keep, offset)
        new = int.from_bytes(data[:keep], "big")
        old = int.from_bytes(there, "big")
        if new & ~old:
            self.faults.append(f"{keep} bytes at {offset:#x} need bits that are not erased")
        os.pwrite(self._fd, (new & old).to_bytes(keep, "big"), offset)
        if cuts:
            self.disarm()
            cut()

    def erase(self, block: int, cut: Callable[[], None]) -> None:
        self.erases += 1
        self.worn[block] = self.worn.get(block, 0) + 1
        cuts = self._cut_erase == self.erases
        os.pwrite(self._fd, b"\xff" * (BLOCK // 2 if cuts else BLOCK), block * BLOCK)
        if cuts:
            self.disarm()
            cut()
