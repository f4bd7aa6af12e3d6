"""The reference controller as a process of its own, between the whole firmware on the virtual board and a back end."""

import asyncio
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from host_tests.board.conftest import Bench, provisioned  # noqa: F401
from host_tests.board.osdp_bus import ADDRESS, KEY, make_osdp
from host_tests.board.test_update_bearers import prefill
from host_tests.board.update_trees import update, version_of
from host_tests.host.tree import REPOSITORY
from host_tests.peers.csms import Csms
from ticket import rules
from tools.fleet import journal_file
from tools.site.directory import Site
from tools.site.keys import load_key
from tools.virtual.world import Pty, Wire

BAUD = 115200


class Listening:
    """The back end, in a thread of its own."""

    def __init__(self):
        self.csms = Csms()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)

    def do(self, what, seconds=10):
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(seconds)

    def __enter__(self):
        self._thread.start()
        self.do(self.csms.open())
        return self

    def __exit__(self, *_):
        self.do(self.csms.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture
def site(provisioned, tmp_path):  # noqa: F811
    """The site of that reader, with a newer trust bundle than the reader's."""
    folder = tmp_path / "site"
    shutil.copytree(provisioned.site, folder)
    toml = folder / "site.toml"
    relay = f'kind = "osdp"\naddress = {ADDRESS}\nbaud = {BAUD}'
    text, changed = re.subn(r'^kind = "gpio"', relay, toml.read_text(), count=1, flags=re.M)
    assert changed
    toml.write_text(text)
    (folder / "reader-1.osdp-key").write_text(KEY.hex() + "\n")
    here = Site.load(folder)
    here.keep_bundle(here.sign_bundle(here.next_payload(), load_key(folder / "root.jwk", private=True)))
    return here


def test_ticket_to_transaction_and_back_to_the_journal(provisioned, site, tmp_path):  # noqa: F811
    bench = Bench(provisioned, tmp_path / "flash.img", heap="112wK")
    with bench, Listening() as back_end:
        make_osdp(bench, baud=BAUD)
        wire = Wire(bench.world, BAUD)
        bench.board.uart(2).connect(wire.end("reader"))
        pty = Pty(bench.world, wire.end("controller"))
        bench.power_on()
        bench.world.pace = "real"
        command = [sys.executable, "-m", "tools.controller", "--site", site.folder, "--port", pty.path, "--simulate"]
        command += ["--csms", back_end.csms.url, "--time", "always", "--release"]
        said = (tmp_path / "said").open("w+")
        process = subprocess.Popen(command, cwd=REPOSITORY, stderr=said)

        def serve(until, seconds=20):
            end = time.monotonic() + seconds
            while not until():
                assert time.monotonic() < end and process.poll() is None, (
                    tmp_path / "said"
                ).read_text() + bench.last_lines(20)
                bench.world.run(0.02)

        def told(text):
            return lambda: text in (tmp_path / "said").read_text()

        try:
            serve(told("document ACCEPTED"), 40)
            events = back_end.csms.events
            ticket = provisioned.ticket(validationMethod="MustBeValidated", maxEnergy=5000, maxDuration=30)
            bench.chip.field.put(bench.card(ticket))
            serve(lambda: "tap: " in bench.board.console_log)
            assert "tap: GRANTED" in bench.board.console_log, bench.last_lines(20)
            bench.chip.field.take()
            serve(events)
            (asked,) = back_end.csms.told("Authorize")
            started = events()[0]
            assert started["idToken"] == asked["idToken"] and started["transactionInfo"]["transactionLimit"] == {
                "maxEnergy": 5000,
                "maxTime": 1800,
            }
            stopping = asyncio.run_coroutine_threadsafe(
                back_end.csms.stop(started["transactionInfo"]["transactionId"]), back_end.loop
            )
            serve(lambda: len(events()) == 2)
            assert stopping.result(5) == "Accepted" and events()[1]["transactionInfo"]["stoppedReason"] == "Remote"
            session = started["customData"]["session"]
            serve(lambda: f"end: {session} STOPPED_BY_CONTROLLER" in bench.board.console_log)
            serve(told("released"))
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(10)
            pty.close()
            said.close()
        assert code == 0
        kept = []
        for file in sorted(site.folder.glob("reader-1-*.journal")):
            kept += journal_file.records(journal_file.read_checked(file, site.journal_key()))
        grant = next(record for record in kept if record["kind"] == "GRANT")
        assert grant["sequence"] == session
        assert bytes.fromhex(grant["ticket"]) == ticket
        told_key = started["customData"]["ticketKey"]
        assert told_key == rules.ticket_key("DE-XYZ", started["idToken"]["idToken"]).hex()
        assert [record["kind"] for record in kept if record["stream"] == "kept"] == ["GRANT", "END"]


@pytest.mark.slow
def test_a_new_firmware_is_brought_through_libosdp_and_runs(provisioned, site, tmp_path):  # noqa: F811
    made = update(provisioned.site, 2)
    made.save(tmp_path / "update.ctfw")
    bench = Bench(provisioned, tmp_path / "flash.img", heap="112wK")
    prefill(bench.image, made)
    with bench:
        make_osdp(bench, baud=BAUD)
        wire = Wire(bench.world, BAUD)
        bench.board.uart(2).connect(wire.end("reader"))
        pty = Pty(bench.world, wire.end("controller"))
        bench.power_on()
        bench.world.pace = "real"
        command = [sys.executable, "-m", "tools.controller", "--site", site.folder, "--port", pty.path, "--simulate"]
        with (tmp_path / "said").open("w") as said:
            process = subprocess.Popen([*command, "--update", tmp_path / "update.ctfw"], cwd=REPOSITORY, stderr=said)
            try:
                end = time.monotonic() + 90
                while version_of(bench) != 2 and time.monotonic() < end and process.poll() is None:
                    bench.world.run(0.02)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(10)
                pty.close()
        told = (tmp_path / "said").read_text()
        assert "document ACCEPTED" in told and "firmware version 2: INSTALLED" in told, told
        assert version_of(bench) == 2, bench.last_lines(20)
