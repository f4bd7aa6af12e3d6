"""A whole station on a desk: world, virtual board, virtual PN532, and the field to hold cards into."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from tools.readers.deploy import deploy
from tools.readers.provision import install, set_clock
from tools.site.directory import Site
from tools.virtual.rf import Card
from tools.virtual.wired import BOARD, Wired
from tools.virtual.world import World


@dataclass
class Tapped:
    """What came of one tap.

    energised: what the relay's pin did during it, which is what counts. reason: what the firmware says on its console,
    a reason code or, for a card without a ticket, why it has none; "" if it said nothing in time. took_ms: from the
    card in the field to that word.
    """

    energised: bool
    reason: str
    took_ms: int


class Station(Wired):
    """The station whose flash is the image at `flash_path`; it is off until `power_on`. Time is virtual.

    world: one that other stations are in, too. heap and bus: as `Wired` has them.
    """

    def __init__(
        self,
        flash_path: str | os.PathLike[str],
        heap: str = "96wK",
        pace: str = "virtual",
        bus: str = "hsu",
        world: World | None = None,
    ):
        super().__init__(world or World(pace), flash_path, heap, bus)
        # who serves the station's line meanwhile puts its own here
        self.run_until: Callable[[Callable[[], bool], float], bool] = self.world.run_until

    def make_ready(self, site: Site) -> None:
        """From an empty flash to a station that serves, with the real mpremote."""
        self.switch_on()
        deploy(self.board, BOARD)
        since = len(self.board.console_log)
        install(self.board, site)
        self._wait_ready(since)

    def power_on(self) -> None:
        """Raises TimeoutError unless the firmware serves within a minute."""
        since = len(self.board.console_log)
        self.switch_on()
        self._wait_ready(since)

    def set_clock(self) -> None:
        """Sets the board's clock with mpremote, which resets it."""
        since = len(self.board.console_log)
        set_clock(self.board)
        self._wait_ready(since)

    def _wait_ready(self, since: int) -> None:
        if not self.world.run_until(lambda: self.served(since), 60):
            raise TimeoutError("the firmware does not serve: " + self.last_lines())

    def served(self, since: int = 0) -> bool:
        """Whether the console has said that the firmware serves, from character `since` of its log on."""
        return re.search(r"(?<!not )ready: ", self.board.console_log[since:]) is not None

    def last_lines(self, count: int = 5) -> str:
        return " | ".join(self.board.console_log.splitlines()[-count:])

    @property
    def relay_on(self) -> bool:
        return self.board.pins.level(self.pins["RELAY"]) == 1

    def relay_closings(self) -> int:
        """How often the relay has been switched on in all, by the trace of its pin."""
        levels = [level == 1 for _, pin, level in self.board.pins.trace if pin == self.pins["RELAY"]]
        return sum(now and not before for before, now in zip([False, *levels], levels, strict=False))

    def relay_seconds(self) -> float:
        """How long the relay has been on in all, by the trace of its pin."""
        total_us, since_us = 0, None
        for time_us, pin, level in [*self.board.pins.trace, (self.world.now_us, self.pins["RELAY"], None)]:
            if pin != self.pins["RELAY"]:
                continue
            if since_us is not None:
                total_us += time_us - since_us
            since_us = time_us if level == 1 else None
        return total_us / 1e6

    def tap(self, card: Card, frames: int | None = None, wait_s: float = 6) -> Tapped:
        """Holds a card to the reader until the firmware has said something, then takes it away and waits until the
        reader is ready for the next. frames: the card is pulled away after so many frames."""
        start_us, said = self.world.now_us, len(self.board.console_log)
        on_before = self.relay_seconds()
        self.chip.field.put(card, frames)
        self.run_until(lambda: bool(_verdict(self.board.console_log[said:])), wait_s)
        took_ms = (self.world.now_us - start_us) // 1000
        self.run_until(lambda: False, 0.5)
        reason = _verdict(self.board.console_log[said:])
        energised = self.relay_seconds() > on_before
        self.chip.field.take()
        self.run_until(lambda: False, 3)
        return Tapped(energised, reason, took_ms)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _verdict(log: str) -> str:
    """The word of the first verdict line in a stretch of the console's log."""
    for line in log.splitlines(keepends=True):
        kind, _, rest = line.partition(": ")
        if kind in ("tap", "card") and line.endswith("\n"):
            return rest.split()[0]
    return ""
