"""What hangs on which pin: every board is possible, and every kind of conflict is refused by the chip that has it."""

import re

import pytest

from host_tests.host.tree import FIRMWARE
from tools.boards import board_pins
from tools.boards.board_pins import CHIPS, conflicts
from tools.boards.firmware_build import pins_module
from tools.problem import Problem

BOARDS = board_pins.known_boards()
PLAIN = {
    "esp32": {"RELAY": 25, "LED_GREEN": 26, "NFC_TX": 17, "NFC_RX": 16},
    "esp32s3": {"RELAY": 4, "LED_GREEN": 6, "NFC_TX": 17, "NFC_RX": 18},
    "esp32c3": {"RELAY": 10, "LED_GREEN": 6, "NFC_TX": 1, "NFC_RX": 0},
}


def found(chip, console="usb", uarts=None, **pins):
    return conflicts({**PLAIN[chip], **pins}, CHIPS[chip], uarts or {"NFC": 1}, console)


@pytest.mark.parametrize("board", BOARDS)
def test_every_board_can_be_wired_as_its_pins_say(board):
    pins = board_pins.check(board)
    assert {"RELAY", "LED_GREEN", "LED_RED", "BUZZER", "MAINTENANCE", "NFC_TX", "NFC_RX"} <= set(pins)
    module: dict[str, int] = {}
    exec(pins_module(board), module)
    assert {name: module[name] for name in pins} == pins
    assert module["NFC_UART"] == 1


@pytest.mark.parametrize("chip", CHIPS)
def test_plain_wiring_has_no_conflict(chip):
    assert found(chip) == []


@pytest.mark.parametrize(
    ("chip", "pins", "why"),
    [
        ("esp32", {"LED_RED": 6}, "flash"),
        ("esp32", {"LED_RED": 34}, "only be an input"),
        ("esp32", {"LED_RED": 24}, "no such pin"),
        ("esp32", {"LED_RED": 26}, "LED_RED and LED_GREEN are both on GPIO 26"),
        ("esp32", {"LED_RED": 0}, "must be 1 at a reset, and this wiring makes it 0"),
        ("esp32", {"RELAY": 14}, "not quiet"),
        ("esp32", {"NFC_MISO": 12}, "must be 0 at a reset, and this wiring leaves that open"),
        ("esp32", {"NFC_CS": 12}, "must be 0 at a reset, and this wiring makes it 1"),
        ("esp32", {"NFC_TX": 39}, "only be an input"),
        ("esp32s3", {"LED_RED": 33}, "memory of the module"),
        ("esp32s3", {"LED_RED": 22}, "no such pin"),
        ("esp32s3", {"LED_RED": 20}, "USB"),
        ("esp32s3", {"LED_RED": 3}, "nothing may hang there"),
        ("esp32s3", {"NFC_RESET": 45}, "must be 0 at a reset"),
        ("esp32c3", {"LED_RED": 12}, "flash"),
        ("esp32c3", {"LED_RED": 18}, "USB"),
        ("esp32c3", {"NFC_SDA": 9}, "nothing may hang there"),
        ("esp32c3", {"LED_RED": 2}, "must be 1 at a reset"),
        ("esp32c3", {"RTC_SCL": 3}, "needs I2C 1, and the ESP32-C3 has 1"),
        ("esp32c3", {"LED_RED": 40}, "no such pin"),
    ],
)
def test_a_pin_that_the_chip_cannot_spare_is_refused(chip, pins, why):
    said = found(chip, **pins)
    assert any(why in line for line in said), said
    assert len(said) == 1


def test_the_pins_of_a_console_are_refused_unless_it_is_on_usb():
    assert found("esp32c3", RS485_TX=21, RS485_RX=20, uarts={"NFC": 1, "RS485": 0}) == []
    said = found("esp32c3", "uart", RS485_TX=21, RS485_RX=20, uarts={"NFC": 1, "RS485": 0})
    assert said == [
        "RS485_TX on GPIO 21: the console is there",
        "RS485_RX on GPIO 20: the console is there",
        "RS485 is on UART 0, which the console has",
    ]


def test_a_uart_serves_one_thing_and_must_exist():
    for chip, number, why in (
        ("esp32c3", 1, "UART 1, which NFC has"),
        ("esp32c3", 2, "UART 0 to 1 only"),
        ("esp32s3", 3, "UART 0 to 2 only"),
    ):
        said = found(chip, RS485_TX=3, RS485_RX=4, uarts={"NFC": 1, "RS485": number})
        assert any(why in line for line in said), said
    assert "names none for it" in found("esp32", RS485_TX=22, RS485_RX=21)[0]


def test_the_ways_to_wire_the_reader_chip_share_pins_and_nothing_else_does():
    assert found("esp32", NFC_SCL=17, NFC_SDA=16) == []
    assert found("esp32", NFC_SCL=17, NFC_SDA=17) == ["NFC_SDA and NFC_SCL are both on GPIO 17"]
    assert found("esp32", RTC_SCL=17) == ["RTC_SCL and NFC_TX are both on GPIO 17"]


def test_a_wrong_line_is_told_with_its_number(tmp_path):
    board = tmp_path / "OTHER"
    board.mkdir()
    (board / "build.toml").write_text('chip = "esp32"\nconsole = "uart"\nuarts = {}\n')
    for text, why in (
        ("RELAY,25\n", 'pins.csv:1: "RELAY,25" is not like RELAY,GPIO25'),
        ("RELAY,GPIO25\n\n# x\nRELAY,GPIO26\n", "pins.csv:4: RELAY is there twice"),
        ("TELEPORT,GPIO25\n", "TELEPORT is no role"),
        ("RELAY,GPIO6\nRELAY_2,GPIO7\n", r"flash .*\(and 1 more\)"),
    ):
        (board / "pins.csv").write_text(text)
        with pytest.raises(Problem, match=why):
            board_pins.check("OTHER", tmp_path)
    with pytest.raises(Problem, match="there is no board"):
        board_pins.check("../x", tmp_path)


def test_every_pin_that_the_firmware_asks_for_has_a_role():
    texts = [(FIRMWARE / name).read_text() for name in ("start.py", "trees.py")]
    asked = set(re.findall(r"pins\.([A-Z][A-Z0-9_]+)", "".join(texts)))
    assert {"LED_GREEN", "MAINTENANCE", "NFC_UART"} <= asked
    for name in asked:
        assert name.endswith("_UART") or board_pins.role(name)
