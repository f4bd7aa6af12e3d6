"""From readers' journals to a settlement: nothing lost, nothing twice, every double use found and none invented."""

import importlib.util
import json
import shutil
import time
from pathlib import Path

import pytest

from host_tests.fleet.synthetic import Fleet
from station.journal import DecisionJournal
from store import journal as stored
from ticket import form, rules
from tools.cli import main
from tools.fleet import collect, settle
from tools.fleet.settle import Engine
from tools.problem import Problem
from tools.site.directory import Site
from tools.site.init import init
from tools.site.keys import load_key
from tools.tickets.mint import defaults, mint
from tools.units import epoch_ms

NOW_S = 1_795_348_800


class Issuer:
    kid = "issuer"


class Verdict:
    """What a reader journals of a decision."""

    def __init__(self, ticket: bytes, evse_id: str, online=None, why: str = ""):
        claims = form.claims(form.read(ticket))
        self.evse_id, self.online, self.reason, self.detail = evse_id, online, why, ""
        self.limits, self.holder, self.issuer, self.key = (
            {"maxDuration": 60},
            "passive",
            Issuer,
            rules.ledger_key(claims),
        )


class Reader:
    """A site with its reader's journal, as the firmware writes it."""

    def __init__(self, folder: Path, name: str):
        self.folder = folder / name
        init(self.folder)
        toml = self.folder / "site.toml"
        toml.write_text(toml.read_text().replace('"reader-1"', f'"{name}"'))
        self.name, self.site, self.pulled = name, Site.load(self.folder), 0
        stored.make(str(folder / f"{name}-flash"))
        self.journal = stored.Journal(str(folder / f"{name}-flash"), self.site.journal_key())
        self.decisions = DecisionJournal(self.journal)

    def grant(self, ticket: bytes, evse_id="DE*ABC*E1*1", online=None) -> int:
        return self.decisions.grant(self.decisions.grant_body((NOW_S, "SET"), Verdict(ticket, evse_id, online), ticket))

    def pull(self) -> Path:
        self.pulled += 1
        path = self.folder / f"{self.name}-{self.pulled}.journal"
        path.write_bytes(b"".join(self.journal.export(nonce=bytes(16))))
        return path


@pytest.fixture
def ticket(tmp_path):
    init(tmp_path / "issuer")

    def issue(**claims) -> bytes:
        now_ms = epoch_ms()
        whole = {**defaults("DE-XYZ", now_ms, now_ms, 86_400), "tariffs": ["T-1"], **claims}
        return mint(whole, load_key(tmp_path / "issuer/issuer.jwk", private=True), "jws")

    return issue


@pytest.fixture
def readers(tmp_path):
    return [Reader(tmp_path, name) for name in ("reader-1", "reader-2")]


def collected(tmp_path: Path, readers: list[Reader]) -> Path:
    for reader in readers:
        reader.pull()
    assert (
        main(["journal", "collect", *(str(reader.folder) for reader in readers), "--to", str(tmp_path / "fleet")]) == 0
    )
    return tmp_path / "fleet"


def test_a_ticket_that_two_readers_granted_is_found_and_one_that_was_voided_is_not(tmp_path, readers, ticket):
    twice, voided, free = ticket(), ticket(), ticket(multiUsage="Allowed")
    for reader in readers:
        for one in (twice, voided, free):
            session = reader.grant(one)
            if one is voided and reader is readers[0]:
                reader.decisions.void((NOW_S, "SET"), session, "RELAY_FAULT")
            else:
                reader.decisions.end((NOW_S + 60, "SET"), session, "DURATION", 60, 500)
    found = settle.ask(collected(tmp_path, readers))
    assert [row["ticket_id"] for row in found["double uses"]] == [form.claims(form.read(twice)).id.decode()]
    [double] = found["double uses"]
    assert [double[name] for name in ("readers", "reader", "other_reader", "kid")] == [
        2,
        "reader-1",
        "reader-2",
        "issuer",
    ]
    [total] = found["totals"]
    assert (total["tariff"], total["sessions"], total["seconds"], total["energy_wh"]) == ("T-1", 5, 300, 2500)


def test_each_kind_of_use_has_its_own_bound(tmp_path, readers, ticket):
    same, elsewhere = ticket(multiUsage="OnlyAtTheSameEVSE"), ticket(multiUsage="OnlyAtTheSameEVSE")
    asked, unasked = ticket(multiUsage="AfterOnlineValidation"), ticket(multiUsage="AfterOnlineValidation")
    for number, reader in enumerate(readers):
        reader.grant(same, "de*abc*e1*1" if number else "DE*ABC*E1*1")
        reader.grant(elsewhere, f"DE*ABC*E1*{number}")
        reader.grant(asked, online="yes" if number else None)
        reader.grant(unasked, online="silent" if number else None)
    found = {row["ticket_id"]: row["uses"] for row in settle.ask(collected(tmp_path, readers))["double uses"]}
    assert found == {form.claims(form.read(one)).id.decode(): 2 for one in (elsewhere, unasked)}


def test_what_was_pulled_twice_counts_once(tmp_path, readers, ticket):
    readers[0].grant(ticket())
    readers[0].decisions.refusal((NOW_S, "SET"), Verdict(ticket(), "DE*ABC*E1*1", why="WRONG_DAY"))
    collected(tmp_path, readers)
    readers[0].grant(ticket())
    found = settle.ask(collected(tmp_path, readers))
    assert [row["sessions"] for row in found["totals"]] == [2]
    assert [(row["reason"], row["refusals"]) for row in found["refusals"]] == [("WRONG_DAY", 1)]


