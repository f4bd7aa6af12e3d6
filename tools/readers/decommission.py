"""`decommission`: erases all that a reader keeps, keys and journal included, and proves it by reading every byte."""

import json
import re
from typing import Annotated

import typer

from tools.problem import Problem
from tools.readers import deploy
from tools.readers.port import Port, execute, mpremote, reset
from tools.readers.several import each
from tools.terminal import say

EXAMPLES = """Examples:

  python -m tools decommission --port /dev/ttyUSB0 --reader reader-1"""

# Erases partitions block by block, then reads every byte back. The file system is not used any more from here on.
_WIPE = """
import machine, esp32
part, blank = bytearray(4096), b"\\xff" * 4096
feed = machine.WDT(timeout=8000).feed
for label in ("vfs", "romfs"):
    for found in esp32.Partition.find(esp32.Partition.TYPE_DATA, label=label):
        total = found.ioctl(4, 0)
        for number in range(total):
            found.ioctl(6, number)
            feed()
            if number % 16 == 0:
                print("erasing", number, total)
        left = 0
        for number in range(total):
            found.readblocks(number, part)
            feed()
            left += part != blank
        print("wiped", label, total, left)
print("done")
"""
# Who this is: null where there are no files, as after an erasing that was interrupted.
_NAME = """
import json, os
if set(os.listdir("/")) <= {"boot.py", "rom"}:
    print("reader null")
else:
    with open("/site.json") as file:
        print("reader", json.dumps(json.load(file)["reader"]))
"""


def decommission(
    port: deploy.PortOption,
    reader: Annotated[
        str, typer.Option(metavar="NAME", help="The reader's name, as site.toml has it: no other is wiped.")
    ],
) -> int:
    """Erase a reader: site, keys, used tickets, JOURNAL and firmware. `journal pull` comes first.

    Every block of the file system and of the ROMFS partition is erased and read back. What stays is MicroPython. Its
    link key and its entry at your controller are for you to remove.
    """
    with deploy.opened(port) as board:

        def work(_: str, progress: deploy.Report) -> str:
            return wipe(board, reader, progress)

        code = each([port], "erasing", work)
    say("Remove this reader from your controller and from site.toml")
    return code


def wipe(board: Port, reader: str, progress: deploy.Report = lambda done, total, name: None) -> str:
    """Erases a board's partitions; raises Problem if it is another reader, or unless every byte is blank.

    A board without files is erased as well: what an interrupted run left behind the first blocks is still there.
    """
    try:
        name = json.loads(execute(board, _NAME).split("reader ", 1)[1].splitlines()[0])
    except (Problem, IndexError, ValueError):
        reset(board)
        raise Problem("this board is no reader that was provisioned; `python -m tools flash` writes it anew") from None
    if name not in (reader, None):
        reset(board)
        raise Problem(f"this is {name}, not {reader}: nothing was erased")

    def on_line(line: str) -> None:
        if match := re.fullmatch(r"erasing (\d+) (\d+)", line):
            progress(int(match[1]), int(match[2]), "")

    printed = mpremote(board, "exec", _WIPE, on_line=on_line)
    wiped = re.findall(r"^wiped (\w+) (\d+) (\d+)$", printed, re.M)
    if "done" not in printed.splitlines() or not wiped:
        raise Problem("the board stopped in the middle of erasing: run this again, or esptool erase-flash")
    for label, _, left in wiped:
        if left != "0":
            raise Problem(f"{left} blocks of {label} could not be erased: destroy the board's flash chip")
    reset(board)
    told = ", ".join(f"{label} ({int(blocks) * 4} KB)" for label, blocks, _ in wiped)
    return f"{reader} is no more: every byte of {told} was erased and read back blank"
