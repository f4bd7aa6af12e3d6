"""Short names change nothing but names: not what any of them is bound to, and none that others use."""

import ast
import dis
import importlib
import inspect
import io
import re
import tokenize
from functools import cache
from itertools import groupby
from types import CodeType

import pytest

from host_tests.host.tree import FIRMWARE, REPOSITORY, files, text
from host_tests.runner import pure
from tools.boards.firmware_build import SOURCES_ON_DEVICE, short_sources
from tools.boards.short_names import shorten
from tools.problem import Problem

BEFORE = {str(path.relative_to(FIRMWARE)): text(path) or "" for path in FIRMWARE.rglob("*.py")}
AFTER, SAID = short_sources()
PRIVATE = re.compile(r"_(?!_)\w+")
JUMPS = {dis.opname[code] for code in (*dis.hasjrel, *dis.hasjabs)}  # relative: prefixes by name cannot move them
CLOSURE_LOADS = ("LOAD_CLOSURE", "LOAD_FAST")
PURE_TESTS = ("test_nfc_reader", "test_store_ledger", "test_ticket_claims")


def tokens(source: str) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(source).readline))


@cache
def pairs(path: str) -> list[tuple[tokenize.TokenInfo, str]]:
    """Each token of a source, and what has become of it."""
    old, new = tokens(BEFORE[path]), tokens(AFTER[path])
    assert [(token.type, token.start[0]) for token in old] == [(token.type, token.start[0]) for token in new]
    return [(before, after.string) for before, after in zip(old, new, strict=True)]


def private(path: str) -> dict[str, str]:
    """What the private names of a source have become; asserts that each has become one, no two the same."""
    found: dict[str, str] = {}
    for token, new in pairs(path):
        if token.type == tokenize.NAME and PRIVATE.fullmatch(token.string):
            assert found.setdefault(token.string, new) == new, (path, token)
            assert PRIVATE.fullmatch(new)
    assert len(set(found.values())) == len(found), path
    return found


PRIVATES = {path: private(path) for path in AFTER}


def test_six_in_seven_private_names_are_gone():
    before, after = (set().union(*map(part, PRIVATES.values())) for part in (dict.keys, dict.values))
    constants = {name for name in after if len(name) > 2 and name.isupper()}
    assert len(after - constants) < len(before - constants) / 7


def test_nothing_but_names_differs_and_lines_stay():
    for path in AFTER:
        for token, new in pairs(path):
            assert token.string == new or token.type == tokenize.NAME, (path, token)
    assert set(BEFORE) - set(AFTER) == set(SOURCES_ON_DEVICE)


def instructions(code: CodeType, own: dict[str, str]) -> list[tuple[str, object]]:
    """What a piece of code does, its variables by their new names. Compilers sort closures by name: so here, too."""
    found: list[tuple[str, object]] = []
    cells = {own[name] for name in code.co_cellvars + code.co_freevars}
    for step in dis.get_instructions(code):
        value = "code" if isinstance(step.argval, CodeType) else step.argval
        if step.opcode in dis.haslocal or step.opcode in dis.hasfree:
            value = tuple(own[name] for name in value) if isinstance(value, tuple) else own[value]
        if step.opname == "LOAD_FAST_LOAD_FAST":
            found += [("LOAD_FAST", name) for name in value]
        elif step.opname != "MAKE_CELL" and step.opname not in JUMPS:
            found.append((step.opname, value))
        elif step.opname != "MAKE_CELL":
            found.append((step.opname, step.arg))
    runs = groupby(found, key=lambda step: step[0] in CLOSURE_LOADS and (step[0] == "LOAD_CLOSURE" or step[1] in cells))
    return [step for closure, run in runs for step in (sorted(run, key=str) if closure else run)]


