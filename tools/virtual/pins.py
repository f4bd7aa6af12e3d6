"""The virtual board's pins, seen from outside."""

from collections.abc import Callable

from tools.virtual.world import World

_RELEASED = 2
_PULL_DOWN, _PULL_UP = 1, 2
_RISING, _FALLING = 1, 2


class Pins:
    """`trace` holds (time_us, pin, level) for each change of what the board drives; level None is released."""

    def __init__(self, world: World):
        self._world = world
        self.trace: list[tuple[int, int, int | None]] = []
        self._board: dict[int, int] = {}  # what the board drives
        self._pull: dict[int, int] = {}
        self._outside: dict[int, int] = {}  # what something else drives
        self._irq: dict[int, int] = {}
        self.on_irq: Callable[[int], None] = lambda pin: None
        self._watchers: dict[int, list[Callable[[int | None], None]]] = {}

    def watch(self, pin: int, call: Callable[[int | None], None]) -> None:
        """`call(level)` at each change of what the board drives on that pin; None is released."""
        self._watchers.setdefault(pin, []).append(call)

    def level(self, pin: int) -> int | None:
        """0 or 1 on the wire; None where nothing drives or pulls it."""
        if pin in self._board:
            return self._board[pin]
        if pin in self._outside:
            return self._outside[pin]
        pull = self._pull.get(pin, 0)
        return 1 if pull & _PULL_UP else 0 if pull & _PULL_DOWN else None

    def driven(self, pin: int) -> int | None:
        """What the board drives; None where it does not."""
        return self._board.get(pin)

    def drive(self, pin: int, level: int | None) -> None:
        """Drives a pin from outside; None lets go of it."""
        before = self.level(pin)
        if level is None:
            self._outside.pop(pin, None)
        else:
            self._outside[pin] = level
        after = self.level(pin)
        wanted = self._irq.get(pin, 0)
        if (after == 1 and before != 1 and wanted & _RISING) or (after == 0 and before != 0 and wanted & _FALLING):
            self.on_irq(pin)

    def set(self, pin: int, level: int, pull: int) -> None:
        """The board's doing: level 0, 1 or 2 for released; pull bits 1 down, 2 up."""
        self._pull[pin] = pull
        driven = None if level == _RELEASED else level
        if driven == self._board.get(pin):
            return
        if driven is None:
            del self._board[pin]
        else:
            self._board[pin] = driven
        self.trace.append((self._world.now_us, pin, driven))
        for call in self._watchers.get(pin, ()):
            call(driven)

    def arm(self, pin: int, trigger: int) -> None:
        self._irq[pin] = trigger

    def disarm_all(self) -> None:
        self._irq.clear()

    def release_all(self) -> None:
        """A reset of the chip: every pin is an input without pull."""
        self._irq.clear()
        self._pull.clear()
        for pin in sorted(self._board):
            self.set(pin, _RELEASED, 0)
        self._pull.clear()
