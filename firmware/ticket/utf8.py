"""Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.

MicroPython's own decoder checks only that lead and continuation bytes alternate, so it takes `C0 80` and `ED A0 80`.
"""

_CHUNK = 64
_HIGH_BITS = int.from_bytes(b"\x80" * _CHUNK, "little")


def decode(data):
    """bytes -> str, or None if `data` is not UTF-8."""
    try:
        text = str(data, "utf-8")
    except ValueError:
        return None
    # Every character outside ASCII takes at least two bytes, so equal lengths prove ASCII.
    return text if len(text) == len(data) or _strict(data) else None


def _strict(data):
    """The table of RFC 3629 section 4. Pieces that are ASCII throughout are skipped at the speed of long integers."""
    at = 0
    while at < len(data):
        if int.from_bytes(data[at : at + _CHUNK], "little") & _HIGH_BITS:
            at = _characters(data, at, at + _CHUNK)
            if at < 0:
                return False
        else:
            at += _CHUNK
    return True


def _characters(data, at, end):
    """Checks the characters that begin from `at` to before `end` -> the offset after the last of them, or -1."""
    left, low, high = 0, 0x80, 0xBF  # continuation bytes still due, and the range of the next one
    while at < len(data) and (left or at < end):
        byte = data[at]
        at += 1
        if left:
            if not low <= byte <= high:
                return -1
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
            return -1
    return -1 if left else at
