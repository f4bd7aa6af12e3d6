"""What is said in one place of the repository and must be true in another."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
import typer.main

from host_tests.host.tree import FIRMWARE, REPOSITORY, files, text
from tools.cli import app

TOOLS = REPOSITORY / "tools/requirements.txt"
CONTROLLER = REPOSITORY / "tools/controller-requirements.txt"
FLEET = REPOSITORY / "tools/fleet-requirements.txt"
SPARK = REPOSITORY / "tools/spark-requirements.txt"
DEV = REPOSITORY / "requirements-dev.txt"
TYPINGS = REPOSITORY / "host_tests/typings/requirements.txt"
MAKEFILE = REPOSITORY / "Makefile"

# Folders that are somewhere only on the machine of whoever wrote the line.
MACHINE_PATH = re.compile(r"(?<![\w.}])/(?:root|home|Users|tmp|work|opt|mnt)/\w")
REGISTRY = re.compile("|".join(re.escape(f"{name}.{top}") for name, top in [
    ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("yarnpkg", "com"),
]))  # fmt: skip
LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==([^\s;]+)(?:; sys_platform == \"([a-z]+)\")?\s+# (.{8,})")


def lines_that_match(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in files():
        for number, line in enumerate((text(path) or "").splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{path.relative_to(REPOSITORY)}:{number}: {match[0]}")
    return found


def test_no_file_names_a_folder_of_some_machine():
    assert lines_that_match(MACHINE_PATH) == []


def test_no_file_names_a_package_registry():
    assert lines_that_match(REGISTRY) == []


def requirements(file: Path) -> dict[str, str]:
    """Pinned versions, by name, of what is for this system; fails on a line that does not pin, or gives no reason."""
    pinned = {}
    for line in file.read_text().splitlines():
        if not line or line.startswith(("#", "-r ")):
            continue
        match = REQUIREMENT.fullmatch(line)
        assert match, f"{file.name}: not NAME==VERSION  # why: {line}"
        name = canonical(match[1])
        assert name not in pinned, f"{file.name}: {name} twice"
        if match[3] in (None, sys.platform):
            pinned[name] = match[2]
    return pinned


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize(
    "file", [TOOLS, CONTROLLER, FLEET, SPARK, DEV, TYPINGS], ids=lambda file: str(file.relative_to(REPOSITORY))
)
def test_requirements_are_pinned_with_a_reason(file):
    pinned = requirements(file)
    assert pinned
    assert list(pinned) == sorted(pinned)


def test_no_package_is_required_twice():
    named = [name for file in (TOOLS, CONTROLLER, FLEET, SPARK, DEV) for name in requirements(file)]
    assert len(named) == len(set(named))
    assert {f"-r tools/{name}requirements.txt" for name in ("", "controller-", "fleet-")} <= set(
        DEV.read_text().splitlines()
    )


def test_what_is_pinned_is_what_is_installed():
    pinned = requirements(TOOLS) | requirements(CONTROLLER) | requirements(FLEET) | requirements(DEV)
    assert {name: version(name) for name in pinned} == pinned


def imported(folder: Path) -> Iterator[tuple[str, str]]:
    """File and top-level name of every import from outside the standard library and the repository."""
    ours = {"tools", "host_tests", "support", "puretest"}
    ours |= {path.stem for path in FIRMWARE.iterdir()} | {
        path.stem for path in (REPOSITORY / "host_tests").rglob("*.py")
    }
    ours |= {path.stem for path in REPOSITORY.glob("tools/**/*.py")}  # top-level where they are put on a board
    # What is for MicroPython names MicroPython's modules.
    device = {"machine", "micropython", "vfs", "uctypes", "cryptolib", "bluetooth", "esp32", "pins"}
    device.add("measured")  # written beside the measuring program when it is run
    for path in files(".py"):
        if not path.is_relative_to(folder):
            continue
        for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            for name in (name.split(".")[0] for name in names):
                if name not in ours | device and name not in sys.stdlib_module_names:
                    yield str(path.relative_to(REPOSITORY)), name


@pytest.mark.parametrize("folder", ["tools", "host_tests"])
def test_every_import_is_required(folder):
    # What a command imports only when it is asked for may come from a file of its own.
    files = [TOOLS, CONTROLLER, FLEET, SPARK] if folder == "tools" else [TOOLS, CONTROLLER, FLEET, SPARK, DEV]
    allowed = {name for file in files for name in requirements(file)}
    providers = packages_distributions()
    missing = [
        f"{place} imports {name}"
        for place, name in imported(REPOSITORY / folder)
        if not {canonical(package) for package in providers.get(name, ())} & allowed
    ]
    assert missing == []


def targets() -> set[str]:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE.read_text(), re.M)
    return set(phony.split())


def test_make_help_lists_every_target():
    shown = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    listed = dict(re.findall(r"^ +make ([a-z]+) +(\S.*)$", shown, re.M))
    assert set(listed) == targets()
    written = set(re.findall(r"^([a-z]+):", MAKEFILE.read_text(), re.M))
    assert written == targets()


def test_documents_name_only_targets_that_exist():
    named = {
        (str(path.relative_to(REPOSITORY)), target)
        for path in files(".md")
        for target in re.findall(r"(?:`|^\s*\$? ?)make ([a-z]+)", path.read_text(), re.M)
    }
    assert [entry for entry in sorted(named) if entry[1] not in targets()] == []


def test_commands_that_make_and_documents_name_exist():
    named = {
        command
        for path in (MAKEFILE, *files(".md"))
        for command in re.findall(r"-m tools(?: --debug)? ([a-z]+)", path.read_text())
    }
    assert {"init", "issue", "verify", "deploy", "demo", "sim", "bench"} <= named
    known = set(typer.main.get_group(app).commands)
    assert sorted(named - known) == []


def test_links_between_documents_lead_somewhere():
    broken = []
    for path in files(".md"):
        for link in LINK.findall(path.read_text()):
            target = link.partition("#")[0]
            if target and "://" not in link and not link.startswith("mailto:") and not (path.parent / target).exists():
                broken.append(f"{path.relative_to(REPOSITORY)}: {link}")
    assert broken == []


def test_every_room_of_the_firmware_has_a_readme():
    rooms = {path.parent for path in FIRMWARE.rglob("*.py")} - {FIRMWARE}
    assert [str(room.relative_to(REPOSITORY)) for room in sorted(rooms) if not (room / "README.md").exists()] == []


def test_what_everybody_looks_for_is_there():
    for name in ("README.md", "LICENSE", "Makefile", ".ci/run", "pyproject.toml"):
        assert (REPOSITORY / name).is_file(), name
    assert (REPOSITORY / ".ci/run").stat().st_mode & 0o111
    assert "Apache License" in (REPOSITORY / "LICENSE").read_text()
