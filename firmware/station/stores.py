"""Opens all that survives a power cut, and prepares it on a board that is new.

A store that is missing or damaged is named and left alone: what is intact in it stays for whoever repairs it.
"""

import json
import os

from station.config import ConfigError, NotReady, Site
from station.journal import DecisionJournal
from station.random import Random
from store import journal as journal_store
from store import ledger as ledger_store
from store.boots import count_boot
from store.files import Fault, Full, folder
from store.floor import Floor
from store.slots import Slots

SITE = "site.json"
JOURNAL_KEY = "keys/journal.key"
TRUST_OFFER = "incoming/trust.jws"


def load_site(path):
    """The site's configuration. NotReady: no such file, not JSON, or a member that cannot be used."""
    try:
        with open(path) as file:
            return Site(json.load(file))
    except OSError as error:
        raise NotReady("config", 1, "no " + path + ": provision this board") from error
    except ConfigError as error:
        raise NotReady("config", 1, str(error) + " is missing or wrong: provision again") from error
    except ValueError as error:
        raise NotReady("config", 1, path + " is damaged: provision again") from error


class Stores:
    """root: folder of the device's files, with a slash at its end."""

    def __init__(self, root):
        self.slots = Slots(root + "data")
        try:
            self.floor = Floor(root + "data")
            self.ledger = ledger_store.Ledger(root + "data/ledger")
        except Fault as fault:
            raise NotReady("ledger", 3, str(fault)) from fault
        if self.ledger.damage:
            raise NotReady("ledger", 3, "; ".join(self.ledger.damage))
        try:
            key = read_key(root + JOURNAL_KEY)
            journal = journal_store.Journal(root + "data/journal", key)
            self.random = Random(key, count_boot(root + "data"), os.urandom)
        except (Fault, Full) as fault:
            raise NotReady("journal", 4, str(fault)) from fault
        if journal.damage:
            raise NotReady("journal", 4, "; ".join(journal.damage))
        self.journal = DecisionJournal(journal)


def read_key(path):
    """The secret of this reader, 32 bytes. Raises Fault."""
    try:
        with open(path, "rb") as file:
            key = file.read()
    except OSError as error:
        raise Fault("no " + path) from error
    if len(key) != 32:
        raise Fault(path + " is damaged")
    return key


def prepare(root="/"):
    """Makes the empty stores of a new board; what is there stays as it is. For provisioning, never at a start:
    a ledger that has vanished must be noticed, not made anew."""
    folder(root + "data")
    ledger_store.make(root + "data/ledger")
    journal_store.make(root + "data/journal")
