"""Gives the firmware's private names and parameters short names that its files share, before mpy-cross compiles it.

MicroPython keeps every distinct name of what is loaded in the heap, for ever. A name with one leading underscore is
private to its file, so each file, or hierarchy of classes over several files, counts its own anew from `_0`; a
parameter that no call names becomes `a`, `b`, … Only names change: lines stay where they are, and so does main.py.
"""

import ast
import io
import itertools
import re
import string
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tools.problem import Problem

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_PRIVATE = re.compile(r"_(?!_)\w+")


@dataclass
class File:
    """One source: its syntax, its private names by what is done with them, and the new names of its parameters."""

    path: str
    text: str
    tree: ast.Module
    private: set[str] = field(default_factory=set)  # all that occur
    defined: set[str] = field(default_factory=set)
    constants: set[str] = field(default_factory=set)  # `_NAME = const(…)`: mpy-cross leaves nothing of them
    reached: set[str] = field(default_factory=set)  # of something else than `self`, or imported: perhaps others'
    parameters: list[tuple[int, str, str]] = field(default_factory=list)  # (line, old, new)
    edits: dict[tuple[int, int], str] = field(default_factory=dict)  # (line, column in bytes) -> new name


def shorten(
    sources: Mapping[str, str], untouched: Iterable[str] = (), parameters: bool = True
) -> tuple[dict[str, str], str]:
    """(the sources by path, with short names; a text that says what each of these stands for).

    untouched: sources that stay, whose calls count all the same. Without `parameters` these keep their names, where
    calls are not known. Raises Problem where a source is not understood.
    """
    files = [File(path, text, ast.parse(text, path)) for path, text in sorted(sources.items())]
    trees = [file.tree for file in files] + [ast.parse(text) for text in untouched]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    kept = {node.arg for node in nodes if isinstance(node, ast.keyword)}
    quoted = {word for node in nodes for word in _words(node)}
    for file in files:
        _survey(file)
        if parameters:
            _shorten_parameters(file, kept)
    groups = _hierarchies(files)
    shared = _shared(groups) | quoted
    taken = set().union(*(file.private for file in files))
    made, said = {}, []
    for group in groups:
        names = iter(name for name in _numbered() if name not in taken)
        new: dict[str, str] = {}
        for file in group:
            for old in sorted(file.private & _defined(group) - _constants(group) - shared):
                if old not in new:
                    new[old] = next(names)
        for file in group:
            made[file.path] = _rewritten(file, new)
            said += [
                f"{file.path} {new[old]} = {old}" for old in sorted(file.private & new.keys(), key=new.__getitem__)
            ]
            said += [f"{file.path}:{line} {short} = {old}" for line, old, short in file.parameters]
    return made, "\n".join(said) + "\n"


def _numbered() -> Iterator[str]:
    """_0, _1, … _z, _00, …"""
    for length in itertools.count(1):
        for letters in itertools.product(string.digits + string.ascii_lowercase, repeat=length):
            yield "_" + "".join(letters)


