"""What `build` makes for the flash: the same bytes each time, read back by littlefs-python and by MicroPython."""

import hashlib
import re
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest

from host_tests.host.tools_cli import run
from tools.boards import build_command, firmware_build, images
from tools.boards.board_pins import known_boards
from tools.problem import Problem
from tools.readers import deploy
from tools.site.directory import Site
from tools.site.init import init
from tools.virtual.board import Board
from tools.virtual.image import read_files
from tools.virtual.station import Station
from tools.virtual.world import World

# Says what MicroPython finds in an image, without writing to it, and imports some of it.
_READ = """
import os, sys, vfs
from binascii import hexlify
from hashlib import sha256
class Image:
    def readblocks(self, block, into, offset=0):
        at = 4096 * block + offset
        into[:] = content[at : at + len(into)]
    def ioctl(self, operation, _):
        return {4: len(content) // 4096, 5: 4096}.get(operation, 0)
def walk(folder):
    for name, kind, *_ in os.ilistdir(folder):
        if kind & 0x4000:
            walk(folder + "/" + name)
        else:
            with open(folder + "/" + name, "rb") as file:
                print(folder[2:] + "/" + name, hexlify(sha256(file.read()).digest()).decode())
with open(sys.argv[1], "rb") as file:
    content = file.read()
vfs.mount(vfs.VfsLfs2(Image()), "/m", readonly=True)
walk("/m")
if sys.argv[2] == "VIRTUAL":
    sys.path.append("/m")
    from ticket import times
    assert times.__file__ == "/m/ticket/times.mpy"
"""


def read_by_micropython(image: Path, board: str) -> dict[str, str]:
    """SHA-256 of each file that the unix port finds in a littlefs image, by its path."""
    command = [Path(sysconfig.get_path("scripts")) / "micropython", "-X", "heapsize=8M", "-c", _READ, image, board]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return dict(line.split(" ") for line in printed.splitlines())


@pytest.mark.parametrize("board", [board for board in known_boards() if board != "ESP32_GENERIC_S3"])
def test_images_are_the_same_each_time_whatever_was_there(board, tmp_path, monkeypatch):
    first = {path.name: path.read_bytes() for path in build_command.make(board)}
    monkeypatch.setattr(firmware_build, "BUILD", tmp_path / "build")
    monkeypatch.setattr(firmware_build, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(build_command, "BUILD", tmp_path / "build")
    again = {path.name: path.read_bytes() for path in build_command.make(board)}
    digests = [{name: hashlib.sha256(data).hexdigest() for name, data in made.items()} for made in (first, again)]
    assert digests[0] == digests[1]
    (tmp_path / "stock.lfs").write_bytes(first["stock.lfs"].ljust(images.STOCK_BYTES, b"\xff"))
    there = read_files(tmp_path / "stock.lfs", images.STOCK_BYTES // images.BLOCK)
    wanted = firmware_build.build(board)
    assert there == wanted
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in wanted.items()}
    assert read_by_micropython(tmp_path / "stock.lfs", board) == digests


def test_files_that_do_not_fit_are_told():
    with pytest.raises(Problem, match="do not fit into 64 KB"):
        images.littlefs({"/a": bytes(100_000)}, 65536)


def test_a_folder_that_takes_more_than_its_budget_is_told(capsys, tmp_path, monkeypatch):
    assert run(capsys, "build", "--board", "ESP32_GENERIC", "--json", tmp_path / "sizes.json").code == 0
    assert '"total"' in (tmp_path / "sizes.json").read_text()
    (tmp_path / "budget.toml").write_text("total = 200000\ncrypto = 1000\n")
    monkeypatch.setattr(build_command, "BUDGET", tmp_path / "budget.toml")
    answer = run(capsys, "build", "--board", "ESP32_GENERIC")
    assert answer.code == 1
    assert re.search(r"crypto takes [0-9,]+ bytes, [0-9,]+ more than", answer.out)


def test_from_images_and_an_empty_flash_to_a_granted_tap(tmp_path):
    init(tmp_path / "site")
    flash = tmp_path / "flash.img"
    made = build_command.make("VIRTUAL")
    content = bytearray(b"\xff" * sum(images.layout("VIRTUAL")["romfs"]))
    for path, at in made.items():
        if path.name != "stock.lfs":
            content[at : at + path.stat().st_size] = path.read_bytes()
    flash.write_bytes(content)
    with Board(World("real"), flash) as board:
        board.power_on()
        assert deploy.execute(board, "import ticket.jws as m; print(m.__file__)") == "/rom/ticket/jws.mpy\n"
        begun, used = time.monotonic(), time.process_time()
        assert deploy.deploy(board, "VIRTUAL") == [], "the image holds something else than deploying puts there"
        took_s, used_s = time.monotonic() - begun, time.process_time() - used
        print(f"deploying what is there took {took_s:.2f} s ({used_s:.2f} s of this process)")
        assert used_s < 3
    with Station(flash) as station:
        from tools.readers.provision import install

        station.board.power_on()
        station.clock.power(True)
        since = len(station.board.console_log)
        install(station.board, Site.load(tmp_path / "site"))
        station._wait_ready(since)
        answer = station.tap(_card(tmp_path / "site"))
        assert (answer.reason, answer.energised) == ("GRANTED", True)


def _card(site):
    from tools.site.keys import load_key
    from tools.tickets.mint import defaults, mint
    from tools.units import epoch_ms
    from tools.virtual.cards import Type4Tag, ndef_message

    now_ms = epoch_ms()
    claims = {**defaults("DE-XYZ", now_ms, now_ms - 3_600_000, 86_400), "maxDuration": 1}
    ticket = mint(claims, load_key(site / "issuer.jwk", private=True), "jws")
    return Type4Tag(ndef_message("application/charging-ticket+jws", ticket))
