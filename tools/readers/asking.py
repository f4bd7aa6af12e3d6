"""Runs a script on a board that answers with one line: a word, a colon and JSON."""

import json
import re
import time
from contextlib import suppress
from typing import Any

import serial

from tools.problem import Problem
from tools.readers.port import CALL_LIMIT_S, Port, execute_and_reset
from tools.virtual.board import Board

_BAUD = 115200
_LOOK_S = 3  # how long a board that does not answer is watched
_STARTS = re.compile(rb"rst:0x|ets [A-Z][a-z]{2} +\d|ESP-ROM:")  # what the boot ROMs of these chips say first


def answer(printed: str, word: str) -> Any | None:
    """What a script has printed after `word:`; None if it has not come to that."""
    for line in printed.splitlines():
        if line.startswith(f"{word}:"):
            return json.loads(line[len(word) + 1 :])
    return None


def ask(port: Port, script: str, word: str, limit_s: float = CALL_LIMIT_S) -> Any:
    """What `script` says on the board, which starts anew afterwards. Problem if it does not answer within `limit_s`."""
    try:
        said = answer(execute_and_reset(port, script, limit_s), word)
    except Problem:
        if restarts(port) > 1:
            raise Problem(
                "the board restarts again and again: give it a better supply or cable; if that does not help, "
                "erase its flash (esptool erase-flash), flash, deploy and provision"
            ) from None
        raise
    if said is None:
        raise Problem("the board stopped in the middle of the script; look at `python -m tools log`")
    return said


def restarts(port: Port) -> int:
    """How often a board starts while it is watched for some seconds."""
    if isinstance(port, Board):
        before = len(port.resets)
        pace, port.world.pace = port.world.pace, "real"
        port.world.run(_LOOK_S)
        port.world.pace = pace
        return len(port.resets) - before
    heard, lost, end = b"", 0, time.monotonic() + _LOOK_S
    while time.monotonic() < end:
        with suppress(OSError), serial.Serial(port, _BAUD, timeout=0.2) as line:
            lost += 1  # unless it stays open until the end: a chip's own USB vanishes when it starts
            while time.monotonic() < end:
                heard += line.read(line.in_waiting or 1)
            lost -= 1
        time.sleep(0.1)
    return lost + len(_STARTS.findall(heard))