def _words(node: ast.AST) -> list[str]:
    """The words of a text that a program may use as a name: of no sentence, hence of no docstring."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
        return re.findall(r"\w+", node.value)
    return []


def _survey(file: File) -> None:
    private = file.private
    for node in ast.walk(file.tree):
        if isinstance(node, ast.JoinedStr):
            raise Problem(f"{file.path}: an f-string, which short_names does not read; use % or +")
        if isinstance(node, ast.Name):
            private.add(node.id)
            if isinstance(node.ctx, ast.Store):
                file.defined.add(node.id)
        elif isinstance(node, ast.Attribute):
            private.add(node.attr)
            if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
                file.reached.add(node.attr)
            elif isinstance(node.ctx, ast.Store):
                file.defined.add(node.attr)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            private.add(node.name)
            file.defined.add(node.name)
        elif isinstance(node, ast.arg):
            private.add(node.arg)
            file.defined.add(node.arg)
        elif isinstance(node, ast.keyword) and node.arg:
            private.add(node.arg)
            file.reached.add(node.arg)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for word in re.findall(r"\w+", ast.unparse(node)):
                private.add(word)
                file.reached.add(word)
    for node in file.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("const("):
            file.constants.add(ast.unparse(node.targets[0]))
    file.private = {name for name in private if _PRIVATE.fullmatch(name)}


def _defined(group: list[File]) -> set[str]:
    return set().union(*(file.defined for file in group))


def _constants(group: list[File]) -> set[str]:
    return set().union(*(file.constants for file in group))


def _hierarchies(files: list[File]) -> list[list[File]]:
    """The files in groups: those between which a class inherits are together."""
    by_path = {file.path: file for file in files}
    group = {file.path: [file] for file in files}
    for file in files:
        origins: dict[str, str] = {}  # name in this file -> the file that it is, or is from
        for node in ast.walk(file.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                folder = node.module.replace(".", "/")
                for alias in node.names:
                    inside = f"{folder}/{alias.name}.py"
                    origins[alias.asname or alias.name] = inside if inside in by_path else f"{folder}.py"
        for node in ast.walk(file.tree):
            for base in node.bases if isinstance(node, ast.ClassDef) else ():
                root = next(part.id for part in ast.walk(base) if isinstance(part, ast.Name))
                other = group.get(origins.get(root, ""))
                if other is not None and other is not group[file.path]:
                    other += group[file.path]
                    for member in other:
                        group[member.path] = other
    return [members for path, members in group.items() if members[0].path == path]


def _shared(groups: list[list[File]]) -> set[str]:
    """Private names of several groups, unless each of them has its own and reaches it by `self` or as a global."""
    found: set[str] = set()
    for name in set().union(*(file.private for group in groups for file in group)):
        users = [group for group in groups if any(name in file.private - file.constants for file in group)]
        own = all(name in _defined(group) and all(name not in file.reached for file in group) for group in users)
        if any(any(name in file.constants for file in group) for group in users) or (len(users) > 1 and not own):
            found.add(name)
    return found


def _shorten_parameters(file: File, kept: set[str | None]) -> None:
    now: dict[ast.AST, str] = {}  # the new name of a node that has one
    for function in ast.walk(file.tree):  # outer ones before those in them
        if isinstance(function, ast.keyword) and function.arg is None:
            raise Problem(f"{file.path}: a call with **, whose names short_names cannot know; write them out")
        if not isinstance(function, _FUNCTIONS):
            continue
        arguments = function.args
        for argument in arguments.posonlyargs + arguments.args + arguments.kwonlyargs:
            old = argument.arg
            if old == "self" or old.startswith("_") or old in kept or _rebound(function, old):
                continue
            used = _identifiers(function, now)
            new = next((letter for letter in string.ascii_lowercase if letter not in used | kept), old)
            body = function.body if isinstance(function.body, list) else [function.body]
            for node in (part for statement in body for part in ast.walk(statement)):
                if isinstance(node, ast.Name) and node.id == old and node not in now:
                    now[node] = file.edits[node.lineno, node.col_offset] = new
            now[argument] = file.edits[argument.lineno, argument.col_offset] = new
            file.parameters.append((argument.lineno, old, new))


def _identifiers(function: Function, now: Mapping[ast.AST, str]) -> set[str]:
    """Every name that means something in a function or in what is inside it, whatever it means there."""
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            found.add(now.get(node, node.id))
        elif isinstance(node, ast.arg):
            found.add(now.get(node, node.arg))
        else:
            found.update(_named(node))
    return found


def _named(node: ast.AST) -> list[str]:
    """Names that a node binds or declares without a node of their own."""
    if isinstance(node, (ast.Global, ast.Nonlocal)):
        return node.names
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    name = getattr(node, "name", None)  # of functions, classes and exception handlers
    return [name] if isinstance(name, str) else []


def _rebound(function: Function, name: str) -> bool:
    """Whether a scope inside a function has that name for something of its own, or a statement binds it by text."""
    for node in ast.walk(function):
        if node is not function and name in _named(node):
            return True
        if node is function or not isinstance(node, (*_FUNCTIONS, *_COMPREHENSIONS, ast.ClassDef)):
            continue
        for inner in ast.walk(node):
            if isinstance(inner, ast.arg) and inner.arg == name:
                return True
            if isinstance(inner, ast.Name) and inner.id == name and not isinstance(inner.ctx, ast.Load):
                return True
    return False


def _rewritten(file: File, new: Mapping[str, str]) -> str:
    texts = file.text.splitlines(keepends=True)
    lines = [line.encode() for line in texts]
    tokens = list(tokenize.generate_tokens(io.StringIO(file.text).readline))
    for token in reversed([token for token in tokens if token.type == tokenize.NAME]):
        row, column = token.start
        start = len(texts[row - 1][:column].encode())
        name = file.edits.get((row, start)) or new.get(token.string)
        if name:
            line = lines[row - 1]
            lines[row - 1] = line[:start] + name.encode() + line[start + len(token.string.encode()) :]
    return b"".join(lines).decode()
