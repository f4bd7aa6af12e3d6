"""What a test in this folder may ask of its surroundings, the same on all three interpreters.

A test file holds plain functions `test_…` with plain `assert`; `async def test_…` is awaited. It imports nothing but
firmware modules, this one, and what MicroPython's standard library has.
"""

import asyncio
import os

VECTORS = ""  # folder of host_tests/vectors and of the vectors that come in packages (see runner/pure.py)
SCRATCH = ""  # an empty writable folder
SOAK = False  # long runs wanted
INTERPRETER = ""  # "cpython", "micropython" (unix, 64 bit) or "wasm32"

_folders = 0


class Skip(Exception):
    """Raised by a test that has nothing to say on this interpreter; its text is the reason."""


def vector(name):
    """Path of a vector file."""
    return VECTORS + "/" + name


def folder():
    """Path of a new, empty, writable folder."""
    global _folders
    _folders += 1
    path = SCRATCH + "/" + str(_folders)
    os.mkdir(path)
    return path


async def collect():
    """Between the cases of a long test: wasm32 collects garbage only while its host's loop runs."""
    await asyncio.sleep(0)


def count(quick, soak):
    """How many examples to run: `quick` in `make test`, `soak` in `make soak`."""
    return soak if SOAK else quick


def read(path):
    """A file's bytes."""
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    """Makes these bytes a file's content."""
    with open(path, "wb") as file:
        file.write(data)


def fails(kind, function, *arguments):
    """Whether a call raises an exception of that kind. Others come through."""
    try:
        function(*arguments)
    except kind:
        return True
    return False
