"""The real mpremote, unmodified and in a process of its own, on a virtual board; and `tools.deploy` on top of it."""

import hashlib
import subprocess
import sys
import time

import pytest

from tools.boards import firmware_build
from tools.problem import Problem
from tools.readers import deploy
from tools.virtual.board import HARD_RESET, SOFT_RESET, WDT_RESET, Board
from tools.virtual.image import read_files, write_files
from tools.virtual.world import World

LOOP = "import time\nprint('main runs')\nwhile True: time.sleep(1)\n"
EVERY_BYTE = bytes(range(256)) * 8  # with line feeds, Ctrl-C, Ctrl-D and the mark of mpremote's own protocol


@pytest.fixture
def board(tmp_path):
    write_files(tmp_path / "flash.lfs", {"/main.py": LOOP})
    with Board(World("real"), tmp_path / "flash.lfs") as board:
        board.power_on()
        board.world.run_until(lambda: "main runs" in board.console_log)
        yield board


def run(board, *arguments):
    return deploy.mpremote(board, *arguments)


def test_exec_interrupts_main_and_prints(board):
    assert run(board, "exec", "print(6 * 7)") == "42\n"
    assert board.reset_cause == SOFT_RESET and "KeyboardInterrupt" in board.console_log
    assert run(board, "resume", "eval", "2 ** 70") == f"{2**70}\n"


def test_an_error_on_the_board_is_mpremotes_error(board):
    with pytest.raises(Problem, match="ValueError: oh"):
        run(board, "exec", "raise ValueError('oh')")


def test_copies_lists_and_removes_files(board, tmp_path):
    (tmp_path / "data.bin").write_bytes(EVERY_BYTE)
    printed = run(
        board, "mkdir", ":/d", "+", "cp", str(tmp_path / "data.bin"), ":/d/data.bin", "+", "ls", ":/d",
        "+", "sha256sum", ":/d/data.bin", "+", "cp", ":/d/data.bin", str(tmp_path / "back.bin"),
    )  # fmt: skip
    assert (tmp_path / "back.bin").read_bytes() == EVERY_BYTE
    assert f"{len(EVERY_BYTE)} data.bin" in printed
    assert "VfsLfs2" in run(board, "rm", "-r", ":/d", "+", "df")
    assert set(read_files(board.flash.path)) == {"/main.py"}


def test_mounts_a_folder_both_ways(board, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "module.py").write_text("import os\ndata = open('/remote/data', 'rb').read()\n")
    (tmp_path / "there" / "data").write_bytes(EVERY_BYTE)
    code = "import module\nwith open('/remote/back', 'wb') as f: f.write(module.data[9:])\nprint(len(module.data))"
    assert "2048\n" in run(board, "mount", str(tmp_path / "there"), "exec", code)
    assert (tmp_path / "there" / "back").read_bytes() == EVERY_BYTE[9:]


def test_runs_a_script_of_the_host(board, tmp_path):
    (tmp_path / "script.py").write_text("for i in range(3):\n    print('line', i)\n")
    assert run(board, "run", str(tmp_path / "script.py")) == "line 0\nline 1\nline 2\n"


def test_soft_reset_keeps_main_from_running_and_reset_starts_it(board):
    run(board, "soft-reset")
    board.world.run(0.2)
    assert board.reset_cause == SOFT_RESET and board.console_log.count("main runs") == 1
    deploy.reset(board)
    assert board.reset_cause == HARD_RESET
    board.world.run_until(lambda: board.console_log.count("main runs") == 2, wall_limit_s=10)


def test_sets_and_reads_the_clock(board):
    run(board, "rtc", "--set")
    assert run(board, "rtc").startswith(f"({time.localtime().tm_year}, {time.localtime().tm_mon}, ")


def test_interrupts_a_program_that_never_looks_up(board):
    run(board, "exec", "--no-follow", "while True: pass")
    assert run(board, "exec", "print('back')") == "back\n"


