"""Starts the firmware of the tree that is to run. With boot.py and trees.py what no update replaces (UPDATE.md)."""

import sys

import trees

started = trees.begin()  # None in maintenance
if started:
    del trees
    sys.modules.pop("trees")  # its memory is for the firmware
    try:
        import start
    except Exception as error:  # whatever it is; on trial the watchdog bites
        sys.print_exception(error)
        print("the firmware on this board is damaged: deploy again")
    else:
        start.run(*started)
