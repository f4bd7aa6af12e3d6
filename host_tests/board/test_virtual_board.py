"""The virtual board's own promises: boot, time, memory, flash, power cuts, console, and the same run twice."""

import hashlib
import resource
import time

import pytest

from host_tests.board.desk import RAISES, board_with, run, said
from tools.virtual.board import PWRON_RESET, SOFT_RESET, Board
from tools.virtual.image import read_files
from tools.virtual.world import Stalled, Wire, World


def cost(board):
    """Seconds of processor and of the wall from power-on to the prompt, and power off. A busy machine adds to the
    second alone."""

    def spent():
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)  # the interpreter's, once it has ended
        return time.process_time() + ended.ru_utime + ended.ru_stime, time.monotonic()

    begun = spent()
    board.power_on()
    board.world.run_until(lambda: board.at_prompt)
    board.power_cut()
    return [after - before for after, before in zip(spent(), begun, strict=True)]


def test_boots_from_littlefs_within_a_tenth_of_a_second(tmp_path):
    board = board_with(
        tmp_path, {"/boot.py": "print('boot')", "/main.py": "import helper", "/lib/helper.py": "print(__name__)"}
    )
    processor_s, wall_s = map(min, zip(*(cost(board) for _ in range(5)), strict=True))
    assert said(board) == ["boot", "helper"]
    assert processor_s < 0.1 and wall_s < 1
    board.close()


def test_blank_flash_is_formatted_and_keeps_files(tmp_path):
    with Board(World(), tmp_path / "flash.lfs") as board:
        board.power_on()
        board.world.run_until(lambda: board.at_prompt)
        board.type(b"f = open('/kept', 'w'); f.write('x'); f.close()\r")
        board.world.run_until(lambda: board.at_prompt)
    assert read_files(tmp_path / "flash.lfs") == {"/kept": b"x"}


def test_damaged_file_system_stops_the_board(tmp_path):
    board = board_with(tmp_path, "print('main')")
    with board.flash.path.open("r+b") as image:
        image.write(b"\x55" * 8192)
    board.power_on()
    board.world.run(10)
    assert "corrupted" in board.console_log and "main" not in board.console_log
    board.close()


def test_host_is_out_of_reach(tmp_path):
    board = run(
        tmp_path,
        RAISES
        + """
import os, vfs, sys
print(os.listdir("/"), os.getcwd(), sys.path)
print(raises(lambda: os.system("true")), raises(lambda: vfs.VfsPosix()), raises(lambda: open("/etc/hosts")))
print([name for name in sys.modules if "virtual" in name])
""",
    )
    assert said(board) == [
        "['main.py'] / ['', '.frozen', '/lib']",
        "AttributeError AttributeError OSError",
        "[]",
    ]
    board.close()


def test_heap_is_what_the_board_was_given(tmp_path):
    board = run(tmp_path, "import gc; gc.collect(); print(gc.mem_alloc() + gc.mem_free(), gc.mem_free())", heap="96wK")
    total, free = (int(word) for word in said(board)[0].split())
    assert free > 90 * 1024 * 2  # of words; what a board with 96 KB has left before its first import
    assert total < 96 * 1024 * 2 + 44_000
    board.close()


def test_an_hour_of_sleep_takes_no_time(tmp_path):
    board = board_with(tmp_path, "import time\nfor _ in range(3600): time.sleep(1)")
    processor_s, wall_s = cost(board)
    assert processor_s < 1 and wall_s < 18  # 5 ms a sleep
    assert 3600 < board.world.now_us / 1e6 < 3601
    board.close()


def test_a_wait_costs_little(tmp_path):
    board = board_with(tmp_path, "import time\nfor _ in range(5000): time.sleep_ms(1)")
    processor_s, wall_s = cost(board)
    assert processor_s / 5000 < 0.0003 and wall_s / 5000 < 0.005
    board.close()


def test_ticks_wrap_and_busy_loops_end(tmp_path):
    board = run(
        tmp_path,
        """
import time
begin = time.ticks_ms()
while time.ticks_diff(time.ticks_ms(), begin) < 1000: pass
print(begin > time.ticks_ms(), time.ticks_diff(time.ticks_ms(), begin))
print(time.ticks_add(0, -1) == 2**30 - 1, time.ticks_diff(5, 2**30 - 5))
""",
        ticks_start_ms=(1 << 30) - 500,
    )
    wrapped, second = said(board)
    assert wrapped.startswith("True") and 1000 <= int(wrapped.split()[1]) < 1010
    assert second == "True 10"
    board.close()


