"""Private keys under a passphrase: encrypted JWKs (RFC 7517 section 7), PBES2 (RFC 7518 section 4.8) over AES-256-GCM.

Such a file is one line, a JWE in compact serialisation; its name stays what it was. Any JOSE library opens it.
"""

import getpass
import os
import unicodedata
import warnings
from pathlib import Path

from joserfc import jwe
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import OctKey

from tools.problem import Problem

VARIABLE = "TICKET_PASSPHRASE"
NEW_VARIABLE = "TICKET_NEW_PASSPHRASE"
SHORTEST = 8  # characters
_ROUNDS = 300_000  # of PBKDF2-HMAC-SHA-512: the most that joserfc takes, so that a file cannot ask for hours
_ALGORITHMS = ["PBES2-HS512+A256KW", "A256GCM"]
_typed: list[str] = []  # in this process, so that nobody is asked twice


def is_locked(text: str) -> bool:
    """Whether a key file's text is a JWE and no JSON."""
    return text.count(".") == 4 and text.startswith("eyJ")


def lock(content: str, passphrase: str) -> str:
    """The text of a JWK under a passphrase."""
    header = {"alg": _ALGORITHMS[0], "enc": _ALGORITHMS[1], "cty": "jwk+json", "p2c": _ROUNDS}
    return jwe.encrypt_compact(header, content, _key(passphrase), algorithms=_ALGORITHMS) + "\n"


def unlock(text: str, path: Path, candidates: tuple[str, ...] = ()) -> str:
    """What is in a locked key file, by one of `candidates`, the variable, what was typed before, or the terminal.

    Raises Problem where the passphrase is wrong or nobody can be asked; it is nowhere in what is said.
    """
    given = os.environ.get(VARIABLE)
    known = candidates or ((given,) if given else tuple(_typed))
    for passphrase in known:
        content = _opened(text, passphrase)
        if content is not None:
            return content
    if candidates:
        raise Problem(f"the passphrase of {path} is another one, or the file is damaged; nothing was changed")
    if given:
        raise Problem(f"{VARIABLE} does not open {path}: put its passphrase there, or unset it to be asked")
    typed = ask(f"Passphrase of {path}: ", f"{path} is under a passphrase")
    content = _opened(text, typed)
    if content is None:
        raise Problem(f"wrong passphrase for {path}, or the file is damaged; try again")
    _typed.append(typed)
    return content


def ask(prompt: str, why: str, variable: str = VARIABLE) -> str:
    """One typed on the terminal, without an echo. Problem where there is no terminal."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it would be shown while it is typed
            return getpass.getpass(prompt)
    except (getpass.GetPassWarning, EOFError, OSError):
        raise Problem(f"{why}, and there is no terminal to ask on; put it into {variable}") from None


def new(variable: str = VARIABLE) -> str:
    """A new passphrase: the variable's, or typed twice. Problem where it is too short or not the same."""
    chosen = os.environ.get(variable)
    if not chosen:
        chosen = ask("New passphrase: ", "a new passphrase is wanted", variable)
        if chosen != ask("The same again: ", "a new passphrase is wanted", variable):
            raise Problem("these were two different passphrases; nothing was written, try again")
    if len(chosen) < SHORTEST:
        raise Problem(f"a passphrase has at least {SHORTEST} characters; some words are better; nothing was written")
    return chosen


def _key(passphrase: str) -> OctKey:
    # the same letters give the same bytes on every keyboard
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # of short ones: `new` sees to that
        return OctKey.import_key(unicodedata.normalize("NFC", passphrase).encode())


def _opened(text: str, passphrase: str) -> str | None:
    try:
        return (jwe.decrypt_compact(text.strip(), _key(passphrase), algorithms=_ALGORITHMS).plaintext or b"").decode()
    except (JoseError, ValueError):
        return None
