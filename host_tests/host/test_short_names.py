"""Short names change nothing but names: not what any of them is bound to, and none that others use."""

import ast
import dis
import importlib
import inspect
import io
import re
import shutil
import tokenize
from functools import cache
from itertools import groupby
from types import CodeType

import pytest

from host_tests.board.desk import as_on_boards
from host_tests.host.tree import FIRMWARE, text
from host_tests.runner import pure
from tools.boards.firmware_build import NEVER_REPLACED, SOURCES_ON_DEVICE, public_names, short_sources
from tools.boards.names import constants, outside
from tools.boards.short_names import everywhere, shorten
from tools.problem import Problem
from tools.virtual.child import known_names

WRITTEN = {str(path.relative_to(FIRMWARE)): text(path) or "" for path in FIRMWARE.rglob("*.py")}
OUTSIDE = outside.sources() | {name: WRITTEN[name] for name in NEVER_REPLACED}
REACHED = set().union(*(outside.names(path, said) for path, said in OUTSIDE.items()))
OTHERS = REACHED | known_names(set(re.findall(r"[A-Za-z_]\w*", "".join(WRITTEN.values()))))
BEFORE = constants.fold({path: WRITTEN[path] for path in WRITTEN if path not in SOURCES_ON_DEVICE}, OTHERS)
AFTER, SAID = short_sources()
PUBLIC = public_names()
PRIVATE = re.compile(r"_(?!_)\w+")
JUMPS = {dis.opname[code] for code in (*dis.hasjrel, *dis.hasjabs)}  # relative: prefixes by name cannot move them
CLOSURE_LOADS = ("LOAD_CLOSURE", "LOAD_FAST")
DEVICE_ONLY = {
    "start.py",
    "trees.py",
    *(path for path in AFTER if path.endswith(("_viper.py", "_unrolled.py"))),
}  # no import on CPython
PURE_TESTS = ("test_nfc_type2", "test_store_ledger", "test_relay_gpio")


def tokens(source: str) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(source).readline))


@cache
def pairs(path: str) -> list[tuple[tokenize.TokenInfo, str]]:
    """Each token of a source, and what has become of it."""
    old, new = tokens(BEFORE[path]), tokens(AFTER[path])
    assert [(token.type, token.start[0]) for token in old] == [(token.type, token.start[0]) for token in new]
    return [(before, after.string) for before, after in zip(old, new, strict=True)]


def private(path: str) -> dict[str, str]:
    """What the private names of a source have become; asserts that each has become one."""
    found: dict[str, str] = {}
    for token, new in pairs(path):
        if token.type == tokenize.NAME and PRIVATE.fullmatch(token.string):
            assert found.setdefault(token.string, new) == new, (path, token)
            assert re.fullmatch("[a-z]|_.+", new)
    return found


PRIVATES = {path: private(path) for path in AFTER}


def test_nothing_but_names_differs_and_lines_stay():
    assert set(BEFORE) == set(AFTER)
    for path in AFTER:
        names = {"namedtuple", "getattr", "hasattr"}
        texts_of_names = {token.start[0] for token, _ in pairs(path) if token.string in names}
        for token, new in pairs(path):
            if token.string != new and token.type == tokenize.STRING:
                first = max(row for row in texts_of_names if row <= token.start[0])
                assert token.start[0] - first < 12, (path, token)
                words = re.findall(r"\w+", token.string)
                assert re.findall(r"\w+", new) == [PUBLIC.get(word, word) for word in words]
            else:
                assert token.string == new or token.type == tokenize.NAME, (path, token)


def test_a_public_name_is_the_same_everywhere():
    for path in AFTER:
        for token, new in pairs(path):
            if token.type == tokenize.NAME and not PRIVATE.fullmatch(token.string) and token.string != new:
                assert new == PUBLIC.get(token.string) or re.fullmatch("[a-z]", new), (path, token, "is no parameter")
    assert all(re.fullmatch(r"[A-Z]\w?", new) for new in PUBLIC.values())


