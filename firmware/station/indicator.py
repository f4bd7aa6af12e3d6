"""What a driver sees and hears. A pattern is a row of steps (green, red, buzzer, milliseconds), played once or again
and again.

Refusals blink red in groups that a driver can count: see GROUPS.
"""

import asyncio

from ticket import verdict as reason

_GREEN = (1, 0, 0)
_RED = (0, 1, 0)
_DARK = (0, 0, 0)


def _blinks(colour, count):
    steps = []
    for _ in range(count):
        steps.append(colour + (200,))
        steps.append(_DARK + (250,))
    return tuple(steps)


def _counted(count):
    """Red blinks, and a pause after them, so that what is shown next is not counted with them."""
    return _blinks(_RED, count) + (_DARK + (1500,),)


READY = (_GREEN + (50,), _DARK + (2950,))
NO_TIME = _blinks(_RED, 2) + (_DARK + (2100,),)
READING = (_GREEN + (60_000,),)
# a driver has to confirm on the phone: as long as a phone has for that, and a little more
PHONE = (_GREEN + (400,), _DARK + (400,)) * 14
FAULT = (_RED + (60_000,),)
NO_TICKET = _counted(1)
STOPPED = ((1, 0, 1, 150), (0, 0, 0, 200)) * 2 + ((0, 0, 0, 600),)
TAKEN = ((1, 0, 0, 400), (0, 0, 0, 250)) * 3 + ((0, 0, 0, 600),)  # a document, no grant
GRANTED = ((1, 0, 1, 150), (1, 0, 0, 2850))

# red blinks: what a driver can do about it
GROUPS = (
    # 1: the card or ticket cannot be read: hold it still, or ask the provider for a new one
    (reason.TOO_LARGE, reason.MALFORMED, reason.UNSUPPORTED_ALGORITHM, reason.UNKNOWN_CLAIM, reason.BAD_CLAIM),
    # 2: this reader does not trust the ticket
    (reason.UNKNOWN_ISSUER, reason.BAD_SIGNATURE, reason.ISSUER_NOT_ALLOWED, reason.LIFETIME_TOO_LONG, reason.REVOKED),
    # 3: not now
    (reason.CLOCK_UNKNOWN, reason.NOT_YET_VALID, reason.EXPIRED, reason.WRONG_DAY),
    # 4: not here
    (
        reason.WRONG_OPERATOR,
        reason.EXCLUDED_PLACE,
        reason.WRONG_PLACE,
        reason.WRONG_EVSE_KIND,
        reason.METER_SIGNATURE_REQUIRED,
        reason.ENCRYPTION_REQUIRED,
        reason.LIMIT_NOT_ENFORCEABLE,
    ),
    # 5: used up, or the EVSE is taken
    (reason.EVSE_BUSY, reason.ALREADY_USED),
    # 6: something more is needed: the phone, the cable, the operator's yes
    (
        reason.HOLDER_PROOF_REQUIRED,
        reason.HOLDER_PROOF_FAILED,
        reason.PRESENCE_REQUIRED,
        reason.ONLINE_VALIDATION_REQUIRED,
        reason.ONLINE_REFUSED,
    ),
)


def refused(why):
    """The pattern for a refusal; seven blinks are the reader's own fault (store, journal, relay)."""
    for index, group in enumerate(GROUPS):
        if why in group:
            return _counted(index + 1)
    return _counted(len(GROUPS) + 1)


def missing(count):
    """The pattern for a reader that cannot start: a long red, then blinks that tell which part is missing."""
    return (_RED + (1500,), _DARK + (400,)) + _blinks(_RED, count) + (_DARK + (600,),)


class Indicator:
    """green, red, buzzer: callables that take 0 or 1. One `once` interrupts what runs, and so does a new `background`,
    unless that says how something went: it is seen whole."""

    def __init__(self, green, red, buzzer):
        self._outputs = (green, red, buzzer)
        self._background = READY
        self._once = None
        self._whole = False
        self._changed = asyncio.Event()

    def background(self, pattern):
        """Plays `pattern` again and again whenever nothing else is shown."""
        if self._background != pattern:
            self._background = pattern
            if not self._whole:
                self._changed.set()

    def once(self, pattern):
        """Plays `pattern` one time, at once."""
        self._once = pattern
        self._changed.set()

    async def run(self):
        """Plays for ever."""
        while True:
            self._changed.clear()
            pattern, self._once = self._once or self._background, None
            self._whole = pattern not in (self._background, READING, PHONE)
            for step in pattern:
                for output, level in zip(self._outputs, step):
                    output(level)
                try:
                    await asyncio.wait_for_ms(self._changed.wait(), step[3])
                    break
                except asyncio.TimeoutError:
                    pass
