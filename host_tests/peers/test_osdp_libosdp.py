"""The whole firmware as an OSDP reader of libosdp."""

import struct

import osdp
import pytest

from host_tests.board.conftest import Bench, provisioned  # noqa: F401
from host_tests.board.osdp_bus import ADDRESS, KEY, make_osdp
from host_tests.peers.libosdp_panel import Libosdp
from tools.fleet import journal_file
from tools.site.directory import Site
from tools.units import epoch_ms
from tools.virtual.world import Wire, World


@pytest.fixture
def bus(provisioned, tmp_path):  # noqa: F811
    """A reader that serves on a bus, its clock not set, in the wall's time."""
    with Bench(provisioned, tmp_path / "flash.img", heap="112wK") as bench:
        make_osdp(bench, baud=115200)
        wire = Wire(bench.world, 115200)
        bench.board.uart(2).connect(wire.end("reader"))
        bench.power_on()
        bench.world.pace = "real"
        yield bench, wire


def tap(bench, panel, ticket):
    said = len(bench.board.console_log)
    bench.chip.field.put(bench.card(ticket))
    assert panel.serve(20, lambda: "tap: " in bench.board.console_log[said:]), bench.last_lines()
    bench.chip.field.take()
    panel.serve(1.5)
    return bench.board.console_log[said:].partition("tap: ")[2].split()[0]


