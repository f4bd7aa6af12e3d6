"""`update` and the files it writes, by the real mpremote to a virtual board; and `deploy` after an update."""

import shutil

import pytest

from host_tests.board.test_update_bearers import prefill
from host_tests.board.update_trees import BLOCK, BOARD, update
from host_tests.host.tools_cli import run
from tools.problem import Problem
from tools.readers import deploy
from tools.readers.port import maintenance
from tools.readers.update import bring, load
from tools.virtual.board import Board
from tools.virtual.world import World


class Interrupted(Exception):
    pass


@pytest.fixture
def board(provisioned, tmp_path):
    """A provisioned reader on a cable, switched off."""
    image = tmp_path / "flash.img"
    shutil.copyfile(provisioned.folder / "flash.img", image)
    with Board(World("real"), image) as made:
        yield made


def test_send_goes_on_after_it_was_cut_off_and_deploy_brings_the_first_tree_back(board, provisioned, soak):
    made = update(provisioned.site, 2)
    if not soak:
        prefill(board.flash.path, made)
    board.power_on()
    seen = []

    def stop(done, total, name):
        seen.append(done)
        if len(seen) == 2:
            raise Interrupted

    with pytest.raises(Interrupted), maintenance(board):
        bring(board, made, stop)
    assert "maintenance: " in board.console_log
    seen = []
    with maintenance(board):
        assert bring(board, made, lambda done, total, name: seen.append(done)) == "INSTALLED"
    assert seen[-1] == len(made.image) // BLOCK and (soak or len(seen) < 4)
    board.world.run_until(lambda: "firmware 2\r" in board.console_log, 20)
    said = deploy.execute(board, "import trees; print('record', trees.running, *trees.record()[1:])")
    assert "record 1 2 1 " in said
    assert "/rom" not in deploy.deploy(board, BOARD)  # it is still there
    said = deploy.execute(board, "import trees; print('record', trees.running, *trees.record()[1:])")
    assert "record 0 2 0 0" in said
    if soak:
        assert deploy.deploy(board, BOARD) == []
        with maintenance(board):
            assert bring(board, made, lambda done, total, name: None) == "OLD_VERSION"


def test_a_file_that_is_cut_or_changed_anywhere_is_no_update(provisioned, tmp_path, capsys):
    path = tmp_path / "update.ctfw"
    assert run(capsys, "update", "make", "--site", provisioned.site, "--board", "ESP32_GENERIC_C3", path).code == 0
    good = path.read_bytes()
    made = load(path)
    assert made.content["version"] == 1 and made.content["mpy"] >> 10 == 11  # rv32imc
    assert '"version": 1' in run(capsys, "update", "show", "--json", path).out
    for cut in (0, 10, len(made.manifest), *range(len(made.manifest) + 1, len(good), BLOCK), len(good) - 1):
        path.write_bytes(good[:cut])
        with pytest.raises(Problem, match=r"no update|cut short"):
            load(path)
    for at in range(len(made.manifest) + 1, len(good), 9001):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(Problem, match="damaged"):
            load(path)
    told = run(capsys, "update", "send", "--port", "virtual", path)
    assert told.code == 2 and "damaged" in told.err and "copy it again" in told.err
