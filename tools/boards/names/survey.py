"""Reads a source for `short_names`: which names it has, and what is done with them."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tools.problem import Problem

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
LOOK_UPS = ("getattr", "hasattr", "setattr", "delattr")
PRIVATE = re.compile(r"_(?!_)\w+")


@dataclass
class File:
    """One source: its syntax, its names by what is done with them, and what becomes of its parameters."""

    path: str
    text: str
    tree: ast.Module
    nodes: list[ast.AST]
    all: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)  # all with one underscore in front
    defined: set[str] = field(default_factory=set)
    plain: set[str] = field(default_factory=set)  # what is a variable, a parameter, or imported
    dotted: set[str] = field(default_factory=set)  # what follows a dot, or lies in a class
    public: set[str] = field(default_factory=set)  # defined, without underscore, where others may see it
    constants: set[str] = field(default_factory=set)  # `_NAME = const(…)`: mpy-cross leaves nothing of them
    reached: set[str] = field(default_factory=set)  # of something else than `self`, or imported: perhaps others'
    parameters: list[tuple[int, str, str]] = field(default_factory=list)  # (line, old, new)
    edits: dict[tuple[int, int], str] = field(default_factory=dict)  # (line, column in bytes) -> new text of a token


def survey(path: str, text: str) -> File:
    """Raises Problem where the source has what would hide a name."""
    tree = ast.parse(text, path)
    file = File(path, text, tree, list(ast.walk(tree)))
    for node in file.nodes:
        if isinstance(node, ast.JoinedStr):
            raise Problem(f"{path}: an f-string, which short_names does not read; use % or +")
        if isinstance(node, ast.Name):
            file.plain.add(node.id)
            if isinstance(node.ctx, ast.Store):
                file.defined.add(node.id)
        elif isinstance(node, ast.Attribute):
            file.dotted.add(node.attr)
            if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
                file.reached.add(node.attr)
            elif isinstance(node.ctx, ast.Store):
                file.defined.add(node.attr)
                file.public.add(node.attr)
        elif isinstance(node, DEFINITIONS):
            file.defined.add(node.name)
        elif isinstance(node, ast.arg):
            file.plain.add(node.arg)
            file.defined.add(node.arg)
        elif isinstance(node, ast.keyword) and node.arg:
            file.plain.add(node.arg)
            file.reached.add(node.arg)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            words = {name for alias in node.names for name in (*alias.name.split("."), alias.asname) if name}
            words |= set((getattr(node, "module", None) or "").split(".")) - {""}
            file.plain |= words
            file.reached |= words
        elif isinstance(node, ast.Global):
            file.public.update(node.names)
        if not isinstance(node, DEFINITIONS):
            file.plain.update(named(node))
    _see(file, file.tree.body, file.plain)
    file.dotted.update(word for node in texts_of_names(file.nodes) for word in names_in(node))
    for node in file.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("const("):
            file.constants.add(ast.unparse(node.targets[0]))
    file.all = file.plain | file.dotted
    file.private = {name for name in file.all if PRIVATE.fullmatch(name)}
    file.public = {name for name in file.public if not name.startswith("_")}
    return file


def _see(file: File, nodes: Iterable[ast.AST], there: set[str]) -> None:
    """Adds what a module or a class, outside of its functions, defines or uses, to its names of that kind."""
    for node in nodes:
        inside: Iterable[ast.AST] = ast.iter_child_nodes(node)
        if isinstance(node, DEFINITIONS):
            there.add(node.name)
            file.public.add(node.name)
            if isinstance(node, ast.ClassDef):
                _see(file, node.body, file.dotted)
                inside = [*node.decorator_list, *node.bases]
            else:  # its decorators and defaults are of this place, what is in it is not
                file.plain.update(
                    part.name for part in ast.walk(node) if isinstance(part, DEFINITIONS) and part != node
                )
                inside = [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif isinstance(node, ast.Name):
            there.add(node.id)
            if isinstance(node.ctx, ast.Store):
                file.public.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            file.public.update(alias.asname for alias in node.names if alias.asname)
        _see(file, inside, there)


def named(node: ast.AST) -> list[str]:
    """Names that a node binds or declares without a node of their own."""
    if isinstance(node, (ast.Global, ast.Nonlocal)):
        return node.names
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    name = getattr(node, "name", None)  # of functions, classes and exception handlers
    return [name] if isinstance(name, str) else []


def texts_of_names(nodes: list[ast.AST]) -> Iterator[ast.Constant]:
    """The texts in a program that are names and nothing else: those of a look-up, and of the fields of tuples."""
    for node in nodes:
        if not isinstance(node, ast.Call) or len(node.args) < 2:
            continue
        called = last(node.func)
        if called == "namedtuple" or called in LOOK_UPS:
            for part in ast.walk(node.args[1]) if called == "namedtuple" else node.args[1:2]:
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part


def names_in(node: ast.Constant) -> list[str]:
    """The names in such a text."""
    return str(node.value).split()


def last(node: ast.AST) -> str:
    """`c` of `a.b.c`; "" where an expression ends otherwise."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def folder_of(node: ast.ImportFrom, path: str) -> str:
    """Where in the tree lies what a file imports: the path of a folder, or of a source without `.py`."""
    above = path.split("/")[: -node.level] if node.level else []
    return "/".join([*above, *(node.module or "").split(".")]).strip("/")


def hierarchies(files: list[File]) -> list[list[File]]:
    """The files in groups: those between which a class inherits are together."""
    by_path = {file.path: file for file in files}
    group = {file.path: [file] for file in files}
    for file in files:
        origins: dict[str, str] = {}  # name in this file -> the file that it is, or is from
        for node in file.nodes:
            if isinstance(node, ast.ImportFrom):
                folder = folder_of(node, file.path)
                for alias in node.names:
                    inside = f"{folder}/{alias.name}.py"
                    origins[alias.asname or alias.name] = inside if inside in by_path else f"{folder}.py"
        for node in file.nodes:
            for base in node.bases if isinstance(node, ast.ClassDef) else ():
                root = next(part.id for part in ast.walk(base) if isinstance(part, ast.Name))
                other = group.get(origins.get(root, ""))
                if other is not None and other is not group[file.path]:
                    other += group[file.path]
                    for member in other:
                        group[member.path] = other
    return [members for path, members in group.items() if members[0].path == path]
