"""The command line from making a site to a verdict, and what it says when it is asked wrongly."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from joserfc import jws
from joserfc.jwk import OKPKey
from typer.core import TyperGroup

from host_tests.host.tools_cli import issued, verdict
from ticket import claims
from ticket.verdict import REASONS
from tools import cli
from tools.readers.port import virtual_flash
from tools.tickets import cwt_claims, reasons

REPOSITORY = Path(cli.__file__).parent.parent
KEYS = ("root.jwk", "issuer.jwk", "driver.jwk")
TWO = ("--evse", "DE*ABC*E1*1=AC", "--evse", "DE*ABC*E1*2=DC")


def test_a_new_site_has_a_config_and_three_private_keys(site):
    assert {path.name for path in site.iterdir()} == {"site.toml", ".gitignore", *KEYS}
    kids = set()
    for name in KEYS:
        path = site / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        jwk = json.loads(path.read_text())
        assert set(jwk) == {"kty", "crv", "kid", "x", "d"}
        assert (jwk["kty"], jwk["crv"]) == ("OKP", "Ed25519")
        assert OKPKey.import_key(jwk).thumbprint().startswith(jwk["kid"])
        kids.add(jwk["kid"])
    assert len(kids) == 3


def test_a_site_is_not_overwritten_unless_forced(ask, site):
    before = {name: (site / name).read_bytes() for name in (*KEYS, "site.toml")}
    answer = ask("init", site)
    assert answer.code == 2
    assert "--force" in answer.error
    assert {name: (site / name).read_bytes() for name in before} == before
    assert ask("init", site, "--force").code == 0
    assert all((site / name).read_bytes() != before[name] for name in before)


def test_a_forced_site_keeps_the_journal_keys_and_says_so(ask, site):
    kept = site / "reader-1.journal-key"
    kept.write_bytes(bytes(32))
    answer = ask("init", site, "--force")
    assert f"Kept {kept}: " in answer.err
    assert kept.read_bytes() == bytes(32)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--max-energy", "5"], "LIMIT_NOT_ENFORCEABLE (maxEnergy)"),
        (["--max-energy", "5", "--driver", "{site}/driver.jwk", "--encrypted"], "LIMIT_NOT_ENFORCEABLE (maxEnergy)"),
        (["--valid-for", "40d"], "LIFETIME_TOO_LONG"),
        (["--evse", "DE*ABC*E7*1"], "WRONG_PLACE"),
        (["--provider", "DE-ABC"], "ISSUER_NOT_ALLOWED"),
        (["--not-before", "+3d", "--kind", "DC", "--form", "cwt"], "WRONG_EVSE_KIND"),
    ],
)
def test_a_ticket_that_this_site_would_refuse_is_made_with_a_warning(ask, site, options, reason):
    answer = ask("issue", "--site", site, *(option.format(site=site) for option in options))
    assert answer.code == 0
    assert answer.out.count("\n") == 1
    assert answer.err.startswith(f"warning: this site would refuse the ticket: {reason}")
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [[], ["--driver", "{site}/driver.jwk"], ["--day", "Monday"], ["--not-before", "+3d"], ["--valid-for", "1h"]],
)
def test_a_ticket_that_is_good_here_once_all_is_done_that_is_due_is_made_without_a_word(ask, site, options):
    answer = ask("issue", "--site", site, *(option.format(site=site) for option in options))
    assert (answer.code, answer.err) == (0, "")


def test_without_the_roots_key_and_a_bundle_nothing_is_said_of_the_site(ask, site):
    (site / "root.jwk").unlink()
    answer = ask("issue", "--site", site, "--valid-for", "40d")
    assert (answer.code, answer.err) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full on this system")
def test_a_full_disk_gets_one_line_and_no_verdict(ask, site):
    ticket = issued(ask, site)
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "tools", "verify", "--site", site, ticket]
        done = subprocess.run(command, cwd=REPOSITORY, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "error: cannot write: no space left on device; make room and run this again\n"


def test_a_python_without_the_packages_is_told_which_to_take():
    command = [sys.executable, "-S", "-m", "tools", "--help"]  # -S: no site-packages
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: this Python has no typer; use `make …`, or activate")
    assert done.stderr.count("\n") == 1


def test_a_folder_that_is_no_site_has_no_virtual_board(ask, tmp_path):
    answer = ask("log", "--port", f"virtual:{tmp_path}")
    assert answer.code == 2
    assert "there is no site" in answer.error
    assert ask("tap", "--site", tmp_path, tmp_path).code == 2
    assert not virtual_flash(tmp_path).exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--operator", "ABC"], '--operator "ABC"'),
        (["--operator", "DE-ABC"], "such as DE*ABC"),
        (["--pool", "DE*ABC*E1"], '--pool "DE*ABC*E1"'),
        (["--station", "DE*ABC*S"], '--station "DE*ABC*S"'),
        (["--provider", "XYZ"], "such as DE-XYZ"),
        (["--evse", "DE*ABC*E1"], "AC or DC"),
        (["--evse", "DE*ABC*E1=3P"], "AC or DC"),
        (["--evse", "DE*ABC*P1=AC"], "such as DE*ABC*E1*1"),
        (["--evse", "DE*ABC*E1=AC", "--evse", "de*abc*e1=DC"], "stands here twice"),
        ([word for n in range(4) for word in ("--evse", f"DE*ABC*E{n}=AC")], "one to three [[evse]]"),
        (["--timezone", "Europe/Atlantis"], "no IANA time zone"),
        (["--timezone", "../../etc/passwd"], "no IANA time zone"),
    ],
)
def test_init_refuses_what_no_reader_takes_and_makes_nothing(ask, tmp_path, options, said):
    answer = ask("init", tmp_path / "new", *options)
    assert answer.code == 2
    assert said in answer.error
    assert not (tmp_path / "new").exists()


def test_other_ids_follow_the_operator_unless_given(ask, tmp_path):
    assert ask("init", tmp_path / "a", "--operator", "DEGEF").code == 0
    assert 'id = "DE*GEF*E1*1"' in (tmp_path / "a/site.toml").read_text()
    assert ask("init", tmp_path / "b", "--operator", "DE*GEF", "--pool", "DE*XYZ*P9").code == 0
    assert 'pool = "DE*XYZ*P9"' in (tmp_path / "b/site.toml").read_text()


@pytest.mark.parametrize("form", ["jws", "cwt"])
@pytest.mark.parametrize("alg", ["Ed25519", "EdDSA"])
def test_a_ticket_is_issued_inspected_and_granted(ask, site, form, alg):
    path = issued(ask, site, "--form", form, "--alg", alg, "--max-duration", "90", "--evse", "DE*ABC*E1*1")
    answer = ask("inspect", "--json", path)
    assert answer.code == 0
    found = json.loads(answer.out)
    assert (found["form"], found["verified"], found["problem"]) == (form, False, None)
    assert found["header"]["alg"] == alg
    assert found["claims"]["validEVSEIds"] == ["DE*ABC*E1*1"]
    uuid = r"DE-XYZ-CT-[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert re.fullmatch(uuid, found["claims"]["id"])
    assert verdict(ask, site, path) == {"granted": True, "reason": "GRANTED", "limits": {"maxDuration": 90}}


def test_stdout_of_issue_is_the_ticket_and_nothing_else(ask, site):
    line = ask("issue", "--site", site)
    assert line.err == ""
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", line.out)
    assert ask("verify", "--site", site, "-", stdin=line.out.encode()).code == 0
    line = ask("issue", "--site", site, "--form", "cwt")
    assert line.err == ""
    assert re.fullmatch(r"[\w-]+\n", line.out)
    assert ask("verify", "--site", site, "-", stdin=line.out.encode()).code == 0
    assert ask("inspect", "-", stdin=line.out.encode()).code == 0


def test_a_ticket_minted_by_a_jose_library_from_the_issuers_file_is_granted(ask, site):
    key = json.loads((site / "issuer.jwk").read_text())
    content = {
        "id": "1",
        "providerId": "DE-XYZ",
        "created": "2026-11-22T11:00:00Z",
        "notBefore": "2026-11-22T11:00:00.250Z",
        "notAfter": "2026-11-22T13:00:00Z",
        "multiUsage": "Allowed",
        "validationMethod": "OfflineChargingAllowed",
    }
    header = {"alg": "Ed25519", "typ": "charging-ticket+jws", "kid": key["kid"]}
    token = jws.serialize_compact(header, json.dumps(content), OKPKey.import_key(key), algorithms=["Ed25519"])
    (site / "t").write_text(token)
    assert verdict(ask, site, site / "t", "--at", "2026-11-22T11:00:00.250Z")["granted"]
    assert verdict(ask, site, site / "t", "--at", "2026-11-22T11:00:00.249Z")["reason"] == "NOT_YET_VALID"
    assert verdict(ask, site, site / "t", "--at", "2026-11-22T14:00:00+01:00")["reason"] == "EXPIRED"


@pytest.mark.parametrize(
    ("issue", "verify", "reason"),
    [
        (["--not-before", "+1h"], [], "NOT_YET_VALID"),
        (["--not-before", "-2h", "--valid-for", "1h"], [], "EXPIRED"),
        ([], ["--at", "2020-01-01T00:00:00Z"], "NOT_YET_VALID"),
        ([], ["--at", "2099-12-31T23:59:59Z"], "EXPIRED"),
        (["--valid-for", "32d"], [], "LIFETIME_TOO_LONG"),
        (["--provider", "DE-ABC"], [], "ISSUER_NOT_ALLOWED"),
        (["--evse", "DE*ABC*E9"], [], "WRONG_PLACE"),
        (["--not-evse", "DE*ABC*E1*1"], [], "EXCLUDED_PLACE"),
        (["--operator", "DE*GEF"], [], "WRONG_OPERATOR"),
        (["--kind", "DC"], [], "WRONG_EVSE_KIND"),
        (["--meter-signatures", "Mandatory"], [], "METER_SIGNATURE_REQUIRED"),
        (["--max-energy", "50000"], [], "LIMIT_NOT_ENFORCEABLE"),
        (["--max-price", "20.00 EUR"], [], "LIMIT_NOT_ENFORCEABLE"),
        (["--validation", "MustBeValidated"], [], "ONLINE_VALIDATION_REQUIRED"),
        (["--validation", "MustBeValidated"], ["--online", "yes"], "GRANTED"),
        (["--validation", "MustBeValidated"], ["--online", "no"], "ONLINE_REFUSED"),
        (["--validation", "ShouldBeValidated"], [], "GRANTED"),
        (["--validation", "ShouldBeValidated"], ["--online", "no"], "ONLINE_REFUSED"),
        (["--driver", "{site}/driver.jwk"], [], "HOLDER_PROOF_REQUIRED"),
        (["--driver", "{site}/driver.jwk"], ["--proof", "{site}/driver.jwk"], "GRANTED"),
        (["--driver", "{site}/driver.jwk"], ["--proof", "{site}/root.jwk"], "HOLDER_PROOF_FAILED"),
        (["--driver", "{site}/driver.jwk", "--encrypted"], ["--proof", "{site}/driver.jwk"], "ENCRYPTION_REQUIRED"),
        (["--driver", "{site}/driver.jwk", "--encrypted"], ["--proof", "{site}/driver.jwk", "--encrypted"], "GRANTED"),
        (["--key", "{site}/driver.jwk", "--provider", "DE-XYZ"], [], "UNKNOWN_ISSUER"),
        (["--max-power", "-1", "--unchecked"], [], "BAD_CLAIM"),
    ],
)
@pytest.mark.parametrize("form", ["jws", "cwt"])
def test_options_of_issue_and_verify_reach_the_decision(ask, site, form, issue, verify, reason):
    path = issued(ask, site, "--form", form, *(word.format(site=site) for word in issue))
    assert verdict(ask, site, path, *(word.format(site=site) for word in verify))["reason"] == reason


@pytest.mark.parametrize(
    ("relay", "energy", "power"),
    [
        ('kind = "osdp"\naddress = 0', "LIMIT_NOT_ENFORCEABLE", "LIMIT_NOT_ENFORCEABLE"),
        ('kind = "osdp"\naddress = 0\nenforces = ["maxEnergy"]', "GRANTED", "LIMIT_NOT_ENFORCEABLE"),
        ('kind = "osdp"\naddress = 0\nenforces = ["maxEnergy", "maxPower"]', "GRANTED", "GRANTED"),
        ('kind = "modbus"\nmap = "heidelberg-energy-control"\nunit = 1\nbaud = 19200\namps = 16', "GRANTED",
         "LIMIT_NOT_ENFORCEABLE"),
    ],
    ids=["osdp", "osdp with a meter", "osdp that throttles", "modbus"],
)  # fmt: skip
def test_limits_are_judged_as_the_deliverer_of_the_site_keeps_them(ask, site, relay, energy, power):
    config = site / "site.toml"
    config.write_text(config.read_text().replace('kind = "gpio"', relay, 1))
    for option, reason in (("--max-energy", energy), ("--max-power", power)):
        assert verdict(ask, site, issued(ask, site, option, "5000"))["reason"] == reason


def test_unknown_claims_are_signed_only_unchecked_and_then_refused(ask, site):
    (site / "odd.json").write_text('{"colour": "red"}')
    odd = ("issue", "--site", site, "--claims", site / "odd.json")
    assert "UNKNOWN_CLAIM (colour)" in ask(*odd).error
    assert "colour has no CWT form" in ask(*odd, "--form", "cwt", "--unchecked").error
    path = issued(ask, site, *odd[3:], "--unchecked")
    assert verdict(ask, site, path)["reason"] == "UNKNOWN_CLAIM"


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"driverPublicKey": {"kty": "EC", "crv": "P-256", "x": "A" * 43}}, "driverPublicKey has no CWT form"),
        ({"driverPublicKey": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "kid": "k"}}, "has no CWT form"),
        ({"driverPublicKey": {"kty": "OKP", "crv": "Ed25519", "x": "\u00e9" * 43}}, "has no CWT form"),
        ({"maxPrice": {"amount": "1", "currency": "EUR", "per": "hour"}}, "maxPrice: "),
        ({"id": "\ud800"}, "lone surrogate"),
    ],
)
def test_what_would_lose_something_as_cwt_is_not_signed_as_one(ask, site, claims, said):
    stdin = json.dumps(claims).encode()
    assert said in ask("issue", "--site", site, "--form", "cwt", "--unchecked", "--claims", "-", stdin=stdin).error


def test_options_come_on_top_of_a_file_of_claims(ask, site):
    claims_file = b'{"multiUsage": "Allowed", "maxDuration": 10, "notAfter": "2030-01-01T00:00:00Z"}'
    line = ask("issue", "--site", site, "--claims", "-", "--max-duration", "20", stdin=claims_file).out
    found = json.loads(ask("inspect", "--json", "-", stdin=line.encode()).out)["claims"]
    assert (found["multiUsage"], found["maxDuration"]) == ("Allowed", 20)
    assert found["notAfter"] == "2030-01-01T00:00:00Z"


def test_day_of_the_week_is_the_stations(ask, site):
    path = issued(ask, site, "--day", "Monday", "--not-before", "2026-11-22T12:00:00Z")
    assert verdict(ask, site, path, "--at", "2026-11-22T22:59:59Z")["reason"] == "WRONG_DAY"
    assert verdict(ask, site, path, "--at", "2026-11-22T23:00:00Z")["reason"] == "GRANTED"


def test_use_is_remembered_only_where_a_state_is_kept(ask, site, tmp_path):
    once = issued(ask, site)
    assert [verdict(ask, site, once)["granted"] for _ in range(2)] == [True, True]
    kept = ("--state", tmp_path / "state")
    assert [verdict(ask, site, once, *kept)["reason"] for _ in range(3)] == ["GRANTED", "ALREADY_USED", "ALREADY_USED"]
    often = issued(ask, site, "--use", "Allowed")
    assert [verdict(ask, site, often, *kept)["reason"] for _ in range(2)] == ["GRANTED", "GRANTED"]
    asked = issued(ask, site, "--use", "AfterOnlineValidation")
    assert [verdict(ask, site, asked, *kept, "--online", word)["reason"] for word in ("silent", "silent", "yes")] == [
        "GRANTED",
        "ONLINE_VALIDATION_REQUIRED",
        "GRANTED",
    ]


def test_a_damaged_state_refuses(ask, site, tmp_path):
    once = issued(ask, site)
    kept = ("--state", tmp_path / "state")
    assert verdict(ask, site, once, *kept)["granted"]
    for path in (tmp_path / "state/ledger").iterdir():
        path.unlink()
    assert verdict(ask, site, once, *kept)["reason"] == "STORE_FAULT"


def test_with_several_evses_one_must_be_chosen(ask, tmp_path):
    site = tmp_path / "site"
    assert ask("init", site, *TWO).code == 0
    path = issued(ask, site, "--kind", "DC")
    answer = ask("verify", "--site", site, path)
    assert answer.code == 2
    assert "--evse" in answer.error
    assert "DE*ABC*E1*2" in answer.error
    assert verdict(ask, site, path, "--evse", "DE*ABC*E1*1")["reason"] == "WRONG_EVSE_KIND"
    assert verdict(ask, site, path, "--evse", "DEABCE1*2")["granted"]
    same = issued(ask, site, "--use", "OnlyAtTheSameEVSE")
    kept = ("--state", tmp_path / "state", "--evse")
    assert verdict(ask, site, same, *kept, "DE*ABC*E1*2")["granted"]
    assert verdict(ask, site, same, *kept, "DE*ABC*E1*2")["granted"]
    assert verdict(ask, site, same, *kept, "DE*ABC*E1*1")["reason"] == "ALREADY_USED"


def test_a_human_reads_verdict_reason_and_remedy(ask, site):
    answer = ask("verify", "--site", site, issued(ask, site, "--driver", site / "driver.jwk"))
    assert answer.code == 1
    assert "REFUSED: HOLDER_PROOF_REQUIRED" in answer.out
    assert "--proof driver.jwk" in answer.out
    assert "GRANTED" in ask("verify", "--site", site, issued(ask, site)).out


def test_every_reason_is_explained():
    assert set(reasons.WORDS) == set(REASONS)
    assert all(sentence.endswith(".") for sentence in reasons.WORDS.values())


def test_every_command_helps_with_examples(ask):
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    for name, command in group.commands.items():
        below = command.commands.values() if isinstance(command, TyperGroup) else ()
        for one in (command, *below):
            help_ends = one.epilog or ""
            assert help_ends.startswith("Examples:") and f"python -m tools {name}" in help_ends, one.name
    assert "python -m tools update send" in ask("update", "send", "--help").out
    assert ask().out == ask("--help").out


def test_words_and_numbers_of_claims_are_those_of_the_firmware():
    words = [
        claims.MULTI_USAGE,
        claims.VALIDATION_METHOD,
        claims.EVSE_KIND,
        claims.DAYS,
        claims.SMART_CHARGING_MODE,
        claims.METER_VALUE_SIGNATURES,
        claims.E2E_SECURITY,
    ]
    assert [list(entry) for entry in words] == list(cwt_claims.WORDS.values())
    for rows, keys in ((claims.REGISTERED, cwt_claims.REGISTERED), (claims.PRIVATE, cwt_claims.KEYS)):
        assert {claims.TABLE[row][0].decode(): key for key, row in enumerate(rows) if row != 255} == keys


def test_it_runs_as_a_program_with_its_exit_codes(site):
    def program(*arguments, **options):
        command = [sys.executable, "-m", "tools", *map(str, arguments)]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, **options)

    ticket = program("issue", "--site", site).stdout
    assert program("verify", "--site", site, "--json", "-", input=ticket).returncode == 0
    refused = program("verify", "--site", site, "--json", "-", input=ticket.replace(".", "..", 1))
    assert (refused.returncode, json.loads(refused.stdout)["reason"]) == (1, "MALFORMED")
    wrong = program("verify", "--site", site, "--at", "x", "-", input=ticket)
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)


def test_a_closed_pipe_is_no_error(site):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        command = [sys.executable, "-m", "tools", "issue", "--site", str(site)]
        done = subprocess.run(command, cwd=REPOSITORY, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
