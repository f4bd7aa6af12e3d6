"""base64url without padding (RFC 4648 section 5, RFC 7515 section 2), strict: one text for one value, no other."""

from binascii import a2b_base64, b2a_base64

# Where the length is 2 or 3 modulo 4, the last character has 4 or 2 spare bits: the characters where they are zero.
_LAST = (None, b"", b"AQgw", b"AEIMQUYcgkosw048")


def encode(data):
    """bytes -> base64url, as bytes."""
    return b2a_base64(data)[:-1].replace(b"+", b"-").replace(b"/", b"_").rstrip(b"=")


def decode(text):
    """base64url as bytes -> bytes, or None if `text` is not exactly what `encode` gives for some value."""
    size = len(text)
    last = _LAST[size % 4]
    if last is not None and text[-1] not in last:
        return None
    if b"+" in text or b"/" in text:
        return None
    wanted = size * 3 // 4
    padding = b"==="[: -size % 4]
    # Text that is mostly ASCII has no `-` and `_` in it, so it is first decoded as if there were none.
    data = _lenient(text + padding)
    if len(data) != wanted:
        data = _lenient(text.replace(b"-", b"+").replace(b"_", b"/") + padding)
    # The C decoder skips what it does not know and stops at padding. Either way fewer than `size` characters counted,
    # and since `size` is not 1 modulo 4, fewer characters give fewer bytes.
    return data if len(data) == wanted else None


def _lenient(text):
    try:
        return a2b_base64(text)
    except MemoryError:
        raise
    except Exception:  # a ValueError where binascii is C, and just this from micropython-lib's, written in Python
        return b""