def assert_same(old: CodeType, new: CodeType, around: dict[str, str]) -> None:
    """Of code that differs in parameters' names alone. around: the variables of the functions around, by old name."""
    assert (old.co_name, old.co_names, len(old.co_consts)) == (new.co_name, new.co_names, len(new.co_consts))
    own = {name: name for name in old.co_cellvars}
    own.update({name: around[name] for name in old.co_freevars})
    own.update(zip(old.co_varnames, new.co_varnames, strict=True))
    assert len(set(own.values())) == len(own), own
    assert {own[name] for name in old.co_cellvars} == set(new.co_cellvars)
    assert {own[name] for name in old.co_freevars} == set(new.co_freevars)
    unchanged = {name: name for name in own.values()}
    assert instructions(old, own) == instructions(new, unchanged), old.co_qualname
    for before, after in zip(old.co_consts, new.co_consts, strict=True):
        if isinstance(before, CodeType):
            assert_same(before, after, {**around, **own})
        else:
            assert before == after


@pytest.mark.parametrize("path", sorted(AFTER))
def test_every_name_is_bound_to_what_it_was_bound_to(path):
    old = {new: old for old, new in PRIVATES[path].items()}
    lines = AFTER[path].split("\n")
    for token in reversed(tokens(AFTER[path])):
        if token.type == tokenize.NAME and token.string in old:
            (row, start), (_, end) = token.start, token.end
            lines[row - 1] = lines[row - 1][:start] + old[token.string] + lines[row - 1][end:]
    before, after = ast.parse(BEFORE[path]), ast.parse("\n".join(lines))
    assert annotations_taken(before) == annotations_taken(after)
    assert_same(compile(before, path, "exec"), compile(after, path, "exec"), {})


def annotations_taken(tree: ast.AST) -> list[str]:
    """Takes the annotations (of viper code) out, whose compiled form holds the parameters' names as texts."""
    found = []
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                found.append(ast.unparse(getattr(node, field)))
                setattr(node, field, None)
    return found


def test_no_two_private_names_of_one_hierarchy_of_classes_are_merged():
    across = set()
    for path in AFTER:
        if not re.search(r"^class \w+\((?!Exception)", BEFORE[path], re.MULTILINE):
            continue
        module = importlib.import_module(path[:-3].replace("/", "."))
        for made in vars(module).values():
            if inspect.isclass(made):
                homes = {other.__module__.replace(".", "/") + ".py" for other in made.__mro__} & set(AFTER)
                old: dict[str, str] = {}
                for home in homes:
                    assert all(old.setdefault(new, name) == name for name, new in PRIVATES[home].items()), made
                    across |= {path} if len(homes) > 1 else set()
    assert {"nfc/spi.py", "relay/gpio.py", "relay/contactor.py"} <= across


def test_a_private_name_that_is_reached_from_another_file_is_the_same_in_both():
    for path in AFTER:
        row = [(token.string, new) for token, new in pairs(path)]
        for (before, _), (dot, _), (name, new) in zip(row, row[1:], row[2:], strict=False):
            if dot == "." and before != "self" and PRIVATE.fullmatch(name):
                others = [other for other in AFTER if other != path and name in PRIVATES[other]]
                assert all(PRIVATES[other][name] == new for other in others), (path, before, name)
        for node in ast.walk(ast.parse(BEFORE[path])):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                imported = [alias.name for alias in node.names if PRIVATE.fullmatch(alias.name)]
                assert all(PRIVATES[path][name] == name for name in imported)


def device_code() -> list[ast.Module]:
    """What tools and tests have boards run: the texts in them that are programs."""
    found = []
    for path in files(".py"):
        if path.is_relative_to(REPOSITORY / "tools") or path.is_relative_to(REPOSITORY / "host_tests/board"):
            for node in ast.walk(ast.parse(text(path) or "")):
                if isinstance(node, ast.JoinedStr):
                    parts = [str(part.value) if isinstance(part, ast.Constant) else "0" for part in node.values]
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    parts = [node.value]
                else:
                    continue
                program = "".join(parts)
                if "(" not in program and "._" not in program:
                    continue  # it calls nothing, and reaches nothing private
                try:
                    found.append(ast.parse(program))
                except (SyntaxError, ValueError):
                    continue
    return found


