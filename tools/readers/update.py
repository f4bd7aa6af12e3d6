"""`update`: a new firmware as one signed file that any bearer may bring to readers (firmware/UPDATE.md).

The file is the manifest, a JWS in one line, and behind it the image of the tree, in blocks of 4096 bytes.
"""

import base64
import hashlib
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tools.boards.firmware_build import FILES_ON_EVERY_BOARD, FIRMWARE, build, rom_image
from tools.options import AS_JSON, SITE
from tools.problem import Problem
from tools.readers import deploy
from tools.readers.port import maintenance, mpremote
from tools.readers.several import PortsOption, each, ports
from tools.site.directory import ROOT_KEY, Site
from tools.site.keys import load_key, reason
from tools.terminal import answers, printable, say
from tools.tickets.signing import FIRMWARE_TYPE, sign_jws
from trust import signed

EXAMPLES = """Examples:

  python -m tools update make --site site --board ESP32_GENERIC update-2.ctfw

  python -m tools update show update-2.ctfw

  python -m tools update send --port /dev/ttyUSB0 update-2.ctfw

For readers behind a controller:

  python -m tools controller --site site --port /dev/ttyS1 --simulate --update update-2.ctfw"""

BLOCK = 4096
BLOCK_MAGIC = b"CTFB"
_DIGEST = 16
_ROOM = 56  # blocks of a tree: half of the partition romfs of boards/*/partitions.csv
_LIMIT_S = 900

app = typer.Typer(
    help="A new firmware, signed by a root, that any bearer may bring: readers write it beside the one that runs, "
    "try it, and go back by themselves if it does not prove itself.\n\n"
    "`deploy` puts this checkout on a board by cable alone.",
    epilog=EXAMPLES,
    rich_markup_mode="rich",
    no_args_is_help=True,
)
FILE = Annotated[Path, typer.Argument(metavar="FILE", help="What `make` wrote.")]


@dataclass(frozen=True)
class Update:
    """manifest: the JWS; image: of the tree, whole blocks; content: what the manifest says, unjudged."""

    manifest: bytes
    image: bytes
    content: dict
    kid: str

    def block(self, number: int) -> bytes:
        """One block as its bearer hands it over."""
        return BLOCK_MAGIC + number.to_bytes(2, "little") + self.image[number * BLOCK : (number + 1) * BLOCK]

    def save(self, path: Path) -> None:
        path.write_bytes(self.manifest + b"\n" + self.image)


def tree_image(board: str, files: dict[str, bytes]) -> bytes:
    """The image of a board's files that an update replaces, in whole blocks."""
    image = rom_image(board, {path: data for path, data in files.items() if path not in FILES_ON_EVERY_BOARD})
    return image + b"\xff" * (-len(image) % BLOCK)


def version_of(source: str) -> int:
    """VERSION of a start.py."""
    found = re.search(r"^VERSION = (\d+)", source, re.M)
    if found is None:
        raise Problem("firmware/start.py names no VERSION")
    return int(found[1])


def native(files: dict[str, bytes]) -> int:
    """What the boards say in sys.implementation._mpy for which these files were compiled: that of their native code."""
    found = {data[1] | data[2] << 8 for path, data in files.items() if path.endswith(".mpy") and data[2] >> 2}
    if len(found) != 1:
        raise Problem("the firmware holds no native code, or that of several chips: build it anew")
    return found.pop()


def signed_update(image: bytes, version: int, mpy: int, root: dict) -> Update:
    """The update of an image by a root's private JWK."""
    blocks = [image[at : at + BLOCK] for at in range(0, len(image), BLOCK)]
    if len(blocks) > _ROOM:
        raise Problem(f"the firmware has {len(image) >> 10} KB; the boards' trees have room for {_ROOM * BLOCK >> 10}")
    content = {
        "version": version,
        "mpy": mpy,
        "sha256": _text(hashlib.sha256(image).digest()),
        "blocks": _text(b"".join(hashlib.sha256(block).digest()[:_DIGEST] for block in blocks)),
    }
    manifest = sign_jws(json.dumps(content, separators=(",", ":")).encode(), root, FIRMWARE_TYPE)
    if len(manifest) > signed.LIMITS[signed.FIRMWARE]:
        raise Problem("the manifest is longer than readers take; use a root with a shorter kid")
    return Update(manifest, image, content, root["kid"])


def load(path: Path) -> Update:
    """The update in a file. Raises Problem unless its image is the one that its manifest names; says nothing of who
    signed it."""
    try:
        manifest, _, image = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise Problem(f"cannot read {path}: {reason(error)}") from None
    try:
        header, payload, _ = manifest.split(b".")
        kind, content = json.loads(_bytes(header)), json.loads(_bytes(payload))
        whole = kind["typ"] == FIRMWARE_TYPE and content["sha256"] == _text(hashlib.sha256(image).digest())
        found = Update(manifest, image, content, str(kind["kid"]))
    except (ValueError, KeyError, TypeError):
        raise Problem(f"{path} is no update; `update make` writes one") from None
    if not whole or len(image) % BLOCK:
        raise Problem(f"{path} is damaged or cut short: its image is not the one that was signed; copy it again")
    return found


