"""A new firmware on a reader: taken, tried and proved; or given up, with the old one back, when it is not well."""

import pytest

from host_tests.board.life import read_stores
from host_tests.board.update_trees import BLOCK, BROKEN, Updated, image, signed, tree_at, update
from tools.site.keys import load_key, new_key


@pytest.fixture
def reader(provisioned, tmp_path):
    """One that is off."""
    with Updated(provisioned, tmp_path / "flash.img") as made:
        yield made


def notes(reader: Updated) -> list[str]:
    """What the journal says of firmware. The reader is off after this."""
    reader.power_cut()
    kept = read_stores(reader.image, reader.image.parent / "stores").refused
    return [repr(body) for _, body in kept.values() if b"FIRMWARE" in body]


def taken(reader: Updated, made) -> str:
    reader.hold(made)
    return reader.install()


@pytest.mark.slow
def test_an_update_is_written_beside_the_old_one_tried_and_proved(reader, provisioned):
    good = update(provisioned.site, 2)
    assert taken(reader, good) == "INSTALLED"
    assert reader.runs() == 2
    assert reader.tap_ticket().reason == "GRANTED"
    assert "PROVED" not in reader.board.console_log
    reader.world.run(60)
    assert "firmware: PROVED 2" in reader.board.console_log
    told = notes(reader)
    assert [one for one in told if "INSTALLED 2" in one] and [one for one in told if "PROVED 2" in one]
    for _ in range(5):  # proved once, it stays, however often it is switched off at once
        reader.switch_on()
        assert reader.world.run_until(lambda: reader.board.console_log.endswith("ready: reader-1 SET\r\n"), 5)
        reader.power_cut()
    assert reader.runs() == 2
    assert taken(reader, good) == "SAME"
    assert taken(reader, signed(good.image, 1, provisioned.site)) == "OLD_VERSION"
    assert reader.board.flash.faults == []


@pytest.mark.slow
@pytest.mark.parametrize("broken", BROKEN)
def test_a_firmware_that_is_not_well_is_given_up_and_the_old_one_serves(reader, provisioned, broken):
    bad = update(provisioned.site, 2, broken)
    assert taken(reader, bad) == "INSTALLED"
    assert reader.world.run_until(lambda: "firmware: ROLLED_BACK 2" in reader.board.console_log, 1200)
    assert reader.runs() == 1
    assert reader.tap_ticket().reason == "GRANTED"
    assert [one for one in notes(reader) if "ROLLED_BACK 2" in one]
    assert taken(reader, bad) == "OLD_VERSION"  # nobody tries it again
    assert taken(reader, signed(bad.image, 3, provisioned.site)) == "INSTALLED"


@pytest.mark.slow
def test_what_is_not_for_this_reader_changes_nothing(reader, provisioned):
    before = reader.image.read_bytes()[tree_at(0) :]
    root, tree = load_key(provisioned.site / "root.jwk", private=True), image(2)
    refused = {
        "UNKNOWN_ISSUER": signed(tree, 2, provisioned.site, root=new_key()),
        "BAD_SIGNATURE": signed(tree, 2, provisioned.site, root={**new_key(), "kid": root["kid"]}),
        "WRONG_BOARD": signed(tree, 2, provisioned.site, mpy=6 | 3 << 8 | 10 << 10),
        "SAME": signed(tree, 1, provisioned.site),
    }
    for word, made in refused.items():
        assert (word, taken(reader, made)) == (word, word)
    assert reader.image.read_bytes()[tree_at(0) :] == before and reader.runs() == 1


@pytest.mark.slow
def test_a_reader_whose_records_of_its_trees_are_lost_runs_one_that_is_whole(reader, provisioned):
    assert taken(reader, update(provisioned.site, 2)) == "INSTALLED"
    reader.world.run(62)
    reader.power_cut()
    good = reader.image.read_bytes()
    torn = bytearray(good)
    torn[tree_at(0) : tree_at(0) + BLOCK] = b"\xff" * BLOCK  # as while an update is being written there
    for content in (b"", b"FT" + bytes(14), bytes(15)):
        for flash, version in ((good, 1), (torn, 2)):
            reader.image.write_bytes(flash)
            for number in (0, 1):
                reader.write(f"/tree.{number}", content)
            reader.power_on()
            assert reader.runs() == version
            reader.power_cut()
