"""What a reader does beside its work while it changes to a new firmware, or has changed back. Loaded only then."""

import asyncio

from micropython import const

from station.supervisor import HEALTHY_AFTER_MS

_LOOK_MS = const(200)
_REST_MS = const(5000)  # the last holder is still told, and takes the card away


async def prove(ports, tapping, note):
    """Confirms this firmware once it has served for a minute and the NFC chip is well; notes a roll-back at once."""
    newest = ports.trees().record()[1]
    ports.unload("", "trees")
    word = "PROVED " if ports.trial else "ROLLED_BACK "
    if ports.trial:
        await asyncio.sleep_ms(HEALTHY_AFTER_MS)
        while tapping.fault:
            await asyncio.sleep_ms(_LOOK_MS)
    word += str(newest)
    print("firmware:", word)
    note("FIRMWARE", word)
    try:
        ports.confirm()
    except OSError as error:
        print("trees:", error)


async def restart(ports, busy):
    """Ends in a reset, once nobody is served."""
    quiet_ms = 0
    while quiet_ms < _REST_MS:
        await asyncio.sleep_ms(_LOOK_MS)
        quiet_ms = 0 if busy() else quiet_ms + _LOOK_MS
    print("restarting into the new firmware")
    ports.restart()
