"""A virtual board with files of the test's own on it, for the tests of this folder."""

import io
import tokenize
from collections.abc import Mapping
from pathlib import Path

from tools.boards.firmware_build import public_names
from tools.virtual.board import Board
from tools.virtual.image import write_files
from tools.virtual.world import World

# for main.py: the name of the exception that a call raises
RAISES = """
def raises(call):
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return "nothing"
"""


def board_with(folder: Path, files: Mapping[str, str | bytes] | str, world: World | None = None, **options) -> Board:
    """A board, still off, in a world of its own if none is given; a text is its main.py."""
    image = folder / "flash.lfs"
    write_files(image, {"/main.py": files} if isinstance(files, str) else files)
    return Board(world or World(), image, **options)


def run(folder: Path, files: Mapping[str, str | bytes] | str, seconds: float | None = None, **options) -> Board:
    """A board that has run `seconds` of its own time, or until its main.py ended."""
    board = board_with(folder, files, **options)
    board.power_on()
    if seconds is None:
        board.world.run_until(lambda: board.at_prompt, wall_limit_s=20)
    else:
        board.world.run(seconds, wall_limit_s=20)
    return board


def said(board: Board) -> list[str]:
    """What main.py printed, line by line, without the REPL's greeting."""
    return board.console_log.partition("MicroPython ")[0].split("\r\n")[:-1]


def as_on_boards(program: str, names: Mapping[str, str] | None = None) -> str:
    """A program of a test, calling what is the firmware's by the names that it has on boards, or others.

    Whole numbers have none there."""
    names, lines = names or public_names(), program.splitlines(keepends=True)
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(program).readline))):
        if token.type == tokenize.NAME and token.string in names:
            (row, start), (_, end) = token.start, token.end
            lines[row - 1] = lines[row - 1][:start] + names[token.string] + lines[row - 1][end:]
    return "".join(lines)
