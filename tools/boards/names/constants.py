"""Puts the whole numbers that the firmware calls by name, and texts and bytes that it reads in one place, there.

mpy-cross does that for `_NAME = const(…)` within a file. Here it is done for every name that a file binds once, to what
is written there, wherever all its uses are known: a name, a look-up and part of an import less for each. What is
imported for mpy-cross alone goes too. Lines stay where they are.
"""

import ast
import operator
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tools.boards.names.survey import folder_of

_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.LShift: operator.lshift,
    ast.BitOr: operator.or_,
}
Value = int | str | bytes
Place = ast.expr | ast.stmt
_SMALL = 1 << 30  # beyond, a 32-bit board makes an object of it, in each file


@dataclass
class _Source:
    path: str
    text: str
    tree: ast.Module
    nodes: list[ast.AST]
    bound: list[str]  # each name as often as something in the file binds it
    values: dict[str, Value] = field(default_factory=dict)  # its own, of its first level
    modules: dict[str, str] = field(default_factory=dict)  # name of a module in the file -> path of its source
    imported: dict[str, str] = field(default_factory=dict)  # name -> path of the source that it is from

    def once(self, name: str) -> bool:
        return self.bound.count(name) == 1


def fold(sources: Mapping[str, str], others: Collection[str]) -> dict[str, str]:
    """The sources, with values for names. others: names that somebody else may ask for, which stay."""
    read = {path: _read(path, text, sources) for path, text in sources.items()}
    known = {(source.path, name): value for source in read.values() for name, value in source.values.items()}
    known = {place: value for place, value in known.items() if place[1] not in others}
    while unsure := {place for source in read.values() for place in _unsure(source, known)} & known.keys():
        known = {place: value for place, value in known.items() if place not in unsure}
    read_at = Counter(
        place for source in read.values() for node in source.nodes if (place := _read_place(source, node))
    )
    known = {place: value for place, value in known.items() if isinstance(value, int) or read_at[place] == 1}
    return {path: _folded(source, known) for path, source in read.items()}


def _read(path: str, text: str, sources: Collection[str]) -> _Source:
    tree = ast.parse(text, path)
    nodes = list(ast.walk(tree))
    bound = []
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.append(node.id)
        elif isinstance(node, ast.arg):
            bound.append(node.arg)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            bound += node.names
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound += {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(getattr(node, "name", None), str) and not isinstance(node, ast.alias):
            bound.append(node.name)  # type: ignore[attr-defined]
    source = _Source(path, text, tree, nodes, bound)
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                inside = alias.name.replace(".", "/") + ".py"
                if alias.asname and source.once(alias.asname) and inside in sources:
                    source.modules[alias.asname] = inside
        elif isinstance(node, ast.ImportFrom):
            folder = folder_of(node, path)
            for alias in node.names:
                name, inside = alias.asname or alias.name, f"{folder}/{alias.name}.py"
                if source.once(name) and inside in sources:
                    source.modules[name] = inside
                elif source.once(name) and f"{folder}.py" in sources and not alias.asname:
                    source.imported[name] = f"{folder}.py"
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and len(node.targets) == 1:
            name, value = node.targets[0].id, _value(node.value, source.values)
            if value is not None and source.once(name) and not (isinstance(value, int) and abs(value) >= _SMALL):
                source.values[name] = value
    return source


def _value(node: ast.AST, values: Mapping[str, Value]) -> Value | None:
    """Of a text, bytes, or an expression of whole numbers; None: it is none."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, str, bytes):
        return node.value  # type: ignore[return-value]
    if isinstance(node, ast.Name):
        return values.get(node.id)
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "const" and len(node.args) == 1:
        return _value(node.args[0], values)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _value(node.operand, values)
        return -value if isinstance(value, int) else None
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _value(node.left, values), _value(node.right, values)
        return _OPERATORS[type(node.op)](left, right) if isinstance(left, int) and isinstance(right, int) else None
    return None


def _place(source: _Source, node: ast.AST) -> tuple[str, str] | None:
    """(path, name) of the module's variable that an expression reads; None: it is not known to be one."""
    if isinstance(node, ast.Name):
        if node.id in source.imported:
            return source.imported[node.id], node.id
        return (source.path, node.id) if node.id in source.values else None
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in source.modules:
        return source.modules[node.value.id], node.attr
    return None


def _read_place(source: _Source, node: ast.AST) -> tuple[str, str] | None:
    """As `_place`, of an expression that is read."""
    reads = isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load)
    return _place(source, node) if reads else None


def _unsure(source: _Source, known: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """What a file reaches, or may reach, in another way than by reading it."""
    names = {name for _, name in known}
    reached: set[str] = set()
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr in names:
            if not isinstance(node.ctx, ast.Load) or _place(source, node) not in known:
                reached.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            reached |= {alias.name for alias in node.names if alias.name not in source.imported} & names
    return {place for place in known if place[1] in reached}


def _folded(source: _Source, known: Mapping[tuple[str, str], Value]) -> str:
    spans: list[tuple[Place, str]] = []
    for node in source.nodes:
        place = _read_place(source, node)
        if isinstance(node, ast.expr) and place and place in known:
            spans.append((node, f"({known[place]!r})"))
    modules = {node.value for node, _ in spans if isinstance(node, ast.Attribute)}
    needed = {node.id for node in source.nodes if isinstance(node, ast.Name) and node not in modules}
    gone = {node.id for node in modules if isinstance(node, ast.Name)} - needed  # imported for these values alone
    for node in source.nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.asname or alias.name for alias in node.names]
            left = [
                alias
                for alias, name in zip(node.names, names, strict=True)
                if name not in gone and (source.imported.get(name, ""), name) not in known
            ]
            if len(left) < len(names):
                kept = (
                    ast.ImportFrom(node.module, left, node.level)
                    if isinstance(node, ast.ImportFrom)
                    else ast.Import(left)
                )
                spans.append((node, ast.unparse(kept) if left else "pass"))
    for node in source.tree.body:
        if isinstance(node, ast.Assign) and _place(source, node.targets[0]) in known:
            inside = set(ast.walk(node))
            spans = [(part, text) for part, text in spans if part not in inside]
            spans.append((node, "pass"))
    return _replaced(source.text, spans + _for_the_compiler(source))


def _for_the_compiler(source: _Source) -> list[tuple[Place, str]]:
    """Imports of what is not there when the program runs: `const(…)` that is assigned, and decorators."""
    seen: list[ast.AST] = []
    for node in source.nodes:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            seen.append(node.value.func)
        elif isinstance(node, ast.FunctionDef):
            seen += [part.value for part in node.decorator_list if isinstance(part, ast.Attribute)]
    names = [node for node in source.nodes if isinstance(node, ast.Name) and node.id in ("const", "micropython")]
    unneeded = {"const", "micropython"} - {node.id for node in set(names) - set(seen)}
    return [
        (node, "pass")
        for node in source.tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        and (getattr(node, "module", None) or "micropython") == "micropython"
        and {alias.asname or alias.name for alias in node.names} <= unneeded
    ]


def _replaced(text: str, spans: list[tuple[Place, str]]) -> str:
    """The text with other words in these places, and as many lines."""
    lines = [line.encode() for line in text.splitlines(keepends=True)]
    for node, word in sorted(spans, key=lambda span: (span[0].lineno, span[0].col_offset), reverse=True):
        first, last = node.lineno - 1, (node.end_lineno or 0) - 1
        after = lines[last][node.end_col_offset :]
        lines[first] = lines[first][: node.col_offset] + word.encode() + after
        lines[first + 1 : last + 1] = [b"\n"] * (last - first)
    return b"".join(lines).decode()
