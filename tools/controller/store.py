"""What a controller must not forget: transaction events that the back end has not answered, and sessions."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from tools.problem import Problem

_TABLES = """
create table if not exists outbox (
    number integer primary key autoincrement, event text not null, attempts integer not null default 0,
    refused text not null default '');
create table if not exists sessions (
    reader text not null, session integer not null, state text not null, primary key (reader, session));
create table if not exists notes (name text primary key, value text not null);
"""


class Store:
    """An SQLite file: what a call has written outlives a power cut from then on."""

    def __init__(self, path: Path | str):
        try:
            self._base = sqlite3.connect(path, isolation_level=None)
            self._base.execute("pragma synchronous = full")
            self._base.executescript(_TABLES)
        except sqlite3.Error as error:
            raise Problem(f"{path} is no store of this controller: {error}; put it elsewhere, or use --state") from None

    def close(self) -> None:
        self._base.close()

    def keep(self, reader: str, session: int, state: dict[str, Any], event: dict[str, Any] | None = None) -> None:
        """A session as it is now, and with it an event for the back end: both or, after a cut, neither."""
        with self._whole():
            self._base.execute("replace into sessions values (?, ?, ?)", (reader, session, json.dumps(state)))
            if event is not None:
                self._base.execute("insert into outbox (event) values (?)", (json.dumps(event),))

    def sessions(self, reader: str) -> list[tuple[int, dict[str, Any]]]:
        rows = self._base.execute("select session, state from sessions where reader = ? order by session", (reader,))
        return [(session, json.loads(state)) for session, state in rows]

    def forget(self, reader: str, session: int) -> None:
        self._base.execute("delete from sessions where reader = ? and session = ?", (reader, session))

    def next_event(self) -> tuple[int, dict[str, Any]] | None:
        """The oldest event that has to be sent, with the number that `sent` and `failed` want."""
        row = self._base.execute(
            "select number, event from outbox where refused = '' order by number limit 1"
        ).fetchone()
        return (row[0], json.loads(row[1])) if row else None

    def sent(self, number: int) -> None:
        self._base.execute("delete from outbox where number = ?", (number,))

    def failed(self, number: int, why: str, most: int) -> bool:
        """The back end answered with an error. After `most` of them the event is set aside, kept but sent no more;
        whether that is so now."""
        self._base.execute("update outbox set attempts = attempts + 1 where number = ?", (number,))
        self._base.execute("update outbox set refused = ? where number = ? and attempts >= ?", (why, number, most))
        row = self._base.execute("select refused from outbox where number = ?", (number,)).fetchone()
        return bool(row and row[0])

    def waiting(self) -> int:
        return self._base.execute("select count(*) from outbox where refused = ''").fetchone()[0]

    def note(self, name: str) -> Any:
        row = self._base.execute("select value from notes where name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def take_note(self, name: str, value: Any) -> None:
        self._base.execute("replace into notes values (?, ?)", (name, json.dumps(value)))

    def _whole(self) -> "_Transaction":
        return _Transaction(self._base)


class _Transaction:
    def __init__(self, base: sqlite3.Connection):
        self._base = base

    def __enter__(self) -> None:
        self._base.execute("begin immediate")

    def __exit__(self, kind: object, *_: object) -> None:
        self._base.execute("commit" if kind is None else "rollback")