def test_an_mpremote_that_is_killed_leaves_a_board_that_works(board):
    command = [sys.executable, "-m", "mpremote", "connect", board.console, "exec", "import time\ntime.sleep(60)"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    board.world.run_until(lambda: "raw REPL" in board.console_log, wall_limit_s=10)
    board.world.run(0.3)
    process.kill()
    process.communicate()
    assert run(board, "exec", "print('again')") == "again\n"


def digest(data):
    return hashlib.sha256(data).hexdigest()  # of long contents, so that a difference is told in a line


def firmware_of(board):
    """Checks that the firmware is on the board, whole; the files there that deploying did not put."""
    built = deploy.build("VIRTUAL")
    files = {path: digest(built.pop(path)) for path in deploy.FILES_ON_EVERY_BOARD}
    there = read_files(board.flash.path)
    assert {path: digest(there.get(path, b"")) for path in files} == files
    rom = deploy.rom_image("VIRTUAL", built)
    start = board.flash.blocks * 4096
    assert digest(board.flash.path.read_bytes()[start : start + len(rom)]) == digest(rom)
    return set(there) - set(files)


def test_deploys_what_differs_removes_what_is_stale_and_checks_it(board):
    with deploy.maintenance(board):
        deploy.push(board, {"/ticket/jws.py": b"print('an old module')", "/site.json": b"{}", "/lib/other.py": b""})
        assert deploy.execute(board, "import os; print(os.stat('/maintenance')[6])") == "0\n"
    seen = []
    changed = deploy.deploy(board, "VIRTUAL", lambda done, total, name: seen.append((done, total, name)))
    assert set(changed) == {"/rom", *deploy.FILES_ON_EVERY_BOARD, "/ticket/jws.py"}
    assert seen[0] == (0, 4, "/boot.py") and (4, 4, "") in seen
    assert firmware_of(board) == {"/site.json", "/lib/other.py"}
    assert b"RELAY = 25\n" in deploy.build("VIRTUAL")["/pins.py"]
    assert deploy.deploy(board, "VIRTUAL") == []
    assert deploy.pull(board, "/site.json") == b"{}"
    board.world.run_until(lambda: "boot:" in board.console_log or board.at_prompt, 1, wall_limit_s=5)
    assert deploy.execute(board, "import ticket.jws; print(ticket.jws.__file__)") == "/rom/ticket/jws.mpy\n"


def test_deploy_goes_on_after_it_was_cut_off(board):
    board.cut_at_write(300)
    with pytest.raises(Problem, match="went dark"):
        deploy.deploy(board, "VIRTUAL")
    assert not board.alive
    board.power_on()
    board.world.run(0.2)
    assert "/maintenance" in read_files(board.flash.path)
    assert deploy.deploy(board, "VIRTUAL")
    assert firmware_of(board) == set()


def test_board_without_a_romfs_partition_gets_files(tmp_path):
    with Board(World("real"), tmp_path / "flash.lfs", rom_blocks=0, heap="160wK") as board:
        board.power_on()
        files = deploy.build("VIRTUAL")
        assert set(deploy.deploy(board, "VIRTUAL")) == set(files)
        assert deploy.deploy(board, "VIRTUAL") == []
    there = read_files(tmp_path / "flash.lfs")
    assert {path: digest(data) for path, data in there.items()} == {path: digest(data) for path, data in files.items()}


def test_deploy_refuses_another_chip_before_touching_it(board, tmp_path, monkeypatch):
    other = tmp_path / "boards" / "OTHER"
    other.mkdir(parents=True)
    (other / "pins.csv").write_text("RELAY,GPIO25\n")
    chip = 'chip = "esp32"\nmarch = "xtensawin"\noptimisation = 3\nconsole = "uart"\nuarts = {}\n'
    (other / "build.toml").write_text(chip)
    monkeypatch.setattr(firmware_build, "BOARDS", tmp_path / "boards")
    monkeypatch.setattr(firmware_build, "BUILD", tmp_path / "build")
    with pytest.raises(Problem, match="x64, not xtensawin"):
        deploy.deploy(board, "OTHER")
    assert set(read_files(board.flash.path)) == {"/main.py"}
    with pytest.raises(Problem, match='no board "NONE"'):
        deploy.build("NONE")


def test_no_watchdog_bites_while_files_are_copied(board):
    main = """
import machine, os, time
try:
    os.stat("/maintenance")
except OSError:
    machine.WDT(timeout=5000)
time.sleep(3600)
"""
    with deploy.maintenance(board):
        deploy.push(board, {"/main.py": main.encode()})
    board.world.pace = "virtual"
    board.world.run(8)
    assert board.reset_cause == WDT_RESET
    with deploy.maintenance(board):
        board.world.run(60)
        deploy.push(board, {"/data": EVERY_BYTE})
        assert WDT_RESET not in [cause for at_us, cause in board.resets if at_us > board.world.now_us - 60_000_000]
    assert read_files(board.flash.path)["/data"] == EVERY_BYTE