@app.command()
def make(
    site: SITE,
    board: Annotated[
        str, typer.Option("--board", help="Name of a folder of boards/: for readers of its kind of chip.")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to write.")],
    root: Annotated[
        Path | None,
        typer.Option("--root", metavar="FILE", help="The root's private JWK.", show_default="root.jwk of the site"),
    ] = None,
):
    """Sign the firmware of this checkout for a kind of board.

    Its version is VERSION in firmware/start.py: readers take only a higher one than any that they have tried.
    """
    Site.load(site)
    files = build(board)
    made = signed_update(
        tree_image(board, files),
        version_of((FIRMWARE / "start.py").read_text()),
        native(files),
        load_key(root or site / ROOT_KEY, private=True),
    )
    made.save(file)
    say(f"Made {file}: firmware version {made.content['version']} for {board}, {len(made.image) >> 10} KB")


@app.command()
def show(file: FILE, as_json: AS_JSON = False):
    """Say what an update holds. That it is whole is checked; who signed it is for readers to judge."""
    update = load(file)
    facts = {
        "version": update.content["version"],
        "mpy": update.content["mpy"],
        "blocks": len(update.image) // BLOCK,
        "sha256": _bytes(update.content["sha256"].encode()).hex(),
        "kid": update.kid,
        "manifest": len(update.manifest),
    }
    if as_json:
        print(json.dumps(facts, indent=1))
        return
    table = Table(show_header=False, title=str(file), title_justify="left")
    for name, value in facts.items():
        table.add_row(name, printable(str(value)))
    answers().print(table)


@app.command()
def send(file: FILE, port: PortsOption) -> int:
    """Bring an update to a reader by cable, or to several at once. Interrupted, it is just run again and goes on.

    The reader stands still for the while. Then it tries the new firmware: its journal says FIRMWARE PROVED after a
    minute, or ROLLED_BACK.
    """
    update = load(file)

    def work(one: str, report: deploy.Report) -> str:
        with deploy.opened(one) as board, maintenance(board):
            word = bring(board, update, report)
        if word not in ("INSTALLED", "SAME"):
            remedy = _REMEDIES.get(word.split(" ")[0], "make it anew")
            raise Problem(f"{one}: the reader refused the update: {word or 'it said nothing'}; {remedy}")
        if word == "SAME":
            return f"{one}: runs version {update.content['version']} already"
        return f"{one}: version {update.content['version']} is installed and on trial"

    return each(ports(port), "updating", work)


_DEVICE = """
import gc, machine, start, trees
gc.threshold(8192)
from station.console import Console
def read(path, data, at=0):
    with open("/remote/" + path, "rb") as file:
        file.seek(at)
        for at in range(0, len(data), 192):  # a console has a short buffer and no flow control
            data[at : at + 192] = file.read(min(192, len(data) - at))
    return data
block = bytearray(4102)
def bring(number=None):
    if number is None:
        return bytes(read("manifest", bytearray({size})))
    block[:6] = b"CTFB" + bytes((number & 255, number >> 8))
    read("image", memoryview(block)[6:], number * 4096)
    return block
there = trees if trees.running is not None else None
Console(machine.RTC(), start.clock_bus()).install(there, start.VERSION, bring)
"""
_REMEDIES = {
    "OLD_VERSION": "that version or a higher one runs there, was tried there, or is on its way; raise VERSION in "
    "firmware/start.py and make it anew",
    "WRONG_BOARD": "it was made for another chip, or that board has no ROMFS partition for two trees: use deploy",
    "UNKNOWN_ISSUER": "no root that this reader believes has signed it; look at [[root]] in site.toml",
    "TOO_LARGE": "that board's ROMFS partition is smaller than ours: use deploy",
    "ON_TRIAL": "the last update has not proved itself yet; wait for FIRMWARE PROVED or ROLLED_BACK in the log",
    "NEEDS": "a block that was written cannot be read back: the board's flash is failing",
    "STORE_FAULT": "its flash is full or failing; `doctor` says more",
}


def bring(port: deploy.Port, update: Update, progress: deploy.Report) -> str:
    """Hands an update to a board in maintenance; what became of it, a word of UPDATE.md."""
    total, word = len(update.image) // BLOCK, ""

    def on_line(line: str) -> None:
        nonlocal word
        if line.startswith("update "):
            word = line.removeprefix("update ")
            if word.startswith("NEEDS "):
                progress(total - 1 - int(word.removeprefix("NEEDS ")), total, f"version {update.content['version']}")

    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "manifest").write_bytes(update.manifest)
        (Path(name) / "image").write_bytes(update.image)
        code = _DEVICE.replace("{size}", str(len(update.manifest)))
        mpremote(port, "mount", name, "exec", code, on_line=on_line, limit_s=_LIMIT_S)
    progress(total, total, "")
    return word


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
