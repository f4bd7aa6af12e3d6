"""Numbers in the places of their names change nothing: not what any of them is, and none that others use."""

import ast

import pytest

from host_tests.host.test_short_names import BEFORE, WRITTEN
from tools.boards.names import constants

NUMBERS = {
    "const": ("from micropython import const\n_A = const(2)\nB = _A * 8", "pass\npass\npass"),
    "from another file": ("from b import N, f\nf(N)", "from b import f\nf((7))"),
    "alone": ("from b import N\nM = (N,\n N)", "pass\nM = ((7),\n (7))"),
    "over lines": ("from b import (\n    N,\n    f,\n)\nN", "from b import f\n\n\n\n(7)"),
    "by its module": ("from p import c\nc.N + c.f", "from p import c\n(-9) + c.f"),
    "by a module for it alone": ("from p import c\nimport p.c as d\nc.N + d.N", "pass\npass\n(-9) + (-9)"),
    "what others use": ("theirs = 3\ntheirs", None),
    "bound twice": ("K = 1\ndef f():\n    global K\n    K = 2", None),
    "a parameter too": ("K = 1\ndef f(K): return K", None),
    "of who knows what": ("K = 1\nit.K", None),
    "imported as another": ("from b import L as M\nM", None),
    "no whole number": ("K = 1.5\nM = True\nO = 1 << 40\nK, M, O", None),
    "a text read once": ("K = 'a'\nL = b'c'\nK, L", "pass\npass\n('a'), (b'c')"),
    "a text read twice": ("K = 'a'\nK, K", None),
    "a text for nobody": ("K = 'a'", None),
    "const of something else": ("from micropython import const\nf(const)", None),
    "a decorator": ("import micropython\n@micropython.viper\ndef f(): pass", "pass\n@micropython.viper\ndef f(): pass"),
    "not only a decorator": ("import micropython\nmicropython.mem_info()", None),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_stands_where_its_name_stood(name):
    source, expected = NUMBERS[name]
    others = {"b.py": "N = 7\nL = 8\nf = g", "p/c.py": "N = -9\nf = g"}
    assert constants.fold({**others, "a.py": source}, {"theirs"})["a.py"] == (expected or source)


def numbers(path: str) -> dict[str, object]:
    """What names mean in a file: what its top level makes of numbers, and what it imports of the firmware."""
    found: dict[str, object] = {"const": int}
    tree = ast.parse(WRITTEN[path])
    for node in ast.walk(tree):
        if node in tree.body and isinstance(node, ast.Assign):
            try:
                found[ast.unparse(node.targets[0])] = eval(ast.unparse(node.value), dict(found))
            except (NameError, AttributeError, TypeError, ValueError, KeyError):  # it is none
                continue
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            try:
                exec(ast.unparse(node), {"__package__": path.rpartition("/")[0], "__name__": ""}, found)
            except ImportError:
                continue
    return found


def assert_folded(old: object, new: object, known: dict[str, object]) -> int:
    """How many names have become numbers in a syntax tree, or are gone; asserts that nothing else has changed."""
    if isinstance(old, list) and isinstance(new, list):
        return sum(assert_folded(one, other, known) for one, other in zip(old, new, strict=True))
    if isinstance(new, ast.Pass) and isinstance(old, (ast.Assign, ast.Import, ast.ImportFrom)):
        return 1
    if isinstance(old, ast.ImportFrom) and isinstance(new, ast.ImportFrom):
        left = {alias.name for alias in new.names}
        assert (old.module, old.level) == (new.module, new.level)
        assert left <= {alias.name for alias in old.names}
        return len(old.names) - len(left)
    if isinstance(old, (ast.Name, ast.Attribute)) and isinstance(new, (ast.Constant, ast.UnaryOp)):
        assert eval(ast.unparse(old), dict(known)) == ast.literal_eval(new), ast.unparse(old)
        return 1
    assert type(old) is type(new), (old, new)
    if isinstance(old, ast.AST):
        return sum(assert_folded(part, getattr(new, name), known) for name, part in ast.iter_fields(old))
    assert old == new
    return 0


def test_nothing_but_numbers_stands_where_names_stood():
    total = 0
    for path, folded in BEFORE.items():
        assert folded.count("\n") == WRITTEN[path].count("\n")
        total += assert_folded(ast.parse(WRITTEN[path]), ast.parse(folded), numbers(path))
    assert total > 500
