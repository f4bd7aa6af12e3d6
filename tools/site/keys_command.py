"""`keys`: a site's private keys under a passphrase."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tools.problem import Problem
from tools.site import passphrase
from tools.site.keys import PRIVATE, parse, read_text, reason, replace_private
from tools.terminal import say

EXAMPLES = f"""Examples:

  python -m tools keys protect site

  python -m tools keys protect /media/safe/root.jwk

Without a terminal, the old passphrase in {passphrase.VARIABLE}, the new one in {passphrase.NEW_VARIABLE}:

  python -m tools keys protect site < /dev/null"""

app = typer.Typer(
    help="A site's private keys under a passphrase.\n\n"
    f"Commands that need one ask for it on the terminal, or take it from the variable {passphrase.VARIABLE}.",
    epilog=EXAMPLES,
    rich_markup_mode="rich",
    no_args_is_help=True,
)


@app.callback()
def _group() -> None:
    """Makes `keys` a group although it has one command."""


@app.command()
def protect(
    keys: Annotated[list[Path], typer.Argument(metavar="SITE|FILE…", help="A site directory, or single key files.")],
):
    """Put private keys under a passphrase, or change it.

    Nothing is changed unless every file can be. Backups that you made stay as they are. There is no way to a key whose
    passphrase is lost.
    """
    files = [file for path in keys for file in _files(path)]
    texts = {file: read_text(file) for file in files}
    chosen = ""
    if any(passphrase.is_locked(text) for text in texts.values()):
        old = os.environ.get(passphrase.VARIABLE) or passphrase.ask("Passphrase now: ", "the keys have a passphrase")
        chosen = passphrase.new(passphrase.NEW_VARIABLE)
        # with the new one too: an interrupted change is finished by the next
        for file, text in texts.items():
            if passphrase.is_locked(text):
                texts[file] = passphrase.unlock(text, file, (old, chosen))
    for file, text in texts.items():
        if "d" not in parse(text, file):
            raise Problem(f"{file} holds only a public key, which needs no passphrase; nothing was changed")
    chosen = chosen or passphrase.new(passphrase.NEW_VARIABLE)
    locked = {file: passphrase.lock(text, chosen) for file, text in texts.items()}
    for file, text in locked.items():
        try:
            replace_private(file, text.encode())
        except OSError as error:
            raise Problem(f"cannot write {file}: {reason(error)}; the files before it are done, run it again") from None
    say(f"Under the new passphrase: {', '.join(map(str, files))}")


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [path / name for name in PRIVATE if (path / name).exists()]
    if not found:
        raise Problem(f"{path} has none of {', '.join(PRIVATE)}; name a site directory or a key file")
    return found