def instructions(code: CodeType, own: dict[str, str], names: dict[str, str]) -> list[tuple[str, object]]:
    """What a piece of code does, its variables and names by the new ones. Compilers sort closures by name: so here."""
    found: list[tuple[str, object]] = []
    cells = {own[name] for name in code.co_cellvars + code.co_freevars}
    for step in dis.get_instructions(code):
        value = "code" if isinstance(step.argval, CodeType) else step.argval
        if step.opcode in dis.haslocal or step.opcode in dis.hasfree:
            value = tuple(own[name] for name in value) if isinstance(value, tuple) else own[value]
        elif step.opcode in dis.hasname:
            value = names.get(str(value), value)
        elif step.opcode in dis.hasconst or step.opname == "KW_NAMES":
            value = "constant"  # compared by itself
        if step.opname == "LOAD_FAST_LOAD_FAST":
            found += [("LOAD_FAST", name) for name in value]
        elif step.opname != "MAKE_CELL" and step.opname not in JUMPS:
            found.append((step.opname, value))
        elif step.opname != "MAKE_CELL":
            found.append((step.opname, step.arg))
    runs = groupby(found, key=lambda step: step[0] in CLOSURE_LOADS and (step[0] == "LOAD_CLOSURE" or step[1] in cells))
    return [step for closure, run in runs for step in (sorted(run, key=str) if closure else run)]


def renamed(value: object, names: dict[str, str]) -> object:
    """A text, or several, whose words are names."""
    if isinstance(value, tuple):
        return tuple(renamed(part, names) for part in value)
    return re.sub(r"\w+", lambda word: names.get(word[0], word[0]), value) if isinstance(value, str) else value


def assert_same(old: CodeType, new: CodeType, around: dict[str, str], names: dict[str, str]) -> None:
    """Of code that differs in names alone. around: the variables of the functions around, by old name."""
    assert names.get(old.co_name, old.co_name) == new.co_name
    own = {name: names.get(name, name) for name in old.co_cellvars}
    own.update({name: around[name] for name in old.co_freevars})
    own.update(zip(old.co_varnames, new.co_varnames, strict=True))
    assert len(set(own.values())) == len(own), own
    assert {own[name] for name in old.co_cellvars} == set(new.co_cellvars)
    assert {own[name] for name in old.co_freevars} == set(new.co_freevars)
    unchanged = {name: name for name in own.values()}
    assert instructions(old, own, names) == instructions(new, unchanged, {}), old.co_qualname
    for before, after in zip(old.co_consts, new.co_consts, strict=True):
        if isinstance(before, CodeType):
            assert_same(before, after, {**around, **own}, names)
        else:  # keywords, fields, look-ups and the names of functions are texts here
            assert after in (before, renamed(before, names))


@pytest.mark.parametrize("path", sorted(AFTER))
def test_every_name_is_bound_to_what_it_was_bound_to(path):
    before, after = ast.parse(BEFORE[path]), ast.parse(AFTER[path])
    assert [PUBLIC.get(name, name) for name in annotations_taken(before)] == annotations_taken(after)
    names = {**PUBLIC, **PRIVATES[path]}
    assert_same(compile(before, path, "exec"), compile(after, path, "exec"), {}, names)


def annotations_taken(tree: ast.AST) -> list[str]:
    """Takes the annotations (of viper code) out, whose compiled form holds the parameters' names as texts."""
    found = []
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                found.append(ast.unparse(getattr(node, field)))
                setattr(node, field, None)
    return found


def kinds(path: str) -> tuple[dict[str, str], dict[str, str]]:
    """{old: new} of what follows dots or lies in a class, and of all other names but parameters and their uses."""
    names = {**PUBLIC, **PRIVATES[path]}
    members: set[str] = set()
    variables: set[str] = set()

    def see(node: ast.AST, there: set[str]) -> None:
        inside = there
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            there.add(node.name)
            inside = members if isinstance(node, ast.ClassDef) else variables
        elif isinstance(node, ast.Attribute):
            members.add(node.attr)
        elif isinstance(node, ast.Name):
            there.add(node.id)
        for part in ast.iter_child_nodes(node):
            see(part, there if part in getattr(node, "bases", ()) else inside)

    see(ast.parse(BEFORE[path]), variables)
    changed = [{name: names.get(name, name) for name in kind} for kind in (members, variables)]
    return changed[0], changed[1]