def test_asyncio_runs_in_the_worlds_time_across_the_wrap(tmp_path):
    board = run(
        tmp_path,
        """
import asyncio
order = []
async def worker(name, ms):
    for i in range(3):
        await asyncio.sleep_ms(ms)
        order.append(name)
async def sleeper():
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        order.append("cancelled")
        raise
async def main():
    task = asyncio.create_task(sleeper())
    await asyncio.gather(worker("a", 200), worker("b", 301))
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        order.append("seen")
    try:
        await asyncio.wait_for_ms(sleeper(), 50)
    except asyncio.TimeoutError:
        order.append("timeout")
    event = asyncio.Event()
    async def setter():
        await asyncio.sleep_ms(10)
        event.set()
    setting = asyncio.create_task(setter())
    await event.wait()
    await setting
    order.append("set")
asyncio.run(main())
print(order)
asyncio.new_event_loop()
asyncio.run(worker("c", 1))
print(len(order))
""",
        ticks_start_ms=(1 << 30) - 500,
    )
    assert said(board) == [
        "['a', 'b', 'a', 'a', 'b', 'b', 'cancelled', 'seen', 'cancelled', 'timeout', 'set']",
        "14",
    ]
    board.close()


def test_events_do_not_starve_timers(tmp_path):
    board = run(
        tmp_path,
        """
import asyncio
ping, pong, done = asyncio.Event(), asyncio.Event(), asyncio.Event()
async def player(mine, other):
    while not done.is_set():
        await mine.wait()
        mine.clear()
        other.set()
async def timer():
    await asyncio.sleep_ms(20)
    done.set()
async def main():
    asyncio.create_task(player(ping, pong))
    asyncio.create_task(player(pong, ping))
    ping.set()
    await timer()
    print("timer ran")
asyncio.run(main())
""",
    )
    assert said(board) == ["timer ran"]
    board.close()


def test_power_cut_ends_everything_at_once(tmp_path):
    source = """
import machine, time
machine.Pin(25, machine.Pin.OUT, value=1)
try:
    while True:
        time.sleep_ms(10)
finally:
    machine.Pin(26, machine.Pin.OUT, value=1)
    open("/never", "w").close()
"""
    board = run(tmp_path, source, 1)
    board.power_cut()
    assert not board.alive and board.waiting
    assert [(pin, level) for _, pin, level in board.pins.trace] == [(25, 1), (25, None)]
    board.world.run(5)
    board.power_on()
    board.world.run(0.1)
    assert board.reset_cause == PWRON_RESET and board.pins.level(25) == 1
    board.close()
    assert set(read_files(tmp_path / "flash.lfs")) == {"/main.py"}


WRITER = """
import os
n = 0
try:
    with open("/counter") as file: n = int(file.read())
except OSError: pass
while n < 12:
    n += 1
    with open("/counter.new", "w") as file: file.write(str(n) + " " * 200)
    os.rename("/counter.new", "/counter")
"""


@pytest.mark.parametrize("keep_bytes", [None, 0, 17])
def test_flash_survives_a_cut_at_any_write(tmp_path, keep_bytes):
    board = board_with(tmp_path, WRITER)
    cuts, number = 0, 0
    while number < 12:
        board.cut_at_write(1 + cuts % 7, keep_bytes)
        board.power_on()
        board.world.run_until(lambda: board.at_prompt or not board.alive)
        cuts += not board.alive
        board.power_cut()
        board.flash.disarm()
        files = read_files(board.flash.path)
        before, number = number, int(files.get("/counter", b"0"))
        assert number >= before  # never back, never lost
    assert cuts > 12 and not board.flash.faults
    board.close()


def test_a_write_is_torn_where_it_was_armed_and_an_erase_halfway(tmp_path):
    board = run(tmp_path, "")
    path, offset = board.flash.path, 100 * 4096
    board.flash.erase(100, board.power_cut)
    board.flash.cut_at_write(2, 5)
    board.flash.program(offset, b"A" * 8, board.power_cut)
    assert board.alive
    board.flash.program(offset + 8, b"B" * 8, board.power_cut)
    assert not board.alive
    assert path.read_bytes()[offset : offset + 17] == b"AAAAAAAABBBBB\xff\xff\xff\xff"
    board.flash.cut_at_erase(1)
    board.power_on()
    board.flash.erase(100, board.power_cut)
    assert not board.alive and path.read_bytes()[offset : offset + 2] == b"\xff\xff"
    board.flash.program(offset, b"\x0f", board.power_cut)
    board.flash.program(offset, b"\xf0", board.power_cut)
    assert path.read_bytes()[offset] == 0 and len(board.flash.faults) == 1
    board.close()


