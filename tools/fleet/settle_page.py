"""The page of `settle --page`: one HTML file, pictures inside, for an operator who would rather look than read."""

import html
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.problem import Problem
from tools.site.keys import reason
from tools.units import DAY_S

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GREEN, _RED, _BLUE, _GREY = "#2f7d4f", "#b3413a", "#2f6f9f", "#8a8a8a"
_LONG = 24  # characters of a cell that may be broken anywhere
_KEY = 8  # characters of a ticket's key: the file of --json has all
_ROWS = 500  # of a table; the rest is counted

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1c1c1c; max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.5rem }
.figures { display: flex; flex-wrap: wrap; gap: 1rem }
.figures div { border: 1px solid #d5d5d5; border-radius: .5rem; padding: .5rem 1rem }
.figures b { display: block; font-size: 1.6rem; font-variant-numeric: tabular-nums }
.wide { overflow-x: auto } svg { max-width: 100%; height: auto }
table { border-collapse: collapse; font-size: .85rem; width: 100% }
th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #e2e2e2; vertical-align: top }
.number { text-align: right; font-variant-numeric: tabular-nums }
td { white-space: nowrap } td.long { white-space: normal; overflow-wrap: anywhere; min-width: 10rem }
.bad { color: #b3413a }
"""


def write(found: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Writes the page of the answers of `settle.ask`."""
    totals, doubles = found["totals"], found["double uses"]
    figures = {
        "sessions": sum(row["sessions"] for row in totals),
        "kWh metered": round(sum(row["energy_wh"] for row in totals) / 1000),
        "sessions without a meter": sum(row["unmetered"] for row in totals),
        "refusals": sum(row["refusals"] for row in found["refusals"]),
        "tickets used too often": len(doubles),
    }
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>Charging tickets settled</title><style>{_STYLE}</style><h1>Charging tickets settled</h1>",
        f"<p>{_span(found['days'])}</p><div class=figures>",
        *(f"<div><b>{number:,}</b>{name}</div>" for name, number in figures.items()),
        "</div>",
        _section("Sessions and refusals a day", _picture(_days, found["days"])),
        _section("Energy by provider, issuer key and tariff", _picture(_energy, totals) + _table(totals)),
        _section("Refusals by reason", _picture(_reasons, found["refusals"])),
        _section("Tickets used more often than they allow", _table([_dated(row) for row in doubles])),
        "<p>Offline readers cannot see each other: double use is found here, not prevented. A ticket that names one "
        "EVSE of one reader cannot be used twice.</p>",
    ]
    try:
        path.write_text("\n".join(parts), "utf-8")
    except OSError as error:
        raise Problem(f"cannot write {path}: {reason(error)}") from None


def _section(title: str, content: str) -> str:
    return f"<h2>{title}</h2><div class=wide>{content or '<p>None.</p>'}</div>"


def _span(days: Sequence[dict[str, Any]]) -> str:
    return f"{_date(days[0]['day'])} to {_date(days[-1]['day'])}, by the readers' clocks" if days else "No days."


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * DAY_S, UTC).strftime("%Y-%m-%d")


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its times as people write them, and as much of its key as tells it apart."""
    shown = {**row, "ticket_key": row["ticket_key"][:_KEY] + "…"}
    for name in ("first", "last"):
        shown[name] = datetime.fromtimestamp(shown.pop(f"{name}_s"), UTC).strftime("%Y-%m-%d %H:%M")
    return shown


def _table(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    number = {name: " class=number" if isinstance(value, int) else "" for name, value in rows[0].items()}
    head = "".join(
        f"<th{number[name]}>{html.escape(name.replace('_', ' ').replace(' wh', ', Wh'))}</th>" for name in rows[0]
    )
    body = "".join(f"<tr>{''.join(map(_cell, row.values()))}</tr>" for row in rows[:_ROWS])
    more = f"<p>… and {len(rows) - _ROWS:,} more (--json)</p>" if len(rows) > _ROWS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"<td class=number>{value:,}</td>"
    text = str(value if value is not None else "–")
    return f"<td{' class=long' if len(text) > _LONG else ''}>{html.escape(text)}</td>"


def _picture(draw, rows: Sequence[dict[str, Any]]) -> str:
    """What `draw` makes of the rows, as SVG whose text stays text."""
    if not rows:
        return ""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise Problem("--page needs matplotlib: pip install -r tools/fleet-requirements.txt") from None
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": draw.__name__, "font.family": "sans-serif"}):
        height = 3.2 if draw is _days else 1.2 + 0.3 * min(len(rows), 40)
        figure = Figure(figsize=(10, height), layout="constrained")
        axes = figure.subplots()
        draw(axes, rows)
        axes.spines[["top", "right"]].set_visible(False)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()[out.getvalue().index("<svg") :]


def _days(axes: "Axes", rows: Sequence[dict[str, Any]]) -> None:
    days = [datetime.fromtimestamp(row["day"] * DAY_S, UTC) for row in rows]
    axes.bar(days, [row["grants"] for row in rows], color=_GREEN, label="grants")  # type: ignore[arg-type]
    axes.bar(days, [-row["refusals"] for row in rows], color=_RED, hatch="//", label="refusals, downwards")  # type: ignore[arg-type]
    axes.axhline(0, color=_GREY, linewidth=0.8)
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    axes.legend(frameon=False, ncols=2, loc="upper left", bbox_to_anchor=(0, 1.15))


def _energy(axes: "Axes", rows: Sequence[dict[str, Any]]) -> None:
    most = sorted(rows, key=lambda row: row["energy_wh"])[-40:]
    names = [" · ".join(str(row[name] or "–") for name in ("provider", "kid", "tariff")) for row in most]
    bars = axes.barh(names, [row["energy_wh"] / 1000 for row in most], color=_BLUE)
    axes.bar_label(bars, fmt=lambda value: f"{value:,.0f}", padding=4)
    axes.set_xlabel("kWh")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.margins(x=0.15, y=0.02)


def _reasons(axes: "Axes", rows: Sequence[dict[str, Any]]) -> None:
    most = sorted(rows, key=lambda row: row["refusals"])[-40:]
    bars = axes.barh([str(row["reason"]) for row in most], [row["refusals"] for row in most], color=_RED)
    axes.bar_label(bars, fmt=lambda value: f"{value:,.0f}", padding=4)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.margins(x=0.15, y=0.02)
