"""What is asked of every byte of a ticket, in viper code, where a byte costs ten instructions and not hundreds.

What each function means stands at its twin, in span_plain.py.
"""
# pyright: reportUndefinedVariable=false, reportArgumentType=false, reportIndexIssue=false
# ruff: noqa: F821

import micropython


@micropython.viper
def printable(data: ptr8, size: int) -> bool:
    i = 0
    while i < size:
        byte = data[i]
        if byte < 0x20 or byte > 0x7E:
            return False
        i += 1
    return True


# The value of each ASCII character in base64url, 255 of those that are none.
_VALUES = (
    b"\xff" * 45 + b"\x3e\xff\xff" + bytes(range(52, 62)) + b"\xff" * 7 + bytes(range(26)) + b"\xff\xff\xff\xff\x3f\xff"
    + bytes(range(26, 52)) + b"\xff" * 5
)  # fmt: skip


def base64url(text, size, out):
    rest = size & 3
    if rest == 1 or not _quads(text, size, out, _VALUES):
        return False
    if rest:
        # Filled up with zero bits to four characters: what they give beyond `out` are the spare bits.
        last = bytearray(3)
        if not _quads(bytes(text[size - rest :]) + b"AA"[rest - 2 :], 4, last, _VALUES):
            return False
        out[1 - rest :] = last[: rest - 1]
        return last[2] == 0 and (rest == 3 or last[1] == 0)
    return True


@micropython.viper
def _quads(text: ptr8, size: int, out: ptr8, values: ptr8) -> bool:
    at = 0
    i = 3
    while i < size:
        a = text[i - 3]
        b = text[i - 2]
        c = text[i - 1]
        d = text[i]
        if a | b | c | d > 0x7F:
            return False
        a = values[a]
        b = values[b]
        c = values[c]
        d = values[d]
        if a | b | c | d > 0x3F:
            return False
        out[at] = a << 2 | b >> 4
        out[at + 1] = b << 4 | c >> 2
        out[at + 2] = c << 6 | d
        at += 3
        i += 4
    return True


@micropython.viper
def alphanumeric(data: ptr8, size: int) -> bool:
    i = 0
    while i < size:
        byte = data[i]
        if byte < 0x30 or byte > 0x5A or (byte > 0x39 and byte < 0x41):
            return False
        i += 1
    return True
