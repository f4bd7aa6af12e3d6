"""Cutting the power at every change of the flash.

A run is recorded once: what was done to the flash, in order, and which facts were acknowledged when. What the flash
holds after a cut at change N is then the image before the run with the first N changes made, so every cut can be tried
without running anything again; the run up to the cut would have been the same. A cut falls between two changes, or
tears one: of a write only the first bytes are there and the next byte has only some of its bits, of an erase half the
block is done.

Usable for anything that keeps its state on a flash: record with a `Recorder` on any device with the interface of
`Flash` (or hand over a list of operations taken elsewhere), and give `sweep` a check that starts the thing from an
image.
"""

from flash import BLOCK, Flash


class Recorder:
    """The facts of one run on `flash`, which records its changes from now on.

    `before` is the image at the start; `facts` are (changes before it began, changes when it was acknowledged, fact).
    """

    def __init__(self, flash):
        self.before = bytes(flash.image)
        self.flash = flash
        self.facts = []
        flash.operations = []

    def do(self, fact, function, *arguments):
        """Call the function; when it returns, the fact is acknowledged. Returns what the function returned."""
        begun = len(self.flash.operations)
        result = function(*arguments)
        self.facts.append((begun, len(self.flash.operations), fact))
        return result

    def known(self, cut):
        """(facts acknowledged before a cut after that many changes, the fact then in progress or None)."""
        acknowledged = [fact for _, ended, fact in self.facts if ended <= cut]
        open_ones = [fact for begun, ended, fact in self.facts if begun <= cut < ended]
        return acknowledged, open_ones[0] if open_ones else None


def torn(image, operation, number):
    """A copy of the image with a part of one change made; which part depends on `number`."""
    flash = Flash(image=image)
    place, data = operation
    if data is None:
        flash.image[place * BLOCK : place * BLOCK + BLOCK // 2] = b"\xff" * (BLOCK // 2)
        return flash.image
    keep = (number * 7919 + 1) % len(data)
    flash.write(place, data[:keep])
    flash.image[place + keep] &= data[keep] | (0xF0 if number % 2 else 0x0F)
    return flash.image


def sweep(recorder, check, stride=1, first=0):
    """Call `check(cut, image, how)` for each cut; `how` is "between" or "torn". Returns the number of cuts tried.

    `stride` above 1 tries a sample: every so many changes, beginning with change `first`.
    """
    operations = recorder.flash.operations
    flash = Flash(image=recorder.before)
    tried = 0
    for cut in range(len(operations) + 1):
        if cut % stride == first % stride or cut == len(operations):
            check(cut, flash.image, "between")
            tried += 1
            if cut < len(operations):
                check(cut, torn(flash.image, operations[cut], cut), "torn")
                tried += 1
        if cut < len(operations):
            place, data = operations[cut]
            if data is None:
                flash.erase(place)
            else:
                flash.write(place, data)
    return tried