def test_session_with_everything_that_a_controller_asks(bus, provisioned, tmp_path):  # noqa: F811
    bench, wire = bus
    with Libosdp(bench.world, wire, {ADDRESS: KEY}) as panel:
        assert panel.serve(10, lambda: panel.heard(1)), bench.last_lines()
        assert panel.secure()
        panel.serve(0.5)
        panel.say(0x88, struct.pack("<I", epoch_ms() // 1000))
        assert panel.serve(3, lambda: panel.heard(8)) and panel.heard(8)[0][0] == 0
        ticket = provisioned.ticket(validationMethod="MustBeValidated", maxEnergy=5000, maxDuration=30)
        assert tap(bench, panel, ticket) == "GRANTED", bench.last_lines(20)
        assert len(panel.heard(6)) == 1 and len(panel.heard(2)) == 1
        (session,) = panel.runs
        panel.energy = 4711
        panel.say(0x89, struct.pack("<I", session))
        assert panel.serve(5, lambda: "end: " in bench.board.console_log), bench.last_lines()
        assert f"end: {session} STOPPED_BY_CONTROLLER 7 s" in bench.board.console_log
        assert tap(bench, panel, provisioned.ticket(maxDuration=30)) == "GRANTED"
        (session,) = panel.runs
        panel.say(0x85, struct.pack("<IBII", session, 2, 12, 99))
        assert panel.serve(5, lambda: panel.heard(5))
        assert (
            panel.heard(5) == [struct.pack("<I", session)]
            and f"end: {session} UNPLUGGED 12 s" in bench.board.console_log
        )
        panel.say(0x8D, b"")
        assert panel.serve(3, lambda: panel.heard(13)) and panel.heard(13)[0][:2] == b"\x01\x02"
        pull(panel, Site.load(provisioned.site), tmp_path)
        panel.say(0x8C, struct.pack("<I", 2))
        assert panel.serve(3, lambda: panel.heard(12)) and panel.heard(12)[0][0] == 0
        send(panel, Site.load(provisioned.site).trust_bundle())
        assert panel.serve(20, lambda: panel.heard(10)), bench.last_lines()
        assert panel.heard(10) == [b"\x00\x04SAME"]
        assert panel.secure()


def pull(panel, site, folder):
    """The export that comes is the file that the tools verify."""
    nonce = bytes(range(16))
    panel.say(0x8B, struct.pack("<II", 1, 1) + nonce)
    assert panel.serve(60, lambda: b"" in panel.pieces.values())
    export = b""
    while panel.pieces[len(export)]:
        export += panel.pieces[len(export)]
    file = folder / "pulled.journal"
    journal_file.write(file, export)
    found = journal_file.records(export)
    assert [record["kind"] for record in found if record["stream"] == "kept"] == ["GRANT", "END", "GRANT", "END"]
    journal_file.check(export, site.journal_key(), nonce, file)


def send(panel, document):
    """Signed documents go as a file."""
    files = {
        "open": lambda file_id, size: len(document),
        "read": lambda size, offset: document[offset : offset + size],
        "write": lambda data, offset: -1,
        "close": lambda file_id: 0,
    }
    assert panel.cp.register_file_ops(ADDRESS, files)
    panel.submit({"command": osdp.Command.FileTransfer, "id": 0x80, "flags": 0}, ADDRESS)


@pytest.mark.slow
def test_standard_commands(bus):
    bench, wire = bus
    with Libosdp(bench.world, wire, {ADDRESS: KEY}) as panel:
        assert panel.serve(10, lambda: panel.heard(1))
        status = {"command": osdp.Command.Status, "report": b"", "nr_entries": 0}
        for kind in (osdp.StatusReportType.Local, osdp.StatusReportType.Input, osdp.StatusReportType.Output):
            panel.submit({**status, "type": kind}, ADDRESS)
        panel.submit(
            {
                "command": osdp.Command.Buzzer,
                "reader": 0,
                "control_code": 1,
                "on_count": 1,
                "off_count": 1,
                "rep_count": 1,
            },
            ADDRESS,
        )
        panel.submit({"command": osdp.Command.Comset, "address": 9, "baud_rate": 9600}, ADDRESS)
        panel.serve(3)
        assert panel.secure()
        identity = panel.cp.get_pd_id(ADDRESS)
        assert identity.vendor_code == 0x544342


@pytest.mark.parametrize(
    ("key", "flags"),
    [
        pytest.param(bytes(16), None, id="wrong key", marks=pytest.mark.slow),
        pytest.param(None, [], id="default key"),
        pytest.param(b"0123456789:;<=>?", None, id="default key as its own", marks=pytest.mark.slow),
    ],
)
def test_who_has_not_the_key_learns_and_does_nothing(bus, key, flags):
    bench, wire = bus
    with Libosdp(bench.world, wire, {ADDRESS: key}, flags) as panel:
        panel.serve(4)
        assert panel.cp.get_num_sc_active() == 0 and panel.told == []
    assert "relay: no controller" in bench.board.console_log


@pytest.mark.slow
def test_libosdp_that_restarts_in_a_session_goes_on_with_it(bus, provisioned):  # noqa: F811
    bench, wire = bus
    for _ in range(2):
        with Libosdp(bench.world, wire, {ADDRESS: KEY}) as panel:
            assert panel.serve(10, lambda: panel.heard(1))
            panel.serve(0.5)
            if "tap: " not in bench.board.console_log:
                panel.say(0x88, struct.pack("<I", epoch_ms() // 1000))
                assert tap(bench, panel, provisioned.ticket(maxDuration=30)) == "GRANTED", bench.last_lines()
            assert panel.serve(5, lambda: panel.runs)
    assert "end: " not in bench.board.console_log


def test_two_readers_on_one_bus(provisioned, tmp_path):  # noqa: F811
    world = World()
    wire = Wire(world, 115200)
    keys = {5: KEY, 6: bytes(range(200, 216))}
    with (
        Bench(provisioned, tmp_path / "five.img", heap="112wK", world=world) as five,
        Bench(provisioned, tmp_path / "six.img", heap="112wK", world=world) as six,
    ):
        for bench, (address, key) in zip((five, six), keys.items(), strict=True):
            make_osdp(bench, address, key, 115200)
            bench.board.uart(2).connect(wire.end(str(address)))
            bench.power_on()
        world.pace = "real"
        with Libosdp(world, wire, keys) as panel:
            assert panel.serve(20, lambda: panel.heard(1, 5) and panel.heard(1, 6))
            assert panel.secure()
            panel.serve(0.5)
            panel.say(0x88, struct.pack("<I", epoch_ms() // 1000), address=6)
            assert tap(six, panel, provisioned.ticket(maxDuration=30)) == "GRANTED", six.last_lines()
            assert panel.heard(2, 6) and not panel.heard(2, 5) and panel.secure()
