"""Gives the names in the firmware short ones that its files share, before mpy-cross compiles it.

MicroPython keeps every distinct name of what is loaded in the heap, for ever, and each .mpy carries all of its own.

- A name with one leading underscore is private to its file: each file, or hierarchy of classes over several files,
  counts its own anew, `a`, `b`, … `_0`, ….
- A parameter that no call names becomes the first of `a`, `b`, … that means nothing else in its function.
- A public name becomes `A`, … `A0`, … in all files, unless it may be reached in another way (names/public.py).
- Whole numbers stand where their names stood: names/constants.py does that before.

Only names change: lines stay where they are, and so does what starts the firmware.
"""

import ast
import io
import itertools
import re
import string
import tokenize
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from tools.boards.names import public
from tools.boards.names.parameters import shorten_parameters
from tools.boards.names.survey import File, hierarchies, survey


def shorten(
    sources: Mapping[str, str],
    untouched: Iterable[str] = (),
    parameters: bool = True,
    others: Collection[str] | None = None,
) -> tuple[dict[str, str], str]:
    """(the sources by path, with short names; a text that says what each of these stands for).

    untouched: sources that stay, whose calls count all the same. Without `parameters` these keep their names, where
    calls are not known; without `others`, the names that somebody else uses or knows, so do public names. Raises
    Problem where a source is not understood.
    """
    files = [survey(path, text) for path, text in sorted(sources.items())]
    nodes = [node for file in files for node in file.nodes]
    nodes += [node for text in untouched for node in ast.walk(ast.parse(text))]
    named = {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg}
    groups = hierarchies(files)
    stays = _shared(groups) | set(others or ()) | {word for node in nodes for word in _words(node)}
    common: dict[str, str] = {}
    if others is not None:
        taken = set(others).union(named, *(file.all for file in files))
        common = _chosen(public.renamable(files, others), files, _capitals, set(taken), set(taken))
    members = set(others or ()).union(*(file.dotted for file in files))
    said = [f"* {new} = {old}" for old, new in common.items()]
    made = {}
    for group in groups:
        variables = set().union(*(file.plain for file in group))
        own = _chosen(_private(group, stays), group, _letters, variables, set(members))
        new = {**common, **own}
        for file in group:
            if parameters:
                shorten_parameters(file, named, new)
            _rename_texts(file, common)
            made[file.path] = _rewritten(file, new)
            said += [f"{file.path} {short} = {old}" for old, short in own.items() if old in file.all]
            said += [f"{file.path}:{line} {short} = {old}" for line, old, short in file.parameters]
    return made, "\n".join(said) + "\n"


def everywhere(said: str) -> dict[str, str]:
    """{old: new} of the public names in what `shorten` says."""
    lines = [line.split(" ") for line in said.splitlines()]
    return {line[3]: line[1] for line in lines if line[0] == "*"}


def _chosen(
    olds: Iterable[str],
    files: list[File],
    candidates: Callable[[], Iterator[str]],
    variables: set[str],
    members: set[str],
) -> dict[str, str]:
    """What becomes of names, in this order. What follows a dot (`members`, taken already) and what does not
    (`variables`) are told apart by where they stand, so both count from the first candidate."""
    dotted, plain = set().union(*(file.dotted for file in files)), set().union(*(file.plain for file in files))
    found: dict[str, str] = {}
    for old in olds:
        kinds = [taken for taken, names in ((members, dotted), (variables, plain)) if old in names]
        found[old] = next(name for name in candidates() if not any(name in taken for taken in kinds))
        for taken in kinds:
            taken.add(found[old])
    return found


def _capitals() -> Iterator[str]:
    """A, B, … Z, A0, A1, …"""
    for length in itertools.count():
        for first in string.ascii_uppercase:
            for letters in itertools.product(string.digits + string.ascii_letters, repeat=length):
                yield first + "".join(letters)


def _letters() -> Iterator[str]:
    """a, b, … z, _0, _1, … _z, _00, …"""
    yield from string.ascii_lowercase
    for length in itertools.count(1):
        for letters in itertools.product(string.digits + string.ascii_lowercase, repeat=length):
            yield "_" + "".join(letters)


def _private(group: list[File], stays: Collection[str]) -> list[str]:
    """A group's names that are its own."""
    defined, constants, private = (
        set().union(*names)
        for names in zip(*((file.defined, file.constants, file.private) for file in group), strict=True)
    )
    return sorted((private & defined) - constants - set(stays))


def _words(node: ast.AST) -> list[str]:
    """The words of a text that a program may use as a name: of no sentence, hence of no docstring."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
        return re.findall(r"\w+", node.value)
    return []


def _shared(groups: list[list[File]]) -> set[str]:
    """Private names of several groups, unless each of them has its own and reaches it by `self` or as a global."""
    found: set[str] = set()
    for name in set().union(*(file.private for group in groups for file in group)):
        users = [group for group in groups if any(name in file.private - file.constants for file in group)]
        own = all(
            any(name in file.defined for file in group) and all(name not in file.reached for file in group)
            for group in users
        )
        if any(any(name in file.constants for file in group) for group in users) or (len(users) > 1 and not own):
            found.add(name)
    return found


def _rename_texts(file: File, new: Mapping[str, str]) -> None:
    """As the names that they are, if they are public."""
    places = [
        ((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0))
        for node in public.texts_of_names(file.nodes)
    ]
    for token, place in _tokens(file) if places else ():
        if token.type == tokenize.STRING and any(first <= place < last for first, last in places):
            file.edits[place] = re.sub(r"\w+", lambda word: new.get(word[0], word[0]), token.string)


def _tokens(file: File) -> list[tuple[tokenize.TokenInfo, tuple[int, int]]]:
    """Names and texts, each with its line and its column in bytes."""
    lines = [*file.text.splitlines(), ""]
    found = list(tokenize.generate_tokens(io.StringIO(file.text).readline))
    return [
        (token, (token.start[0], len(lines[token.start[0] - 1][: token.start[1]].encode())))
        for token in found
        if token.type in (tokenize.NAME, tokenize.STRING)
    ]


def _rewritten(file: File, new: Mapping[str, str]) -> str:
    lines = [line.encode() for line in file.text.splitlines(keepends=True)]
    for token, (row, start) in reversed(_tokens(file)):
        name = file.edits.get((row, start)) or (new.get(token.string) if token.type == tokenize.NAME else None)
        if name:
            line = lines[row - 1]
            lines[row - 1] = line[:start] + name.encode() + line[start + len(token.string.encode()) :]
    return b"".join(lines).decode()
