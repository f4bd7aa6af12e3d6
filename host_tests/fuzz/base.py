"""What all targets of the fuzzer have in common, and their list."""

from collections.abc import Callable, Iterable
from typing import NamedTuple


class Target(NamedTuple):
    """`run` takes any bytes; `seeds` gives inputs that go deep, from which the fuzzer sets out."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]


TARGETS: dict[str, Target] = {}


def target(seeds: Callable[[], Iterable[bytes]]):
    def add(run: Callable[[bytes], None]):
        TARGETS[run.__name__] = Target(run, seeds)
        return run

    return add


class Pieces:
    """Cuts the input into pieces: a length byte, then so many bytes. At the end there are none."""

    def __init__(self, data: bytes):
        self._data = data
        self._at = 0

    def __call__(self) -> bytes | None:
        if self._at >= len(self._data):
            return None
        start = self._at + 1
        self._at = start + self._data[self._at]
        return self._data[start : self._at]


def in_pieces(pieces: Iterable[bytes]) -> bytes:
    return b"".join(bytes((len(piece),)) + piece for piece in pieces)
