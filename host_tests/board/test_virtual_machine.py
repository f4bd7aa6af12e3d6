"""The virtual board's `machine` against what the MicroPython documentation says of it, and the ESP32 port does."""

import time

from host_tests.board.desk import RAISES, board_with, run, said
from tools.virtual.board import DEEPSLEEP_RESET, HARD_RESET, PWRON_RESET, SOFT_RESET, WDT_RESET
from tools.virtual.world import Wire


def test_pins_are_traced_and_refused_as_on_the_chip(tmp_path):
    board = run(
        tmp_path,
        RAISES
        + """
from machine import Pin, Signal
relay = Pin(25, Pin.OUT, value=0)
relay.on(); print(relay.value()); relay(0); relay.toggle()
Pin(25, Pin.IN)
led = Signal(Pin(26, Pin.OUT, value=1), invert=True)
led.on(); print(led.value())
wire = Pin(27, Pin.OPEN_DRAIN, Pin.PULL_UP, value=1)
print(wire.value()); wire(0); print(wire.value())
late = Pin(33); late.value(1); late.init(Pin.OUT)
for bad in (6, 11, 24, 28, 40, -1, "X1", None):
    print(raises(lambda: Pin(bad)), end=" ")
print(raises(lambda: Pin(34, Pin.OUT)), raises(lambda: Pin(39, Pin.IN)))
print(Pin(34, Pin.IN).value(), Pin(32, Pin.IN, Pin.PULL_UP).value(), Pin(35, Pin.IN).value())
""",
    )
    assert said(board) == ["1", "1", "1", "0", "ValueError " * 8 + "ValueError nothing", "0 1 0"]
    assert [(pin, level) for _, pin, level in board.pins.trace] == [
        (25, 0), (25, 1), (25, 0), (25, 1), (25, None), (26, 1), (26, 0), (27, 0), (33, 1),
    ]  # fmt: skip
    assert board.pins.level(27) == 0 and board.pins.level(25) is None
    board.close()


def test_inputs_and_their_interrupts(tmp_path):
    board = board_with(
        tmp_path,
        """
import time
from machine import Pin
pin = Pin(32, Pin.IN, Pin.PULL_UP)
pin.irq(lambda p: print("fell", p.value(), time.ticks_ms() // 100), Pin.IRQ_FALLING)
time.sleep(1)
pin.irq(None)
time.sleep(1)
print(pin.value())
""",
        ticks_start_ms=0,
    )
    board.power_on()
    for ms, level in ((300, 0), (500, 1), (700, 0), (1500, None), (1600, 0)):
        board.world.call_later(ms * 1000, lambda level=level: board.drive(32, level))
    board.world.run_until(lambda: board.at_prompt)
    assert said(board) == ["fell 0 3", "fell 0 7", "0"]
    board.close()


def test_uart_reads_and_writes_as_documented(tmp_path):
    board = board_with(
        tmp_path,
        RAISES
        + """
import time
from machine import UART
print(raises(lambda: UART(3)), raises(lambda: UART(0, 9600)), raises(lambda: UART(1, bits=9)))
u = UART(1, 9600, tx=17, rx=16, rxbuf=256)
print(u.read(), u.readline(), u.any())
print(u.write(b"question\\n"), u.txdone())
u.flush()
print(u.txdone())
time.sleep(1)
print(u.any(), u.readline(), u.read(3))
into = bytearray(2)
print(u.readinto(into), into, u.read(), u.read(1))
u.init(timeout=2000, timeout_char=5)
begin = time.ticks_ms()
print(u.read(4), time.ticks_diff(time.ticks_ms(), begin) > 400)
print(u.read(4), 2000 <= time.ticks_diff(time.ticks_ms(), begin) < 3100)
""",
    )
    wire = Wire(board.world, 9600)
    board.uart(1).connect(wire.end("board"))
    peer = wire.end("peer")
    heard = []

    def answer(data):
        heard.append((board.world.now_us, data))
        peer.write(b"line\nabcdefg")

    peer.on_data = answer
    board.power_on()
    board.world.run(1.5)
    peer.write(b"wxyz")
    board.world.run_until(lambda: board.at_prompt)
    assert said(board) == [
        "ValueError ValueError ValueError",
        "None None 0",
        "9 False",
        "True",
        "12 b'line\\n' b'abc'",
        "2 bytearray(b'de') b'fg' None",
        "b'wxyz' True",
        "None True",
    ]
    at_us, data = heard[0]
    assert data == b"question\n" and 9 * 10 * 1e6 / 9600 < at_us < 9 * 10 * 1e6 / 9600 + 2000
    board.close()


