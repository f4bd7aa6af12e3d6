"""base64url without padding (RFC 4648 section 5, RFC 7515 section 2), strict: one text for one value, no other."""

from binascii import b2a_base64

from ticket import span


def encode(data):
    """bytes -> base64url, as bytes."""
    return b2a_base64(data)[:-1].replace(b"+", b"-").replace(b"/", b"_").rstrip(b"=")


def decode(text):
    """base64url as bytes -> bytes, or None if `text` is not exactly what `encode` gives for some value.

    `text` may be a view: what it lies in is not copied, since a long ticket fills a small heap quickly.
    """
    out = bytearray(len(text) * 3 // 4)
    return bytes(out) if span.base64url(text, len(text), out) else None
