"""A flash in memory that obeys the rules of NOR, counts, and records what is done to it; runs on any of our Pythons.

It is a MicroPython block device with the extended interface, so `os.VfsLfs2(Flash(128))` mounts it.
"""

BLOCK = 4096


class Flash:
    """`blocks` erase blocks of 4096 bytes, or a copy of `image`.

    `reads`, `bytes_read`, `writes` and `erases` count; `faults` lists writes that needed bits which were not erased;
    `operations`, if it is a list, takes down every change: (offset, bytes) for a write, (block, None) for an erase.
    """

    def __init__(self, blocks=0, image=None):
        self.image = bytearray(image) if image is not None else bytearray(b"\xff" * (blocks * BLOCK))
        self._view = memoryview(self.image)
        self.writes = 0
        self.erases = 0
        self.reads = 0
        self.bytes_read = 0
        self.faults = []
        self.operations = None

    def readblocks(self, block, buffer, offset=0):
        self.reads += 1
        self.bytes_read += len(buffer)
        at = block * BLOCK + offset
        buffer[:] = self._view[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=None):
        if offset is None:
            self.erase(block)
            offset = 0
        self.write(block * BLOCK + offset, bytes(buffer))

    def ioctl(self, operation, argument):
        if operation == 4:
            return len(self.image) // BLOCK
        if operation == 5:
            return BLOCK
        if operation == 6:
            self.erase(argument)
        return 0

    def write(self, at, data):
        """Program: bits can only be cleared."""
        self.writes += 1
        if self.operations is not None:
            self.operations.append((at, data))
        there = bytes(self.image[at : at + len(data)])
        if there != b"\xff" * len(data):
            result = bytes(there[i] & data[i] for i in range(len(data)))
            if result != data:
                self.faults.append(f"{len(data)} bytes at {at:#x} over bits that are not erased")
            data = result
        self.image[at : at + len(data)] = data

    def erase(self, block):
        """Set the block to FF."""
        self.erases += 1
        if self.operations is not None:
            self.operations.append((block, None))
        self.image[block * BLOCK : (block + 1) * BLOCK] = b"\xff" * BLOCK