def test_uart_drops_what_does_not_fit_and_hears_noise_at_another_speed(tmp_path):
    board = board_with(
        tmp_path,
        """
import time
from machine import UART
u = UART(1, 115200, rxbuf=256)
time.sleep(1)
data = u.read()
print(len(data), data == bytes(i % 251 for i in range(len(data))))
time.sleep(1)
print(u.read() == b"hello")
""",
    )
    wire = Wire(board.world)
    board.uart(1).connect(wire.end("board"))
    peer = wire.end("peer")
    board.power_on()
    board.world.run(0.1)
    peer.write(bytes(i % 251 for i in range(1000)))
    board.world.run(1.2)
    wire.baud = 921600
    peer.write(b"hello")
    board.world.run_until(lambda: board.at_prompt)
    assert said(board) == ["384 True", "False"]  # the driver's 256 and the hardware's 128
    assert board.uart(1).dropped == 616
    board.close()


def test_asyncio_streams_over_a_uart(tmp_path):
    board = board_with(
        tmp_path,
        """
import asyncio
from machine import UART
async def main():
    uart = UART(2, 115200, tx=22, rx=21)
    stream = asyncio.StreamReader(uart)
    for _ in range(3):
        line = await stream.readline()
        stream.write(line.upper())
        await stream.drain()
    print("done")
asyncio.run(main())
""",
    )
    wire = Wire(board.world)
    board.uart(2).connect(wire.end("board"))
    peer = wire.end("peer")
    heard = bytearray()
    peer.on_data = heard.extend
    board.power_on()
    for word in (b"one\n", b"tw", b"o\nthree\n"):
        board.world.run(0.5)
        peer.write(word)
    board.world.run(0.5)
    assert heard == b"ONE\nTWO\nTHREE\n" and said(board) == ["done"]
    board.close()


def test_watchdog_resets_when_it_is_not_fed_and_only_then(tmp_path):
    source = """
import machine, time
print(machine.reset_cause())
if machine.reset_cause() == machine.PWRON_RESET:
    machine.Pin(25, machine.Pin.OUT, value=1)
    wdt = machine.WDT(timeout=2000)
    for _ in range(10):
        time.sleep(1)
        wdt.feed()
    try:
        time.sleep(60)
    finally:
        print("never")
"""
    board = run(tmp_path, source)
    assert said(board) == [str(PWRON_RESET), str(WDT_RESET)]
    at_us = board.resets[1][0]
    assert 12_000_000 < at_us < 12_010_000
    assert board.pins.trace[-1] == (at_us, 25, None)
    board.close()


def test_watchdog_bites_a_program_that_hangs_and_outlives_a_soft_reset(tmp_path):
    board = run(
        tmp_path,
        "import machine\nif machine.reset_cause() == 1:\n machine.WDT(timeout=500)\n while True: pass",
        hang_s=0.2,
    )
    assert [cause for _, cause in board.resets] == [PWRON_RESET, WDT_RESET]
    board.close()


def test_watchdog_outlives_a_soft_reset(tmp_path):
    board = run(
        tmp_path, "import machine\nif machine.reset_cause() == 1:\n machine.WDT(timeout=5000)\n machine.soft_reset()"
    )
    assert board.world.now_us < 1_000_000
    board.world.run(10)
    assert [cause for _, cause in board.resets] == [PWRON_RESET, SOFT_RESET, WDT_RESET]
    assert "MPY: soft reboot\r\n" in board.console_log
    board.close()


def test_watchdog_refuses_what_the_chip_refuses(tmp_path):
    board = run(
        tmp_path, RAISES + "from machine import WDT\nprint(raises(lambda: WDT(1)), raises(lambda: WDT(timeout=0)))"
    )
    assert said(board) == ["ValueError ValueError"]
    board.close()


