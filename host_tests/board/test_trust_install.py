"""A trust bundle is installed whole or not at all, wherever in it the power fails."""

import pytest

from store.slots import Slots
from tools.site.directory import Site
from tools.site.keys import load_key
from tools.virtual.image import mounted


@pytest.fixture
def offered(bench, provisioned):
    """(the bundle that the reader has, a newer one that waits in /incoming)."""
    site = Site.load(provisioned.site)
    old = site.trust_bundle()
    new = site.sign_bundle(site.next_payload(), load_key(provisioned.site / "root.jwk", private=True))
    bench.write("/incoming/trust.jws", new)
    return old, new


def stored(bench, tmp_path) -> bytes | None:
    """The bundle that a reader would start with, by the firmware's own reading of the flash."""
    folder = tmp_path / "slot"
    folder.mkdir(exist_ok=True)
    with mounted(bench.image) as fs:
        for name in ("trust.a", "trust.b"):
            (folder / name).unlink(missing_ok=True)
            if name in fs.listdir("/data"):
                with fs.open(f"/data/{name}", "rb") as file:
                    (folder / name).write_bytes(file.read())
    return Slots(str(folder)).read("trust")


def test_an_install_that_is_cut_leaves_the_old_bundle_or_the_new_one(bench, offered, tmp_path, soak):
    old, new = offered
    before = bench.image.read_bytes()
    bench.power_on()
    writes = bench.board.flash.writes
    bench.power_cut()
    assert stored(bench, tmp_path) == new
    assert writes >= 12
    found = []
    for cut in range(1, writes + 1, 1 if soak else 3):
        for keep in (None, 7) if soak else (7 * (cut % 2) or None,):
            bench.image.write_bytes(before)
            bench.board.cut_at_write(cut, keep)
            bench.clock.power(True)
            bench.board.power_on()
            bench.world.run_until(lambda: not bench.board.alive, 20)
            assert not bench.board.alive, cut
            found.append(stored(bench, tmp_path))
            assert found[-1] in (old, new), (cut, keep)
            since = len(bench.board.console_log)
            bench.power_on()
            bench.world.run(0.2)
            assert "not ready" not in bench.printed_since(since)
            bench.power_cut()
            assert stored(bench, tmp_path) == new, (cut, keep)  # it was still waiting, or had been taken
    print(f"{len(found)} cut points among {writes} writes: {found.count(old)} left the old, {found.count(new)} the new")
    assert found.count(old) >= 2 and found[-1] == new
