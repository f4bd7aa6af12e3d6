"""What is asked of every byte of a ticket: the twin of span_viper.py for interpreters without viper."""

from binascii import a2b_base64

# Where the length is 2 or 3 modulo 4, the last character has 4 or 2 spare bits: the characters where they are zero.
_LAST = (None, b"", b"AQgw", b"AEIMQUYcgkosw048")
_ALPHABET = b"0123456789EABCDFGHIJKLMNOPQRSTUVWXYZ"


def printable(data, size):
    """Whether all of `size` bytes are printable ASCII, 0x20 to 0x7E: UTF-8 without control characters, that is."""
    return not size or (min(data) >= 0x20 and max(data) < 0x7F)


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


def alphanumeric(data, size):
    """Whether all of `size` bytes are digits or capital letters of ASCII."""
    # `strip` leaves nothing exactly if every character is one of those given.
    return not data.strip(_ALPHABET)