def test_no_two_names_of_a_file_are_merged_nor_two_members_of_a_hierarchy_of_classes():
    across = set()
    for path in AFTER:
        members, variables = kinds(path)
        assert len(set(variables.values())) == len(variables), path
        assert len(set(members.values())) == len(members), path
        if not re.search(r"^class \w+\((?!Exception)", BEFORE[path], re.MULTILINE):
            continue
        module = importlib.import_module(path[:-3].replace("/", "."))
        for made in vars(module).values():
            if inspect.isclass(made):
                homes = {other.__module__.replace(".", "/") + ".py" for other in made.__mro__} & set(AFTER)
                old: dict[str, str] = {}
                for home in homes:
                    assert all(old.setdefault(new, name) == name for name, new in kinds(home)[0].items()), made
                    across |= {path} if len(homes) > 1 else set()
    assert {"nfc/spi.py", "relay/gpio.py", "relay/contactor.py"} <= across


def test_a_public_member_is_merged_with_no_other_of_any_file():
    old: dict[str, str] = {}
    for path in AFTER:
        for name, new in kinds(path)[0].items():
            if not PRIVATE.fullmatch(name):
                assert old.setdefault(new, name) == name, path
    assert not old.keys() & {new for path in AFTER for name, new in PRIVATES[path].items() if name != new}


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


def test_what_others_know_what_files_are_called_and_what_people_read_keeps_its_name():
    of_private = {name for path in AFTER for name, new in PRIVATES[path].items() if name != new}
    assert {"damage", "give_up", "record", "Console", "VERSION", "run", "append", "gatts_notify", "choose"} <= OTHERS
    assert (PUBLIC.keys() | of_private) & OTHERS == set()
    assert PUBLIC.keys() & {part for path in AFTER for part in path[:-3].split("/")} == set()
    for path in AFTER:
        module = importlib.import_module(path[:-3].replace("/", ".")) if path not in DEVICE_ONLY else None
        for name, made in vars(module).items() if module else ():
            if inspect.isclass(made) and issubclass(made, BaseException):
                assert name not in PUBLIC


def test_parameters_that_calls_name_keep_one_name():
    nodes = [node for source in WRITTEN.values() for node in ast.walk(ast.parse(source))]
    keywords = {node.arg for node in nodes if isinstance(node, ast.keyword)}
    for path in AFTER:
        for token, new in pairs(path):
            if token.string in keywords and token.type == tokenize.NAME:
                assert new == PUBLIC.get(token.string, token.string), (path, token)


def test_the_map_tells_what_a_name_in_a_traceback_stands_for():
    for path, mapping in PRIVATES.items():
        for old, new in mapping.items():
            assert old == new or f"\n{path} {new} = {old}\n" in "\n" + SAID
    untouched = [WRITTEN[name] for name in SOURCES_ON_DEVICE]
    assert shorten({path: BEFORE[path] for path in reversed(AFTER)}, untouched, others=sorted(OTHERS)) == (AFTER, SAID)


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
    "over a letter of two bytes": ("B = 'ü'; _cd = 1", "B = 'ü'; a = 1"),
    "a variable in a class": ("_m = 1\nclass C:\n    _n = _m", "a = 1\nclass C:\n    b = a"),
    "a parameter beside a variable": ("_m = 1\ndef f(one): return _m + one", "a = 1\ndef f(b): return a + b"),
}


@pytest.mark.parametrize("name", CASES)
def test_scopes_and_what_must_stay(name):
    source, expected = CASES[name]
    assert shorten({"a.py": source})[0]["a.py"] == (expected or source)


# Two files, what becomes of them where others use `theirs`, and nothing else.
PUBLIC_CASES = {
    "in all files": (
        ("def work(): pass", "from a import work\nwork()"),
        ("def A(): pass", "from a import A\nA()"),
    ),
    "what others use": (("def theirs(): pass", "import a\na.theirs()"), None),
    "of another module": (("def work(): pass", "import sys\nsys.work()"), None),
    "from another module": (("def work(): pass", "from sys import work"), None),
    "a file's name": (("bcd = 1", ""), None),
    "an exception": (("class Bad(Exception): pass\nclass Worse(Bad): pass", "from a import Worse"), None),
    "a dot's and a variable": (
        ("def work(): pass\nclass C:\n    def play(self): work()", ""),
        ("def A(): pass\nclass C:\n    def A(self): A()", ""),
    ),
    "looked up": (
        ("class C:\n    def work(self): pass", "getattr(it, 'work')()"),
        ("class C:\n    def A(self): pass", "getattr(it, 'A')()"),
    ),
    "fields": (("Pair = namedtuple('Pair', 'left right')", "it.left"), ("Pair = namedtuple('Pair', 'A B')", "it.A")),
    "a text that is the same": (("def work(): pass", "it['work']; it.work"), None),
    "keyword of ours": (
        ("def work(one=1): return one", "from a import work\nwork(one=2)"),
        ("def B(A=1): return A", "from a import B\nB(A=2)"),
    ),
    "keyword of others": (
        ("def work(one=1): return one", "it.play(one=2)"),
        ("def A(one=1): return one", "it.play(one=2)"),
    ),
    "keyword of what may be another's": (
        ("def work(one=1): return one", "def f(work): work(one=2)"),
        ("def A(one=1): return one", "def f(a): a(one=2)"),
    ),
}


