"""The repository's files, for the tests that read them."""

import subprocess
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FIRMWARE = REPOSITORY / "firmware"
_MADE = {".git", ".venv", ".cache", "node_modules", "__pycache__", "build"}


@cache
def files(suffix: str = "") -> tuple[Path, ...]:
    """Every file that belongs to the repository, added to git already or not; without git, every file not made here."""
    command = ["git", "-C", str(REPOSITORY), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0")
        paths = {REPOSITORY / name for name in listed if name}
    except (OSError, subprocess.CalledProcessError):
        paths = {path for path in REPOSITORY.rglob("*") if not _MADE & set(path.relative_to(REPOSITORY).parts)}
    return tuple(sorted(path for path in paths if path.is_file() and path.name.endswith(suffix)))


def text(path: Path) -> str | None:
    """What a file says, or None where it is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