def test_what_calls_name_and_what_tools_and_tests_reach_keeps_its_name():
    renamed = {token.string for path in AFTER for token, new in pairs(path) if token.string != new}
    of_parameters = {name for name in renamed if not PRIVATE.fullmatch(name)}
    trees = [ast.parse(source) for source in BEFORE.values()]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    ours = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}
    assert of_parameters & {node.arg for node in nodes if isinstance(node, ast.keyword)} == set()
    from_outside = [node for tree in device_code() for node in ast.walk(tree)]
    for node in from_outside:
        if isinstance(node, ast.Call) and re.split(r"\W", ast.unparse(node.func))[-1] in ours:
            assert of_parameters & {keyword.arg for keyword in node.keywords} == set(), ast.unparse(node)
    reached = {node.attr for node in from_outside if isinstance(node, ast.Attribute)}
    assert renamed & {name for name in reached if PRIVATE.fullmatch(name)} == set()


def test_the_map_tells_what_a_name_in_a_traceback_stands_for():
    for path, mapping in PRIVATES.items():
        for old, new in mapping.items():
            assert old == new or f"\n{path} {new} = {old}\n" in "\n" + SAID
    untouched = [BEFORE[name] for name in SOURCES_ON_DEVICE]
    assert shorten({path: BEFORE[path] for path in reversed(AFTER)}, untouched) == (AFTER, SAID)


CASES = {
    "used inside": ("def f(one):\n    return lambda c: one + c", "def f(a):\n    return lambda b: a + b"),
    "taken": ("def f(one):\n    return a(one)", "def f(b):\n    return a(b)"),
    "bound anew inside": ("def f(one):\n    return [one for one in one]", None),
    "by keyword": ("def f(one):\n    return f(one=one)", None),
    "in a default": ("def f(one, two=one):\n    return two", "def f(a, b=one):\n    return b"),
    "deleted": ("def f(error):\n    try: f()\n    except E as error: pass", None),
    "const": ("from micropython import const\n_A = const(1)\nB = _A", None),
    "of a library": ("import sys\nB = sys._git", None),
    "quoted": ("def _f(): pass\nB = getattr(x, '_f')", None),
    "over a letter of two bytes": ("B = 'ü'; _cd = 1", "B = 'ü'; _0 = 1"),
}


@pytest.mark.parametrize("name", CASES)
def test_scopes_and_what_must_stay(name):
    source, expected = CASES[name]
    assert shorten({"a.py": source})[0]["a.py"] == (expected or source)


def test_what_could_hide_a_name_is_refused():
    for source in ("def f(one): return f'{one}'", "f(**names)"):
        with pytest.raises(Problem):
            shorten({"a.py": source})
    kept = "def f(one): _g(one, **names)"
    assert shorten({"a.py": kept}, parameters=False)[0]["a.py"] == kept, "_g is somebody else's"


@pytest.mark.parametrize("name", PURE_TESTS)
def test_pure_tests_pass_with_short_names(tmp_path, monkeypatch, name):
    for path, source in AFTER.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(source)
    for path in FIRMWARE.rglob("*.bin"):
        (tmp_path / path.relative_to(FIRMWARE)).write_bytes(path.read_bytes())
    monkeypatch.setattr(pure, "FIRMWARE", tmp_path)
    tree = ast.parse((pure.PURE / f"{name}.py").read_text())
    wanted = [
        node.name
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    ]
    run = pure.Run(pure.PURE / f"{name}.py", "micropython", wanted, soak=False)
    try:
        verdicts = {test: run.result(test) for test in wanted}
    finally:
        run.close()
    assert {test: verdict for test, verdict in verdicts.items() if verdict[0] == "fail"} == {}
    assert any(verdict == "pass" for verdict, _ in verdicts.values())
