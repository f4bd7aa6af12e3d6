"""Durable file primitives shared by the stores, and the two exceptions that stores raise.

`put` returns only when the bytes survive a power cut: on the device `flush()` is a littlefs sync, which publishes
the new content of a file whole or not at all; on a desktop `fsync` follows. Every OSError becomes `Fault`, or `Full`
when the file system has no block left.
"""

import os

_fsync = getattr(os, "fsync", None)
# ENOSPC as littlefs and Linux number it, and as WASI does.
_NO_SPACE = (28, 51)


class Full(Exception):
    """There is no room for this entry; nothing was forgotten to make some."""


class Fault(Exception):
    """The flash or a file on it failed; what was being written may or may not have become durable."""


def ours(error, path):
    """The store exception for an OSError."""
    kind = Full if error.errno in _NO_SPACE else Fault
    return kind("%s: errno %s" % (path, error.errno))


def settle(file):
    """Make what was written to the open file durable."""
    file.flush()
    if _fsync:
        _fsync(file.fileno())


def put_steps(path, mode, parts):
    """Generator: writes the byte strings `parts` to `path` ("wb": replace, "ab": append) as one durable change, with a
    None after each."""
    try:
        with open(path, mode) as file:
            for part in parts:
                file.write(part)
                yield None
            settle(file)
    except OSError as error:
        raise ours(error, path) from None


def put(path, mode, parts):
    """`put_steps` at one go."""
    for _ in put_steps(path, mode, parts):
        pass


def take(path, offset, length):
    """At most `length` bytes of the file, from `offset`."""
    try:
        with open(path, "rb") as file:
            if offset:
                file.seek(offset)
            return file.read(length)
    except OSError as error:
        raise ours(error, path) from None


def size(path):
    """Length of the file in bytes."""
    try:
        return os.stat(path)[6]
    except OSError as error:
        raise ours(error, path) from None


def names(folder):
    """The sorted names in a folder; empty when there is no such folder."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def folder(path):
    """Make the folder and those above it, as far as they are missing."""
    at = 0
    while at >= 0:
        at = path.find("/", at + 1)
        part = path if at < 0 else path[:at]
        try:
            os.mkdir(part)
        except OSError:
            pass  # it is there, or `os.stat` below tells
    size(path)


def remove(path):
    """Delete the file."""
    try:
        os.remove(path)
    except OSError as error:
        raise ours(error, path) from None


def rename(old, new):
    """Atomically put the file `old` in the place of `new`."""
    try:
        os.rename(old, new)
    except OSError as error:
        raise ours(error, new) from None
