"""Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.

MicroPython's own decoder checks only that lead and continuation bytes alternate, so it takes `C0 80` and `ED A0 80`.
"""


def decode(data):
    """bytes -> str, or None if `data` is not UTF-8."""
    try:
        text = str(data, "utf-8")
    except ValueError:
        return None
    # Every character outside ASCII takes at least two bytes, so equal lengths prove ASCII.
    if len(text) == len(data) or _strict(data):
        return text
    return None


def _strict(data):
    """The table of RFC 3629 section 4, where the lengths of sequences are already known to be right or not."""
    left, low, high = 0, 0x80, 0xBF  # continuation bytes still due, and the range of the next one
    for byte in data:
        if left:
            if not low <= byte <= high:
                return False
            left, low, high = left - 1, 0x80, 0xBF
        elif byte < 0x80:
            pass
        elif 0xC2 <= byte <= 0xDF:
            left = 1
        elif 0xE0 <= byte <= 0xEF:
            left = 2
            if byte == 0xE0:
                low = 0xA0
            elif byte == 0xED:
                high = 0x9F
        elif 0xF0 <= byte <= 0xF4:
            left = 3
            if byte == 0xF0:
                low = 0x90
            elif byte == 0xF4:
                high = 0x8F
        else:
            return False
    return left == 0
