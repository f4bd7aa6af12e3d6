"""An update that comes while the reader works: from its controller, or from somebody's phone."""

import pytest

from host_tests.board.osdp_bus import BAUD, BusPanel
from host_tests.board.test_osdp import _ANSWER_US, Bus, tap
from host_tests.board.test_osdp_polling import send_file
from host_tests.board.update_trees import BLOCK, Updated, tree_at, update, version_of
from tools.virtual.phone import Phone, Wallet


def prefill(image, made):
    """While the board is off: all of the update is there but its first block and its last."""
    flash = bytearray(image.read_bytes())
    flash[tree_at(1) : tree_at(1) + len(made.image)] = made.image
    for number in (0, len(made.image) // BLOCK - 1):
        flash[tree_at(1) + number * BLOCK : tree_at(1) + (number + 1) * BLOCK] = b"\xff" * BLOCK
    image.write_bytes(flash)


@pytest.mark.slow
def test_a_controller_brings_an_update_and_the_session_that_runs_is_not_cut_short(provisioned, tmp_path):
    made = update(provisioned.site, 2)
    with Bus(provisioned, tmp_path / "flash.img") as bus:
        prefill(bus.image, made)
        bus.start()
        panel = BusPanel(bus.world, bus.line)
        panel.connect()
        panel.pause_s = 0

        def give(document):
            told = len(panel.heard(0x0A))
            assert send_file(panel, document) == b"\1\0", bus.last_lines()
            assert panel.serve(60, lambda: len(panel.heard(0x0A)) > told), bus.last_lines()
            result, _, *word = panel.heard(0x0A)[-1]
            return result, bytes(word).decode()

        assert tap(bus, panel, maxDuration=5) == "GRANTED"
        (session,) = panel.runs
        result, word = give(made.manifest)
        while word.startswith("NEEDS "):
            assert result == 0
            began_us = bus.world.now_us
            result, word = give(made.block(int(word[6:])))
            print(f"a block at {BAUD} baud: {(bus.world.now_us - began_us) / 1e6:.1f} s, {word}")
        assert (result, word) == (0, "INSTALLED")
        panel.pause_s = 0.3
        panel.serve(8)
        assert panel.runs == {session} and panel.missed == 0 and version_of(bus) == 1
        assert max(panel.answers_us) < _ANSWER_US, max(panel.answers_us)
        # the controller falls silent, and the lease ends
        assert bus.world.run_until(lambda: version_of(bus) == 2, 200), bus.last_lines()
        assert "LEASE_LOST" in bus.board.console_log and bus.board.flash.faults == []


def test_a_phone_brings_an_update_which_is_tried_and_proved(provisioned, tmp_path):
    made = update(provisioned.site, 2)
    with Updated(provisioned, tmp_path / "flash.img", heap="104wK") as reader:  # as for other documents
        prefill(reader.image, made)
        reader.power_on()
        piece, words = made.manifest, []
        while not words or words[-1].startswith("NEEDS "):
            phone = Phone(Wallet(piece))
            tapped = reader.tap(phone, wait_s=15)
            assert not tapped.energised and tapped.reason == phone.reason.partition(" ")[0], tapped
            words.append(phone.reason)
            piece = made.block(int(phone.reason.partition(" ")[2] or 0))
        assert words == [f"NEEDS {len(made.image) // BLOCK - 1}", "NEEDS 0", "INSTALLED"]
        assert reader.world.run_until(lambda: reader.runs() == 2, 20)
        assert reader.world.run_until(lambda: "firmware: PROVED 2" in reader.board.console_log, 70)
