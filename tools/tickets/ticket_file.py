"""Reading TICKET: a file or standard input; a JWS as text, a CWT as bytes or as base64url text."""

import base64
import binascii
import re
import sys

from tools.problem import Problem
from tools.site.keys import reason

LIMIT = 1 << 20  # bytes; what is larger is no ticket and nothing that anybody meant to show us
CWT_STARTS = (b"\x84", b"\xd2", b"\xd8")  # an array of four, tag 18, or a tag of one byte: 61
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_BASE64URL = re.compile(rb"[A-Za-z0-9_-]+={0,2}")


def read(name: str) -> bytes:
    """The ticket's bytes as a card would hold them. Raises Problem where there is nothing to read.

    Blanks and line ends around a text are the editor's and dropped. A text of base64url alone is a CWT written down.
    """
    try:
        if name == "-":
            data = sys.stdin.buffer.read(LIMIT + 1)
        else:
            with open(name, "rb") as file:  # noqa: PTH123 - the name may be a device
                data = file.read(LIMIT + 1)
    except OSError as error:
        raise Problem(f"cannot read the ticket {name}: {reason(error)}") from None
    if len(data) > LIMIT:
        raise Problem(f"{name} is larger than a megabyte; a ticket has at most 4096 bytes")
    return unwrap(data)


def unwrap(data: bytes) -> bytes:
    """The ticket in a file's bytes: a text without the space around it, base64url of a CWT decoded, else as it is."""
    text = data.strip()
    if not text.isascii() or not _BASE64URL.fullmatch(text):
        return text if text.isascii() else data
    text = text.rstrip(b"=")
    try:
        decoded = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return text
    return decoded if decoded[:1] in CWT_STARTS else text


def written(cwt: bytes) -> str:
    """A CWT as text that a terminal survives: base64url without padding."""
    return base64.urlsafe_b64encode(cwt).rstrip(b"=").decode()
