"""The desk's physics: one clock, the wires, and the loop that serves everything attached to them.

Pace "virtual" runs waits in no time at all: while every board waits, the clock jumps to the next timer.
Pace "real" follows the wall clock, for software outside this process that keeps its own time (mpremote,
a serial peer on a pty). The pace can be changed at any moment; the clock never runs back.

Everything is served by one thread, so a run with virtual pace is the same every time.
"""

import heapq
import os
import selectors
import time
import tty
from collections import deque
from collections.abc import Callable
from typing import Protocol

BITS_PER_BYTE = 10  # 8N1: start bit, eight data bits, stop bit


class Stalled(RuntimeError):
    """A run ended by its wall-clock limit before its condition held."""


class Board(Protocol):
    """What the world must know of a board."""

    @property
    def waiting(self) -> bool:
        """Whether it waits for time or input (or is off); else it is computing."""
        ...

    def silent(self) -> None:
        """Called when a computing board has not been heard of for a while on the wall."""
        ...


class Timer:
    """A call that the world owes at `due_us`; `cancel()` takes it back."""

    __slots__ = ("due_us", "call", "sequence")

    def __init__(self, due_us: int, sequence: int, call: Callable[[], None] | None):
        self.due_us = due_us
        self.sequence = sequence
        self.call = call

    def cancel(self) -> None:
        self.call = None

    def __lt__(self, other: "Timer") -> bool:
        return (self.due_us, self.sequence) < (other.due_us, other.sequence)


class World:
    """Clock, timers and file descriptors. Devices take the world and nothing else."""

    def __init__(self, pace: str = "virtual"):
        self.boards: list[Board] = []
        self._runnable: deque[Callable[[], None]] = deque()
        self._timers: list[Timer] = []
        self._sequence = 0
        self._selector = selectors.DefaultSelector()
        self._now_us = 0
        self._wall_us = self._wall()
        self.pace = pace

    @staticmethod
    def _wall() -> int:
        return time.monotonic_ns() // 1000

    @property
    def pace(self) -> str:
        return self._pace

    @pace.setter
    def pace(self, pace: str) -> None:
        if pace not in ("virtual", "real"):
            raise ValueError(f"pace is virtual or real, not {pace!r}")
        self._pace = pace
        self._wall_us = self._wall() - self._now_us

    @property
    def now_us(self) -> int:
        """Microseconds since this world began."""
        if self._pace == "real":
            self._now_us = max(self._now_us, self._wall() - self._wall_us)
        return self._now_us

    def advance_to(self, now_us: int) -> None:
        """Moves a virtual clock forward to what a computing board says has passed; never back.

        What is due until then happens first, each at its own time, as if it had run beside the board.
        """
        if self._pace == "virtual" and now_us > self._now_us:
            self._run_due(now_us, False)
            self._now_us = max(self._now_us, now_us)

    def resume(self, go: Callable[[], None]) -> None:
        """Lets a board compute by calling `go`: now, or with virtual pace when no other board computes.

        One board at a time is what makes runs of several boards the same every time.
        """
        if self._pace == "real" or not (self._runnable or self._computing()):
            go()
        else:
            self._runnable.append(go)

    def _computing(self) -> bool:
        return any(not board.waiting for board in self.boards)

    def call_later(self, delay_us: int, call: Callable[[], None]) -> Timer:
        self._sequence += 1
        timer = Timer(self.now_us + max(0, delay_us), self._sequence, call)
        heapq.heappush(self._timers, timer)
        return timer

    def add_reader(self, fd: int, call: Callable[[], None]) -> None:
        """Calls `call` whenever `fd` can be read."""
        self._selector.register(fd, selectors.EVENT_READ, [call, None])

    def when_writable(self, fd: int, call: Callable[[], None]) -> None:
        """Calls `call` once, when `fd` (which has a reader) can be written."""
        key = self._selector.get_key(fd)
        key.data[1] = call
        self._selector.modify(fd, selectors.EVENT_READ | selectors.EVENT_WRITE, key.data)

    def remove_reader(self, fd: int) -> None:
        self._selector.unregister(fd)

    def _next_due_us(self) -> int | None:
        while self._timers and self._timers[0].call is None:
            heapq.heappop(self._timers)
        return self._timers[0].due_us if self._timers else None

    def _is_watched(self, key: selectors.SelectorKey) -> bool:
        # An earlier call may have removed it, and a new file may have got its number.
        now = self._selector.get_map().get(key.fd)
        return now is not None and now.data is key.data

    def _serve_files(self, timeout_s: float | None) -> bool:
        if not self._selector.get_map():
            if timeout_s:
                time.sleep(timeout_s)
            return False
        events = self._selector.select(timeout_s)
        for key, mask in events:
            if mask & selectors.EVENT_WRITE and self._is_watched(key):
                call, key.data[1] = key.data[1], None
                self._selector.modify(key.fd, selectors.EVENT_READ, key.data)
                call()
            if mask & selectors.EVENT_READ and self._is_watched(key):
                key.data[0]()
        return bool(events)

    def step(self, wall_limit_s: float = 0.05) -> None:
        """Serves what is ready; else lets time pass: to the next timer, or at most `wall_limit_s` on the wall."""
        computing = self._computing()
        if self._runnable and (self._pace == "real" or not computing):
            self._runnable.popleft()()
            return
        due_us = self._next_due_us()
        if self._pace == "virtual":
            served = self._serve_files(wall_limit_s if computing or due_us is None else 0)
            if computing and not served:
                for board in self.boards:
                    if not board.waiting:
                        board.silent()
            if served or computing or due_us is None:
                return
            self._run_due(max(self._now_us, due_us), True)
        else:
            wait_s = wall_limit_s if due_us is None else min(wall_limit_s, max(0, due_us - self.now_us) / 1e6)
            self._serve_files(wait_s)
            self._run_due(self.now_us, False)

    def _run_due(self, until_us: int, yielding: bool) -> None:
        due_us = self._next_due_us()
        while due_us is not None and due_us <= until_us:
            if self._pace == "virtual":
                self._now_us = max(self._now_us, due_us)
            call = heapq.heappop(self._timers).call
            if call is not None:
                call()
            if yielding and (self._runnable or self._computing()):
                return  # a board was woken: it acts before later timers do
            due_us = self._next_due_us()

    def run_until(
        self, condition: Callable[[], bool], timeout_s: float | None = None, wall_limit_s: float = 60
    ) -> bool:
        """Runs until `condition()` holds (True) or `timeout_s` of world time has passed (False).

        Raises Stalled when neither happens within `wall_limit_s` on the wall.
        """
        wall_end = time.monotonic() + wall_limit_s
        expired: list[bool] = []
        timer = None if timeout_s is None else self.call_later(int(timeout_s * 1e6), lambda: expired.append(True))
        try:
            while not condition():
                if expired:
                    return False
                if time.monotonic() > wall_end:
                    raise Stalled(f"nothing decided within {wall_limit_s} s; the world's clock is at {self.now_us} µs")
                self.step()
            return True
        finally:
            if timer is not None:
                timer.cancel()

    def run(self, seconds: float, wall_limit_s: float = 60) -> None:
        """Lets `seconds` of world time pass."""
        self.run_until(lambda: False, seconds, wall_limit_s)