def test_flash_work_takes_its_time(tmp_path):
    board = run(
        tmp_path,
        "import time\nb = time.ticks_ms()\nwith open('/x', 'w') as f: f.write('y' * 5000)\n"
        "print(time.ticks_diff(time.ticks_ms(), b))",
    )
    assert 45 * board.flash.erases <= int(said(board)[0]) < 45 * board.flash.erases + 200
    board.close()


def test_uncaught_error_is_shown_and_leads_to_the_prompt(tmp_path):
    board = run(tmp_path, "def f():\n    raise ValueError('oh')\nf()")
    assert said(board) == [
        "Traceback (most recent call last):",
        '  File "main.py", line 3, in <module>',
        '  File "main.py", line 2, in f',
        "ValueError: oh",
    ]
    board.type(b"1 + 1\r")
    board.world.run_until(lambda: board.at_prompt)
    assert board.console_log.endswith(">>> 1 + 1\r\n2\r\n>>> ")
    board.close()


def test_an_error_in_boot_keeps_main_from_running(tmp_path):
    board = run(tmp_path, {"/boot.py": "1 / 0", "/main.py": "print('main')"})
    assert said(board)[-1] == "ZeroDivisionError: divide by zero"
    board.close()


def test_console_interrupts_and_soft_resets(tmp_path):
    board = run(tmp_path, "import time\nprint('main')\nwhile True: time.sleep(1)", 2)
    board.type(b"\x03")
    board.world.run_until(lambda: board.at_prompt)
    assert "KeyboardInterrupt" in board.console_log
    board.type(b"\x04")
    board.world.run(2)
    assert board.console_log.count("main\r\n") == 2 and board.reset_cause == SOFT_RESET
    board.type(b"\x03")
    board.world.run_until(lambda: board.at_prompt)
    board.type(b"\x01")
    board.world.run_until(lambda: board.console_log.endswith(">"))
    board.type(b"\x04")  # in raw mode only boot.py runs
    board.world.run_until(lambda: board.console_log.endswith("MPY: soft reboot\r\nraw REPL; CTRL-B to exit\r\n>"))
    assert board.console_log.count("main\r\n") == 2
    board.type(b"print(6 * 7)\x04")
    board.world.run_until(lambda: board.console_log.endswith("OK42\r\n\x04\x04>"))
    board.close()


def test_console_interrupts_a_busy_program(tmp_path):
    board = run(tmp_path, "print('busy')\nwhile True: pass", 0)
    board.world.pace = "real"
    board.world.run_until(lambda: "busy" in board.console_log)
    board.type(b"\x03")
    board.world.run_until(lambda: board.at_prompt, wall_limit_s=10)
    board.type(b"import time; time.sleep_ms(1); print('fine')\r")
    board.world.run_until(lambda: "fine\r\n>>> " in board.console_log, wall_limit_s=10)
    board.close()


CHATTER = """
import asyncio, time
from machine import Pin, UART
uart = UART(1, 115200, timeout=0)
led = Pin(26, Pin.OUT, value=0)
async def blink():
    while True:
        led.toggle()
        await asyncio.sleep_ms(7)
async def talk():
    stream = asyncio.StreamReader(uart)
    while True:
        data = await stream.read(16)
        stream.write(bytes(data) + str(time.ticks_us()).encode())
        with open("/log", "ab") as file: file.write(data)
async def main():
    asyncio.create_task(blink())
    await talk()
asyncio.run(main())
"""


def test_the_same_run_twice_is_the_same_even_with_two_boards(tmp_path):
    def once(folder):
        folder.mkdir()
        world = World()
        wire = Wire(world)
        wire.trace = []
        boards = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            board = board_with(folder / name, CHATTER, world)
            board.uart(1).connect(wire.end(name))
            boards.append(board)
            board.power_on()
        peer = wire.end("peer")
        for number in range(20):
            world.run(0.031)
            peer.write(b"ping %d" % number)
        traces = [board.pins.trace for board in boards]
        for board in boards:
            board.close()
        return hashlib.sha256(repr((wire.trace, traces)).encode()).hexdigest(), len(wire.trace)

    first, second = once(tmp_path / "a"), once(tmp_path / "b")
    assert first == second and first[1] > 40


def test_a_run_that_never_ends_is_reported(tmp_path):
    board = board_with(tmp_path, "while True: pass")
    board.power_on()
    with pytest.raises(Stalled):
        board.world.run(1, wall_limit_s=0.3)
    board.close()
