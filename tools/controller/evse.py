"""What a controller switches and measures: one Evse a charging point, simulated or on GPIO lines."""

import time
from collections.abc import Callable
from typing import Any, Protocol

from tools.controller.messages import CURRENT_BIT, DURATION_BIT, ENERGY_BIT, POWER_BIT
from tools.problem import Problem

NOMINAL_V = 230


class Evse(Protocol):
    """One charging point. Whoever makes another implementation keeps it de-energised until told, and after a fault.

    enforces: bits of `messages` (ENERGY_BIT …) of the limits that this hardware can keep.
    """

    enforces: int

    def energise(self, power_w: int | None, current_a: int | None) -> None:
        """Closes the contactor, to draw no more than that (None: no such limit). OSError: it stays open."""

    def de_energise(self) -> None:
        """Opens the contactor; may be called at any time, as often as one likes."""

    def meter_wh(self) -> int | None:
        """Energy since this object was made, never falling; None without a meter."""

    def power_w(self) -> int | None:
        """What is drawn now; None where nobody measures it."""

    def vehicle(self) -> bool | None:
        """Whether a vehicle is plugged in; None where nobody knows."""

    def fault(self) -> str:
        """Why nothing may be energised, in words; "" where all is well."""
        ...

    def close(self) -> None:
        """De-energises and lets go of the hardware."""


class SimulatedEvse:
    """A charging point of memory alone: it draws `draw_w` while it is energised and a vehicle is plugged in."""

    enforces = ENERGY_BIT | POWER_BIT | CURRENT_BIT | DURATION_BIT

    def __init__(self, draw_w: int = 11_000, clock: Callable[[], float] = time.monotonic):
        self.draw_w = draw_w
        self.plugged: bool | None = True
        self.broken = ""
        self.energised = False
        self._clock = clock
        self._drawn_ws = 0.0
        self._since = clock()
        self._limit_w = draw_w

    def energise(self, power_w: int | None, current_a: int | None) -> None:
        if self.broken:
            raise OSError(self.broken)
        self._count()
        bounds = [power_w, None if current_a is None else current_a * NOMINAL_V * 3]
        self._limit_w = min([bound for bound in bounds if bound is not None], default=1 << 31)
        self.energised = True

    def de_energise(self) -> None:
        self._count()
        self.energised = False

    def _count(self) -> None:
        now = self._clock()
        self._drawn_ws += (self.power_w() or 0) * (now - self._since)
        self._since = now

    def meter_wh(self) -> int | None:
        self._count()
        return int(self._drawn_ws / 3600)

    def power_w(self) -> int | None:
        return min(self.draw_w, self._limit_w) if self.energised and self.plugged else 0

    def vehicle(self) -> bool | None:
        return self.plugged

    def fault(self) -> str:
        return self.broken

    def close(self) -> None:
        self.de_energise()


class GpioEvse:
    """A contactor on an output line, and where there are such a vehicle contact and the pulses of an S0 meter.

    The output is low before, after and in between: a line that the process lets go of is low again only where the board
    has a pull-down, so wire one. Limits of power and current are not kept: a contactor cannot throttle.
    """

    def __init__(self, enable: int, vehicle: int | None, pulse: int | None, pulses_per_kwh: int, lines: "GpioLines"):
        self.enforces = DURATION_BIT | (ENERGY_BIT if pulse is not None else 0)
        self._enable, self._vehicle, self._pulse, self._lines = enable, vehicle, pulse, lines
        self._per_kwh = pulses_per_kwh
        self._pulses = 0
        self._fault = ""

    def energise(self, power_w: int | None, current_a: int | None) -> None:
        self._lines.write(self._enable, True)

    def de_energise(self) -> None:
        try:
            self._lines.write(self._enable, False)
            self._fault = ""
        except OSError as error:
            self._fault = f"line {self._enable}: {error.strerror or error}"

    def meter_wh(self) -> int | None:
        if self._pulse is None:
            return None
        try:
            self._pulses += self._lines.pulses(self._pulse)
        except OSError as error:
            self._fault = f"line {self._pulse}: {error.strerror or error}"
        return self._pulses * 1000 // self._per_kwh

    def power_w(self) -> int | None:
        return None

    def vehicle(self) -> bool | None:
        if self._vehicle is None:
            return None
        try:
            return self._lines.read(self._vehicle)
        except OSError as error:
            self._fault = f"line {self._vehicle}: {error.strerror or error}"
            return None

    def fault(self) -> str:
        return self._fault

    def close(self) -> None:
        self.de_energise()


class GpioLines(Protocol):
    """The GPIO lines of a chip, by their numbers; every call may raise OSError."""

    def write(self, line: int, high: bool) -> None: ...

    def read(self, line: int) -> bool: ...

    def pulses(self, line: int) -> int:
        """Rising edges since the last call."""
        ...

    def close(self) -> None: ...


class Gpiod:
    """Lines of a Linux GPIO character device, through gpiod."""

    def __init__(self, chip: str, outputs: list[int], inputs: list[int], counters: list[int]):
        try:
            import gpiod
        except ImportError:
            raise Problem("GPIO needs the package gpiod, which is for Linux; see tools/controller/README.md") from None
        line = gpiod.line
        down = line.Bias.PULL_DOWN
        off = gpiod.LineSettings(direction=line.Direction.OUTPUT, output_value=line.Value.INACTIVE)
        level = gpiod.LineSettings(direction=line.Direction.INPUT, bias=down)
        edge = gpiod.LineSettings(direction=line.Direction.INPUT, bias=down, edge_detection=line.Edge.RISING)
        settings = [(numbers, how) for numbers, how in ((outputs, off), (inputs, level), (counters, edge)) if numbers]
        self._line = line
        self._counted = dict.fromkeys(counters, 0)
        self._lines: Any = gpiod.request_lines(
            chip, consumer="controller", config={tuple(numbers): how for numbers, how in settings}
        )

    def write(self, line: int, high: bool) -> None:
        self._lines.set_value(line, self._line.Value.ACTIVE if high else self._line.Value.INACTIVE)

    def read(self, line: int) -> bool:
        return self._lines.get_value(line) == self._line.Value.ACTIVE

    def pulses(self, line: int) -> int:
        while self._lines.wait_edge_events(0):
            for event in self._lines.read_edge_events():
                self._counted[event.line_offset] += 1
        seen, self._counted[line] = self._counted[line], 0
        return seen

    def close(self) -> None:
        self._lines.release()
