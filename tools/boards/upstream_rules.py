"""Whether MicroPython's build would take our board folders, as far as that shows without ESP-IDF: from its sources.

Nothing is compiled here. Checked are: what `mpconfigboard.cmake` includes and lists, the names in `sdkconfig.board`,
`board.json` against MicroPython's own boards and its index of features, `pins.csv` by MicroPython's own generator,
`manifest.py` by MicroPython's own manifest reader, and the macros of `mpconfigboard.h`.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.boards import board_pins, partitions
from tools.boards.firmware_build import FIRMWARE, write_pins
from tools.problem import Problem

_MANIFEST = """
import json, sys
sys.path.insert(0, sys.argv[1] + "/tools")
import manifestfile
port = sys.argv[1] + "/ports/esp32"
where = {"MPY_DIR": sys.argv[1], "MPY_LIB_DIR": sys.argv[1] + "/lib/micropython-lib", "PORT_DIR": port}
manifest = manifestfile.ManifestFile(manifestfile.MODE_FREEZE, {**where, "BOARD_DIR": sys.argv[2]})
manifest.execute(sys.argv[2] + "/manifest.py")
print(json.dumps([[entry.target_path, entry.full_path, entry.opt] for entry in manifest.files()]))
"""


def ours() -> list[str]:
    """Boards that MicroPython can be built for."""
    return [board for board in board_pins.known_boards() if (board_pins.BOARDS / board / "board.json").exists()]


def check(board: str, micropython: Path) -> list[str]:
    """What MicroPython's build would not take of a board, one line each; `micropython` is a checkout of its sources."""
    port = micropython / "ports" / "esp32"
    if not (port / "boards").is_dir():
        raise Problem(f"{micropython} holds no MicroPython sources: there is no ports/esp32/boards")
    folder = board_pins.BOARDS / board
    partitions.read(folder / "partitions.csv")
    checks = (_cmake, _sdkconfig, _json, _pins, _manifest, _macros)
    return [f"{board}: {line}" for one in checks for line in one(folder, micropython, port)]


def _cmake(folder: Path, micropython: Path, port: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.cmake")):
        text = re.sub(r"#.*", "", path.read_text())
        if text.count("(") != text.count(")") or text.count('"') % 2:
            yield f"{path.name}: brackets or quotes do not match"
        named = re.findall(r"include\(([^)]+)\)", text) + re.findall(r"^ +((?:boards|\$)\S+)$", text, re.M)
        for name in named:
            place = name.replace("${MICROPY_BOARD_DIR}", str(folder))
            if "CMAKE_BINARY_DIR" not in place and not (port / place).exists():
                yield f"{path.name} names {name}, which is not there"
    target = re.search(r"set\(IDF_TARGET (\w+)\)", _common(folder, port))
    if target is None or target[1] != board_pins.settings(folder.name)["chip"]:
        yield "mpconfigboard.cmake builds for another chip than build.toml names"


def _common(folder: Path, port: Path) -> str:
    include = re.search(r"include\(([^)]+)\)", (folder / "mpconfigboard.cmake").read_text())
    path = port / include[1] if include else port / "none"
    return path.read_text() if path.is_file() else ""


def _sdkconfig(folder: Path, micropython: Path, port: Path) -> Iterator[str]:
    known = set()
    for path in (port / "boards").rglob("sdkconfig*"):
        known |= set(re.findall(r"\bCONFIG_[A-Z0-9_]+", path.read_text()))
    files = [folder / "sdkconfig.board", folder / "mpconfigboard.cmake"]
    for name in sorted({name for path in files for name in re.findall(r"\bCONFIG_[A-Z0-9_]+", path.read_text())}):
        if name not in known:
            yield f"{name} is in no sdkconfig of MicroPython's boards"


def _json(folder: Path, micropython: Path, port: Path) -> Iterator[str]:
    said = json.loads((folder / "board.json").read_text())
    others = [json.loads(path.read_text()) for path in sorted((port / "boards").glob("*/board.json"))]
    always = set.intersection(*(set(other) for other in others))
    ever = set.union(*(set(other) for other in others))
    for name in sorted(always - set(said)):
        yield f"board.json lacks {name}"
    for name in sorted(set(said) - ever):
        yield f"board.json: no other board has {name}"
    for name, value in said.items():
        kinds = {type(other[name]) for other in others if name in other}
        if kinds and type(value) not in kinds:
            yield f"board.json: {name} is of another type than on other boards"
    source = (micropython / "tools/autobuild/build-downloads.py").read_text()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "VALID_FEATURES":
            for feature in sorted(set(said["features"]) - set(ast.literal_eval(node.value))):
                yield f"board.json: feature {feature!r} is not known"
    if said["mcu"] not in {other["mcu"] for other in others}:
        yield f"board.json: mcu {said['mcu']!r} is not known"
    for path in said["deploy"]:
        if not (port / "boards" / folder.name / path).resolve().exists():
            yield f"board.json: deploy names {path}, which is not there"
    for name in said.get("variants", {}):
        if not (folder / f"mpconfigvariant_{name}.cmake").exists():
            yield f"board.json: there is no variant {name}"
    chip = board_pins.CHIPS[board_pins.settings(folder.name)["chip"]]
    if int(said["deploy_options"]["flash_offset"], 0) != chip.flash_offset:
        yield "board.json: flash_offset is not the chip's"


def _pins(folder: Path, micropython: Path, port: Path) -> Iterator[str]:
    command = [sys.executable, str(port / "boards/make-pins.py"), "--board-csv", str(folder / "pins.csv")]
    command += ["--prefix", str(port / "boards/pins_prefix.c"), "--output-source", "-", "--output-header", "-"]
    command[-3], command[-1] = "/dev/null", "/dev/stdout"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        yield f"make-pins.py: {done.stderr.strip().splitlines()[-1]}"
        return
    for name in board_pins.read(folder.name):
        if not re.search(rf"pin_{name}\b", done.stdout):
            yield f"make-pins.py made nothing of {name}"


def _manifest(folder: Path, micropython: Path, port: Path) -> Iterator[str]:
    write_pins(folder.name)
    command = [sys.executable, "-c", _MANIFEST, str(micropython.resolve()), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        yield f"manifest.py: {done.stderr.strip().splitlines()[-1]}"
        return
    frozen = {target: full for target, full, _ in json.loads(done.stdout)}
    wanted = {str(path.relative_to(FIRMWARE)) for path in FIRMWARE.rglob("*.py")} | {"pins.py", "_boot.py"}
    for name in sorted(wanted - set(frozen)):
        yield f"manifest.py does not freeze {name}"


def _macros(folder: Path, micropython: Path, port: Path) -> Iterator[str]:
    texts = [path.read_text() for path in folder.glob("mpconfig*")]
    sources = [*port.glob("*.[ch]"), *(micropython / "py").glob("*.h"), *(micropython / "extmod").glob("*.c")]
    known = "\n".join(path.read_text(errors="replace") for path in sources)
    for name in sorted({name for text in texts for name in re.findall(r"MICROPY_(?:HW|VFS|PY)_[A-Z0-9_]+", text)}):
        if not re.search(rf"\b{name}\b", known):
            yield f"{name} is a macro that MicroPython does not know"
