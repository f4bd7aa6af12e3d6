"""What the stores cost, measured on MicroPython's littlefs; prints one `what: values` per line."""

import gc
import hashlib
import os
import sys
import time

from flash import Flash

from store import files, journal, ledger
from store.files import Full
from store.slots import Slots

KEY = bytes(range(32))
NOW = 1_800_000_000
AT = "/flash"


def key(number):
    return hashlib.sha256(b"%d" % number).digest()


def mounted(blocks):
    flash = Flash(blocks)
    os.VfsLfs2.mkfs(flash)
    os.mount(os.VfsLfs2(flash), AT)
    ledger.make(AT + "/ledger")
    journal.make(AT + "/journal")
    return flash


def erases(name, flash, count, function, prepare=None):
    """Call the function `count` times; print erases per call: on average, of the worst call, and of how many calls.
    `prepare` is called before each, and not counted."""
    calls = {}
    for number in range(count):
        if prepare:
            prepare()
        before = flash.erases
        function(number)
        cost = flash.erases - before
        calls[cost] = calls.get(cost, 0) + 1
    average = sum([cost * calls[cost] for cost in calls]) / count
    spread = ", ".join("%d in %d" % (cost, calls[cost]) for cost in sorted(calls))
    print(f"{name}: {average:.2f} erases, worst {max(calls)}; {spread} calls")


def refusals(count):
    for size in (60, 120, 240, 436):
        flash = mounted(256)
        log = journal.Journal(AT + "/journal", KEY)
        erases(f"refused tap, body of {size}", flash, count, lambda _, log=log, size=size: log.refuse(bytes(size)))
        name = f"refused tap in a tidied journal, body of {size}"
        erases(name, flash, count, lambda _, log=log, size=size: log.refuse(bytes(size)), log.tidy)
        os.umount(AT)


def values(count):
    flash = mounted(256)
    slots = Slots(AT + "/values")
    for size in (12, 114, 8000):
        erases(f"slot write of {size}", flash, count, lambda n, size=size: slots.write("v", bytes([n % 256]) * size))
    os.umount(AT)


class Taps:
    """Granted taps with a journal body of one size, collected when the journal is full."""

    def __init__(self, size):
        self.book = ledger.Ledger(AT + "/ledger")
        self.log = journal.Journal(AT + "/journal", KEY)
        self.body = bytes(size)

    def grant(self, number):
        self.book.add(key(number), NOW + number, bytes(8))
        self.log.append(journal.GRANT, self.body)

    def grant_and_end(self, number):
        self.grant(-number - 1)
        self.log.append(journal.END, bytes(120))


def grants(count):
    for size in (400, 1344, 4352):
        flash = mounted(512)
        fill(10_000, 15_000)  # beyond the first tickets of a bucket, which cost less
        taps = Taps(size)
        erases(f"granted tap, body of {size}", flash, min(count, 300_000 // size), taps.grant)
        os.umount(AT)
        flash = mounted(512)
        fill(10_000, 15_000)
        taps = Taps(size)
        erases(f"granted tap and its end, body of {size}", flash, min(count, 300_000 // size), taps.grant_and_end)
        os.umount(AT)


def lookups(counts):
    """Time and flash reads of a look-up that finds nothing, a mean over all buckets."""
    flash = mounted(512)
    number = 0
    for count in counts:
        fill(number, count)
        number = count
        begun = time.ticks_us()
        book = ledger.Ledger(AT + "/ledger")
        print(f"opening {count}: {time.ticks_diff(time.ticks_us(), begun)} us")
        best = None
        for _ in range(25):  # the host is busy with other things, too
            flash.reads = flash.bytes_read = 0
            begun = time.ticks_us()
            for probe in range(256):
                book.find(key(1_000_000 + probe))
            took = time.ticks_diff(time.ticks_us(), begun) // 256
            best = took if best is None else min(best, took)
        print(f"look-up at {book.live}: {best} us, {flash.bytes_read // 256} bytes read in {flash.reads // 256} reads")
    print(f"ledger of {number}: {used_blocks()} blocks")
    os.umount(AT)


def fill(start, stop):
    """Put tickets into the buckets, many at once: as `add` leaves them, but in seconds."""
    buckets = [[] for _ in range(64)]
    for number in range(start, stop):
        k = key(number)
        buckets[k[0] % 64].append(ledger.seal(b"use", k[:17], bytes(8), NOW + number))
    for bucket in range(64):
        files.put(AT + f"/ledger/{bucket:02d}", "ab", buckets[bucket])


def heap():
    """Heap that the open stores hold, in bytes of this 64-bit machine."""
    mounted(512)
    fill(0, 9_999)
    gc.collect()
    before = gc.mem_alloc()
    taps = Taps(1344)
    gc.collect()
    print(f"heap held by the open stores: {gc.mem_alloc() - before} bytes, {taps.book.live} tickets")
    os.umount(AT)


def used_blocks():
    state = os.statvfs(AT)
    return state[2] - state[3]


def capacity():
    """Grants that a journal of one megabyte takes, and the blocks that it then really fills."""
    for ticket in (250, 1300, 4096):
        mounted(512)
        empty = used_blocks()
        log = journal.Journal(AT + "/journal", KEY, size=1 << 20)
        count = 0
        try:
            while True:
                log.append(journal.GRANT, bytes(ticket + 100))
                count += 1
        except Full:
            print(f"tickets of {ticket} in 1 MB: {count}, in {used_blocks() - empty} blocks")
        os.umount(AT)


def main(quick):
    refusals(200 if quick else 2000)
    grants(100 if quick else 1000)
    values(50 if quick else 500)
    lookups((100, 10_000))
    if not quick:
        heap()
        capacity()


if __name__ == "__main__":
    main("quick" in sys.argv)
