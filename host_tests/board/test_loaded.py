"""What a reader at work holds of its firmware: what its site asks for, and no more."""

import re
import shutil

import pytest

from host_tests.board.conftest import Bench
from tools.bench import heap
from tools.boards.firmware_build import compile_all, short_sources
from tools.site.directory import Site
from tools.virtual.radio import Air, Radio

LEAST_FREE = 50  # percent of a heap of 160wK after the start and one card
MOST = 140 << 10  # bytes of .mpy for an ESP32
GPIO, MODBUS, OSDP = (
    'kind = "gpio"',
    'kind = "modbus"\nmap = "timed-relay"\nunit = 1\nbaud = 19200',
    'kind = "osdp"\naddress = 0',
)
OF_MODBUS = {"relay.modbus", "relay.rtu"}
OF_OSDP = {f"relay.osdp{part}" for part in ("", "_channel", "_frames", "_link", "_messages", "_pd")}
OF_BLUETOOTH = {"ble.frames", "ble.gatt", "crypto.x25519", "present.channel", "station.radio"}
NEVER = {"nfc.i2c", "nfc.spi", "station.ds3231", "station.repair", "crypto.field25519_plain", "trust.bundle"}


@pytest.mark.parametrize(
    ("relay", "ble", "loaded"),
    [
        (GPIO, False, set()),
        pytest.param(GPIO, True, OF_BLUETOOTH, marks=pytest.mark.slow),
        pytest.param(MODBUS, False, OF_MODBUS, marks=pytest.mark.slow),
        pytest.param(OSDP, False, OF_OSDP, marks=pytest.mark.slow),
        (OSDP, True, OF_OSDP | OF_BLUETOOTH),
    ],
    ids=["gpio", "gpio, Bluetooth", "Modbus", "OSDP", "OSDP, Bluetooth"],
)
def test_a_reader_loads_what_its_site_asks_for(provisioned, tmp_path, relay, ble, loaded):
    shutil.copytree(provisioned.site, tmp_path / "site")
    toml = tmp_path / "site/site.toml"
    text = re.sub('(?m)^kind = "gpio".*$', relay, toml.read_text())
    if ble:
        text = text.replace("encrypt = false", "encrypt = true") + '\n[ble]\npresence = "none"\n'
    toml.write_text(text)
    with Bench(provisioned, tmp_path / "flash.img", heap="160wK") as bench, Air(bench.world) as air:
        Radio(bench.board, air)
        for path, content in Site.load(tmp_path / "site").provision_files().items():
            if path in ("/site.json", "/keys/osdp.key"):
                bench.write(path, content)
        bench.start()
        bench.world.run(1)
        since = len(bench.board.console_log)
        bench.type_at_console("import sys; print('loaded', ' '.join(sys.modules))")
        bench.world.run(0.5)
        (line,) = [line for line in bench.printed_since(since).splitlines() if line.startswith("loaded ")]
    compiled = compile_all(short_sources()[0], "xtensawin", 3)
    sizes = {path.removesuffix(".mpy").replace("/", "."): len(content) for path, content in compiled.items()}
    held = sizes.keys() & set(line.split())
    print(f"{sum(sizes[name] for name in held):,} of {sum(sizes.values()):,} bytes")
    assert held & (OF_MODBUS | OF_OSDP | OF_BLUETOOTH) == loaded
    assert held & NEVER == set() and {"station.app", "crypto.ed25519", "nfc.hsu"} <= held
    assert sum(sizes[name] for name in held) <= MOST


@pytest.mark.slow
def test_the_firmware_leaves_half_of_a_wide_heap_free_after_a_card(provisioned, tmp_path):
    shutil.copytree(provisioned.site, tmp_path / "site")
    shutil.copyfile(provisioned.folder / "flash.img", tmp_path / "made.img")
    percent = heap.free_percent(tmp_path)
    print(f"{percent:.1f} % free")
    assert percent >= LEAST_FREE
