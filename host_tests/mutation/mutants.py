"""Takes the firmware's checks away, one at a time, and looks whether a test notices.

    python -m host_tests.mutation.mutants [FILE...]

The checks are found in the source itself, so that a new one is included by being written: an entry of `rules.RULES`; a
statement that raises; a part of a condition made of several; where claims are judged what is given for a bad value.
Each mutant is a copy of the repository with one of them gone, in which the tests that should notice are run. A mutant
that no test notices is a survivor.
"""

import argparse
import ast
import copy
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
COPIED = ("firmware", "tools", "host_tests", "boards", "pyproject.toml")
RULES = "firmware/ticket/rules.py"
DECISION = "firmware/station/decision.py"
CLAIMS = "firmware/ticket/claims.py"
CWT = "firmware/ticket/cwt.py"
SPAN = "firmware/ticket/span_plain.py"
TIMES = "firmware/ticket/times.py"
CLOCK = "firmware/station/clock.py"
LEDGER = "firmware/store/ledger.py"
JOURNAL = "firmware/store/journal.py"
PURE = "host_tests/pure/test_"
TICKETS = (PURE + "ticket_rules.py", PURE + "ticket_claims.py", PURE + "ticket_form.py", PURE + "ticket_text.py")
MODEL = "host_tests/model/test_model.py"
HOST = "host_tests/host/test_"
DECIDES = (
    HOST + "station_decision.py",
    HOST + "station_stop.py",
    HOST + "station_races.py",
    HOST + "station_memory.py",
    HOST + "station_presence.py",
    MODEL,
)
# What each file's checks are noticed by: the quick tests first.
TESTS = {
    RULES: (PURE + "ticket_rules.py", *DECIDES),
    DECISION: DECIDES,
    "firmware/station/trusted.py": (PURE + "trust.py", HOST + "tools_trust.py", MODEL),
    CLAIMS: (*TICKETS, MODEL),
    "firmware/ticket/form.py": (*TICKETS, MODEL),
    "firmware/ticket/jws.py": (*TICKETS, MODEL),
    CWT: (*TICKETS, MODEL),
    SPAN: TICKETS,
    "firmware/ticket/cbor.py": (*TICKETS, HOST + "ticket_forms.py", MODEL),
    "firmware/ticket/strictjson.py": (*TICKETS, HOST + "ticket_forms.py", MODEL),
    "firmware/trust/bundle.py": (PURE + "trust.py", MODEL),
    "firmware/trust/issuers.py": (PURE + "trust.py", MODEL),
    "firmware/trust/kept.py": (PURE + "trust.py", MODEL),
    "firmware/trust/signed.py": (PURE + "trust.py", MODEL),
    "firmware/trust/time.py": (PURE + "station_signed_time.py",),
    TIMES: TICKETS,
    CLOCK: (PURE + "station_clock.py", PURE + "station_signed_time.py"),
    LEDGER: (PURE + "store_ledger.py", HOST + "store_model.py"),
    JOURNAL: (PURE + "store_journal.py", HOST + "store_model.py"),
}
# Conditions are taken apart only where a decision is made: parsers have many that are two sides of one thing.
TAKEN_APART = (
    RULES,
    DECISION,
    CLAIMS,
    CLOCK,
    "firmware/trust/bundle.py",
    "firmware/trust/issuers.py",
    "firmware/trust/kept.py",
)


@dataclass
class Mutant:
    """`path` with the text `source`, which is made when it is asked for; `what` says what is gone."""

    path: str
    what: str
    make: Callable[[], str]

    @property
    def source(self) -> str:
        return self.make()


def mutants(path: str) -> Iterator[Mutant]:
    tree = ast.parse((REPOSITORY / path).read_bytes())
    for number, node in enumerate(ast.walk(tree)):
        for what, change in _without(node, path):
            yield Mutant(path, what, partial(_changed, tree, number, change))


def _changed(tree: ast.Module, number: int, change: Callable[[Any], object]) -> str:
    """The source of a copy of the tree whose `number`th node was changed."""
    twin = copy.deepcopy(tree)
    change(list(ast.walk(twin))[number])
    return ast.unparse(ast.fix_missing_locations(twin))


def _without(node: ast.AST, path: str) -> Iterator[tuple[str, Callable[[Any], object]]]:
    """(what is gone, what takes it out of a copy of the node) for each check in a node."""
    line = getattr(node, "lineno", 0)
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "RULES" and isinstance(node.value, ast.Tuple):
        for at, entry in enumerate(node.value.elts):
            yield f"rule {ast.unparse(entry)}", lambda twin, at=at: twin.value.elts.pop(at)
    elif isinstance(node, ast.BoolOp) and path in TAKEN_APART and not isinstance(node.values[-1], _DEFAULTS):
        for at, part in enumerate(node.values):
            what = f"line {line}: `{ast.unparse(part)}` of `{ast.unparse(node)}`"
            yield what, lambda twin, at=at: twin.values.pop(at)
    elif isinstance(node, ast.IfExp) and path == CLAIMS and _is_none(node.orelse):
        what = f"line {line}: `{ast.unparse(node.test)}` of `{ast.unparse(node)}`"
        yield what, lambda twin: setattr(twin, "test", ast.Constant(True))
    else:
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, [])
            for at, statement in enumerate(statements if isinstance(statements, list) else []):
                refuses = isinstance(statement, ast.Raise) or (
                    isinstance(statement, ast.Return)
                    and statement.value
                    and ast.unparse(statement.value) == _BAD.get(path)
                )
                if refuses and not _handles(node):
                    what = f"line {statement.lineno}: `{ast.unparse(statement)}`"
                    yield what, lambda twin, name=name, at=at: getattr(twin, name).__setitem__(at, ast.Pass())


