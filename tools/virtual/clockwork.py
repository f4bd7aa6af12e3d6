"""What goes on beside the virtual board's program: its watchdog and its real-time clock."""

from collections.abc import Callable

from tools.virtual.world import Timer, World


class Watchdog:
    """Calls `bite` when it was started and not fed in time. A soft reset does not stop it."""

    def __init__(self, world: World, bite: Callable[[], None]):
        self._world = world
        self._bite = bite
        self._timer: Timer | None = None
        self._timeout_us = 0

    @property
    def due_us(self) -> int | None:
        """When it will bite; None while it is not started."""
        return self._timer.due_us if self._timer is not None else None

    def start(self, timeout_us: int) -> None:
        self._timeout_us = timeout_us
        self.feed()

    def feed(self) -> None:
        self.stop()
        self._timer = self._world.call_later(self._timeout_us, self._bites)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _bites(self) -> None:
        self._timer = None
        self._bite()


class Rtc:
    """Microseconds since 2000, and the bytes of its memory; both are lost with the power. `drift_ppm`: its error."""

    def __init__(self, world: World):
        self._world = world
        self.drift_ppm = 0
        self.lose_power()

    def lose_power(self) -> None:
        self.memory = b""
        self.set(0)

    def set(self, us: int) -> None:
        self._base = (self._world.now_us, us)

    @property
    def now_us(self) -> int:
        at_us, rtc_us = self._base
        passed_us = self._world.now_us - at_us
        return rtc_us + passed_us + passed_us * self.drift_ppm // 1_000_000
