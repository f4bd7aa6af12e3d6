"""The commands of whoever builds and keeps a station: doctor, log, devices, decommission, on the virtual board."""

import fcntl
import io
import os
import shutil
import threading
import time
from contextlib import nullcontext

import pytest
from rich.console import Console

from host_tests.board.conftest import Bench
from host_tests.host.tools_cli import run
from tools.boards.firmware_build import build, public_names
from tools.problem import Problem
from tools.readers import asking, decommission, deploy, devices, doctor, log, port
from tools.readers.port import execute
from tools.site.directory import Site
from tools.virtual.board import Board
from tools.virtual.image import read_files, write_files
from tools.virtual.station import Station
from tools.virtual.world import World

HEALTHY = {
    "heap": {"free": 150 << 10, "used": 10 << 10}, "version": "1.29.0", "machine": "x with ESP32", "mpy": 0x2B06,
    "id": "00", "maintenance": False, "flash": {"same": True, "took_ms": 90, "free": 900 << 10, "size": 1000 << 10},
    "rom": True, "firmware": 1, "native": True, "crashes": 0,
    "site": {"reader": "r", "bus": "hsu", "rtc": True}, "stores": [],
    "clock": {"year": 2026, "battery": "runs"}, "nfc_hsu": "PN532 firmware 1.6", "nfc_i2c": "ChipError: silent",
    "nfc_spi": "no pins",
}  # fmt: skip


def states(facts, starts=()):
    return {one.about: one.state for one in doctor.judge(facts, list(starts)) if one.state != "well"}


WELL = ("MicroPython", "heap", "flash", "firmware", "native code", "site", "stores", "resets")


def test_the_board_called_virtual_has_a_reader_chip_and_the_doctor_finds_all_well(provisioned, tmp_path, monkeypatch):
    monkeypatch.setattr(port, "VIRTUAL", tmp_path)
    shutil.copyfile(provisioned.folder / "flash.img", port.virtual_flash(None))
    with port.opened("virtual") as board:
        facts = doctor.examine(board)
        findings = {one.about: one for one in doctor.judge(facts, doctor.last_starts(board))}
    assert {name: one.state for name, one in findings.items()} == {
        **dict.fromkeys((*WELL, "PN532"), "well"), "clock": "look",
    }  # fmt: skip
    assert findings["PN532"].said == "answers on hsu: PN532 firmware 1.6"
    assert findings["firmware"].said.startswith("version ") and findings["firmware"].said.endswith("ROMFS partition")
    assert "START" in findings["resets"].said and "1970" not in findings["resets"].said
    assert "[rtc]" in findings["clock"].remedy


def test_the_board_of_a_site_is_wired_as_the_site_says(provisioned, tmp_path, monkeypatch):
    monkeypatch.setattr(port, "VIRTUAL", tmp_path)
    shutil.copytree(provisioned.site, tmp_path / "site")
    toml = tmp_path / "site/site.toml"
    toml.write_text(toml.read_text().replace('bus = "hsu"', 'bus = "i2c"'))
    shutil.copyfile(provisioned.folder / "flash.img", port.virtual_flash(tmp_path / "site"))
    with port.opened(f"virtual:{tmp_path / 'site'}") as board:  # provisioned while site.toml still said hsu
        facts = doctor.examine(board)
    findings = {one.about: one for one in doctor.judge(facts, [])}
    assert {name: findings[name].state for name in WELL} == dict.fromkeys(WELL, "well")
    assert findings["PN532"].said == "silent on hsu, and answers on i2c"
    assert findings["PN532"].remedy.startswith('set its switches to HSU, or write bus = "i2c"')


def test_a_board_that_restarts_again_and_again_is_told_before_long(tmp_path, monkeypatch):
    monkeypatch.setattr(asking, "_LOOK_S", 0.5)
    write_files(tmp_path / "flash.img", {"/boot.py": b"import machine\nmachine.reset()\n"})
    with Board(World("real"), tmp_path / "flash.img") as board:
        board.power_on()
        with pytest.raises(Problem, match="the board restarts again and again: give it a better supply"):
            asking.ask(board, 'print("said:1")', "said", limit_s=1)


def test_starts_are_counted_by_what_the_boot_rom_says(monkeypatch):
    monkeypatch.setattr(asking, "_LOOK_S", 0.5)
    for said, starts in ((b"rst:0x8 (TG1WDT_SYS_RESET),boot:0x13\r\n" * 3, 3), (b"tap: GRANTED\r\n", 0)):
        ours, theirs = os.openpty()
        talking = threading.Timer(0.2, os.write, (ours, said))
        talking.start()
        assert asking.restarts(os.ttyname(theirs)) == starts
        talking.join()
        os.close(ours)
        os.close(theirs)


