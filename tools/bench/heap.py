"""How much of the heap the firmware leaves, and with how little it still grants a ticket: the heap part of `bench`.

The whole firmware runs on the virtual board, from its ROMFS partition as on a chip. Heaps are counted as `-X heapsize`
counts them: 96wK holds what 96 KB hold on a 32-bit board, in twice as many bytes here.
"""

import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table

from tools.bench.nfc import of_size
from tools.boards import firmware_build
from tools.boards.board_pins import known_boards
from tools.site import init
from tools.site.directory import Site
from tools.site.keys import load_key
from tools.tickets.mint import defaults, mint
from tools.units import epoch_ms
from tools.virtual.cards import Ntag, Type4Tag, ndef_message
from tools.virtual.image import mounted
from tools.virtual.phone import Phone, Wallet
from tools.virtual.rf import Card
from tools.virtual.station import Station

HEAP_WK = 96
_LEAST_WK, _MOST_WK = 48, 160  # where the least heap is searched
CARD, TAG, PHONE, LONGEST = (
    "250-byte CWT, NTAG215",
    "1.3 KB JWS, Type 4 tag",
    "1.3 KB JWS with proof, phone",
    "4 KB JWS",
)
_SESSION_S = 62  # tickets are for a minute
_PIN = 34  # a rising edge there has the board say what is free
_HANDLER = f"""
import gc
from machine import Pin
def _heap(pin):
    import micropython
    gc.collect()
    print("heap:", gc.mem_free())
    micropython.mem_info()
    micropython.qstr_info()
Pin({_PIN}, Pin.IN).irq(_heap, Pin.IRQ_RISING)
gc.threshold(8192)
"""
_OWN = "import gc\ngc.collect()\nprint('heap taken:', gc.mem_alloc())\n"


def measure() -> dict[str, Any]:
    """Bytes of .mpy; what is free at HEAP_WK after the start and after taps; the percentage that is free of a wide heap
    after the start and one card; the least heap that grants each kind."""
    with tempfile.TemporaryDirectory(prefix="charging-ticket-") as name:
        folder = Path(name)
        init.make(folder / "site")
        with Station(folder / "made.img", heap=f"{_MOST_WK}wK") as station:
            station.make_ready(Site.load(folder / "site"))
        _taps(folder, HEAP_WK, free := {})
        tried: dict[int, dict[str, str]] = {}
        return {
            "mpy": sizes(),
            "free": free,
            "free_percent": free_percent(folder),
            "least_wk": {kind: _least(folder, kind, tried) for kind in _cards(folder)},
        }


def free_percent(folder: Path) -> float:
    """How much of a heap of _MOST_WK the firmware leaves free after the start and one card, at the station made in the
    folder. What the virtual board's own code takes is not the firmware's: chips have the like in their ROM."""
    _taps(folder, _MOST_WK, free := {})
    return 100 * (free[f"{CARD}: GRANTED"]["free"] + free["switched on"]["taken"]) / (_MOST_WK * 2048)


def sizes() -> dict[str, int]:
    """Bytes of all .mpy by chip."""
    sources = firmware_build.short_sources()[0]
    chips = {(made["march"], made["optimisation"]) for made in map(firmware_build.settings, known_boards())}
    return {
        march: sum(map(len, firmware_build.compile_all(sources, march, optimisation).values()))
        for march, optimisation in sorted(chips)
    }


