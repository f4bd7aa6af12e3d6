"""Which public names of the firmware may be others on boards: those that no text and nobody outside reaches them by.

A name stays that is also a file's or folder's, an exception's (people read it), a keyword of a call that may be of a
function of others, or looked up by a text. Where a look-up cannot be known, the source is refused.
"""

import ast
import builtins
import keyword
from collections.abc import Collection

from tools.boards.names.survey import DEFINITIONS, LOOK_UPS, File, last, names_in, texts_of_names
from tools.problem import Problem

# What is looked up in these by a name that is not written out: constants of pins.py, and modules by their files' names.
_LOOKED_UP_IN = ("pins", "sys.modules[package]")
_HIDING = {"globals", "locals", "vars", "eval", "exec", "compile", "__import__", "__dict__", "__getattr__", "__slots__"}
_INTERNED = 10  # characters of a text that MicroPython keeps as a name
_WORTH = 8  # bytes that a name must save to be in the heap twice: once as itself, since a text is the same


def renamable(files: list[File], others: Collection[str]) -> list[str]:
    """These names, those first that most files have. others: the names that somebody else uses."""
    for file in files:
        _refuse_hiding(file)
    nodes = [node for file in files for node in file.nodes]
    keywords = {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg}
    arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}
    found = set().union(*(file.public for file in files)) | (keywords & arguments)
    named = [node for file in files for node in texts_of_names(file.nodes)]
    found |= {word for node in named for word in names_in(node) if node.value != word}
    found -= set(others) | set(keyword.kwlist)
    found -= {part for file in files for part in file.path.removesuffix(".py").split("/")}
    found -= _of_other_modules(files) | _exceptions(files)
    found -= _keywords_of_others(files, found)
    texts = {file.path: _texts(file, named) for file in files}
    twice = set().union(*texts.values())
    uses = {name: [file.path for file in files if name in file.all] for name in found if not name.startswith("_")}
    saved = {
        name: sum(-4 if name in texts[path] else len(name) - 2 for path in paths) - _WORTH * (name in twice)
        for name, paths in uses.items()
    }
    return sorted((name for name in uses if saved[name] > 0), key=lambda name: (-len(uses[name]), name))


def _texts(file: File, but: list[ast.Constant]) -> set[str]:
    """Texts that are names to MicroPython, whatever a program uses them for."""
    found = {node.value for node in file.nodes if isinstance(node, ast.Constant) and node not in but}
    return {value for value in found if isinstance(value, str) and len(value) <= _INTERNED}


def _refuse_hiding(file: File) -> None:
    for name in sorted(file.all & _HIDING):
        raise Problem(f"{file.path}: {name} may hide a name from short_names")
    for node in file.nodes:
        if isinstance(node, ast.Attribute) and node.attr == "__name__" and ast.unparse(node.value) != "type(error)":
            raise Problem(f"{file.path}:{node.lineno}: only exceptions keep their names; short_names takes this one's")
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called, place = ast.unparse(node.func), ast.unparse(node.args[0])
        known = called == "dir" or (len(node.args) > 1 and isinstance(node.args[1], ast.Constant))
        if (called in LOOK_UPS and not known and place not in _LOOKED_UP_IN) or (called == "dir" and place != "pins"):
            raise Problem(f"{file.path}:{node.lineno}: short_names cannot know what {called} finds in {place}")


def _of_other_modules(files: list[File]) -> set[str]:
    """What is imported from modules that are none of these files, or follows their names."""
    ours = {file.path.removesuffix(".py").replace("/", ".") for file in files}
    ours |= {name.partition(".")[0] for name in ours}
    found = set()
    for file in files:
        modules = set()
        for node in file.nodes:
            if isinstance(node, ast.Import):
                modules |= {alias.asname or alias.name for alias in node.names if alias.name not in ours}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module not in ours:
                found |= {alias.name for alias in node.names}
        for node in file.nodes:
            if isinstance(node, ast.Attribute) and _first(node) in modules:
                found.add(node.attr)
    return found


def _exceptions(files: list[File]) -> set[str]:
    """Classes whose names people read when they are raised."""
    classes = [node for file in files for node in file.nodes if isinstance(node, ast.ClassDef)]
    found: set[str] = set()
    size = -1
    while len(found) != size:
        size = len(found)
        for made in classes:
            if any(last(base) in found or _is_exception(last(base)) for base in made.bases):
                found.add(made.name)
    return found


def _is_exception(name: str) -> bool:
    there = getattr(builtins, name, None)
    return isinstance(there, type) and issubclass(there, BaseException)


def _first(node: ast.AST) -> str:
    """`a` of `a.b.c` and of `a.b(1).c`; "" where an expression begins otherwise."""
    while isinstance(node, (ast.Attribute, ast.Call)):
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return last(node)


def _keywords_of_others(files: list[File], ours: Collection[str]) -> set[str]:
    """Keywords of calls, save those of what is defined once here as a function or class, and is nothing else."""
    nodes = [node for file in files for node in file.nodes]
    callable_here = {node.name for node in nodes if isinstance(node, DEFINITIONS)} & set(ours)
    callable_here -= {node.arg for node in nodes if isinstance(node, ast.arg)}
    callable_here -= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    callable_here -= {
        node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    calls = [node for node in nodes if isinstance(node, ast.Call) and last(node.func) not in callable_here]
    return {named.arg for call in calls for named in call.keywords if named.arg}
