"""Gives up what is damaged in the stores, on an operator's explicit word. A reader at work never loads this.

Each damage has its price: a ledger bucket that is given up may let tickets in that were used, journal records that are
given up cannot be billed, and without its floor the reader no longer knows how late it is at least. A lost boot counter
costs nothing: it goes on from a random number of 62 bits, which no boot before has come to.
"""

from station.stores import JOURNAL_KEY, read_key
from store import journal as journal_store
from store import ledger as ledger_store
from store.boots import last_boot, set_boot
from store.files import Fault
from store.floor import Floor
from store.slots import Slots


def damage(root="/"):
    """What is missing or unreadable, in words."""
    return _damage(root, _journal(root))


def _damage(root, journal):
    found = []
    for look in (Floor, lambda folder: last_boot(Slots(folder))):
        try:
            look(root + "data")
        except Fault as fault:
            found.append(str(fault))
    return found + ledger_store.Ledger(root + "data/ledger").damage + journal.damage


def give_up(boot, root="/"):
    """Puts the stores in order. Returns the damage that was given up.

    boot: random, from 2^62 to 2^63, of the host's making, since the chip's own source is weak with its radio off. The
    boots are counted on from there if their counter is damaged or gone.
    """
    journal = _journal(root)
    found = _damage(root, journal)
    slots = Slots(root + "data")
    try:
        Floor(root + "data")
    except Fault:
        slots.remove("floor")
    try:
        lost = not last_boot(slots)
    except Fault:
        lost = True
    if lost:
        set_boot(slots, boot)
    ledger_store.Ledger(root + "data/ledger").repair()
    if journal.damage:
        journal_store.make(root + "data/journal")
        _journal(root).give_up()
    return found


def _journal(root):
    """The journal, after reading all of it."""
    journal = journal_store.Journal(root + "data/journal", read_key(root + JOURNAL_KEY))
    for _ in journal.check():
        pass
    return journal