# What stands last in `value or default`, which is no condition.
_DEFAULTS = (ast.Lambda, ast.Name, ast.Tuple, ast.Subscript, ast.BinOp)


# What a function returns where what it looked at is bad.
_BAD = {CLAIMS: "None", CWT: "-1", SPAN: "False", TIMES: "None", CLOCK: "False", LEDGER: "False"}


def _is_none(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _handles(node: ast.AST) -> bool:
    """What is raised in answer to another exception is no check: the check raised that one."""
    return isinstance(node, ast.ExceptHandler)


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of what the tests need."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        for name in COPIED:
            source, target = REPOSITORY / name, Path(folder) / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
            else:
                shutil.copy(source, target)
        yield Path(folder)


def survives(mutant: Mutant) -> bool:
    """Whether all tests pass in spite of it."""
    with copied() as folder:
        (folder / mutant.path).write_text(mutant.source)
        return all(_pass(folder, test) for test in TESTS[mutant.path])


def _pass(folder: Path, test: str) -> bool:
    only = ["-k", "cpython"] if test.startswith(PURE) else []
    command = [sys.executable, "-m", "pytest", "-n0", "-x", "-q", "-p", "no:cacheprovider", *only, test]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 1):  # 1: a test failed
        raise RuntimeError(f"{test} cannot be run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


# By file and what is gone: checks that no test can miss, since another stands behind them or they only save work.
EXCUSED: dict[tuple[str, str], str] = {
    (
        DECISION,
        "`self.ledger.live >= self.ledger.limit` of `self.ledger.live >= self.ledger.limit and now_s is not None`",
    ): ("what has ended may be forgotten at any time; doing it only when there is need saves the flash"),
    (
        CLAIMS,
        "`span.valid(value, len(value), 0)` of `span.valid(value, len(value), 0) or utf8.decode(value)`",
    ): "printable ASCII is UTF-8: asking that first saves the decoder's work",
    (
        CLAIMS,
        "`span.valid(value, len(value), 0)` of "
        "`span.valid(value, len(value), 0) or (min(value) > 32 and utf8.decode(value))`",
    ): "printable ASCII is UTF-8, and has no blanks here: asking that first saves the decoder's work",
    (
        CLAIMS,
        "`len(value) > 60` of `len(value) > 60 and len(str(value, 'utf-8')) > 60`",
    ): "no text has more characters than bytes: asking for these first saves a str",
    (
        "firmware/ticket/cbor.py",
        "`raise Refused(MALFORMED, 'cbor cut short')`",
    ): "what is cut short is found at the end too; this keeps lengths beyond a board's words out of slices",
    (
        LEDGER,
        "`raise Fault('%s/%s missing' % (self._folder, name))`",
    ): "a bucket that is not there cannot be opened either; this says it in words",
}


def run(paths: list[str], workers: int = 2) -> list[str]:
    """Tries all mutants of the files, prints what becomes of each; the survivors.

    Raises RuntimeError where the tests fail without any mutant: then they would notice nothing.
    """
    with copied() as folder:
        for test in sorted({test for path in paths for test in TESTS[path]}):
            if not _pass(folder, test):
                raise RuntimeError(f"{test} fails as it is")
    everything = [mutant for path in paths for mutant in mutants(path)]
    found = []
    with ThreadPoolExecutor(workers) as pool:
        for mutant, alive in zip(everything, pool.map(survives, everything), strict=True):
            name = f"{mutant.path}: {mutant.what}"
            excuse = EXCUSED.get((mutant.path, mutant.what.partition(": ")[2]))
            print("noticed " if not alive else "excused " if excuse else "SURVIVED", name, flush=True)
            if alive and not excuse:
                found.append(name)
    print(f"{len(everything)} checks taken away, {len(found)} not noticed")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Takes the firmware's checks away, one at a time.")
    parser.add_argument("paths", nargs="*", default=list(TESTS))
    parser.add_argument("--list", action="store_true", help="only print what would be taken away")
    arguments = parser.parse_args()
    if arguments.list:
        for path in arguments.paths:
            for mutant in mutants(path):
                print(f"{mutant.path}: {mutant.what}")
    else:
        sys.exit(1 if run(arguments.paths) else 0)
