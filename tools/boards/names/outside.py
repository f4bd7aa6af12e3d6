"""The names by which code reaches the firmware that is none of it, as it lies in this repository.

That is what no update replaces, and what tools type at a board's prompt: their `*_device.py`, and every text of theirs
that is a program. The measuring code of `bench` brings the firmware that it measures.
"""

import ast
import re
from collections.abc import Iterator

from tools import ROOT
from tools.boards.names.survey import PRIVATE, survey
from tools.problem import Problem

TOOLS = ROOT / "tools"
_PROGRAM = re.compile(r"\w\(|\w\.\w|\bimport\b")
_STATEMENT = re.compile(r"(?m)^\s*(import|from\s+[\w.]+\s+import)\s|;\s*(import|from)\s")


def sources() -> dict[str, str]:
    """What these names are found in, by path."""
    found = [path for path in sorted(TOOLS.rglob("*.py")) if TOOLS / "bench" not in path.parents]
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in found}


def names(path: str, text: str) -> set[str]:
    """Those in one source: of what stands for MicroPython's own, or starts the firmware, all that others may see; of a
    program that is typed in, what it reaches; of other code, what the programs in it reach."""
    if path.startswith("tools/virtual/device/"):
        return {name for name in _reached(text) | survey(path, text).public if not PRIVATE.fullmatch(name)}
    if not path.startswith("tools/"):
        return _reached(text) | survey(path, text).public
    if path.endswith("_device.py"):
        return _reached(text)
    return set().union(*(_typed(said) for said in _texts(text)))


def _reached(program: str) -> set[str]:
    file = survey("", program)
    return file.reached | file.dotted


def _texts(text: str) -> Iterator[str]:
    """Texts in a source, with 0 for what is put into them when it runs."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "0" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _typed(said: str) -> set[str]:
    if not _PROGRAM.search(said):
        return set()
    try:
        file = survey("", said)
        return file.reached | file.dotted | (file.plain - file.defined)  # it may be a part of one that imports these
    except (SyntaxError, ValueError, Problem):  # a sentence; or a program that is not read: then each word of it
        return set(re.findall(r"\w+", said)) if _STATEMENT.search(said) else set()
