"""Several boards are provisioned at once, each as a reader of its own."""

import threading
from contextlib import nullcontext

import pytest

from tools.readers import deploy, provision


@pytest.fixture
def sites(ask, tmp_path):
    for name in ("gate-1", "gate-2"):
        assert ask("init", tmp_path / name).code == 0
        toml = tmp_path / name / "site.toml"
        toml.write_text(toml.read_text().replace('"reader-1"', f'"{name}"'))
    return [tmp_path / "gate-1", tmp_path / "gate-2"]


def test_each_port_gets_the_site_in_its_place_at_the_same_time(ask, sites, monkeypatch):
    both, given = threading.Barrier(2, timeout=20), {}

    def install(port, site, progress):
        both.wait()  # fails unless the other one is at work as well
        given[port] = site.reader

    monkeypatch.setattr(deploy, "opened", nullcontext)
    monkeypatch.setattr(provision, "install", install)
    answer = ask("provision", "--site", f"{sites[0]},{sites[1]}", "--port", "a", "--port", "b")
    assert answer.code == 0, answer.err
    assert given == {"a": "gate-1", "b": "gate-2"}
    assert answer.out.splitlines() == ["a is gate-1 of DE*ABC*E1*1", "b is gate-2 of DE*ABC*E1*1"]


def test_two_ports_are_never_one_reader(ask, sites):
    assert "2 ports need 2 sites" in ask("provision", "--site", sites[0], "--port", "a,b").error
    assert "gate-1 again" in ask("provision", "--site", f"{sites[0]},{sites[0]}", "--port", "a,b").error
