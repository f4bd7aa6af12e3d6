"""Fixtures of the tests of the command line."""

from pathlib import Path

import pytest

from host_tests.host.tools_cli import run


@pytest.fixture
def site(tmp_path, capsys) -> Path:
    assert run(capsys, "init", tmp_path / "site").code == 0
    return tmp_path / "site"


@pytest.fixture
def ask(capsys, monkeypatch):
    """A command's answer, from arguments and standard input."""
    return lambda *arguments, stdin=b"": run(capsys, *arguments, stdin=stdin, monkeypatch=monkeypatch)