class End:
    """One end of a wire: `write` sends, `on_data` is called with what the others sent."""

    def __init__(self, wire: "Wire", name: str):
        self.wire = wire
        self.name = name
        self.on_data: Callable[[bytes], None] = lambda data: None

    def write(self, data: bytes) -> None:
        self.wire.send(self, bytes(data))


class Wire:
    """A serial line that every end hears but its own sender: a UART pair, or an RS-485 bus of many.

    Bytes arrive when the last of a write has been clocked out at `baud`; writes of one end queue up.
    `trace` keeps (time_us, end name, bytes) as sent, for budgets and pictures.
    """

    def __init__(self, world: World, baud: int = 115200):
        self.world = world
        self.baud = baud
        self.ends: list[End] = []
        self.trace: list[tuple[int, str, bytes]] | None = None
        self._free_at_us: dict[End, int] = {}

    def end(self, name: str) -> End:
        end = End(self, name)
        self.ends.append(end)
        return end

    def send(self, sender: End, data: bytes) -> None:
        if not data:
            return
        now_us = self.world.now_us
        start_us = max(now_us, self._free_at_us.get(sender, 0))
        arrive_us = start_us + len(data) * BITS_PER_BYTE * 1_000_000 // self.baud
        self._free_at_us[sender] = arrive_us
        if self.trace is not None:
            self.trace.append((start_us, sender.name, data))
        self.world.call_later(arrive_us - now_us, lambda: self._deliver(sender, data))

    def _deliver(self, sender: End, data: bytes) -> None:
        for end in self.ends:
            if end is not sender:
                end.on_data(data)


class Pty:
    """One end of a wire brought out as a pseudo-terminal, for serial software of others. Needs pace "real"."""

    def __init__(self, world: World, end: End):
        self._master, self._slave = os.openpty()  # the slave stays open, so that peers may come and go
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._world = world
        self._end = end
        os.set_blocking(self._master, False)
        end.on_data = self._to_peer
        world.add_reader(self._master, self._from_peer)

    def _to_peer(self, data: bytes) -> None:
        try:
            os.write(self._master, data)
        except BlockingIOError:
            pass  # a peer that does not read loses bytes, as on a real line

    def _from_peer(self) -> None:
        self._end.write(os.read(self._master, 4096))

    def close(self) -> None:
        self._end.on_data = lambda data: None
        self._world.remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)
