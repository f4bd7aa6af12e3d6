"""Files stay short, the firmware compiles for the boards' chips, and what it takes there stays within its budget."""

import tomllib

import pytest

from host_tests.host.tree import FIRMWARE, REPOSITORY, files, text
from tools.boards.board_pins import known_boards, settings
from tools.boards.firmware_build import SOURCES_ON_DEVICE, compile_all, short_sources
from tools.boards.firmware_build import room as room_of

LONGEST = 400  # lines
LONG = {"LICENSE", "host_tests/package-lock.json"}  # nobody wrote these here
# -march and -O as the boards have them
CHIPS = sorted(
    {(made["march"], made["optimisation"]) for made in map(settings, known_boards()) if made["march"] != "x64"}
)

# Bytes of .mpy, for the chip where they are most. "" is everything together.
BUDGETS = tomllib.loads((REPOSITORY / "boards/budget.toml").read_text())
BUDGETS[""] = BUDGETS.pop("total")


def test_no_file_is_too_long():
    long = {}
    for path in files():
        name = str(path.relative_to(REPOSITORY))
        content = text(path)
        if name not in LONG and "vectors/" not in name and content and content.count("\n") > LONGEST:
            long[name] = content.count("\n")
    assert long == {}


@pytest.fixture(scope="module")
def sizes() -> dict[str, dict[str, int]]:
    """Bytes of .mpy by chip and source file, as boards get them; boot.py and main.py would take theirs too."""
    sources = short_sources()[0] | {name: text(FIRMWARE / name) or "" for name in SOURCES_ON_DEVICE}
    made = {}
    for chip, optimisation in CHIPS:
        files = compile_all(sources, chip, optimisation)
        made[chip] = {path.replace(".mpy", ".py"): len(content) for path, content in files.items()}
    return made


def test_every_firmware_file_compiles_for_every_chip(sizes):
    assert set(sizes) == {"xtensawin", "rv32imc"}
    for chip in sizes:
        assert {"boot.py", "main.py"} <= set(sizes[chip])
        assert min(sizes[chip].values()) > 0


@pytest.mark.parametrize("room", sorted(BUDGETS))
def test_compiled_firmware_is_within_its_budget(sizes, room):
    for chip, by_file in sizes.items():
        mine = {name: size for name, size in by_file.items() if room in ("", room_of(name))}
        table = "\n".join(f"{size:8,} {name}" for name, size in sorted(mine.items(), key=lambda row: -row[1]))
        total = sum(mine.values())
        assert total <= BUDGETS[room], f"{chip}: {total:,} of {BUDGETS[room]:,} bytes\n{table}"


def test_functions_without_a_name_have_none_in_what_is_compiled():
    source = "def f(of):\n    return [one for one in of], (lambda: of), sum(one for one in of)\n"
    (compiled,) = compile_all({"a.py": source}, *CHIPS[0]).values()
    assert b"<" not in compiled and b"\x02f\0" in compiled
