"""`time`: tell a reader the time so that it needs to trust nobody but a root."""

import json
from pathlib import Path
from typing import Annotated

import typer

from station import signed_time
from ticket import b64url
from tools.options import SITE
from tools.problem import Problem
from tools.readers import deploy
from tools.readers.port import begin_maintenance, end_maintenance
from tools.site.directory import ROOT_KEY, Site
from tools.site.keys import load_key
from tools.terminal import say, working
from tools.tickets import ticket_file
from tools.tickets.signing import TIME_TYPE, sign_jws
from tools.units import epoch_ms, instant_ms, wire_time
from trust import signed

EXAMPLES = """Examples:

  python -m tools time set --site site --port /dev/ttyUSB0

Where the root's key is kept on another machine, within ten minutes:

  python -m tools time ask --port /dev/ttyUSB0

  python -m tools time sign --site site --root /media/safe/root.jwk --nonce 5f0c… > time.jws

  python -m tools time give --port /dev/ttyUSB0 time.jws

For anybody to carry to a reader, whose clock will show at least this:

  python -m tools time sign --site site > time.jws"""

# Numbers of resets are seconds from here on, so that they rise and fit 31 bits until 2094.
_FIRST_RESET_S = 1_767_225_600  # 2026-01-01

_BEGIN = """
import gc, machine, start
gc.threshold(8192)
from station.console import Console
console = Console(machine.RTC(), start.clock_bus())
console.ask()
"""
_WORDS = {
    signed_time.SET: "the clock is set",
    signed_time.FLOOR: "the reader knows that it is at least so late; that does not set its clock",
    signed_time.RESET: "the floor is reset; set the clock now",
}
_REMEDIES = {
    signed_time.STALE_NONCE: "it was signed for another nonce, or over ten minutes ago; ask again",
    signed_time.WRONG_READER: "that reset is another reader's; sign one with this reader's site",
    signed_time.OLD_RESET: "that reset, or a later one, was taken before; sign a new one",
    signed_time.OUT_OF_BOUNDS: "it is before the reader's floor, or over 400 days after its trust bundle was made; "
    "compare the clocks, renew the bundle, or lower the floor with --reset",
    "UNKNOWN_ISSUER": "no root that this reader believes has signed it; look at [[root]] in site.toml",
}

app = typer.Typer(
    help="Tell a reader the time, signed by a root: over the reader's own nonce it sets the clock, without one it is "
    "a lower bound that any bearer may bring.\n\n`clock` sets it by cable alone, where the console may be trusted.",
    epilog=EXAMPLES,
    rich_markup_mode="rich",
    no_args_is_help=True,
)
ROOT = Annotated[
    Path | None,
    typer.Option("--root", metavar="FILE", help="The root's private JWK.", show_default="root.jwk of the site"),
]
RESET = Annotated[
    bool,
    typer.Option(
        "--reset",
        help="Lower the floor of this site's reader to it, where that was pushed ahead. Used tickets are kept.",
    ),
]


@app.command("set")
def set_(site: SITE, port: deploy.PortOption, reset: RESET = False, root: ROOT = None):
    """Set a reader's clock to this machine's time, signed over the reader's nonce.

    The reader stands still for the while.
    """
    here = Site.load(site)
    key = load_key(root or site / ROOT_KEY, private=True)
    with working(f"telling {port} the time"), deploy.opened(port) as board, deploy.maintenance(board, brief=True):
        word = hand_over(board, here, key, reset)
    _report(word)


@app.command()
def ask(port: deploy.PortOption):
    """Print a reader's fresh nonce. The reader stands still until `give`: its answer must come within ten minutes."""
    if port.partition(":")[0] == "virtual":
        raise Problem("the virtual board forgets its nonce when this command ends; use `time set`")
    with deploy.opened(port) as board:
        begin_maintenance(board)
        print(challenge(board).hex())


@app.command()
def sign(
    site: SITE,
    nonce: Annotated[str | None, typer.Option(metavar="HEX", help="What `ask` printed.", show_default="none")] = None,
    at: Annotated[str, typer.Option(metavar="TIME", help="The time to sign: UTC, or +2h, or -1d.")] = "now",
    reset: RESET = False,
    root: ROOT = None,
):
    """Sign a time and print it: one line."""
    here = Site.load(site)
    time_ms = instant_ms(at, "--at", epoch_ms())
    print(
        signed_by(load_key(root or site / ROOT_KEY, private=True), time_ms, _nonce(nonce), here.reader, reset).decode()
    )


@app.command()
def give(
    port: deploy.PortOption,
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `sign` printed, or -")],
):
    """Hand a signed time to a reader, and let it go on with its work."""
    token = ticket_file.read(file).strip()
    with deploy.opened(port) as board:
        if port.partition(":")[0] == "virtual":
            begin_maintenance(board)
            challenge(board)
        word = answer(board, token)
        end_maintenance(board)
    _report(word)


def signed_by(root: dict, time_ms: int, nonce: bytes | None, reader: str, reset: bool) -> bytes:
    """A document of type charging-time+jws by a root's private JWK; reset: it also lowers the floor of `reader`."""
    payload: dict = {"time": wire_time(time_ms)}
    if nonce is not None:
        payload["nonce"] = _unpadded(nonce)
    if reset:
        payload["reset"] = epoch_ms() // 1000 - _FIRST_RESET_S
        payload["reader"] = reader
    token = sign_jws(json.dumps(payload, separators=(",", ":")).encode(), root, TIME_TYPE)
    if len(token) > signed.LIMITS[signed.TIME]:
        raise Problem("the signed time is longer than readers take; use a root with a shorter kid")
    return token


def hand_over(port: deploy.Port, site: Site, root: dict, reset: bool = False) -> str:
    """Sets the clock of a board in maintenance over its nonce; what became of it, a word of station.signed_time."""
    nonce = challenge(port)
    return answer(port, signed_by(root, epoch_ms(), nonce, site.reader, reset))


def challenge(port: deploy.Port) -> bytes:
    """A nonce of a board in maintenance, which waits for the answer."""
    said = deploy.execute(port, _BEGIN)
    for line in said.splitlines():
        if line.startswith("nonce "):
            return bytes.fromhex(line[6:])
    raise Problem("the board gave no nonce; is it provisioned?")


def answer(port: deploy.Port, token: bytes) -> str:
    """Hands a signed time to a board that gave its nonce, whose program goes on where it was left."""
    said = deploy.mpremote(port, "resume", "exec", f"console.give({token!r})")
    for line in said.splitlines():
        if line.startswith("time "):
            return line[5:]
    raise Problem("the board took no signed time; ask it for a nonce first")


def _report(word: str) -> None:
    if word not in _WORDS:
        raise Problem(f"the reader refused the signed time: {word}; {_REMEDIES.get(word, 'sign it anew')}")
    say(f"{word}: {_WORDS[word]}")


def _nonce(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        nonce = bytes.fromhex(text)
    except ValueError:
        nonce = b""
    if len(nonce) != 32:
        raise Problem("--nonce will not do; write the 64 hexadecimal digits that `time ask` printed")
    return nonce


def _unpadded(data: bytes) -> str:
    return b64url.encode(data).decode()
