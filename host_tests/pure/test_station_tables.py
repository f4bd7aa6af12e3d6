import os

import support
from crypto import comb, edwards
from station import tables

KEY = edwards.BASE_KEY


class Issuer:
    def __init__(self):
        self.public_key = KEY
        self.table = None


def last(steps):
    value = None
    for value in steps:
        pass
    return value


def stored():
    folder = support.folder()
    assert last(tables.make_steps(folder, KEY)) is True
    return folder


def test_a_table_that_was_made_is_found_and_believed():
    issuer = Issuer()
    assert last(tables.load_steps(stored(), issuer)) is True
    assert issuer.table.good and issuer.table.public_key == KEY


def test_without_a_file_there_is_no_table():
    issuer = Issuer()
    assert last(tables.load_steps(support.folder(), issuer)) is False
    assert issuer.table is None


def test_a_damaged_or_cut_table_is_not_believed():
    for size in (comb.SIZE, 0, 7, comb.SIZE - 1):
        folder = stored()
        path = folder + "/" + tables.file_name(KEY)
        with open(path, "rb") as file:
            data = bytearray(file.read())
        data[100] ^= 1 if size == comb.SIZE else 0
        with open(path, "wb") as file:
            file.write(data[:size])
        issuer = Issuer()
        assert last(tables.load_steps(folder, issuer)) is False
        assert issuer.table is None


def test_another_key_s_table_under_this_name_is_not_believed():
    folder = stored()
    issuer = Issuer()
    issuer.public_key = bytes(32)
    os.rename(folder + "/" + tables.file_name(KEY), folder + "/" + tables.file_name(bytes(32)))
    assert last(tables.load_steps(folder, issuer)) is False


def test_no_table_is_made_for_what_is_no_key():
    assert last(tables.make_steps(support.folder(), bytes(32))) is False
