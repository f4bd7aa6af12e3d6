"""What the chip does before and around the user's files: mounts the flash, runs boot.py and main.py."""

import gc
import io
import os as _os
import struct
import sys

import micropython as _micropython
import uctypes
import vfs
import virtual_link as link
from micropython import const

_BLOCK = const(4096)
_HARD, _SOFT = const(2), const(5)


class Flash:
    """Block device over a part of the image file: reads go to the file, writes and erases to the world, which may cut
    them."""

    def __init__(self, file, first, blocks):
        self.file = file
        self.first = first
        self.blocks = blocks

    def readblocks(self, block, buffer, offset=0):
        self.file.seek((self.first + block) * _BLOCK + offset)
        self.file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=None):
        if offset is None:
            for i in range(len(buffer) // _BLOCK):
                self.ioctl(6, block + i)
            offset = 0
        for i in range(0, len(buffer), 256):  # the chip programs pages of 256 bytes
            at = (self.first + block) * _BLOCK + offset + i
            link.ask(0x50, 0, struct.pack("<I", at) + bytes(buffer[i : i + 256]))

    def ioctl(self, request, argument):
        if request == 4:
            return self.blocks
        if request == 5:
            return _BLOCK
        if request == 6:
            link.ask(0x45, 0, struct.pack("<I", self.first + argument))
        return 0

    def is_blank(self):
        self.file.seek(0)
        first = self.file.read(_BLOCK)
        return first == b"\xff" * _BLOCK or first == b"\x00" * _BLOCK


class _Rom(uctypes.struct):
    """The ROMFS partition: a block device that is memory as well, as on the chip."""

    def __init__(self, address, file, first, blocks):
        super().__init__(address, {"memory": (uctypes.ARRAY, blocks * _BLOCK | uctypes.UINT8)})
        self.flash = Flash(file, first, blocks)
        self.blocks = blocks
        self.readblocks = self.flash.readblocks
        self.writeblocks = self.flash.writeblocks
        self.ioctl = self.flash.ioctl


class _Os:
    """`os` without what only a host has."""

    def __getattr__(self, name):
        if name in ("system", "getenv", "putenv", "unsetenv", "errno", "VfsPosix", "urandom"):
            raise AttributeError(name)
        return getattr(_os, name)

    def urandom(self, count):
        return link.ask(0x6E, 0, struct.pack("<I", count))[1]

    def sync(self):
        pass

    def uname(self):
        version = _micropython_version()
        return ("virtual", "virtual", version, version, "Virtual board with " + sys.platform)


class _Vfs:
    """`vfs` with the ROMFS partition of the ESP32 port (esp32_partition.c): `rom_ioctl` finds one, a block device."""

    def __init__(self, rom):
        self._rom = rom

    def rom_ioctl(self, request, number=0):
        if request == 1:
            return 1 if self._rom.blocks else 0
        return self._rom if request == 2 and number == 0 else -22

    def __getattr__(self, name):
        if name == "VfsPosix":
            raise AttributeError(name)
        return getattr(vfs, name)


class _Esp32:
    """`esp32` with its partitions alone: the class, and the block devices that it finds, in one."""

    TYPE_DATA = 1

    def __init__(self, parts):
        self.Partition = self
        self._parts = parts

    def find(self, type=1, subtype=255, label=None):
        return [part for name, part in self._parts if label in (None, name) and part.blocks]


class _Micropython:
    """`micropython` whose `kbd_intr` the console heeds."""

    def __getattr__(self, name):
        return getattr(_micropython, name)

    def kbd_intr(self, char):
        link.ask(0x6B, 1 if char == 3 else 0)


def _micropython_version():
    return ".".join(str(part) for part in sys.implementation.version[:3])


def _mount_rom(address, size):
    # As MicroPython mounts it: at /rom, if there is one, after the file system's own places.
    if not size:
        return
    memory = uctypes.bytearray_at(address, size)
    if memory[:3] == b"\xd2\xcd\x31":
        vfs.mount(vfs.VfsRom(memory), "/rom")
        sys.path.extend(("/rom", "/rom/lib"))


def _mount(flash):
    if flash.is_blank():
        vfs.VfsLfs2.mkfs(flash)
    vfs.umount("/")
    try:
        vfs.mount(vfs.VfsLfs2(flash), "/")
    except OSError:
        while True:
            print("The filesystem appears to be corrupted. The flash must be erased and written anew.")
            link.sleep_us(3000000)
    _os.chdir("/")


def _print_traceback(error):
    text = io.StringIO()
    sys.print_exception(error, text)
    for line in text.getvalue().split("\n")[:-1]:
        if "virtual_boot" not in line and 'File "<string>"' not in line:
            print(line)


def _run(name, namespace):
    # True when the file ran to its end, or there is none.
    try:
        _os.stat(name)
    except OSError:
        return True
    try:
        execfile(name, namespace)
        return True
    except SystemExit:
        reset(_SOFT)
    except BaseException as error:
        _print_traceback(error)
    return False


def reset(kind, ms=0):
    """Never returns."""
    link.tell(0x78, kind, struct.pack("<q", ms))
    while True:
        link.ask(0x77, 0, struct.pack("<q", 1 << 60))


def run(fd, rom_address, namespace):
    """Called once, before anything else; returns when the REPL is due. `rom_address`: the ROMFS partition in memory."""
    import virtual_asyncio
    import virtual_bluetooth
    import virtual_machine
    import virtual_select
    import virtual_time

    link.connect(fd)
    _, setup = link.ask(0x68)
    boot_files, blocks, rom_blocks, start_ms, booted_us, cause, uid = struct.unpack("<BHHqqB6s", setup[:28])
    virtual_time._start_ms = start_ms
    virtual_time._booted_us = booted_us
    virtual_machine._setup(cause, uid, reset)
    virtual_asyncio.install(virtual_time, virtual_select)
    image = open(setup[28:].decode(), "rb")  # before the board's own files take the host's place
    files, rom = Flash(image, 0, blocks), _Rom(rom_address, image, blocks, rom_blocks)
    _mount(files)
    sys.modules["machine"] = virtual_machine
    sys.modules["bluetooth"] = virtual_bluetooth
    sys.modules["os"] = _Os()
    sys.modules["vfs"] = _Vfs(rom)
    sys.modules["esp32"] = _Esp32((("vfs", files), ("romfs", rom)))
    sys.modules["micropython"] = _Micropython()
    sys.path[:] = ["", ".frozen", "/lib"]
    _mount_rom(rom_address, rom_blocks * _BLOCK)
    for name in [name for name in sys.modules if name.startswith("virtual_")]:
        del sys.modules[name]
    gc.collect()
    if _run("boot.py", namespace) and boot_files == 2:
        _run("main.py", namespace)
    link.ask(0x6C)
