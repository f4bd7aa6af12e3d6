"""The boards' folders: pictures follow the pins, partitions ESP-IDF's rules, MicroPython takes it all."""

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tools.boards import board_pins, partitions, upstream_rules, wiring
from tools.boards.partitions import Partition
from tools.problem import Problem
from tools.virtual.flash import BLOCK, FILE_BLOCKS, ROM_BLOCKS

OURS = upstream_rules.ours()


def test_there_is_a_board_for_each_chip():
    assert {board_pins.settings(board)["chip"] for board in OURS} == set(board_pins.CHIPS)


@pytest.mark.parametrize("board", OURS)
def test_the_wiring_picture_is_the_one_of_the_pins(board):
    kept = (board_pins.BOARDS / board / "wiring.svg").read_text("utf-8")
    assert kept == wiring.draw(board), "draw it anew: python -m tools boards --draw"
    shown = [element.text for element in ET.fromstring(kept).iter("{http://www.w3.org/2000/svg}text")]
    for name, gpio in board_pins.read(board).items():
        assert name in shown
        assert f"GPIO {gpio}" in shown


def test_a_note_that_would_run_into_its_label_is_refused(monkeypatch):
    monkeypatch.setattr(wiring, "_BOX", 350)
    with pytest.raises(Problem, match="says more of VEHICLE than its box"):
        wiring.draw("ESP32_GENERIC")


@pytest.mark.parametrize("board", OURS)
def test_partitions_fit_the_flash_and_the_virtual_boards_are_the_same(board):
    parts = partitions.read(board_pins.BOARDS / board / "partitions.csv")
    assert parts["factory"].size >= 0x1D0000  # what MicroPython's own table with a romfs gives to its program
    assert parts["romfs"].size == ROM_BLOCKS * BLOCK
    assert parts["vfs"].size == FILE_BLOCKS * BLOCK
    assert parts["vfs"].end == 4 << 20


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("a, app, factory, 0x11000, 0x10000,", "multiples of 64 KB"),
        ("a, data, fat, 0x9100, 0x1000,", "4 KB"),
        ("a, data, fat, 0x9000, 0x1001,", "4 KB"),
        ("a, data, fat, 0x8000, 0x1000,", "before 0x9000"),
        ("a, data, fat, 0x9000, 0x2000,\nb, data, fat, 0xa000, 0x1000,", "csv:2: b begins at 0xa000, before 0xb000"),
        ("a, data, fat, 0x3ff000, 8K,", "behind the flash"),
        ("a, tree, fat, 0x9000, 4K,", "neither app nor data"),
        ("a, data, 0x8ff, 0x9000, 4K,", "subtype"),
        ("a, data, fat, 0x9000, 4K, secret", "flags"),
        ("much_too_long_a_name, data, fat, 0x9000, 4K,", "1 to 15 bytes"),
        ("a, data, fat, 0x9000, 4K,\na, data, fat, 0xa000, 4K,", "twice"),
        ("a, data, fat, 0x9000,", "csv:1"),
    ],
)
def test_a_table_that_esp_idf_would_not_take_is_refused(tmp_path, rows, why):
    (tmp_path / "partitions.csv").write_text(rows)
    with pytest.raises(Problem, match=why):
        partitions.read(tmp_path / "partitions.csv")


def test_sizes_may_have_units(tmp_path):
    (tmp_path / "partitions.csv").write_text("# x\n\nromfs, data, 0x8f, 64K, 1M,\n")
    assert partitions.read(tmp_path / "partitions.csv") == {
        "romfs": Partition("romfs", "data", "0x8f", 1 << 16, 1 << 20)
    }


@pytest.mark.skipif("MICROPYTHON" not in os.environ, reason="MICROPYTHON=DIR names no sources to check boards against")
@pytest.mark.parametrize("board", OURS)
def test_micropythons_build_would_take_the_board(board):
    assert upstream_rules.check(board, Path(os.environ["MICROPYTHON"])) == []
