"""Tickets minted by JOSE libraries that nobody here wrote, by the key of `tools init`: judged and tapped here."""

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

from tools.cli import main

MINT = Path(__file__).with_name("mint_jose.mjs")
NOW = datetime.now(UTC).replace(microsecond=0, tzinfo=None)


class Tools:
    """The command line, in this process: it takes half a second to start as a program."""

    def __init__(self, capfd, folder: Path):
        self._capfd = capfd
        self.folder = folder

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Exit code and standard output of `python -m tools …`."""
        self._capfd.readouterr()
        code = main(list(arguments))
        return code, self._capfd.readouterr().out

    def verdict(self, site: Path, ticket: str, *options: str) -> tuple[int, str]:
        """Exit code and reason of `tools verify`."""
        file = self.folder / "ticket.jws"
        file.write_text(ticket)
        code, out = self("verify", "--site", str(site), "--json", *options, str(file))
        answer = json.loads(out)
        assert answer["granted"] is (code == 0)
        return code, answer["reason"]


@pytest.fixture
def tools(capfd, tmp_path) -> Tools:
    return Tools(capfd, tmp_path)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("issuers") / "site"
    assert main(["init", str(folder)]) == 0
    return folder


def claims(**changes) -> str:
    """The claims of a ticket that is good here and now."""
    document = {
        "id": "DE-XYZ-CT-0199c2b4-5f3a-7c11-8d2e-6a1b2c3d4e5f",
        "providerId": "DE-XYZ",
        "created": f"{NOW.isoformat()}.250Z",
        "notBefore": f"{(NOW - timedelta(hours=1)).isoformat()}Z",
        "notAfter": f"{(NOW + timedelta(hours=1)).isoformat()}Z",
        "multiUsage": "NotAllowed",
        "validationMethod": "OfflineChargingAllowed",
        "validOperators": ["DE*ABC"],
        "validEVSEIds": ["DE*ABC*E1*1"],
        "description": [{"language": "de", "text": "Ladeticket für eine Übernachtung"}],
        **changes,
    }
    return json.dumps(document, ensure_ascii=False)


def mint_with_joserfc(site: Path, algorithm: str, payload: str) -> str:
    key = OKPKey.import_key(json.loads((site / "issuer.jwk").read_text()))
    header = {"alg": algorithm, "kid": key.kid, "typ": "charging-ticket+jws"}
    return jws.serialize_compact(header, payload, key, algorithms=[algorithm])


def run_jose(site: Path, task: str, text: str) -> str:
    command = ["node", str(MINT), str(site / "issuer.jwk"), task]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


MINTS = {"joserfc": mint_with_joserfc, "jose": run_jose}


def why_no_jose() -> str:
    """The reason to do without jose, or "" where it is."""
    if shutil.which("node") and (MINT.parents[1] / "node_modules/jose").is_dir():
        return ""
    return "no node, or npm packages missing: npm ci --prefix host_tests"


@pytest.fixture(params=sorted(MINTS))
def mint(request):
    if request.param == "jose" and (reason := why_no_jose()):
        pytest.skip(reason)
    return MINTS[request.param]


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # its name is; issuers still use it
@pytest.mark.parametrize("algorithm", ["Ed25519", "EdDSA"])
def test_a_ticket_minted_elsewhere_is_granted(tools, site, mint, algorithm):
    assert tools.verdict(site, mint(site, algorithm, claims())) == (0, "GRANTED")


def test_tickets_minted_elsewhere_close_the_relay_when_tapped(tools, site):
    tickets = [mint_with_joserfc(site, "Ed25519", claims(id="1"))]
    if not why_no_jose():
        tickets.append(run_jose(site, "Ed25519", claims(id="2")))
    for ticket in tickets:
        file = tools.folder / "tapped.jws"
        file.write_text(ticket)
        code, out = tools("tap", "--site", str(site), "--json", str(file))
        answer = json.loads(out)
        assert (code, answer["energised"], answer["reason"]) == (0, True, "GRANTED")


def test_such_a_ticket_is_refused_when_its_time_is_over(tools, site):
    later = f"{(NOW + timedelta(hours=2)).isoformat()}Z"
    assert tools.verdict(site, mint_with_joserfc(site, "Ed25519", claims()), "--at", later) == (1, "EXPIRED")


def test_a_claim_of_another_schema_is_not_ignored(tools, site):
    assert tools.verdict(site, mint_with_joserfc(site, "Ed25519", claims(jti="1"))) == (1, "UNKNOWN_CLAIM")


def test_a_payload_under_another_tickets_signature_is_refused(tools, site):
    head, _, signature = mint_with_joserfc(site, "Ed25519", claims()).split(".")
    _, other, _ = mint_with_joserfc(site, "Ed25519", claims(multiUsage="Allowed")).split(".")
    assert tools.verdict(site, f"{head}.{other}.{signature}") == (1, "BAD_SIGNATURE")


def test_tickets_that_are_minted_here_are_good_to_jose(tools, site):
    if reason := why_no_jose():
        pytest.skip(reason)
    code, ticket = tools("issue", "--site", str(site))
    assert code == 0
    assert json.loads(run_jose(site, "verify", ticket))["providerId"] == "DE-XYZ"