def test_no_file_takes_the_place_of_what_is_frozen_in(bench):
    bench.write("/asyncio.py", b"raise SystemError")
    bench.power_on()
    assert execute(bench.board, "import asyncio; print(hasattr(asyncio, 'run'))") == "True\n"


def test_an_empty_board_wants_to_be_deployed(tmp_path, monkeypatch, capsys):
    with Station(tmp_path / "flash.img") as station:
        station.board.power_on()
        monkeypatch.setattr(deploy, "opened", lambda port: nullcontext(station.board))
        answer = run(capsys, "doctor", "--port", "any")
        assert answer.code == 1
        assert "deploy" in answer.out
        said = devices.ask(station.board)
        assert said is not None
        assert (said["reader"], devices.march(said)) == ("", "x64")


@pytest.mark.parametrize(
    ("change", "about", "state"),
    [
        ({"version": "1.24.1"}, "MicroPython", "bad"),
        ({"heap": {"free": 30 << 10, "used": 60 << 10}}, "heap", "bad"),
        ({"flash": {**HEALTHY["flash"], "same": False}}, "flash", "bad"),
        ({"flash": {**HEALTHY["flash"], "took_ms": 4000}}, "flash", "look"),
        ({"flash": {**HEALTHY["flash"], "free": 9 << 10}}, "flash", "look"),
        ({"native": False}, "native code", "bad"),
        ({"stores": ["ledger bucket 3"] * 64}, "stores", "bad"),
        ({"clock": {"year": 2000, "battery": "stopped"}}, "clock", "bad"),
        ({"clock": {"year": 2000, "battery": "silent"}}, "clock", "bad"),
        ({"nfc_hsu": "ChipError: silent"}, "PN532", "bad"),
        ({"maintenance": True}, "maintenance", "bad"),
        ({"crashes": 7}, "resets", "bad"),
    ],
)
def test_what_is_wrong_is_found_and_has_a_remedy(change, about, state):
    assert states(HEALTHY) == {}
    assert states({**HEALTHY, **change}) == {about: state}
    (found,) = [one for one in doctor.judge({**HEALTHY, **change}, []) if one.state != "well"]
    assert found.remedy and len(found.said) < 80
    assert states(HEALTHY, [("2026-11-22T12:00:00Z", "START WATCHDOG")]) == {"resets": "look"}


def test_a_decommissioned_reader_has_no_byte_left(provisioned, tmp_path):
    site = Site.load(provisioned.site)
    image = tmp_path / "flash.img"
    with Bench(provisioned, image) as bench:
        bench.power_on()
        assert site.journal_key() in image.read_bytes()
        with pytest.raises(Problem, match=f"this is {site.reader}, not other: nothing was erased"):
            decommission.wipe(bench.board, "other")
        assert site.journal_key() in image.read_bytes()
        bench.board.flash.cut_at_erase(3)
        with pytest.raises(Problem, match="went dark"):
            decommission.wipe(bench.board, site.reader)
        bench.board.power_on()  # the file system is a new one, and behind its first blocks the old one lies
        assert image.read_bytes()[3 * 4096 : 432 * 4096].strip(b"\xff")
        seen = []
        told = decommission.wipe(bench.board, site.reader, lambda *step: seen.append(step))
        assert "vfs (1728 KB), romfs (448 KB) was erased and read back blank" in told
        assert len(seen) > 20
        left = image.read_bytes()
        assert len(left.rstrip(b"\xff")) <= 2 * 4096  # the file system that the board has made since, empty
        assert site.journal_key() not in left
        assert execute(bench.board, "import os; print(os.listdir('/'))") == "[]\n"
        execute(bench.board, "open('/main.py', 'w').close()")
        with pytest.raises(Problem, match="no reader that was provisioned"):
            decommission.wipe(bench.board, site.reader)


def test_a_board_that_cannot_be_erased_is_told(provisioned, tmp_path, monkeypatch):
    monkeypatch.setattr(decommission, "_WIPE", 'print("wiped vfs 448 3")\nprint("done")')
    with Bench(provisioned, tmp_path / "flash.img") as bench:
        bench.power_on()
        with pytest.raises(Problem, match="3 blocks of vfs could not be erased"):
            decommission.wipe(bench.board, Site.load(provisioned.site).reader)


def test_the_log_follows_a_reader_without_disturbing_it(bench):
    out = io.StringIO()
    lines = log.Lines(Console(file=out, width=40))
    bench.power_on()
    log.follow_virtual(bench.board, lines.take, time.monotonic() + 1)
    assert [line.split(" ", 1)[1] for line in out.getvalue().splitlines()][-1].startswith("ready: ")
    assert "stopped" not in bench.board.console_log


def test_the_log_says_what_a_short_name_in_a_traceback_may_stand_for():
    out = io.StringIO()
    lines = log.Lines(Console(file=out, width=40))
    lines.take(f'  File "station.app", line 1, in {public_names()["report"]}\r\n  File "main.py", line 1, in start\r\n')
    told, plain = out.getvalue().splitlines()
    assert " = report" in told and "=" not in plain