@pytest.mark.parametrize("name", PUBLIC_CASES)
def test_a_public_name_is_another_in_all_files_or_in_none(name):
    (one, two), expected = PUBLIC_CASES[name]
    files = {"bcd.py": one, "two.py": two} if name == "a file's name" else {"a.py": one, "two.py": two}
    made = shorten(files, others={"theirs"})[0]
    assert tuple(made.values()) == (expected or (one, two))
    assert shorten(files)[0] == shorten(files, parameters=True)[0], "none without knowing what others use"


@pytest.mark.parametrize(
    "source",
    [
        "getattr(it, name)",
        "dir(it)",
        "globals()",
        "it.__dict__",
        "type(it).__name__",
        "class C:\n    __slots__ = ('a',)",
    ],
)
def test_what_could_find_a_public_name_is_refused(source):
    with pytest.raises(Problem):
        shorten({"a.py": source}, others=())
    shorten({"a.py": source})


def test_what_could_hide_a_name_is_refused():
    for source in ("def f(one): return f'{one}'", "f(**names)"):
        with pytest.raises(Problem):
            shorten({"a.py": source})
    kept = "def f(one): _g(one, **names)"
    assert shorten({"a.py": kept}, parameters=False)[0]["a.py"] == kept, "_g is somebody else's"


TYPED = {
    "a program": ("from store.log import Log; Log(1).append(2)", {"store", "log", "Log", "append"}),
    "a part of one": ("give_up(0)", {"give_up"}),
    "one that is filled in": ("import trees\nat = {size}; at = it.name", {"trees", "size", "it", "name"}),
    "one that does not parse": ("import trees\nwork(%d, it.name", {"import", "trees", "work", "d", "it", "name"}),
    "what calls nothing": ("a few words", set()),
    "a sentence with a dot": ("It stops here.it says (so)", set()),
}


@pytest.mark.parametrize("name", TYPED)
def test_what_tools_type_is_known_to_be_used(name):
    said, expected = TYPED[name]
    assert outside.names("tools/x.py", f"SAID = {said!r}") == expected
    assert outside.names("tools/x_device.py", "def f(it): it.name") == {"name"}
    assert outside.names("trees.py", "running = f") == {"running"}


def test_micropython_says_which_names_are_its_own():
    assert known_names({"append", "sleep_ms", "ticks_diff", "reader_id"}) == {"append", "sleep_ms", "ticks_diff"}


@pytest.fixture(scope="module")
def renamed_folders(tmp_path_factory):
    """The firmware and the pure tests with short names."""
    folder = tmp_path_factory.mktemp("short")
    for name in ("firmware", "pure"):
        shutil.copytree(getattr(pure, name.upper()), folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    tests = {path.name: path.read_text() for path in (folder / "pure").glob("*.py")}
    filled_in = set(re.findall("[A-Z]+", tests["support.py"]))
    sources = constants.fold({**WRITTEN, **tests}, OTHERS | filled_in)
    tests = {name: sources.pop(name) for name in tests}
    made, said = shorten({path: sources[path] for path in AFTER}, others=OTHERS)
    for path, source in made.items():
        (folder / "firmware" / path).write_text(source)
    for name, source in tests.items():
        (folder / "pure" / name).write_text(as_on_boards(source, everywhere(said)))
    return folder


@pytest.mark.parametrize("name", PURE_TESTS)
def test_pure_tests_pass_with_short_names(renamed_folders, monkeypatch, name):
    monkeypatch.setattr(pure, "FIRMWARE", renamed_folders / "firmware")
    monkeypatch.setattr(pure, "PURE", renamed_folders / "pure")
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
