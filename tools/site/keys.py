"""Ed25519 keys in files: RFC 8037 JWKs with a `kid`, private ones readable by their owner only, some of them under a
passphrase."""

import json
import os
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from tools.problem import Problem
from tools.site import passphrase

PRIVATE = ("root.jwk", "issuer.jwk", "driver.jwk")  # of a site directory
KID_CHARACTERS = 16  # of the RFC 7638 thumbprint: 96 bits, and short enough for small cards


def new_key() -> dict:
    """A fresh private JWK: kty, crv, x, d and a kid cut from its RFC 7638 thumbprint."""
    key = OKPKey.generate_key("Ed25519")
    members = key.as_dict(private=True)
    return {"kty": "OKP", "crv": "Ed25519", "kid": key.thumbprint()[:KID_CHARACTERS], **members}


def public_part(jwk: dict) -> dict:
    """The JWK without its secret."""
    return {name: value for name, value in jwk.items() if name != "d"}


def load_key(path: Path, private: bool) -> dict:
    """The Ed25519 JWK in a file, with its `kid` (the thumbprint's where the file has none).

    A file under a passphrase is opened with it. Raises Problem where the file is unreadable, no Ed25519 JWK, or lacks
    the secret that `private` asks for.
    """
    text = read_text(path)
    jwk = parse(passphrase.unlock(text, path) if passphrase.is_locked(text) else text, path)
    if private and "d" not in jwk:
        raise Problem(f"{path} holds only a public key; signing needs the file with the member d")
    return jwk


def read_text(path: Path) -> str:
    """What a key file holds. Problem where it cannot be read."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"cannot read the key file {path}: {reason(error)}") from None


def parse(text: str, path: Path) -> dict:
    """The Ed25519 JWK, public or private, that the text of a key file says, with its `kid`. Problem for any other."""
    try:
        jwk = json.loads(text)
        if not isinstance(jwk, dict) or jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
            raise ValueError
        key = OKPKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "d") if name in jwk})
        key.raw_value  # noqa: B018 - reading it decodes the numbers and finds bad ones
    except (ValueError, KeyError, TypeError, JoseError):
        raise Problem(
            f"{path} is no Ed25519 JWK (kty OKP, crv Ed25519, x); make keys with `python -m tools init`"
        ) from None
    kid = jwk.get("kid", key.thumbprint()[:KID_CHARACTERS])
    if not isinstance(kid, str) or not kid:
        raise Problem(f"{path}: kid must be a text that is not empty")
    return {**jwk, "kid": kid}


def write_private(path: Path, content: bytes, replace: bool = False) -> None:
    """Writes a secret durably, mode 600 from its first byte on. Raises FileExistsError unless `replace`."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if replace else os.O_EXCL)
    handle = os.open(path, flags, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_private(path: Path, content: bytes) -> None:
    """Changes a secret's file, whole or not at all."""
    part = path.with_name(path.name + ".part")
    write_private(part, content, replace=True)
    part.replace(path)


def reason(error: Exception) -> str:
    """An operating system's error in its own short words."""
    return (getattr(error, "strerror", None) or str(error)).lower()
