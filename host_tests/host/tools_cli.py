"""Runs `python -m tools` in this process, for tests that ask for many answers."""

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from tools import cli


@dataclass
class Answer:
    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of an error. Fails where there is more than one, or none."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: "), self.err
        return lines[0].removeprefix("error: ")


def run(capsys, *arguments: str | Path, stdin: bytes = b"", monkeypatch=None) -> Answer:
    """The exit code, stdout and stderr of one command."""
    if monkeypatch:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
    capsys.readouterr()
    code = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return Answer(code, captured.out, captured.err)


def issued(ask, site, *options, name="ticket.jws") -> Path:
    path = site / name
    answer = ask("issue", "--site", site, "--out", path, *options)
    assert answer.code == 0, answer.err
    return path


def verdict(ask, site, ticket, *options) -> dict:
    answer = ask("verify", "--site", site, "--json", *options, ticket)
    assert answer.err == ""
    found = json.loads(answer.out)
    assert answer.code == (0 if found["granted"] else 1)
    assert set(found) == {"granted", "reason", "limits"}
    assert found["granted"] is (found["reason"] == "GRANTED")
    return found
