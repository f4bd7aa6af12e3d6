"""Runs first after every reset: brings each output that can energise something to its safe level.

Nothing before the pins may fail, so nothing else that could is imported. Without `pins.py` no pin is driven, and the
pull-down resistor at the enable input of the controller keeps it off. Then it picks the tree of the firmware that is to
run (UPDATE.md).
"""

import sys

from machine import Pin

# What is frozen into the image comes first: else a file of its name would take its place in a hardened build.
if ".frozen" in sys.path:
    sys.path.remove(".frozen")
    sys.path.insert(0, ".frozen")

try:
    import pins

    for _name in dir(pins):
        if _name.startswith("RELAY"):
            Pin(getattr(pins, _name), Pin.OUT, value=0)
except ImportError:
    print("boot: no pins.py on this board: deploy it")

try:
    import trees

    trees.choose()
except Exception as error:  # whatever it is: the console stays reachable
    print("boot: no tree of the firmware can be chosen:", error)