def _cards(folder: Path) -> dict[str, Callable[[], Card]]:
    site = folder / "site"
    key, driver = (load_key(site / f"{name}.jwk", private=True) for name in ("issuer", "driver"))
    now_ms = epoch_ms()
    base = {**defaults("DE-XYZ", now_ms, now_ms - 3_600_000, 86_400), "maxDuration": 1, "multiUsage": "Allowed"}
    public = {name: driver[name] for name in ("kty", "crv", "x")}

    def ticket(size: int, form: str, **claims) -> bytes:
        def filled(length: int) -> bytes:  # base64url makes four bytes of three
            filler = "x" * (length * 3 // 4 if form == "jws" else length)
            return mint({**base, **claims, "customData": {"filler": filler}}, key, form)

        return of_size(size, filled)

    def tag(size: int) -> Card:
        return Type4Tag(ndef_message("application/charging-ticket+jws", ticket(size, "jws")), size=5120)

    return {
        CARD: lambda: Ntag(215, ndef_message("application/charging-ticket+cwt", ticket(250, "cwt"))),
        TAG: lambda: tag(1300),
        PHONE: lambda: Phone(Wallet(ticket(1300, "jws", driverPublicKey=public), driver)),
        LONGEST: lambda: tag(4093),
    }


def _taps(folder: Path, heap_wk: int, free: dict[str, dict[str, int]]) -> dict[str, str]:
    """The word on each kind of card at a station with that heap, one after the other; notes in `free` what is left."""
    image = folder / "tried.img"
    shutil.copyfile(folder / "made.img", image)
    with mounted(image) as fs:
        for path, first in (("/boot.py", _OWN), ("/main.py", _HANDLER)):
            program = fs.open(path, "rb").read()
            with fs.open(path, "wb") as file:
                file.write(first.encode() + program)
    with Station(image, heap=f"{heap_wk}wK") as station:
        try:
            station.power_on()
            station.set_clock()
        except TimeoutError:
            return {}
        taken = int(re.findall(r"heap taken: (\d+)", station.board.console_log)[-1])
        free["switched on"] = {"free": heap_wk * 2048 - taken, "taken": taken}
        station.world.run(30)  # the tables of keys are loaded meanwhile
        free["started"] = _free(station)
        said = {}
        for kind, made in _cards(folder).items():
            said[kind] = station.tap(made(), wait_s=15).reason
            station.world.run(_SESSION_S)
            free[f"{kind}: {said[kind]}"] = _free(station)
        return said


def _free(station: Station) -> dict[str, int]:
    since = len(station.board.console_log)
    station.board.drive(_PIN, 1)
    station.world.run(0.1)
    station.board.drive(_PIN, 0)
    said = station.board.console_log[since:]
    patterns = {
        "free": r"heap: (\d+)",
        "piece": r"max free sz: (\d+)",
        "names": r"n_qstr=(\d+)",
        "named": r"n_total_bytes=(\d+)",
    }
    found = {name: int(match[1]) for name, pattern in patterns.items() if (match := re.search(pattern, said))}
    if "piece" in found:
        found["piece"] *= 32  # bytes of a block of four words
    return found


def _least(folder: Path, kind: str, tried: dict[int, dict[str, str]]) -> int | None:
    """The least heap, to 2wK, at which that kind is granted, those before it having been tapped; None: no such heap."""
    low, high = _LEAST_WK, _MOST_WK + 2
    while high - low > 2:
        middle = (low + high) // 4 * 2
        if middle not in tried:
            tried[middle] = _taps(folder, middle, {})
        if tried[middle].get(kind) == "GRANTED":
            high = middle
        else:
            low = middle
    return high if high <= _MOST_WK else None


def report(result: dict[str, Any]) -> Table:
    made = Table(title=f"Heap of {HEAP_WK}wK, in bytes of a 64-bit machine", title_justify="left")
    for heading in ("after", "free", "largest piece", "names", "bytes of names"):
        made.add_column(heading, justify="left" if heading == "after" else "right")
    for name, found in result["free"].items():
        made.add_row(
            name, *(f"{found[part]:,}" if part in found else "?" for part in ("free", "piece", "names", "named"))
        )
    made.add_row(
        f"of {_MOST_WK}wK, a card; the virtual board's own not counted",
        f"{result['free_percent']:.1f} %",
        "",
        "",
        style="bold",
    )
    for kind, least in result["least_wk"].items():
        made.add_row(f"{kind} is granted from", f"{least}wK" if least else "never", "", "", style="bold")
    for chip, size in result["mpy"].items():
        made.add_row(f".mpy for {chip}", f"{size:,}", "", "", style="dim")
    return made
