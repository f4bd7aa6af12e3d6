"""A board's `partitions.csv`, by ESP-IDF's rules (ESP-IDF Programming Guide, Partition Tables)."""

import csv
from dataclasses import dataclass
from pathlib import Path

from tools.problem import Problem

SECTOR = 0x1000
_APP_ALIGNMENT = 0x10000  # 64 KB: the cache's mapping
_TABLE_END = 0x9000  # the table itself lies at 0x8000
_LONGEST_NAME = 15
_APP_SUBTYPES = ("factory", "test", *(f"ota_{number}" for number in range(16)))
_DATA_SUBTYPES = (
    "ota", "phy", "nvs", "coredump", "nvs_keys", "efuse", "undefined", "esphttpd", "fat", "spiffs", "littlefs",
)  # fmt: skip
_FLAGS = ("", "encrypted", "readonly")


@dataclass(frozen=True)
class Partition:
    """offset and size in bytes; kind is "app" or "data"."""

    name: str
    kind: str
    subtype: str
    offset: int
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size


def read(path: Path, flash_bytes: int = 4 << 20) -> dict[str, Partition]:
    """The partitions by name, in their order; raises Problem for what ESP-IDF or the chip would not take."""
    found: dict[str, Partition] = {}
    end = _TABLE_END
    for number, row in enumerate(csv.reader(path.read_text("utf-8").splitlines()), 1):
        cells = [cell.strip() for cell in row]
        if not cells or not cells[0] or cells[0].startswith("#"):
            continue
        try:
            one = _partition(cells)
            if one.name in found:
                raise ValueError(f"{one.name} is there twice")
            if one.offset < end:
                raise ValueError(f"{one.name} begins at {one.offset:#x}, before {end:#x}, where the one before it ends")
            if one.end > flash_bytes:
                raise ValueError(f"{one.name} ends at {one.end:#x}, behind the flash's {flash_bytes:#x}")
        except ValueError as error:
            raise Problem(f"{path.parent.name}/{path.name}:{number}: {error}") from None
        found[one.name], end = one, one.end
    return found


def _partition(cells: list[str]) -> Partition:
    name, kind, subtype, offset, size, *rest = [*cells, "", "", "", ""][: max(6, len(cells))]
    if not 1 <= len(name.encode()) <= _LONGEST_NAME:
        raise ValueError(f"{name!r} has not 1 to {_LONGEST_NAME} bytes")
    if kind not in ("app", "data"):
        raise ValueError(f"type {kind!r} is neither app nor data")
    known = _APP_SUBTYPES if kind == "app" else _DATA_SUBTYPES
    if subtype not in known and not 0 <= int(subtype or "x", 0) <= 0xFE:
        raise ValueError(f"subtype {subtype!r}")
    if any(flag not in _FLAGS for flag in rest):
        raise ValueError(f"flags {rest!r}")
    made = Partition(name, kind, subtype, _number(offset), _number(size))
    if made.offset % (_APP_ALIGNMENT if kind == "app" else SECTOR) or made.size % SECTOR or not made.size:
        raise ValueError(f"{name} is not aligned: apps begin at multiples of 64 KB, all else of 4 KB")
    return made


def _number(text: str) -> int:
    unit = {"K": 1 << 10, "M": 1 << 20}.get(text[-1:].upper(), 1)
    return int(text[:-1] if unit > 1 else text, 0) * unit
