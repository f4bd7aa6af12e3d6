"""`settle`: what a fleet of readers granted, twice or unpaid, from the Parquet files of `journal collect`.

Every question is written once, with Ibis, and asked of DuckDB, or of Spark where one machine is not enough. A table
of records has the columns of `tools.fleet.collect.COLUMNS`, each record once.
"""

import json
from collections.abc import Callable
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table as Shown
from rich.text import Text

from tools.fleet import settle_page
from tools.options import AS_JSON
from tools.problem import Problem
from tools.terminal import answers, printable, say, working
from tools.units import DAY_S

Table = Any  # an ibis.Table: a type checker cannot know its columns

EXAMPLES = """Examples:

  python -m tools settle fleet

  python -m tools settle fleet --page fleet.html

  python -m tools settle fleet --engine spark --json"""

_SHOWN = 20  # rows of a table in the terminal; --json and --page have all, with all columns
_COLUMNS = {
    "double uses": ("ticket_id", "multi_usage", "uses", "readers"),
    "totals": ("provider", "kid", "tariff", "sessions", "energy_wh", "unmetered", "running"),
    "refusals": ("reason", "refusals", "readers"),
}


class Engine(StrEnum):
    duckdb = "duckdb"
    spark = "spark"


# Where no cluster is configured: this machine, without a page of its own; partitions are joined where they are small.
_SPARK = {"spark.ui.enabled": "false", "spark.sql.session.timeZone": "UTC", "spark.sql.shuffle.partitions": "16"}
_SESSION = ["device", "session"]


def granted(records: Table) -> Table:
    """The grants that were not voided."""
    return records.filter(records.kind == "GRANT").anti_join(records.filter(records.kind == "VOID"), _SESSION)


def sessions(records: Table) -> Table:
    """The grants that were not voided, each with what its END says; `ended` is false while there is none."""
    ends = records.filter(records.kind == "END")
    ends = ends.select(*_SESSION, charged_s=ends.seconds, charged_wh=ends.energy_wh, ended=ends.kind.notnull())
    grants = granted(records).select(*_SESSION, "provider", "kid", "tariff")
    return grants.left_join(ends, _SESSION).mutate(ended=lambda found: found.ended.fill_null(False))


def double_uses(records: Table) -> Table:
    """Tickets that opened more than their `multiUsage` allows, across all readers: what no reader alone can see.

    `NotAllowed`: more than one session; `OnlyAtTheSameEVSE`: more than one EVSE; `AfterOnlineValidation`: more than one
    session without the controller's yes. `uses` is what was counted: sessions, EVSEs or such sessions. `reader` and
    `other_reader` name two of its `readers`, or twice the only one.
    """
    found = granted(records)
    found = found.filter(found.multi_usage != "Allowed")
    unasked = (found.online.isnull() | (found.online != "yes")).cast("int64")
    tickets = found.group_by("ticket_key", "multi_usage").aggregate(
        provider=found.provider.max(),
        kid=found.kid.max(),
        ticket_id=found.ticket_id.max(),
        sessions=found.count(),
        evses=found.evse.upper().nunique(),
        unasked=unasked.sum(),
        readers=found.device.nunique(),
        reader=found.reader.min(),
        other_reader=found.reader.max(),
        first_s=found.time_s.min(),
        last_s=found.time_s.max(),
    )
    uses = tickets.multi_usage.cases(
        ("NotAllowed", tickets.sessions), ("OnlyAtTheSameEVSE", tickets.evses), else_=tickets.unasked
    )
    tickets = tickets.mutate(uses=uses).filter(lambda ticket: ticket.uses > 1)
    return tickets.drop("evses", "unasked").order_by("first_s", "ticket_key")


def totals(records: Table) -> Table:
    """Sessions, time and energy per provider, issuer key and tariff. `unmetered`: sessions whose energy nobody knows;
    `running`: those without an end so far."""
    found = sessions(records)
    return (
        found.group_by("provider", "kid", "tariff")
        .aggregate(
            sessions=found.count(),
            running=(~found.ended).cast("int64").sum(),
            unmetered=(found.ended & found.charged_wh.isnull()).cast("int64").sum(),
            seconds=found.charged_s.sum().fill_null(0),
            energy_wh=found.charged_wh.sum().fill_null(0),
        )
        .order_by("provider", "kid", "tariff")
    )