def test_a_gap_between_two_pulls_is_named(tmp_path, readers, ticket):
    reader = readers[0]
    for _ in range(2):
        reader.grant(ticket())
    collected(tmp_path, [reader])
    last = 0
    for _ in range(40):
        last = reader.grant(ticket(description=[{"language": "en", "text": "x" * 900}]))
    reader.journal.collected(last)
    reader.grant(ticket())
    export = b"".join(reader.journal.export(nonce=bytes(16)))
    (reader.folder / "later.journal").write_bytes(export)
    if reader.journal.first[0] > 3:
        with pytest.raises(Problem, match="3 was never collected"):
            collect.collect_one(reader.site, reader.folder / "later.journal", tmp_path / "fleet")
    else:
        pytest.fail("the journal gave no room back")


def test_a_reader_that_was_emptied_but_kept_its_key_is_named(tmp_path, readers, ticket):
    reader = readers[0]
    reader.grant(ticket())
    collected(tmp_path, [reader])
    (tmp_path / "again").mkdir()
    again = Reader(tmp_path / "again", "reader-1")
    shutil.copy(reader.folder / "reader-1.journal-key", again.folder)
    again.journal = stored.Journal(str(tmp_path / "again/reader-1-flash"), reader.site.journal_key())
    again.decisions = DecisionJournal(again.journal)
    again.grant(ticket())
    with pytest.raises(Problem, match="not the one that was collected before"):
        collect.collect_one(reader.site, again.pull(), tmp_path / "fleet")


def test_a_changed_journal_is_not_collected(tmp_path, readers, ticket):
    readers[0].grant(ticket())
    path = readers[0].pull()
    damaged = bytearray(path.read_bytes())
    damaged[100] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(Problem, match="is not what the reader wrote"):
        collect.collect_one(readers[0].site, path, tmp_path)
    assert list(tmp_path.glob("*.parquet")) == []


def test_a_site_that_is_not_there_is_named_rather_than_left_out(tmp_path, readers, capsys):
    readers[0].pull()
    assert main(["journal", "collect", str(readers[0].folder), str(tmp_path / "reader-3"), "--to", str(tmp_path)]) == 2
    assert "reader-3 is no site directory" in capsys.readouterr().err


def settled(folder: Path, made: Fleet, engine: Engine) -> dict:
    """The settlement of a synthetic fleet, held against what was put into it."""
    found = settle.ask(folder, engine)
    assert {row["ticket_key"] for row in found["double uses"]} == made.doubles
    assert len(found["double uses"]) == len(made.doubles)
    assert sum(row["seconds"] for row in found["totals"]) == made.seconds
    assert sum(row["energy_wh"] for row in found["totals"]) == made.energy_wh
    assert sum(row["sessions"] for row in found["totals"]) == made.readers * made.grants - made.voided
    assert sum(row["refusals"] for row in found["refusals"]) == made.readers * made.refusals
    return found


def test_planted_double_uses_are_found_and_none_is_invented(tmp_path):
    made = Fleet(readers=30, records=400, planted=5)
    made.write(tmp_path)
    settled(tmp_path, made, Engine.duckdb)


@pytest.mark.slow
def test_ten_million_records_settle_within_a_minute_and_alike_on_spark(tmp_path, capsys):
    made = Fleet(readers=1000, records=10_000, planted=50)
    made.write(tmp_path)
    took = {}
    found = {}
    spark = importlib.util.find_spec("pyspark") and shutil.which("java")
    for engine in Engine if spark else [Engine.duckdb]:
        started = time.monotonic()
        found[engine] = settled(tmp_path, made, engine)
        took[engine] = time.monotonic() - started
    with capsys.disabled():
        if not spark:
            print("\nno Spark: pip install -r tools/spark-requirements.txt, and a Java")
        print("\n10 million records:", ", ".join(f"{engine} {seconds:.0f} s" for engine, seconds in took.items()))
    assert not spark or found[Engine.duckdb] == found[Engine.spark]
    assert took[Engine.duckdb] <= 60


def test_the_command_line_shows_a_settlement_and_tells_double_use_by_its_exit_code(tmp_path, capsys):
    (tmp_path / "fleet").mkdir()
    Fleet(readers=4, records=50, planted=1).write(tmp_path / "fleet")
    page = tmp_path / "page.html"
    assert main(["settle", str(tmp_path / "fleet"), "--json", "--page", str(page)]) == 1
    assert len(json.loads(capsys.readouterr().out)["double uses"]) == 3
    text = page.read_text()
    assert text.count("<svg") == 3 and "planted-NotAllowed-0" in text
    assert main(["settle", str(tmp_path / "fleet")]) == 1
    assert "planted-NotAllowed-0" in capsys.readouterr().out
    assert main(["settle", str(tmp_path)]) == 2
    assert "has no Parquet files" in capsys.readouterr().err


def test_markup_in_a_ticket_stays_text_on_the_page(tmp_path, readers, ticket):
    for reader in readers:
        reader.grant(ticket(id="DE-XYZ-CT-<script>alert(1)</script>"))
    folder = collected(tmp_path, readers)
    assert main(["settle", str(folder), "--page", str(tmp_path / "page.html")]) == 1
    assert "<script" not in (tmp_path / "page.html").read_text()
