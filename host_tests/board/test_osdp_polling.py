"""An OSDP controller that polls without a pause: what else the reader does must not keep it waiting.

Computing takes no time on the virtual board; an erase of its flash takes 45 ms, a page 0.7 ms.
"""

import struct

import pytest

from host_tests.board.osdp_bus import BusPanel
from host_tests.board.test_osdp import BAUD, Bus, bus, panel, tap  # noqa: F401
from tools.demo.script import fills_up
from tools.site.directory import Site
from tools.site.keys import load_key, new_key

_ANSWER_US = 200_000


def newer_bundle(provisioned, size):
    """A newer bundle of about that many bytes."""
    site = Site.load(provisioned.site)
    payload = site.next_payload()
    payload["version"] += 5
    issuer = payload["issuers"][0]
    while len(str(payload)) * 5 // 4 < size - 400:
        payload["issuers"].append({**issuer, **{name: new_key()[name] for name in ("kid", "x")}})
    return site.sign_bundle(payload, load_key(site.folder / "root.jwk", private=True))


def send_file(to, document):
    """The last status."""
    status = b""
    for at in range(0, len(document), 128):
        piece = document[at : at + 128]
        id, told = to.command(0x7C, struct.pack("<BIIH", 0x80, len(document), at, len(piece)) + piece)
        assert id == 0x7A
        status = told[3:5]
    return status


def test_first_fragment_of_a_grant_comes_with_the_first_poll_after_its_record(bus, panel):  # noqa: F811
    flash, written = bus.board.flash, []
    program = flash.program
    flash.program = lambda *data: (written.append(bus.world.now_us), program(*data))[1]
    panel.pause_s = 0
    assert tap(bus, panel, multiUsage="NotAllowed") == "GRANTED", bus.last_lines()
    began_us, ended_us = panel.first_us[2]
    recorded_us = max(at for at in written if at < ended_us)
    print(f"first fragment of the grant: {ended_us - recorded_us} us after its record, at {BAUD} baud")
    assert [at for at in panel.idle_us if recorded_us < at < began_us] == []


def test_polls_without_a_pause_are_answered_in_time_while_the_flash_is_erased(bus, panel):  # noqa: F811
    panel.pause_s = 0
    before = bus.board.flash.erases
    for _ in range(3):
        assert tap(bus, panel, multiUsage="NotAllowed", maxDuration=30) == "GRANTED", bus.last_lines()
        (session,) = panel.runs
        panel.pending = panel.say(0x89, struct.pack("<I", session), 1)
        panel.serve(2)
        panel.pending = panel.say(0x8C, struct.pack("<I", session), 2)
    panel.serve(1)
    assert len(panel.heard(0x0C)) == 3 and bus.board.flash.erases > before
    print(f"{bus.board.flash.erases - before} erases, longest answer {max(panel.answers_us)} us")
    assert panel.missed == 0 and max(panel.answers_us) < _ANSWER_US, max(panel.answers_us)


@pytest.mark.parametrize(
    ("heap", "outcome"),
    [pytest.param("112wK", b"\1\x09TOO_LARGE", marks=pytest.mark.slow), ("320wK", b"\0\x08ACCEPTED")],
)
def test_largest_bundle_is_taken_where_there_is_memory_and_harms_nothing_where_there_is_none(
    provisioned, tmp_path, heap, outcome
):
    made = Bus(provisioned, tmp_path / "flash.img", heap)
    with made:
        made.start()
        panel = BusPanel(made.world, made.line)
        panel.pause_s = 0
        panel.connect()
        before = made.board.flash.erases
        bundle = newer_bundle(provisioned, 16_200)
        assert 15_000 < len(bundle) <= 16_384
        if send_file(panel, bundle) == b"\1\0":
            assert panel.serve(30, lambda: bool(panel.heard(0x0A))), made.last_lines()
            assert panel.heard(0x0A) == [outcome]
        else:
            assert outcome != b"\0\x08ACCEPTED"
        print(f"{made.board.flash.erases - before} erases, longest answer {max(panel.answers_us)} us")
        assert panel.missed == 0 and max(panel.answers_us) < _ANSWER_US, max(panel.answers_us)
        assert tap(made, panel) == "GRANTED", made.last_lines()


@pytest.mark.slow
def test_a_full_journal_is_released_without_keeping_a_poll_waiting(provisioned, tmp_path):
    with Bus(provisioned, tmp_path / "flash.img", "160wK") as made:
        made.start()
        fills_up(provisioned.site)(made)
        panel = BusPanel(made.world, made.line)
        panel.pause_s = 0
        panel.connect()
        panel.pending = panel.say(0x8D, b"", 1)
        panel.serve(1)
        last = struct.unpack("<I", panel.heard(0x0D)[0][14:18])[0]
        for up_to in (last // 2, last):
            panel.pending = panel.say(0x8C, struct.pack("<I", up_to), 2)
            panel.serve(1)
        assert panel.heard(0x0C) == [struct.pack("<BII", 0, up_to + 1, last) for up_to in (last // 2, last)]
        print(f"{last} records, longest answer {max(panel.answers_us)} us")
        assert panel.missed == 0 and max(panel.answers_us) < _ANSWER_US, max(panel.answers_us)
