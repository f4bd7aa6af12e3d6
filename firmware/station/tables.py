"""Comb tables of issuer keys in flash, which make their signatures three times as quick to check.

One file a key, named by the first eight bytes of the key's SHA-256, in hexadecimal. A table is believed only when its
own hash, bound to the key, holds; a missing or damaged one costs time, never a verdict. Provisioning writes them; for
a key that a later bundle brought the reader makes its table itself when it has the memory.
"""

import binascii
import gc
import hashlib

from crypto import comb
from store import files

FOLDER = "/data/tables"  # on the device
_ROOM = 3 * comb.SIZE  # free memory without which no table is made here


def file_name(public_key):
    return binascii.hexlify(hashlib.sha256(public_key).digest()[:8]).decode()


def load_steps(folder, issuer):
    """Generator: sets `issuer.table` if its file is good. Yields None between pieces of work, then whether it did."""
    try:
        file = open(folder + "/" + file_name(issuer.public_key), "rb")
    except OSError:
        yield False
        return
    table = comb.Table(issuer.public_key, file)
    good = None
    try:
        for good in table.check_steps():
            yield None
    except OSError:
        good = False
    if good:
        issuer.table = table
    else:
        file.close()
    yield bool(good)


def make_steps(folder, public_key):
    """Generator: makes and stores the table. Yields None between pieces of work, then whether it did."""
    gc.collect()
    free = getattr(gc, "mem_free", None)
    if free and free() < _ROOM:
        yield False
        return
    table = None
    try:
        for table in comb.table_steps(public_key):
            if table is None:
                yield None
        files.folder(folder)
        files.put(folder + "/" + file_name(public_key), "wb", (table,))
        yield True
    except (ValueError, MemoryError, files.Fault, files.Full):
        yield False
