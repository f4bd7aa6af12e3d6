"""What the command line says when it is asked wrongly, or shown what is broken."""

import json

import pytest

from host_tests.host.tools_cli import issued
from tools.tickets import inspection


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verify", "--site", "{site}"], "Missing argument 'TICKET'"),
        (["verify", "{site}/t"], "Missing option '--site'"),
        (["verify", "--site", "{site}/none", "{site}/t"], "make one with `python -m tools init"),
        (["verify", "--site", "{site}/t", "{site}/t"], "cannot read"),
        (["verify", "--site", "{site}", "{site}/none"], "no such file"),
        (["verify", "--site", "{site}", "{site}"], "is a directory"),
        (["verify", "--site", "{site}", "--at", "yesterday", "{site}/t"], "write UTC as"),
        (["verify", "--site", "{site}", "--at", "2026-02-30T00:00:00Z", "{site}/t"], "write UTC as"),
        (["verify", "--site", "{site}", "--at", "1969-12-31T23:59:59Z", "{site}/t"], "before 1970"),
        (["verify", "--site", "{site}", "--evse", "DE*ABC*E7", "{site}/t"], "it has DE*ABC*E1*1"),
        (["verify", "--site", "{site}", "--evse", "nonsense", "{site}/t"], "it has DE*ABC*E1*1"),
        (["verify", "--site", "{site}", "--online", "perhaps", "{site}/t"], "'silent'"),
        (["verify", "--site", "{site}", "--proof", "{site}/t", "{site}/t"], "no Ed25519 JWK"),
        (["verify", "--site", "{site}", "--proof", "{site}/public.jwk", "{site}/t"], "only a public key"),
        (["bench", "--only", "relay", "--port", "virtual"], "leave --port out"),
        (["bench", "--only", "parts"], "say which with --port"),
        (["verify", "--site", "{site}", "--state", "{site}/t", "{site}/t"], "cannot keep the ledger"),
        (["verify", "--site", "{site}", "--sate", "x", "{site}/t"], "No such option"),
        (["inspect", "{site}/none"], "no such file"),
        (["inspect"], "Missing argument"),
        (["issue", "--site", "{site}", "--form", "xml"], "'jws', 'cwt'"),
        (["issue", "--site", "{site}", "--valid-for", "a while"], "for example 24h"),
        (["issue", "--site", "{site}", "--valid-for", "999999999w"], "beyond the years"),
        (["issue", "--site", "{site}", "--not-before", "soon"], "write UTC as"),
        (["issue", "--site", "{site}", "--use", "Twice"], "'NotAllowed'"),
        (["issue", "--site", "{site}", "--max-energy", "much"], "valid int"),
        (["issue", "--site", "{site}", "--max-energy", "-1"], "BAD_CLAIM (maxEnergy)"),
        (["issue", "--site", "{site}", "--max-price", "free"], "BAD_CLAIM (maxPrice)"),
        (["issue", "--site", "{site}", "--provider", "me"], "BAD_CLAIM (providerId)"),
        (["issue", "--site", "{site}", "--evse", "DE*ABC*P1"], "BAD_CLAIM (validEVSEIds)"),
        (["issue", "--site", "{site}", "--day", "Someday", "--form", "cwt"], "has no CWT form"),
        (["issue", "--site", "{site}", "--driver", "{site}/none"], "cannot read the key file"),
        (["issue", "--site", "{site}", "--key", "{site}/driver.jwk"], "--provider"),
        (["issue", "--site", "{site}", "--claims", "{site}/t"], "are no JSON"),
        (["issue", "--site", "{site}", "--claims", "{site}/list"], "one JSON object"),
        (["issue", "--site", "{site}", "--claims", "{site}/double"], "stands there twice"),
        (["issue", "--site", "{site}", "--claims", "{site}/large"], "readers take 4096"),
        (["issue", "--site", "{site}", "--claims", "{site}/float", "--form", "cwt"], "write it as text"),
        (["issue", "--site", "{site}", "--out", "{site}/none/t"], "cannot write"),
        (["bundle", "show", "--site", "{site}"], "bundle make"),
        (["bundle", "sign", "--site", "{site}", "{site}/t"], "bundle make --unsigned"),
        (["bundle", "sign", "--site", "{site}", "{site}/double"], "stands there twice"),
        (["bundle", "sign", "--site", "{site}", "{site}/half"], "bundle make --unsigned"),
        (["fly"], "No such command 'fly'"),
    ],
)
def test_a_wrong_question_gets_one_line_and_exit_code_2(ask, site, arguments, said):
    (site / "t").write_text("no ticket")
    (site / "list").write_text("[]")
    (site / "double").write_text('{"id": "1", "id": "2"}')
    (site / "half").write_text('{"version": 1, "x": "\\ud800"}')
    (site / "large").write_text(json.dumps({"description": [{"language": "en", "text": "x" * 4096}]}))
    (site / "float").write_text('{"customData": {"a": 1.5}}')
    public = {name: value for name, value in json.loads((site / "driver.jwk").read_text()).items() if name != "d"}
    (site / "public.jwk").write_text(json.dumps(public))
    answer = ask(*(argument.format(site=site) for argument in arguments))
    assert answer.code == 2
    assert answer.out == ""
    assert said in answer.error


