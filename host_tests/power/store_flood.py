"""Floods a reader with refused taps, on MicroPython's littlefs: what was granted before stays, and so does the room."""

import os
import sys

import chain
from flash import Flash

from store import journal, ledger

KEY = bytes(range(32))
NOW = 1_800_000_000
AT = "/flash"
BLOCKS = 200


def main(count):
    flash = Flash(BLOCKS)
    os.VfsLfs2.mkfs(flash)
    os.mount(os.VfsLfs2(flash), AT)
    ledger.make(AT + "/ledger")
    journal.make(AT + "/journal")
    book = ledger.Ledger(AT + "/ledger")
    log = journal.Journal(AT + "/journal", KEY)
    for number in range(20):
        book.add(bytes([number]) * 32, NOW, bytes(8))
        log.append(journal.GRANT, bytes([number]) * 1300)
    blocks_used = None
    erases = flash.erases
    worst = 0
    for number in range(count):
        if number < count // 2:  # as between taps
            log.tidy()
        before = flash.erases
        log.refuse(b"refused %d" % number + bytes(number % 120))
        if number < count // 2:
            worst = max(worst, flash.erases - before)
        if number == min(count // 2, 5000):
            blocks_used = os.statvfs(AT)[2] - os.statvfs(AT)[3]
    print("erases per refusal: %d hundredths" % ((flash.erases - erases) * 100 // count))
    print("erases of one refusal in a tidied journal, at most: %d" % worst)
    growth = os.statvfs(AT)[2] - os.statvfs(AT)[3] - blocks_used
    print("blocks more than halfway: %d" % growth)
    log = journal.Journal(AT + "/journal", KEY)
    print("room for a grant: %s" % log.room(4500))
    print("granted on: %d" % log.append(journal.GRANT, b"after the flood"))
    print("still used: %d" % len([n for n in range(20) if book.find(bytes([n]) * 32)]))
    records, problems = chain.verify(b"".join(log.export(nonce=b"now")), KEY, b"now")
    print("problems: %s" % problems)
    kept = [r for r in records if r[0] == journal.KEPT]
    refused = [r for r in records if r[0] == journal.REFUSED]
    print("kept: %d" % len(kept))
    # what the chain alone tells: the newest number, the oldest still there
    print("refused: %d" % refused[-1][1])
    print("overwritten: %d" % (refused[0][1] - 1))
    print("there: %d" % len(refused))
    print("newest: %s" % bytes(refused[-1][3]).rstrip(b"\0").decode())
    print("damage: %s" % log.damage)


if __name__ == "__main__":
    main(int(sys.argv[1]))
