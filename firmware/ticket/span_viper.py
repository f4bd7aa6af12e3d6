"""What is asked of every byte of a ticket, in viper code, where a byte costs ten instructions and not hundreds.

What each function means stands at its twin, in span_plain.py.
"""
# pyright: reportUndefinedVariable=false, reportArgumentType=false, reportIndexIssue=false
# ruff: noqa: F821

import micropython

# The value of each ASCII character in base64url, 255 of those that are none.
_VALUES = (
    b"\xff" * 45 + b"\x3e\xff\xff" + bytes(range(52, 62)) + b"\xff" * 7 + bytes(range(26)) + b"\xff\xff\xff\xff\x3f\xff"
    + bytes(range(26, 52)) + b"\xff" * 5
)  # fmt: skip


@micropython.viper
def base64url(text: ptr8, size: int, out: ptr8) -> bool:
    values = ptr8(_VALUES)
    pending = 0  # the last bits, fewer than 8 of them not yet written
    bits = 0
    i = 0
    while i < size:
        c = text[i]
        i += 1
        if c > 0x7F:
            return False
        c = values[c]
        if c > 0x3F:
            return False
        pending = (pending & 0x3F) << 6 | c
        bits += 6
        if bits > 7:
            bits -= 8
            out[0] = pending >> bits
            out = ptr8(int(out) + 1)
    # 6 of them are a character that is none of any byte, others are spare
    return bits < 6 and pending & ((1 << bits) - 1) == 0


@micropython.viper
def valid(text: ptr8, size: int, kind: int) -> bool:
    n = 0  # letters and digits so far
    stars = 0  # since the last of them
    left = 50 if kind == 0x53 else 30  # of the suffix
    while size > 0:
        c = text[0]
        text = ptr8(int(text) + 1)
        size -= 1
        if kind == 0:
            if c < 0x20 or c > 0x7E:
                return False
            continue
        if n > 5:
            left -= 1
        if c == 0x2A or (c == 0x2D and kind == 2):
            stars += 1
            if n < 6 and (stars > 1 or (n != 2 and (n != 5 or kind < 3))):
                return False
        else:
            if c > 0x60:
                c -= 0x20
            if c < 0x30 or c > 0x5A or (c < 0x41 and (c > 0x39 or n < 2)) or (n == 5 and c != kind):
                return False
            n += 1
            stars = 0
    if kind < 3:
        return kind == 0 or (n == 5 and stars == 0)
    return n > 6 and left >= 0
