"""Tickets minted by JOSE libraries that nobody here wrote, by the key of `tools init`, and judged by `tools verify`."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

REPOSITORY = Path(__file__).resolve().parents[2]
MINT = Path(__file__).with_name("mint_jose.mjs")
NOW = datetime.now(UTC).replace(microsecond=0, tzinfo=None)


def tools(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, input=stdin, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("issuers") / "site"
    made = tools("init", str(folder))
    assert made.returncode == 0, made.stderr
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


@pytest.fixture(params=sorted(MINTS))
def mint(request):
    return MINTS[need(request.param)]


def need(library: str) -> str:
    if library == "jose" and not (shutil.which("node") and (MINT.parents[1] / "node_modules/jose").is_dir()):
        pytest.skip("no node, or npm packages missing: npm ci --prefix host_tests")
    return library


def verdict(site: Path, ticket: str, *options: str) -> tuple[int, str]:
    """Exit code and reason of `tools verify`."""
    judged = tools("verify", "--site", str(site), "--json", *options, "-", stdin=ticket)
    assert judged.returncode in (0, 1), judged.stderr
    answer = json.loads(judged.stdout)
    assert answer["granted"] is (judged.returncode == 0)
    return judged.returncode, answer["reason"]


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # its name is; issuers still use it
@pytest.mark.parametrize("algorithm", ["Ed25519", "EdDSA"])
def test_a_ticket_minted_elsewhere_is_granted(site, mint, algorithm):
    assert verdict(site, mint(site, algorithm, claims())) == (0, "GRANTED")


def test_such_a_ticket_is_refused_when_its_time_is_over(site):
    later = f"{(NOW + timedelta(hours=2)).isoformat()}Z"
    assert verdict(site, mint_with_joserfc(site, "Ed25519", claims()), "--at", later) == (1, "EXPIRED")


def test_a_claim_of_another_schema_is_not_ignored(site):
    assert verdict(site, mint_with_joserfc(site, "Ed25519", claims(jti="1"))) == (1, "UNKNOWN_CLAIM")


def test_a_payload_under_another_tickets_signature_is_refused(site):
    head, _, signature = mint_with_joserfc(site, "Ed25519", claims()).split(".")
    _, other, _ = mint_with_joserfc(site, "Ed25519", claims(multiUsage="Allowed")).split(".")
    assert verdict(site, f"{head}.{other}.{signature}") == (1, "BAD_SIGNATURE")


def test_tickets_that_are_minted_here_are_good_to_jose(site):
    need("jose")
    issued = tools("issue", "--site", str(site))
    assert issued.returncode == 0, issued.stderr
    assert json.loads(run_jose(site, "verify", issued.stdout))["providerId"] == "DE-XYZ"
