"""What is asked of every byte of a ticket: the twin of span_viper.py for interpreters without viper."""

from binascii import a2b_base64

# Where the length is 2 or 3 modulo 4, the last character has 4 or 2 spare bits: the characters where they are zero.
_LAST = (None, b"", b"AQgw", b"AEIMQUYcgkosw048")
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ALPHABET = b"0123456789" + _LETTERS


def base64url(text, size, out):
    """Decodes `size` characters of strict base64url into `out`, of `size * 3 // 4` bytes; False if they are none."""
    text = bytes(text)
    last = _LAST[size % 4]
    if last is not None and text[-1] not in last:
        return False
    if b"+" in text or b"/" in text:
        return False
    # The C decoder skips what it does not know and stops at padding. Either way fewer than `size` characters counted,
    # and since `size` is not 1 modulo 4, fewer characters give fewer bytes.
    try:
        data = a2b_base64(text.replace(b"-", b"+").replace(b"_", b"/") + b"==="[: -size % 4])
    except MemoryError:
        raise
    except Exception:  # a ValueError where binascii is C, and just this from micropython-lib's, written in Python
        return False
    if len(data) != len(out):
        return False
    out[:] = data
    return True


def valid(text, size, kind):
    """Whether `size` bytes are an id of that kind, by the grammar in scope.py; or for kind 0 printable ASCII, 0x20 to
    0x7E: UTF-8 without control characters, that is."""
    if kind == 0:
        return not size or (min(text) >= 0x20 and max(text) < 0x7F)
    text = text.upper()  # of bytes: ASCII letters only
    at = 3 if text[2:3] == b"*" or (kind == 2 and text[2:3] == b"-") else 2
    if size < 5 or text[:2].strip(_LETTERS) or text[at : at + 3].strip(_ALPHABET):
        return False
    if kind < 3:
        return size == at + 3
    rest = text[at + 3 :]
    rest = rest[1:] if rest[:1] == b"*" else rest
    suffix = rest[1:]
    plain = suffix.replace(b"*", b"")
    if rest[:1] != bytes((kind,)) or not plain or plain.strip(_ALPHABET):
        return False
    return len(suffix) <= (50 if kind == 0x53 else 30)
