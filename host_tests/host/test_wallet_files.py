"""The wallet's folder as hosts serve it, looked at without a browser."""

import hashlib
import http.client
import json
import re

import pytest

from host_tests.host.tools_cli import run
from ticket.verdict import REASONS
from tools.wallet_server import FOLDER, HEADERS, POLICY, TYPES, Server


def _worker() -> tuple[str, list[str]]:
    """The version that sw.js names, and the files that it keeps."""
    text = (FOLDER / "sw.js").read_text()
    (version,) = re.findall(r"^const VERSION = '([0-9a-f]{16})';$", text, re.M)
    (listed,) = re.findall(r"^const FILES = \[(.*?)\];$", text, re.M | re.S)
    return version, re.findall(r"'([^']+)'", listed)


def _path(file: str):
    return FOLDER / ("index.html" if file == "./" else file)


def test_the_worker_keeps_every_file_and_its_version_is_their_hash():
    version, kept = _worker()
    there = {path for path in FOLDER.rglob("*") if path.suffix in TYPES} - {FOLDER / "sw.js"}
    assert {_path(file) for file in kept} == there
    digest = hashlib.sha256(b"".join(hashlib.sha256(_path(file).read_bytes()).digest() for file in kept))
    assert version == digest.hexdigest()[:16], "files have changed: VERSION in sw.js has to be the second of these"


def test_the_page_knows_the_firmware_s_reasons_in_their_order():
    assert re.findall(r"'([A-Z_]+)'", (FOLDER / "js/reasons.js").read_text()) == list(REASONS)


def test_the_page_itself_says_the_policy_that_the_server_sends():
    page = (FOLDER / "index.html").read_text()
    assert f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">' in page
    assert HEADERS["Content-Security-Policy"].startswith(POLICY)


def test_nothing_in_the_folder_needs_another_host_or_writes_html():
    for path in FOLDER.rglob("*"):
        if path.suffix in (".js", ".html", ".css"):
            text = path.read_text()
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
            assert not re.search(r"(?:src|href|url\(|from|import\()\s*=?\s*[\"']?(?:https?:)?//", text)
            assert not re.search(r"\sstyle=|\son[a-z]+=\"", text), f"{path.name}: what the policy forbids"
            assert len(text.splitlines()) <= 400


def test_the_manifest_lets_phones_install_it():
    manifest = json.loads((FOLDER / "manifest.webmanifest").read_text())
    assert manifest["display"] == "standalone" and manifest["start_url"] == manifest["scope"] == "./"
    assert all((FOLDER / icon["src"]).is_file() for icon in manifest["icons"])


@pytest.fixture(scope="module")
def server():
    with Server(radio=lambda operation, given: {"echo": [operation, given]}) as served:
        yield served


def ask(server, method: str, path: str, body: str | None = None, **headers: str):
    """(status, headers, body) of one request; `Host_` for another host than the server's own."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    named = {name.replace("_", "-").strip("-"): value for name, value in headers.items()}
    connection.request(method, path, body, {"Host": f"localhost:{server.server_port}", **named})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, answer.headers, data


def test_files_are_served_with_their_types_and_the_policy(server):
    for path, kind in (("/", "text/html"), ("/js/app.js", "text/javascript"), ("/wallet.css?x", "text/css")):
        status, headers, data = ask(server, "GET", path)
        assert status == 200 and headers["Content-Type"].startswith(kind) and data
        assert {name: headers[name] for name in HEADERS} == HEADERS
    assert ask(server, "HEAD", "/")[2] == b""


def test_nothing_else_is_served_and_no_foreign_name_is_ours(server):
    for path in ("/../cli.py", "/%2e%2e/cli.py", "//etc/passwd", "/js", "/js/", "/none"):
        assert ask(server, "GET", path)[0] == 404
    assert ask(server, "GET", "/", Host=f"rebound.example:{server.server_port}")[0] == 404


def test_only_the_page_itself_reaches_the_virtual_station(server):
    own = {"Origin": f"http://localhost:{server.server_port}", "Content_Type": "application/json"}
    status, _, data = ask(server, "POST", "/virtual/scan", '{"uuid": "x"}', **own)
    assert (status, json.loads(data)) == (200, {"echo": ["scan", {"uuid": "x"}]})
    for changed in ({"Origin": "http://evil.example"}, {"Content_Type": "text/plain"}, {"Host": "evil.example"}):
        assert ask(server, "POST", "/virtual/scan", "{}", **{**own, **changed})[0] == 404
    assert ask(server, "POST", "/virtual/scan", "[]", **own)[0] == 400
    assert ask(server, "POST", "/virtual/scan", "{}" + " " * 5000, **own)[0] == 400
    with Server() as plain:
        mine = {**own, "Origin": f"http://localhost:{plain.server_port}"}
        assert ask(plain, "POST", "/virtual/scan", "{}", **mine)[0] == 404
        assert ask(plain, "GET", "/virtual/bluetooth.js")[0] == 404
        assert b"virtual/bluetooth.js" not in ask(plain, "GET", "/")[2]
    assert b"virtual/bluetooth.js" in ask(server, "GET", "/")[2]


def test_a_port_that_is_taken_is_one_line(server, capsys):
    wrong = run(capsys, "wallet", "--port", str(server.server_port))
    assert wrong.code == 2 and "try another --port" in wrong.error
