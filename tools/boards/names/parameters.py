"""Gives parameters that no call names `a`, `b`, …: each the first letter that means nothing else in its function."""

import ast
import string
from collections.abc import Collection, Mapping

from tools.boards.names.survey import FUNCTIONS, File, Function, named
from tools.problem import Problem

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def shorten_parameters(file: File, kept: Collection[str], new: Mapping[str, str]) -> None:
    """kept: names that calls use, and letters that mean something to somebody. new: what other names become."""
    now: dict[ast.AST, str] = {}  # the new name of a node that has one
    for function in file.nodes:  # outer ones before those in them
        if isinstance(function, ast.keyword) and function.arg is None:
            raise Problem(f"{file.path}: a call with **, whose names short_names cannot know; write them out")
        if not isinstance(function, FUNCTIONS):
            continue
        arguments = function.args
        for argument in arguments.posonlyargs + arguments.args + arguments.kwonlyargs:
            old = argument.arg
            if old == "self" or old.startswith("_") or old in kept or _rebound(function, old):
                continue
            used = _identifiers(function, now, new)
            short = next(
                (letter for letter in string.ascii_lowercase if letter not in used and letter not in kept), old
            )
            body = function.body if isinstance(function.body, list) else [function.body]
            for node in (part for statement in body for part in ast.walk(statement)):
                if isinstance(node, ast.Name) and node.id == old and node not in now:
                    now[node] = file.edits[node.lineno, node.col_offset] = short
            now[argument] = file.edits[argument.lineno, argument.col_offset] = short
            file.parameters.append((argument.lineno, old, short))


def _identifiers(function: Function, now: Mapping[ast.AST, str], new: Mapping[str, str]) -> set[str]:
    """Every name that means something in a function or in what is inside it, whatever it means there."""
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            found.add(now.get(node) or new.get(node.id, node.id))
        elif isinstance(node, ast.arg):
            found.add(now.get(node) or new.get(node.arg, node.arg))
        else:
            found.update(new.get(name, name) for name in named(node))
    return found


def _rebound(function: Function, name: str) -> bool:
    """Whether a scope inside a function has that name for something of its own, or a statement binds it by text."""
    for node in ast.walk(function):
        if node is not function and name in named(node):
            return True
        if node is function or not isinstance(node, (*FUNCTIONS, *_COMPREHENSIONS, ast.ClassDef)):
            continue
        for inner in ast.walk(node):
            if isinstance(inner, ast.arg) and inner.arg == name:
                return True
            if isinstance(inner, ast.Name) and inner.id == name and not isinstance(inner.ctx, ast.Load):
                return True
    return False
