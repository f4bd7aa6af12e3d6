"""A virtual Modbus RTU device on a wire: a bank of coils and registers with the timed-on of a relay board.

Made from the Modbus documents (Serial Line 1.02, Application Protocol 1.1b3), and apart from the firmware's own code.
"""

from collections.abc import Callable

from tools.virtual.world import End, Timer, World

_TIMED_ON = 0x200  # coil addresses from here on switch a relay on for so many tenths of a second


def crc(data: bytes) -> bytes:
    """CRC-16 of the serial line document, low byte first."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value, odd = value >> 1, value & 1
            if odd:
                value ^= 0xA001
    return value.to_bytes(2, "little")


class Device:
    """`unit` on the wire. Behaviour to be set by tests: `silent`; `ignores` (addresses whose writes are echoed and not
    taken); `alter(answer) -> answer or None` for what the line makes of each answer; `delay_us` before it answers."""

    def __init__(self, world: World, end: End, unit: int = 1):
        self.world = world
        self.unit = unit
        self.coils: dict[int, int] = {}
        self.holding: dict[int, int] = {}
        self.inputs: dict[int, int] = {}
        self.silent = False
        self.ignores: set[int] = set()
        self.alter: Callable[[bytes], bytes | None] = lambda answer: answer
        self.delay_us = 5000
        self.eight = False  # answers with all eight coils, whatever is asked
        self.asked: list[bytes] = []
        self.on_coil: Callable[[int, int], None] = lambda address, level: None
        self._timers: dict[int, Timer] = {}
        self._end = end
        end.on_data = self._heard

    def coil(self, address: int, level: int) -> None:
        if self.coils.get(address, 0) != level:
            self.coils[address] = level
            self.on_coil(address, level)

    def _heard(self, data: bytes) -> None:
        if self.silent or len(data) < 8 or data[0] != self.unit or crc(data[:-2]) != data[-2:]:
            return
        self.asked.append(data)
        answer = self.alter(self._answer(data))
        if answer:
            self.world.call_later(self.delay_us, lambda: self._end.write(answer))

    def _answer(self, asked: bytes) -> bytes:
        function, address, value = asked[1], asked[2] << 8 | asked[3], asked[4] << 8 | asked[5]
        if function == 1:
            first, count = (0, 8) if self.eight else (address, value)
            bits = sum((self.coils.get(first + at, 0)) << at for at in range(count))
            body = bytes((function, -(-count // 8))) + bits.to_bytes(-(-count // 8), "little")
        elif function in (3, 4):
            bank = self.holding if function == 3 else self.inputs
            words = b"".join(bank.get(address + at, 0).to_bytes(2, "big") for at in range(value))
            body = bytes((function, len(words))) + words
        elif function in (5, 6):
            if address not in self.ignores:
                self._write(function, address, value)
            return asked
        else:
            body = bytes((function | 0x80, 1))
        return bytes((self.unit,)) + body + crc(bytes((self.unit,)) + body)

    def _write(self, function: int, address: int, value: int) -> None:
        if function == 6:
            self.holding[address] = value
            return
        timed = _TIMED_ON <= address < _TIMED_ON + 8
        coil = address - _TIMED_ON if timed else address
        if timer := self._timers.pop(coil, None):
            timer.cancel()
        self.coil(coil, 1 if timed or value else 0)
        if timed:
            self._timers[coil] = self.world.call_later(value * 100_000, lambda: self.coil(coil, 0))
