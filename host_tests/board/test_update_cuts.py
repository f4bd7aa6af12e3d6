"""The power fails at any change of the flash while a reader is updated, tries a new firmware, or goes back."""

import shutil

from host_tests.board.test_power_cuts import apply, torn
from host_tests.board.update_trees import Updated, update


def record(reader: Updated) -> list:
    """What is done to the flash from here on: (offset, bytes) written, (block, None) erased."""
    operations: list[tuple[int, bytes | None]] = []
    flash = reader.board.flash
    program, erase = flash.program, flash.erase

    def programmed(offset, data, power_cut):
        operations.append((offset, bytes(data)))
        program(offset, data, power_cut)

    def erased(block, power_cut):
        operations.append((block, None))
        erase(block, power_cut)

    flash.program, flash.erase = programmed, erased  # type: ignore[method-assign]
    return operations


class Life:
    """One update of a reader, recorded. `before`: the flash it began with; `version`: what must serve at its end."""

    def __init__(self, provisioned, image, made, version):
        self.version = version
        with Updated(provisioned, image.with_suffix(".new"), flash=image) as reader:
            reader.hold(made)
            self.before = reader.image.read_bytes()
            self.operations = record(reader)
            assert reader.install() == "INSTALLED"
            assert reader.runs() == version
            assert reader.world.run_until(lambda: "firmware: " in reader.board.console_log, 90)
            reader.world.run(2)
            assert reader.board.flash.faults == []
            reader.power_cut()
        shutil.move(reader.image, image)

    def cuts(self, every):
        """(number of changes before it, flash) of the cuts, between two changes and in the middle of one. Not `every`
        one: some amid the blocks and near the end, where the records of trees and starts are written."""
        image, count = bytearray(self.before), len(self.operations)
        for changes, operation in enumerate([*self.operations, None]):
            sample = changes in (count // 2, count - 40, count - 25, count - 6)
            if every or (sample and changes % 2):
                yield changes, bytes(image)
            if operation is not None and (every or (sample and changes % 2 == 0)):
                yield changes, torn(image, operation, changes)
            if operation is not None:
                apply(image, operation)


def check(provisioned, image, life, changes, flash):
    """Whoever switches the reader on again has one that works; whoever brings the update again ends where it should."""
    image.write_bytes(flash)
    with Updated(provisioned, image.with_suffix(".again"), flash=image) as reader:
        reader.switch_on()
        waits = "maintenance: no station runs"
        reader.world.run_until(
            lambda: reader.served(0) or (reader.board.at_prompt and waits in reader.board.console_log), 120
        )
        if not reader.served(0) and changes % 2:
            assert reader.install() in ("INSTALLED", "SAME")
            assert reader.runs() == life.version
        elif not reader.served(0):
            reader.power_cut()
            reader.remove("/maintenance")
            reader.switch_on()
            assert reader.world.run_until(lambda: reader.served(0), 120)
        assert reader.runs() in (life.version, life.version - 1, 1)
        assert reader.tap_ticket().reason == "GRANTED"
        assert reader.board.flash.faults == []


def test_a_lost_update_leaves_a_working_reader_wherever_the_power_fails(provisioned, tmp_path, soak):
    """In the short form an update that is rolled back, and a sample of its cuts. With --soak one that is proved, one
    after it that is rolled back, and every cut of both."""
    image = tmp_path / "life.img"
    shutil.copyfile(provisioned.folder / "flash.img", image)
    proved = [Life(provisioned, image, update(provisioned.site, 2), 2)] if soak else []
    serves = 2 if soak else 1
    lives = [*proved, Life(provisioned, image, update(provisioned.site, 3, "raises"), serves)]
    tried = 0
    for life in lives:
        for changes, flash in life.cuts(soak):
            try:
                check(provisioned, tmp_path / "cut.img", life, changes, flash)
            except BaseException:
                print(f"cut after {changes} of {len(life.operations)} changes")
                raise
            tried += 1
    print(f"{tried} cut points of {sum(2 * len(life.operations) + 1 for life in lives)}")
    assert tried == sum(2 * len(life.operations) + 1 for life in lives) if soak else tried == 4
