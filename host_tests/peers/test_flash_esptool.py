"""Flashing with the real esptool, against a boot ROM that nobody here wrote."""

import hashlib
import struct
import subprocess
import sys

import pytest
from esp32_mock_bootloader import mock_bootloader

from host_tests.host.tools_cli import run
from tools.boards import flash, images
from tools.boards.board_pins import CHIPS, settings
from tools.boards.firmware_build import BUILD
from tools.problem import Problem

CHIP_IDS = {"esp32": 0, "esp32s3": 9, "esp32c3": 5}


def micropython(chip, table=(("nvs", 0x9000, 0x6000), ("factory", 0x10000, 0x1F0000))):
    """What a .bin of MicroPython begins with: an image of the chip, and the partition table behind the boot loader."""
    offset = CHIPS[chip].flash_offset
    image = bytearray(b"\xff" * (0x11000 - offset))
    image[:4] = b"\xe9\x03\x02\x20"
    image[12:14] = CHIP_IDS[chip].to_bytes(2, "little")
    for number, (name, at, size) in enumerate(table):
        struct.pack_into(
            "<2sBBII16sI", image, 0x8000 - offset + 32 * number, b"\xaa\x50", 1, 2, at, size, name.encode(), 0
        )
    image[-3000:] = hashlib.shake_256(chip.encode()).digest(3000)
    return bytes(image)


def own_table(board):
    return [("nvs", 0x9000, 0x6000), *((name, *place) for name, place in images.layout(board).items() if name != "nvs")]


def there(mock, chip, parts, tmp_path):
    """Whether the chip's flash holds the parts, as it tells esptool by its hashes of them."""
    command = ["--chip", chip, "--port", mock.url(), "verify-flash"]
    for at, content in parts.items():
        path = tmp_path / f"{at:x}.expected"
        path.write_bytes(content)
        command += [hex(at), str(path)]
    return subprocess.run([sys.executable, "-m", "esptool", *command], capture_output=True).returncode == 0


def test_micropython_and_the_firmware_are_written_once(tmp_path, capsys):
    board = "ESP32_GENERIC_C3"
    (tmp_path / "micropython.bin").write_bytes(micropython("esp32c3", own_table(board)))
    command = ("flash", "--board", board, "--firmware", tmp_path / "micropython.bin", "--factory", "--port")
    with mock_bootloader(chip="esp32c3") as mock:
        answer = run(capsys, *command, mock.url())
        assert (answer.code, answer.err) == (0, "")
        assert "3 of 3 images written" in answer.out
        parts = flash.plan(board, tmp_path / "micropython.bin", True)
        assert there(mock, "esp32c3", parts, tmp_path)
        assert not there(mock, "esp32c3", {**parts, 0x200000: bytes(64)}, tmp_path)
        assert "0 of 3 images written" in run(capsys, *command, mock.url()).out


def test_several_boards_at_once_and_one_that_is_another_chip(tmp_path, capsys):
    (tmp_path / "micropython.bin").write_bytes(micropython("esp32"))
    with mock_bootloader(chip="esp32") as one, mock_bootloader(chip="esp32c3") as other:
        command = ("flash", "--board", "ESP32_GENERIC", "--firmware", tmp_path / "micropython.bin", "--port")
        answer = run(capsys, *command, f"{one.url()},{other.url()}")
        assert answer.code == 2
        assert f"ESP32_GENERIC at {one.url()}: 1 of 1 images written" in answer.out
        assert "this is an ESP32-C3, and the board has an ESP32-WROOM; nothing was written" in answer.err
        assert there(other, "esp32c3", {0: b"\xff" * 0x20000}, tmp_path)


def test_an_image_for_another_chip_or_of_another_layout_is_refused_before_a_port_is_opened(tmp_path):
    path = tmp_path / "micropython.bin"
    for content, why in (
        (micropython("esp32c3"), "is for the ESP32-C3, and this board has an ESP32-WROOM"),
        (b"\x7fELF" + bytes(100), "no ESP32 image"),
        (micropython("esp32", ()), "no partition table"),
        (micropython("esp32", (("vfs", 0x200000, 0x200000),)), "its partition romfs is not where"),
        (micropython("esp32") + bytes(0x200000), "reaches 0x211000, into what is written at 0x200000"),
    ):
        path.write_bytes(content)
        with pytest.raises(Problem, match=why):
            flash.plan("ESP32_GENERIC", path, True)
    with pytest.raises(Problem, match="nothing to write"):
        flash.plan("ESP32_GENERIC", None, False)
    path.write_bytes(micropython("esp32"))
    stock = flash.plan("ESP32_GENERIC", path, True)
    assert list(stock) == [0x1000, 0x200000]
    assert stock[0x200000] == (BUILD / "ESP32_GENERIC" / "stock.lfs").read_bytes()


def test_a_port_that_is_not_there_is_told_in_one_line(capsys):
    answer = run(capsys, "flash", "--board", "ESP32_GENERIC", "--factory", "--port", "/dev/none")
    assert answer.code == 2
    assert "/dev/none: esptool: Could not open /dev/none" in answer.error
    twice = run(capsys, "flash", "--board", "ESP32_GENERIC", "--factory", "--port", "a,b", "--port", "a")
    assert "names a twice" in twice.error


def test_the_chips_are_those_that_esptool_knows():
    for board in ("ESP32_GENERIC", "ESP32_GENERIC_S3", "ESP32_GENERIC_C3"):
        chip = CHIPS[settings(board)["chip"]]
        with mock_bootloader(chip=chip.esptool) as mock:
            assert (
                flash.write(mock.url(), chip, {chip.flash_offset: micropython(chip.esptool)}, 460800, lambda *_: None)
                == 1
            )
