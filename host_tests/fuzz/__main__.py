"""`python -m host_tests.fuzz`: a million inputs over all targets, guided by the coverage of the firmware (atheris).

What a target cannot stand is kept in .cache/fuzz/, and the inputs that led further stay there as its corpus.
"""

import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "fuzz"
INSTRUMENTED = ("ble", "nfc", "present", "relay", "ticket", "trust")  # whose coverage guides
MILLION = 1_000_000
LONGEST = 4200  # bytes: a little more than a ticket may have
_DONE = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_COVERED = re.compile(r"cov: (\d+)")


def one(name: str, inputs: int, seed: int) -> None:
    """Fuzzes one target in this process, and ends it."""
    atheris: Any = import_module("atheris")  # not on every system

    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        from host_tests.fuzz import targets

        target = targets.TARGETS.get(name) or targets.Target(targets.nfc_targets.planted, lambda: [b"\x00"])
        seeds = [bytes(seed) for seed in target.seeds()]
        for data in seeds:
            target.run(data)  # what is imported only when it is used is imported here, too
    corpus = CACHE / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(data)
    options = [f"-runs={inputs}", f"-max_len={LONGEST}", f"-seed={seed}", "-timeout=20", "-print_final_stats=1"]
    atheris.Setup([name, *options, f"-artifact_prefix={CACHE}/{name}-", str(corpus)], target.run)
    atheris.Fuzz()


def run(name: str, inputs: int, seed: int) -> tuple[str, int, int, str]:
    """Fuzzes one target in a process of its own: (name, inputs tried, points of the code covered, what went wrong)."""
    command = [sys.executable, "-m", "host_tests.fuzz", "--one", name, "--inputs", str(inputs), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=CACHE.parents[1], check=False)
    tried, covered = _DONE.search(done.stderr), _COVERED.findall(done.stderr)
    points = int(covered[-1]) if covered else 0
    wrong = "" if done.returncode == 0 and tried else (done.stdout + done.stderr)[-4000:]
    if not (wrong or points):
        wrong = "no coverage guided this: is its package in INSTRUMENTED?"
    return name, int(tried[1]) if tried else 0, points, wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m host_tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", help="targets (default: all)")
    parser.add_argument("--inputs", type=int, default=MILLION, help="how many in all (default: a million)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one, options.inputs, options.seed)
        return 0
    if find_spec("atheris") is None:
        parser.exit(
            2, "atheris is not here; it comes for Linux only. `make soak ARGS=host_tests/fuzz` goes unguided.\n"
        )
    from host_tests.fuzz.targets import TARGETS

    names = options.names or list(TARGETS)
    if unknown := sorted(set(names) - set(TARGETS)):
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    each = -(-options.inputs // len(names))
    total, failures = 0, []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with (
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        task = progress.add_task(f"{each:,} inputs each, {os.cpu_count()} targets at a time", total=len(names))

        def fuzz(name: str) -> tuple[str, int, int, str]:
            done = run(name, each, options.seed)
            progress.advance(task)
            return done

        for name, tried, covered, wrong in pool.map(fuzz, names):
            total += tried
            print(f"{name:18} {tried:>9,} inputs {covered:>6,} covered  {'FAILED' if wrong else 'ok'}", flush=True)
            if wrong:
                failures.append(name)
                print(wrong)
    print(f"{total:,} inputs, {len(names)} targets, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