def refusals(records: Table) -> Table:
    """How often each reason was given, and by how many readers."""
    found = records.filter(records.kind == "REFUSAL")
    counted = found.group_by("reason").aggregate(refusals=found.count(), readers=found.device.nunique())
    return counted.order_by(counted.refusals.desc(), "reason")


def days(records: Table) -> Table:
    """Grants and refusals a day, `day` counted in days since 1970 by the readers' clocks."""
    found = records.filter(records.kind.isin(["GRANT", "REFUSAL"]) & (records.clock == "SET"))
    found = found.mutate(day=(found.time_s // DAY_S).cast("int64"))
    return (
        found.group_by("day")
        .aggregate(
            grants=(found.kind == "GRANT").cast("int64").sum(), refusals=(found.kind == "REFUSAL").cast("int64").sum()
        )
        .order_by("day")
    )


QUESTIONS: dict[str, Callable[[Table], Table]] = {
    "double uses": double_uses,
    "totals": totals,
    "refusals": refusals,
    "days": days,
}


def ask(folder: Path, engine: Engine = Engine.duckdb) -> dict[str, list[dict[str, Any]]]:
    """The answers to all QUESTIONS, as rows. Raises Problem where the engine or the files are missing."""
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise Problem(f"{folder} has no Parquet files; make them with `python -m tools journal collect`")
    connection = _connect(engine)
    try:
        records = connection.read_parquet(str(folder / "*.parquet") if engine == Engine.duckdb else str(folder))
        return {name: question(records).to_pyarrow().to_pylist() for name, question in QUESTIONS.items()}
    finally:
        connection.disconnect()


def _connect(engine: Engine) -> Any:
    try:
        ibis = import_module("ibis")
        if engine == Engine.duckdb:
            return ibis.duckdb.connect()
        builder = import_module("pyspark.sql").SparkSession.builder
    except ImportError as error:
        needed = "spark" if error.name and "spark" in error.name else "fleet"
        raise Problem(f"{error.name} is missing: pip install -r tools/{needed}-requirements.txt") from None
    for name, value in _SPARK.items():
        builder = builder.config(name, value)
    return ibis.pyspark.connect(builder.appName("settle").getOrCreate())


def settle(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `journal collect` wrote.")],
    engine: Annotated[
        Engine, typer.Option("--engine", help="Spark for a fleet that one machine cannot hold.")
    ] = Engine.duckdb,
    page: Annotated[Path | None, typer.Option("--page", metavar="FILE", help="Write an HTML page with plots.")] = None,
    as_json: AS_JSON = False,
) -> int:
    """Find double use across stations; sum up sessions per issuer and tariff, and refusals by reason.

    Exit code 1 where a ticket was used more often than it allows.
    """
    with working("settling"):
        found = ask(folder, engine)
    if page:
        settle_page.write(found, page)
        say(f"Wrote {page}")
    if as_json:
        print(json.dumps(found, indent=2))
    elif not page:
        _show(found)
    return 1 if found["double uses"] else 0


def _show(found: dict[str, list[dict[str, Any]]]) -> None:
    for name, columns in _COLUMNS.items():
        rows = found[name]
        if not rows:
            answers().print(f"{name}: none")
            continue
        style = "red" if name == "double uses" else ""
        shown = Shown(
            title=f"{name}: {len(rows):,}", title_justify="left", style=style, box=SIMPLE_HEAD, pad_edge=False
        )
        for column in columns:
            number = isinstance(rows[0][column], int)
            shown.add_column(column.replace("_", " "), overflow="fold", justify="right" if number else "left")
        for row in rows[:_SHOWN]:
            shown.add_row(*(Text(_cell(row[column])) for column in columns))
        answers().print(shown)
        if len(rows) > _SHOWN:
            say(f"… and {len(rows) - _SHOWN:,} more (--json, --page)")


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else printable(value or "-")
