"""The commands that talk to a board, with the real mpremote on a virtual one: from empty flash to a checked journal."""

import json
import stat
import subprocess
import sys
from contextlib import nullcontext

import pytest

from host_tests.board.desk import as_on_boards
from host_tests.host.tools_cli import run
from tools import ROOT
from tools.fleet import journal_file
from tools.problem import Problem
from tools.readers import deploy, journal
from tools.readers.port import execute
from tools.readers.provision import install
from tools.site.directory import Site
from tools.site.init import init
from tools.virtual.board import Board
from tools.virtual.world import World

_WRITE = """
from station.journal import DecisionJournal
from station.decision import Verdict
from store.journal import Journal
with open("/keys/journal.key", "rb") as file:
    book = DecisionJournal(Journal("/data/journal", file.read()))
class Issuer:
    kid = "issuer-1"
granted = Verdict("GRANTED")
granted.evse_id, granted.issuer, granted.limits = "DE*ABC*E1*1", Issuer(), dict(maxDuration=60)
session = book.grant(book.grant_body((1795348800, "SET"), granted, b"a ticket"))
if {ended}:
    book.end((1795348860, "SET"), session, "DURATION", 60)
book.refusal((1795348900, "SET"), Verdict("EXPIRED", "notAfter"))
print("written", session)
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A board with firmware, provisioned for a site, switched on."""
    folder = tmp_path_factory.mktemp("desk")
    init(folder / "site")
    with Board(World("real"), folder / "flash.lfs") as board:
        board.power_on()
        site = Site.load(folder / "site")
        with pytest.raises(Problem, match="no firmware"):
            install(board, site)
        assert execute(board, "import os; print(os.listdir('/'))") == "[]\n"
        deploy.deploy(board, "VIRTUAL")
        install(board, site)
        assert "written" in deploy.execute(board, as_on_boards(_WRITE.format(ended=True)))
        yield board, site


def test_provisioning_brings_config_trust_and_key_and_makes_the_stores(desk):
    board, site = desk
    files = site.provision_files()
    assert deploy.pull(board, "/site.json") == files["/site.json"]
    assert deploy.pull(board, "/keys/journal.key") == files["/keys/journal.key"]
    assert deploy.pull(board, "/data/ledger/made") == b"1"
    year = deploy.execute(board, "from machine import RTC; print(RTC().datetime()[0])")
    assert int(year) >= 2026


def test_a_journal_is_fetched_checked_and_shown(desk, tmp_path, capsys):
    board, site = desk
    export = journal.fetch(board, site.journal_key())
    kept = [record for record in journal_file.records(export) if record["stream"] == "kept"]
    assert [(record["kind"], record["time"]) for record in kept[-2:]] == [
        ("GRANT", "2026-11-22T12:00:00Z"),
        ("END", "2026-11-22T12:01:00Z"),
    ]
    assert kept[-2]["ticket"] == b"a ticket".hex()
    assert kept[-1]["grant"] == kept[-2]["sequence"]
    file = tmp_path / "a.journal"
    file.write_bytes(export)
    assert run(capsys, "journal", "verify", "--site", site.folder, file).code == 0
    shown = json.loads(run(capsys, "journal", "show", "--json", file).out)
    assert shown == journal_file.records(export)
    table = run(capsys, "journal", "show", file).out
    assert "EXPIRED" in table and max(len(line) for line in table.splitlines()) <= 80
    (tmp_path / "b.journal").write_bytes(bytes(range(256)))
    answer = run(capsys, "journal", "show", tmp_path / "b.journal")
    assert (answer.code, answer.out) == (2, "") and "b.journal is no journal" in answer.error
    for broken in (export[:-1], export[40:], export.replace(b"EXPIRED", b"EXPIREE"), b""):
        file.write_bytes(broken)
        answer = run(capsys, "journal", "verify", "--site", site.folder, file)
        assert answer.code == 2
        assert "not what the reader wrote" in answer.error
    with pytest.raises(Problem, match="not what the reader wrote"):
        journal.fetch(board, bytes(32))


def test_pulling_keeps_what_was_fetched_and_releases_it_only_when_asked(desk, monkeypatch, capsys):
    board, site = desk
    monkeypatch.setattr(deploy, "opened", lambda port: nullcontext(board))
    file = site.folder / "x.journal"
    pull = ("journal", "pull", "--site", site.folder, "--port", "any", "--out", file)
    answer = run(capsys, *pull, "--release")
    assert answer.code == 0, answer.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run(capsys, "journal", "verify", "--site", site.folder, file).code == 0
    fetched = file.read_bytes()
    answer = run(capsys, *pull)
    assert "file exists" in answer.error
    assert file.read_bytes() == fetched
    session = int(deploy.execute(board, as_on_boards(_WRITE.format(ended=False))).split()[-1])
    journal._release(board, session)
    grants = [record for record in journal_file.records(journal.fetch_unchecked(board)[0]) if record["kind"] == "GRANT"]
    assert session in [grant["sequence"] for grant in grants], "its end would be about nothing"
    monkeypatch.setattr(journal, "_EXPORT", "raise KeyboardInterrupt")
    assert "KeyboardInterrupt" in run(capsys, *pull).error
    # nothing above left the reader in maintenance
    assert "False" in deploy.execute(board, "import os; print('maintenance' in os.listdir('/'))")


@pytest.mark.slow
def test_taps_that_come_through_a_pipe_are_answered_one_after_the_other(provisioned, tmp_path):
    """By the wall clock, as `sim` is for people."""
    (tmp_path / "ticket.jws").write_bytes(provisioned.ticket())
    typed = f"tap {tmp_path / 'ticket.jws'}\n" * 2 + "tap nothing.jws\n"
    command = [sys.executable, "-m", "tools", "sim", "--site", str(provisioned.site)]
    ran = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=120, cwd=ROOT)
    said = [line.split()[1] for line in ran.stdout.splitlines() if line.startswith("tap: ")]
    assert said[:1] == ["GRANTED"] and len(said) == 2, ran.stdout + ran.stderr
    assert "cannot read the ticket nothing.jws" in ran.stdout and ran.stdout.isascii() and "\x04" not in ran.stdout