def test_reset_causes_and_what_lives_through_each(tmp_path):
    source = """
import machine
rtc = machine.RTC()
cause = machine.reset_cause()
print(cause, rtc.datetime()[:7], rtc.memory())
if cause == machine.PWRON_RESET:
    rtc.datetime((2026, 11, 22, 0, 13, 59, 58, 0))
    rtc.memory(b"kept")
    machine.Pin(25, machine.Pin.OUT, value=1)
    machine.soft_reset()
if cause == machine.SOFT_RESET:
    machine.reset()
if cause == machine.HARD_RESET:
    machine.deepsleep(10_000)
"""
    board = run(tmp_path, source, 20)
    assert [cause for _, cause in board.resets] == [PWRON_RESET, SOFT_RESET, HARD_RESET, DEEPSLEEP_RESET]
    lines = [line for line in board.console_log.split("\r\n") if "(20" in line]
    assert lines == [
        "1 (2000, 1, 1, 5, 0, 0, 0) b''",
        "5 (2026, 11, 22, 6, 13, 59, 58) b'kept'",
        "2 (2026, 11, 22, 6, 13, 59, 58) b'kept'",
        "4 (2026, 11, 22, 6, 14, 0, 8) b'kept'",
    ]
    trace = [(pin, level) for _, pin, level in board.pins.trace]
    assert trace == [(25, 1), (25, None)]  # a soft reset leaves the pin as it is
    board.power_cut()
    board.power_on()
    board.world.run_until(lambda: board.console_log.count("1 (2000, 1, 1") == 2)
    board.close()


def test_calendar(tmp_path):
    board = run(
        tmp_path,
        """
import time
for parts in ((2000, 1, 1), (2000, 2, 29), (2024, 2, 29), (2026, 11, 22), (2100, 3, 1), (2099, 12, 31), (1999, 12, 31)):
    seconds = time.mktime(parts + (12, 34, 56, 0, 0))
    print(seconds, time.gmtime(seconds))
""",
    )
    for line in said(board):
        seconds, _, parts = line.partition(" ")
        real = time.gmtime(int(seconds) + 946_684_800)  # 2000 in the time of 1970
        assert parts == str((*real[:6], real.tm_wday, real.tm_yday))
    board.close()


def test_timers(tmp_path):
    board = run(
        tmp_path,
        RAISES
        + """
from machine import Timer
import time
begin = time.ticks_ms()
def note(timer): print(time.ticks_diff(time.ticks_ms(), begin))
periodic = Timer(0, period=100, callback=note)
once = Timer(1, mode=Timer.ONE_SHOT, period=250, callback=note)
time.sleep_ms(450)
periodic.deinit()
time.sleep(1)
print(raises(lambda: Timer(4)), raises(lambda: Timer(0, period=0)))
""",
    )
    assert said(board) == ["100", "200", "250", "300", "400", "ValueError ValueError"]
    board.close()


class Memory:
    """An I2C memory: one address byte, then data."""

    def __init__(self):
        self.cells, self.at, self.stretch_us = bytearray(256), 0, 0

    def write(self, data):
        if data:
            self.at = data[0]
            self.cells[self.at : self.at + len(data) - 1] = data[1:]
        return self.stretch_us

    def read(self, size):
        return bytes(self.cells[self.at : self.at + size]), self.stretch_us


class Echo:
    """An SPI device that gives back each byte's complement, one transfer at a time."""

    def __init__(self):
        self.log = []

    def select(self):
        self.log.append("select")

    def exchange(self, sent, mode):
        self.log.append((sent, mode))
        return bytes(byte ^ 0xFF for byte in sent)

    def deselect(self):
        self.log.append("deselect")


def test_buses_reach_their_devices_by_pins_and_address(tmp_path):
    board = board_with(
        tmp_path,
        RAISES
        + """
from machine import I2C, SPI, Pin, SoftI2C
i2c = I2C(0, scl=Pin(18), sda=Pin(19), freq=100000)
print(i2c.scan())
i2c.writeto_mem(0x50, 16, b"abc")
print(i2c.readfrom_mem(0x50, 16, 3), raises(lambda: i2c.writeto(0x51, b"x")))
print(SoftI2C(scl=19, sda=18).scan())
spi = SPI(2, 1000000, sck=Pin(14), mosi=Pin(13), miso=Pin(12), firstbit=SPI.LSB)
cs = Pin(15, Pin.OUT, value=1)
print(spi.read(2))
cs(0); spi.write(b"\\x01"); print(spi.read(1, 0x80)); cs(1)
""",
    )
    memory, echo = Memory(), Echo()
    board.i2c(18, 19).devices[0x50] = memory
    board.spi(14, 13, 12).attach(15, echo)
    board.power_on()
    board.world.run_until(lambda: board.at_prompt)
    assert said(board) == ["[80]", "b'abc' OSError", "[]", "b'\\xff\\xff'", "b'\\x7f'"]
    assert echo.log == ["deselect", "select", (b"\x80", 0), (b"\x01", 0), "deselect"]
    board.close()


def test_random_bytes_come_from_where_the_test_says(tmp_path):
    board = run(tmp_path, "import os\nprint(os.urandom(4))", entropy=lambda count: bytes(range(count)))
    assert said(board) == ["b'\\x00\\x01\\x02\\x03'"]
    board.close()
