"""Journals go when the site's time is over, and only what is collected; the chain is followed across the gap."""

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from host_tests.fleet.test_settle import NOW_S, Reader, ticket
from host_tests.host.tools_cli import run
from tools.fleet import purge, settle
from tools.readers import deploy, journal
from tools.site.directory import Site

__all__ = ["ticket"]  # a fixture

DAY_MS = 86_400_000


@pytest.fixture
def reader(tmp_path) -> Reader:
    made = Reader(tmp_path, "reader-1")
    toml = made.folder / "site.toml"
    toml.write_text(toml.read_text().replace('# [journal]\n# keep_tickets = "90d"', '[journal]\nkeep_tickets = "90d"'))
    made.site = Site.load(made.folder)
    return made


def pulled(reader: Reader) -> Path:
    path = reader.pull()
    os.utime(path, (NOW_S + 60, NOW_S + 60))
    return path


def purged(reader: Reader, days: float, **options):
    return purge.purge(reader.site, 1000 * NOW_S + int(days * DAY_MS), **options)


def test_what_is_collected_goes_when_its_time_is_over(tmp_path, reader, ticket, capsys):
    signed = ticket()
    reader.grant(signed)
    first = pulled(reader)
    assert purged(reader, 89.9) == ([], [])
    assert purged(reader, 90.1) == ([], [first])  # not collected yet
    assert "collect" in capsys.readouterr().err
    assert run(capsys, "journal", "collect", reader.folder, "--to", tmp_path / "fleet").code == 0
    assert purged(reader, 89.9) == ([], [])
    assert purged(reader, 90.1) == ([first], [])
    assert not first.exists()
    everywhere = [path for top in (reader.folder, tmp_path / "fleet") for path in top.rglob("*") if path.is_file()]
    assert [path for path in everywhere if signed in path.read_bytes()] == []
    # the next journal goes on where the purged one ended, and is settled with it
    reader.journal.collected(1)
    reader.grant(ticket())
    pulled(reader)
    assert run(capsys, "journal", "collect", reader.folder, "--to", tmp_path / "fleet").code == 0
    assert [row["sessions"] for row in settle.ask(tmp_path / "fleet")["totals"]] == [2]


def test_what_is_not_in_the_parquet_files_stays(tmp_path, reader, ticket, capsys):
    reader.grant(ticket())
    first = pulled(reader)
    assert run(capsys, "journal", "collect", reader.folder, "--to", tmp_path / "fleet").code == 0
    reader.grant(ticket())
    second = pulled(reader)
    assert purged(reader, 91) == ([first], [second])
    for file in (tmp_path / "fleet").glob("*.parquet"):
        file.unlink()
    assert purged(reader, 91) == ([], [second])
    damaged = bytearray(second.read_bytes())
    damaged[100] ^= 1
    second.write_bytes(damaged)
    os.utime(second, (NOW_S, NOW_S))
    assert purged(reader, 91) == ([], [second])
    assert "not what the reader wrote" in capsys.readouterr().err
    assert purged(reader, 91, uncollected=True) == ([second], [])


def test_the_command_says_what_it_did_and_a_site_without_a_time_keeps_all(tmp_path, reader, ticket, capsys):
    reader.grant(ticket())
    path = pulled(reader)
    os.utime(path, (NOW_S - 10**8, NOW_S - 10**8))
    answer = run(capsys, "journal", "purge", "--site", reader.folder)
    assert answer.code == 1
    assert "1 overdue ones kept" in answer.err
    answer = run(capsys, "journal", "purge", "--site", reader.folder, "--uncollected")
    assert (answer.code, path.exists()) == (0, False)
    other = Reader(tmp_path, "reader-2")
    other.pull()
    assert purge.purge(other.site, 10**15) == ([], [])
    assert "keep_tickets" in run(capsys, "journal", "purge", "--site", other.folder).error


def test_a_pull_purges_what_is_overdue(tmp_path, reader, ticket, capsys, monkeypatch):
    reader.grant(ticket())
    path = pulled(reader)
    assert run(capsys, "journal", "collect", reader.folder, "--to", tmp_path / "fleet").code == 0
    os.utime(path, (NOW_S - 10**8, NOW_S - 10**8))
    monkeypatch.setattr(deploy, "opened", nullcontext)
    monkeypatch.setattr(journal, "fetch", lambda port, key: b"".join(reader.journal.export(nonce=bytes(16))))
    answer = run(
        capsys, "journal", "pull", "--site", reader.folder, "--port", "any", "--out", reader.folder / "b.journal"
    )
    assert answer.code == 0, answer.err
    assert f"all of it is collected: {path.name}" in answer.err
    assert sorted(file.name for file in reader.folder.glob("*.journal")) == ["b.journal"]