@pytest.mark.parametrize(
    ("ticket", "said"),
    [
        (b"", "three parts"),
        (b"hello", "three parts"),
        (b"\x84\x01", "no CBOR"),
        (b"\xd2\x80", "array of four"),
        (b"\xd2\x84\x01\x02\x03\x04", "byte strings"),
        (b"a.b.c", "base64url"),
        (b"e30.W10.AA", "no JSON object"),
        (b"e30.e30.AA", "not 64 bytes"),
        (b"\xff\xfe\x00.\x00.\x1b[31m", "base64url"),
    ],
)
def test_a_broken_ticket_is_shown_as_far_as_it_goes(ask, ticket, said):
    answer = ask("inspect", "-", stdin=ticket)
    assert answer.code == 1
    assert len(answer.err.splitlines()) == 1
    assert said in answer.err
    assert "\x1b" not in answer.out
    found = json.loads(ask("inspect", "--json", "-", stdin=ticket).out)
    assert said in found["problem"]
    assert found["verified"] is False


def test_inspect_shows_claims_of_a_ticket_cut_in_its_signature(ask, site):
    path = issued(ask, site)
    cut = path.read_bytes().strip()[:-10]
    answer = ask("inspect", "-", stdin=cut)
    assert answer.code == 1
    assert "DE-XYZ-CT-" in answer.out
    assert "verified" in answer.out


def test_what_a_ticket_says_cannot_move_the_cursor(ask, site):
    (site / "claims.json").write_text(json.dumps({"providerURL": "https://x/\x1b[2J\u202e[bold]"}))
    path = issued(ask, site, "--claims", site / "claims.json", "--unchecked")
    answer = ask("inspect", path)
    assert "\x1b" not in answer.out
    assert "\u202e" not in answer.out
    assert "[bold]" in answer.out


def test_a_fault_of_ours_is_one_line_too_and_debug_shows_where(ask, site, monkeypatch):
    def fails(_):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(inspection, "describe", fails)
    answer = ask("inspect", site / "site.toml")
    assert answer.code == 2
    assert "ZeroDivisionError: planted" in answer.error
    with pytest.raises(ZeroDivisionError):
        ask("--debug", "inspect", site / "site.toml")
    assert ask("inspect", site / "site.toml").code == 2


def test_a_path_that_cannot_be_written_is_told_and_is_no_fault_of_ours(ask, site, monkeypatch):
    monkeypatch.setattr(inspection, "describe", lambda _: (site / "none/x").write_text(""))
    answer = ask("inspect", site / "site.toml")
    assert answer.code == 2
    assert f"{site}/none/x: no such file or directory; correct the path" in answer.error
