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


@micropython.viper
def alphanumeric(data: ptr8, size: int) -> bool:
    i = 0
    while i < size:
        byte = data[i]
        if byte < 0x30 or byte > 0x5A or (byte > 0x39 and byte < 0x41):
            return False
        i += 1
    return True