def test_the_log_of_a_serial_port_comes_in_whole_lines_and_shows_no_control_characters():
    ours, theirs = os.openpty()
    out = io.StringIO()

    def talk():
        for piece in (b"tap: GRA", b"NTED - 41 ms\r\n", b"bad \x1b[31m\xff\r\nhalf"):
            time.sleep(0.15)
            os.write(ours, piece)

    talking = threading.Thread(target=talk)
    talking.start()
    log.follow(os.ttyname(theirs), log.Lines(Console(file=out, width=40)).take, time.monotonic() + 1)
    talking.join()
    os.close(ours)
    os.close(theirs)
    shown = [line.split(" ", 1)[1] for line in out.getvalue().splitlines()]
    assert shown == ["tap: GRANTED - 41 ms", "bad \\x1b[31m\ufffd"]


def test_devices_are_the_ports_with_usb_behind_them(monkeypatch, capsys):
    class Port:
        def __init__(self, device, product, vid):
            self.device, self.product, self.description, self.vid = device, product, None, vid

    found = [Port("/dev/b", "CP2102", 0x10C4), Port("/dev/ttyS0", None, None), Port("/dev/a", "USB JTAG", 0x303A)]
    monkeypatch.setattr(devices.list_ports, "comports", lambda: found)
    assert [one.path for one in devices.ports()] == ["/dev/a", "/dev/b"]
    named = {"reader": "gate-7", "machine": "x with ESP32", "version": "1.29.0", "mpy": 10 << 10, "id": "24"}
    monkeypatch.setattr(devices, "ask", lambda port: named if port == "/dev/b" else None)
    out = run(capsys, "devices", "--json").out
    assert '"port": "/dev/a"' in out
    assert '"reader": "gate-7"' in out
    assert devices.march(named) == "xtensawin"


def test_a_port_that_cannot_serve_is_told_in_words_before_anything_waits(tmp_path, monkeypatch):
    for path, said in ((tmp_path / "none", "there is no port"), (tmp_path, "is no port")):
        with pytest.raises(Problem, match=f"{said}.*tools devices"), port.opened(str(path)):
            pass
    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    with pytest.raises(Problem, match=f"{name}: the board does not answer.* flash it first"):
        port.mpremote(name, "exec", "1", limit_s=1)
    fcntl.flock(theirs, fcntl.LOCK_EX)  # as mpremote does
    with pytest.raises(Problem, match=f"{name}: .*another program has it"):
        port.execute(name, "1")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(Problem, match="may not be opened by you: join the group"), port.opened(name):
        pass
    os.close(ours)
    os.close(theirs)
    port.free(str(tmp_path / "none"))  # a cable that was pulled is no fault of its own


def test_lines_that_mpremote_writes_over_each_other_are_told_one_by_one(tmp_path, monkeypatch):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nprintf 'Image\\n\\rWriting at offset 0\\rWriting at offset 4096\\r\\ndone\\n'\n")
    script.chmod(0o700)
    monkeypatch.setattr(port.sys, "executable", str(script))
    lines = []
    port.mpremote("/dev/any", on_line=lines.append)
    assert [line for line in lines if line] == ["Image", "Writing at offset 0", "Writing at offset 4096", "done"]


class Interrupted(Exception):
    pass


@pytest.mark.slow
def test_a_deploy_that_is_interrupted_in_the_partition_is_finished_by_the_next(tmp_path):
    with Board(World("real"), tmp_path / "flash.img") as board:
        board.power_on()
        for percent in (1, 50, 90):

            def progress(done, total, name, percent=percent):
                if name == "firmware.romfs" and 100 * done >= percent * total:
                    raise Interrupted

            with pytest.raises(Interrupted):
                deploy.deploy(board, "VIRTUAL", progress)
            assert "/maintenance" in read_files(board.flash.path)
        assert deploy.deploy(board, "VIRTUAL") == ["/rom"]
        assert deploy.deploy(board, "VIRTUAL") == []


def test_a_deploy_that_is_interrupted_anywhere_is_finished_by_the_next(tmp_path, soak):
    files = build("VIRTUAL")
    with Board(World("real"), tmp_path / "flash.img", rom_blocks=0, heap="160wK") as board:
        board.power_on()
        for stop in range(1, len(files)) if soak else (2, 40):

            def progress(done, total, name, stop=stop):
                if done == stop:
                    raise Interrupted

            with pytest.raises(Interrupted):
                deploy.deploy(board, "VIRTUAL", progress)
            assert "/maintenance" in read_files(board.flash.path)
        assert deploy.deploy(board, "VIRTUAL")
        there = read_files(board.flash.path)
        assert {path: there[path] == content for path, content in files.items()} == dict.fromkeys(files, True)
        assert "/maintenance" not in there
