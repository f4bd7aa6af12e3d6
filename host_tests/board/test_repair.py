"""A reader with damaged stores grants nothing until an operator gives up what is damaged, and then goes on."""

import shutil

import pytest

from tools.readers import repair
from tools.site.directory import Site
from tools.virtual.image import mounted


def spoil(bench, path, at=20):
    """While the board is off: one byte of a file is another."""
    with mounted(bench.image) as fs:
        with fs.open(path, "rb") as file:
            content = bytearray(file.read())
        content[at] ^= 0xFF
        with fs.open(path, "wb") as file:
            file.write(bytes(content))


def use_one(bench):
    """A granted and ended session, so that there is something to damage; off again."""
    ticket = bench.provisioned.ticket()
    bench.start()
    assert bench.tap_ticket(ticket).reason == "GRANTED"
    bench.wait_relay_off()
    bench.power_cut()
    with mounted(bench.image) as fs:
        used = [name for name in fs.listdir("/data/ledger") if fs.stat(f"/data/ledger/{name}").size > 30]
        kept = sorted(fs.listdir("/data/journal/kept"))[0]
    return ticket, f"/data/ledger/{used[0]}", f"/data/journal/kept/{kept}"


def not_ready(bench, what):
    bench.board.power_on()
    bench.world.run(5)
    assert f"not ready: {what}: " in bench.board.console_log


def repaired(bench, tmp_path) -> list[str]:
    found = repair.look(bench.board)
    shutil.copytree(bench.provisioned.site, tmp_path / "site")
    repair.save(bench.board, Site.load(tmp_path / "site"))
    assert len(list((tmp_path / "site").glob("*-damaged.journal"))) == 1
    assert repair.put_in_order(bench.board) == found
    assert repair.look(bench.board) == []
    bench.power_cut()
    bench.start()
    return found


def test_a_rotten_ledger_is_given_up_and_its_ticket_may_be_used_again(bench, tmp_path):
    ticket, bucket, _ = use_one(bench)
    spoil(bench, bucket)
    not_ready(bench, "ledger")
    (found,) = repaired(bench, tmp_path)
    assert found.startswith("ledger: ") and bucket in found
    assert bench.tap_ticket(ticket).reason == "GRANTED"


@pytest.mark.parametrize("at", [60, -3])
def test_a_record_of_the_journal_that_rotted_is_found_at_the_start(bench, tmp_path, at):
    ticket, _, kept = use_one(bench)
    spoil(bench, kept, at)
    not_ready(bench, "journal")
    found = repaired(bench, tmp_path)
    assert kept in found[0]
    assert bench.tap_ticket(ticket).reason == "ALREADY_USED"
    assert bench.tap_ticket().reason == "GRANTED"


def test_what_is_missing_altogether_is_made_anew(bench, tmp_path):
    bench.start()
    bench.power_cut()
    for path in ("/data/ledger/17", "/data/journal/refused"):
        bench.remove(path)
    with mounted(bench.image) as fs:
        for name in ("floor.a", "floor.b", "boots.a", "boots.b"):
            with fs.open(f"/data/{name}", "wb") as file:
                file.write(b"rotten")
    not_ready(bench, "ledger")
    found = repaired(bench, tmp_path)
    assert len(found) == 4
    for what, words in zip(found, ("floor", "boots", "ledger/17", "refused"), strict=True):
        assert words in what
    with mounted(bench.image) as fs, fs.open("/data/boots.a", "rb") as file:
        assert int.from_bytes(file.read()[10:18], "little") > 1 << 62  # no boot before was given such a number
    assert bench.tap_ticket().reason == "GRANTED"


def test_a_reader_that_is_well_has_nothing_to_give_up(bench):
    bench.start()
    assert repair.look(bench.board) == []
