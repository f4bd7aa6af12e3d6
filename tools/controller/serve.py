"""The controller's loop: readers, EVSEs and the back end, in one process."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tools.controller.backend import Backend
from tools.controller.evse import Evse
from tools.controller.panel import Panel
from tools.controller.reader import Reader
from tools.controller.store import Store
from tools.problem import Problem
from tools.readers.update import Update
from tools.site.directory import Site
from tools.terminal import say

STEP_S = 0.02
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


async def run(
    sites: dict[int, Site], keys: dict[int, bytes], port: str, baud: int, rs485: bool, evses: dict[str, list[Evse]],
    state: Path, csms: str | None, identity: str, password: str | None, release: bool, time: str,
    update: Update | None = None,
) -> None:  # fmt: skip
    """Makes everything of the command's options, and serves. sites, keys: by address; evses: by the reader's name."""
    store = Store(state)
    readers: dict[int, Reader] = {}
    backend: Backend | None = None
    if csms:
        backend = Backend(
            csms, identity, store, lambda transaction: any(r.sessions.stop(transaction) for r in readers.values()),
            lambda: {key: word for r in readers.values() for key, word in r.connectors().items()}, say, password,
            next(iter(sites.values())).reader,
        )  # fmt: skip
    panel: Panel | None = None
    try:
        panel = Panel(port, keys, baud, rs485)
        first_id = 1
        for address, site in sites.items():
            readers[address] = Reader(
                site, evses[site.reader], store, partial(panel.send, address), partial(panel.send_file, address), say,
                backend.authorize if backend else None, release=release, first_id=first_id,
                has_time=lambda: time == "always" or (time == "auto" and is_synchronised()),
                is_online=lambda: backend is not None and backend.online, update=update,
            )  # fmt: skip
            first_id += len(site.evse_ids)
        say(f"Serving {', '.join(site.reader for site in sites.values())} on {port} at {baud} baud (Ctrl+C ends this)")
        await serve(panel, readers, backend)
    finally:
        if panel:
            panel.close()
        for evse in (evse for here in evses.values() for evse in here):
            evse.close()
        store.close()


async def serve(
    panel: Panel, readers: dict[int, Reader], backend: Backend | None, until: Callable[[], bool] = lambda: False
) -> None:
    """Serves the readers {address: Reader} until SIGTERM, SIGINT or `until`; whatever ends it, everything is off then.

    Raises Problem where the serial line is gone.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(ValueError, NotImplementedError, RuntimeError):  # not in the main thread
            loop.add_signal_handler(number, stopping.set)
    tell_systemd("READY=1")
    telling = asyncio.create_task(backend.run()) if backend else None
    try:
        while not (stopping.is_set() or until()):
            step(panel, readers)
            if telling and telling.done():
                telling.result()
            tell_systemd("WATCHDOG=1")
            await asyncio.sleep(STEP_S)
    finally:
        for reader in readers.values():
            reader.sessions.stop_all()
        if telling:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)


def step(panel: Panel, readers: dict[int, Reader]) -> None:
    """Takes what has come and does what is due."""
    for address, data in panel.poll():
        try:
            readers[address].feed(data)
        except sqlite3.Error as error:
            readers[address].complain(f"cannot be written to the store: {error}")
    for address, reader in readers.items():
        if panel.secure(address):
            reader.look(panel.tampered(address))
        else:
            reader.lost()
        reader.tick()
    if panel.fault:
        raise Problem(f"the serial line is gone: {panel.fault}")


def tell_systemd(state: str) -> None:
    """sd_notify(3), where systemd has started us: its watchdog then sees that the loop lives."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(state.encode(), "\0" + address[1:] if address[0] == "@" else address)


def is_synchronised() -> bool:
    """Whether the kernel holds this machine's clock for synchronised (adjtimex); False where it cannot tell."""
    buffer = ctypes.create_string_buffer(512)  # struct timex with modes 0: only asks
    try:
        return ctypes.CDLL(None).adjtimex(buffer) not in (-1, _TIME_ERROR)
    except (OSError, AttributeError):
        return False
