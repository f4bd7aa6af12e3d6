"""What must be true before a grant over Bluetooth, which proves no nearness: the site chooses (README.md).

cable: a vehicle is plugged into that EVSE, by the board's input or the controller's word; button: it
was pressed within the last half minute, good for one grant; code: PRESENT has the code that the station shows, good for
one grant unless it is a fixed one, printed on the station; none.

Who guesses codes gets five tries a minute, and those that are under way by then.
"""

from micropython import const

_PRESSED_MS = const(30_000)
_LOOK_MS = const(50)
_TRIES = const(5)
_REST_MS = const(60_000)
_DIGITS = const(1_000_000)


class Presence:
    """kind: as above; vehicle: evse_id -> True, False or None for unknown; button: () -> 0 while pressed, or None;
    code: a fixed code or ""; random: () -> 32 bytes; timing: as nfc.timing.Timing; show: called with each new code.

    `code` is what is right, "" where none is.
    """

    def __init__(self, kind, vehicle, button, code, random, timing, show):
        self._kind = kind
        self._vehicle = vehicle
        self._button = button
        self._random = random
        self._timing = timing
        self._show = show
        self._until = None  # the end of the last press
        self._fixed = bool(code)
        self._code = code
        self._wrong = 0
        self._rest = None  # the end of it
        self._renew()

    def __call__(self, presentation, evse_id):
        """Whether this may be granted, as far as presence goes."""
        if presentation.carrier != "ble" or self._kind == "none":
            return True
        if self._kind == "cable":
            return self._vehicle(evse_id) is True
        if self._kind == "button":
            return self._until is not None and self._timing.left(self._until) > 0
        # the code of its HELLO may have served since
        return presentation.code and presentation.proof is not None and presentation.proof.code == self.code

    @property
    def code(self):
        return self._code if self._rest is None else ""

    def served(self, presentation):
        """A grant is being made: a press and a code have served. Between the last check and this nothing is awaited."""
        if presentation.carrier == "ble":
            self._until = None
            self._renew()

    def missed(self):
        """Somebody with a genuine ticket named a wrong code."""
        self._wrong += 1
        if self._wrong >= _TRIES and self._rest is None:
            self._rest = self._timing.after(_REST_MS)

    async def run(self):
        """Watches the button, and ends a rest. What is over is forgotten before the tick counter wraps."""
        while True:
            if self._button is not None and self._button() == 0:
                self._until = self._timing.after(_PRESSED_MS)
            elif self._until is not None and self._timing.left(self._until) <= 0:
                self._until = None
            if self._rest is not None and self._timing.left(self._rest) <= 0:
                self._rest, self._wrong = None, 0
            await self._timing.sleep(_LOOK_MS)

    def _renew(self):
        if self._kind == "code" and not self._fixed:
            number = int.from_bytes(self._random()[:8], "big") % _DIGITS
            self._code = "%06d" % number
            self._show(self._code)
