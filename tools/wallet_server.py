"""`wallet`: serves the wallet page on this machine, as any HTTPS host serves it to phones."""

import json
import threading
import webbrowser
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any

import typer

from tools import ROOT
from tools.problem import Problem
from tools.terminal import say

EXAMPLES = """Examples:

  python -m tools wallet

  python -m tools wallet --port 9000 --open

  python -m tools sim --wallet

The last one brings a virtual station along, for whoever has no reader at hand."""

FOLDER = ROOT / "tools" / "wallet"
BRIDGE = ROOT / "tools" / "virtual" / "web_bluetooth.js"
PORT, VIRTUAL_PORT = 8440, 8441  # two origins, so that their keys and what they keep for offline use stay apart
LONGEST_CALL = 4096  # bytes of a call to the virtual radio

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
# The page says the same of itself in a meta element, for hosts that add no headers.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types wallet"
)
HEADERS = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}

Call = Callable[[str, dict[str, Any]], dict[str, Any]]  # (operation, arguments) -> answer, as web_bluetooth.js calls


class Server(ThreadingHTTPServer):
    """The wallet's folder on this machine's loopback, and with `radio` a virtual station within the page's reach.

    OSError where the port is taken; port 0 is any that is free.
    """

    daemon_threads = True

    def __init__(self, port: int = 0, radio: Call | None = None):
        super().__init__(("127.0.0.1", port), _Handler)
        self.radio = radio
        self.pages = {
            f"/{path.relative_to(FOLDER).as_posix()}": path for path in FOLDER.rglob("*") if path.suffix in TYPES
        }
        self.pages["/"] = self.pages["/index.html"]
        if radio:
            self.pages["/virtual/bluetooth.js"] = BRIDGE
            del self.pages["/sw.js"]  # nothing of a virtual station is to stay behind

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_port}/"

    def content(self, path: Path) -> bytes:
        """A file as it is served."""
        data = path.read_bytes()
        if self.radio and path.name == "index.html":
            first = b'<script type="module"'
            data = data.replace(first, b'<script src="virtual/bluetooth.js"></script>\n' + first, 1)
        return data

    def __enter__(self) -> "Server":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "wallet", ""
    timeout = 60  # seconds for a request

    def do_GET(self) -> None:
        path = self.server.pages.get(self.path.partition("?")[0])
        if not self._is_local() or path is None:
            self._send(404, "text/plain", b"not found\n")
        else:
            self._send(200, TYPES[path.suffix], self.server.content(path))

    do_HEAD = do_GET

    def do_POST(self) -> None:
        kind, _, operation = self.path.lstrip("/").partition("/")
        length = self.headers.get("Content-Length", "")
        body = self.rfile.read(int(length)) if length.isdigit() and int(length) <= LONGEST_CALL else b""
        self.close_connection = not body
        # Only this very page: another origin cannot set this content type without asking, and is told no.
        ours = self.headers.get("Origin") == f"http://{self.headers.get('Host')}"
        if not (self.server.radio and kind == "virtual" and self._is_local() and ours and self._is_json()):
            self._send(404, "text/plain", b"not found\n")
            return
        try:
            given = json.loads(body)
            if not isinstance(given, dict):
                raise ValueError("no object")
        except ValueError:
            self._send(400, "text/plain", b"no JSON object\n")
            return
        self._send(200, "application/json", json.dumps(self.server.radio(operation, given)).encode())

    def _is_json(self) -> bool:
        return self.headers.get("Content-Type") == "application/json"

    def _is_local(self) -> bool:
        """Whether the browser meant this machine: a foreign name that was pointed here must not become our origin."""
        return self.headers.get("Host", "") in [
            f"{name}:{self.server.server_port}" for name in ("localhost", "127.0.0.1")
        ]

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silence: an address may hold a ticket."""


def serving(port: int, radio: Call | None = None) -> Server:
    """A Server to be entered. Problem where the port is taken."""
    try:
        return Server(port, radio)
    except OSError as error:
        raise Problem(f"port {port} cannot be used: {(error.strerror or '').lower()}; try another --port") from None


def wallet(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Where.")] = PORT,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
):
    """Serve the wallet page on this machine, for its own browser: it holds keys and tickets and presents them."""
    with serving(port) as server:
        say(f"The wallet is at {server.url} (Ctrl+C ends this)")
        if open_:
            webbrowser.open(server.url)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            say("")
