"""Reads and writes the littlefs of a flash image from outside, while the board is off."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from littlefs import LittleFS, UserContext
from littlefs.lfs import LFSConfig

from tools.virtual.flash import BLOCK, FILE_BLOCKS


class _Image(UserContext):
    def __init__(self, path: str | os.PathLike[str], blocks: int):
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if os.fstat(self._fd).st_size < blocks * BLOCK:
            os.truncate(self._fd, blocks * BLOCK)

    def close(self) -> None:
        os.close(self._fd)

    def read(self, cfg: LFSConfig, block: int, off: int, size: int) -> bytearray:
        return bytearray(os.pread(self._fd, size, block * BLOCK + off))

    def prog(self, cfg: LFSConfig, block: int, off: int, data: bytes) -> int:
        os.pwrite(self._fd, data, block * BLOCK + off)
        return 0

    def erase(self, cfg: LFSConfig, block: int) -> int:
        os.pwrite(self._fd, b"\xff" * BLOCK, block * BLOCK)
        return 0

    def sync(self, cfg: LFSConfig) -> int:
        return 0


@contextmanager
def mounted(path: str | os.PathLike[str], blocks: int = FILE_BLOCKS) -> Iterator[LittleFS]:
    """The file system of an image, with the ESP32 port's parameters; made when there is no image or a blank one."""
    image = _Image(path, blocks)
    try:
        fs = LittleFS(
            image, block_size=BLOCK, block_count=blocks, read_size=32, prog_size=32, cache_size=128,
            lookahead_size=32, block_cycles=100,
        )  # fmt: skip
        yield fs
        fs.unmount()
    finally:
        image.close()


def write_files(path: str | os.PathLike[str], files: Mapping[str, bytes | str], blocks: int = FILE_BLOCKS) -> None:
    """Puts files ("/main.py": content) into an image, with the folders they need."""
    with mounted(path, blocks) as fs:
        for name, content in files.items():
            fs.makedirs(str(PurePosixPath(name).parent), exist_ok=True)
            with fs.open(name, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)


def read_files(path: str | os.PathLike[str], blocks: int = FILE_BLOCKS) -> dict[str, bytes]:
    """Every file of an image by its path."""
    files = {}
    with mounted(path, blocks) as fs:
        for folder, _, names in fs.walk("/"):
            for name in names:
                full = str(Path(folder) / name)
                with fs.open(full, "rb") as file:
                    files[full] = file.read()
    return files
