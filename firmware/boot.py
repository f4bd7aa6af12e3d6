"""Runs first after every reset: brings each output that can energise something to its safe level.

Nothing before the pins may fail, so nothing else is imported. Without `pins.py` no pin is driven, and the
pull-down resistor at the enable input of the controller keeps it off.
"""

from machine import Pin

try:
    import pins

    for _name in dir(pins):
        if _name.startswith("RELAY"):
            Pin(getattr(pins, _name), Pin.OUT, value=0)
except ImportError:
    print("boot: no pins.py on this board: deploy it")
