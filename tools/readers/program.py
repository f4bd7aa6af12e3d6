"""What program a board holds, told by the board in one call: whether there is anything to deploy."""

import hashlib
import re
from collections.abc import Mapping, Sequence

from tools.problem import Problem
from tools.readers.port import Port, execute_and_reset, free

_LIMIT_S = 20  # hashing takes a second or two; a board that is silent for longer waits for a host that is gone

# Says in one hash what program files a board has, and in another what its ROMFS partition holds.
_PROGRAM = """
import os, vfs, machine, binascii
from hashlib import sha256
def walk(folder, found):
    for entry in list(os.ilistdir(folder or "/")):
        path = folder + "/" + entry[0]
        if path not in ("/lib", "/remote", "/rom", "/data", "/keys", "/incoming"):
            if entry[1] & 0x4000:
                walk(path, found)
            elif path.endswith((".py", ".mpy")):
                found.append(path)
    return found
def digest(path, part):
    state = sha256()
    try:
        with open(path, "rb") as file:
            while True:
                n = file.readinto(part)
                if not n:
                    return state.digest()
                state.update(memoryview(part)[:n])
    except OSError:
        return b""
def program(data, rom_bytes):
    whole, part, rom = sha256(), bytearray(4096), ""
    machine.WDT(timeout=8000).feed()  # the station that was ended here may have armed it
    if hasattr(vfs, "rom_ioctl") and vfs.rom_ioctl(1) > 0:
        data, state = [], sha256()
        for at in range(0, rom_bytes, 4096):
            vfs.rom_ioctl(2, 0).readblocks(at // 4096, part)
            state.update(memoryview(part)[:min(4096, rom_bytes - at)])
        rom = binascii.hexlify(state.digest()).decode()
        try:
            import trees
            if trees.record()[2:] != (0, 0):
                rom = "other"
        except ImportError:
            pass
    for path in sorted(walk("", data)):
        whole.update(path.encode())
        whole.update(digest(path, part))
    if "maintenance" not in os.listdir("/"):
        print("program", binascii.hexlify(whole.digest()).decode(), rom)
"""


def program(port: Port, data: Sequence[str], rom_bytes: int) -> tuple[str, str]:
    """One hash of all program files that a board has, and that of the first `rom_bytes` of its ROMFS partition.

    `data` are files that belong to the program too, where there is no such partition: the second hash is "" then. Both
    are "" while the board is in maintenance. The program is ended for this, and begins anew.
    """
    code = f"{_PROGRAM}\nprogram({list(data)!r}, {rom_bytes})"
    try:
        said = execute_and_reset(port, code, _LIMIT_S)
    except Problem:
        free(port)
        said = execute_and_reset(port, code, _LIMIT_S)
    found = re.search(r"^program ([0-9a-f]{64}) ?([0-9a-z]*)$", said, re.M)
    return (found[1], found[2]) if found else ("", "")


def program_hash(files: Mapping[str, bytes]) -> str:
    """What `program` says of a board that has these files."""
    state = hashlib.sha256()
    for path in sorted(files):
        state.update(path.encode() + hashlib.sha256(files[path]).digest())
    return state.hexdigest()
