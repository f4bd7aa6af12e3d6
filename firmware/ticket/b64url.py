"""base64url without padding (RFC 4648 section 5, RFC 7515 section 2), strict: one text for one value, no other.

The C decoder underneath skips what it does not know and ignores spare bits. Encoding its result again and comparing
refuses all of that at once: alphabet, padding, lengths of 1 modulo 4 and spare bits that are not zero.
"""

from binascii import a2b_base64, b2a_base64


def encode(data):
    """bytes -> base64url, as bytes."""
    return b2a_base64(data)[:-1].replace(b"+", b"-").replace(b"/", b"_").rstrip(b"=")


def decode(text):
    """base64url as bytes -> bytes, or None if `text` is not exactly what `encode` gives for some value."""
    try:
        data = a2b_base64(text.replace(b"-", b"+").replace(b"_", b"/") + b"==="[: -len(text) % 4])
    except MemoryError:
        raise
    except Exception:  # a ValueError where binascii is C, and just this from micropython-lib's, written in Python
        return None
    return data if encode(data) == text else None
