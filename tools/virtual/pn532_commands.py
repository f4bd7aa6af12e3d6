"""What a PN532 does with each host command (UM0701-02 section 7).

A command is a generator method: it waits as `Contactless` does and returns the response data behind
`D5 code+1`, or raises SyntaxFault, which the host sees as an error frame.
"""

from .pn532_rf import BAD_CONTEXT, FOREVER, OK, TIMEOUT, TX_CONTROL, Contactless, Steps, Target
from .world import World

DATA_LIMIT = 265  # bytes in a frame's data, D4 and the command code among them
FIRMWARE = bytes((0x32, 0x01, 0x06, 0x07))
BAUDS = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1288000)
RF_ITEMS = {0x01: 1, 0x02: 3, 0x04: 1, 0x05: 3, 0x0A: 11, 0x0B: 8, 0x0C: 3, 0x0D: 9}
PRESENCE_TYPES = {0x00: 0, 0x10: 0, 0x20: 0, 0x01: 1, 0x11: 1, 0x02: 2, 0x12: 2, 0x03: 3, 0x23: 3, 0x04: 4}
POLL_UNIT_US = 150_000


class SyntaxFault(Exception):
    """The host's command is no command: it gets an error frame."""


def need(condition: object) -> None:
    if not condition:
        raise SyntaxFault


class Commands(Contactless):
    """The command interpreter. `Pn532` adds the link to the host."""

    def __init__(self, world: World):
        super().__init__(world)
        self.table = {
            0x00: self._diagnose,
            0x02: self._firmware_version,
            0x04: self._general_status,
            0x06: self._read_register,
            0x08: self._write_register,
            0x0C: self._read_gpio,
            0x0E: self._write_gpio,
            0x10: self._set_baud,
            0x12: self._set_parameters,
            0x14: self._sam_configuration,
            0x16: self._power_down,
            0x32: self._rf_configuration,
            0x40: self._data_exchange,
            0x42: self._communicate_thru,
            0x44: self._deselect,
            0x46: self._jump_for_dep,
            0x4A: self._list_passive_target,
            0x4E: self._no_dep,
            0x50: self._no_dep,
            0x52: self._release,
            0x54: self._select_target,
            0x56: self._jump_for_dep,
            0x60: self._auto_poll,
            0x8C: self._wait_as_target,
        }

    def forget(self) -> None:
        super().forget()
        self.low_vbat = True
        self.wake_sources = 0xFF
        self.passive_retries = 0xFF
        self.last_error = OK
        self.sam_mode = 1
        self.gpio = bytearray((0x3F, 0x06))
        self.next_baud: int | None = None
        self.going_down = False

    def execute(self, code: int, data: bytes) -> Steps:
        """Runs one command. In LowVbat the field stays off: commands that need it never come to an end."""
        handler = self.table.get(code)
        need(handler)
        assert handler is not None
        while self.low_vbat and code >= 0x40:
            yield FOREVER
        return (yield from handler(data))

    def _status(self, status: int) -> bytes:
        self.last_error = status & 0x3F
        return bytes((status,))

    # --- the chip itself ---

    def _diagnose(self, data: bytes) -> Steps:
        yield 0
        need(data and data[0] in (0, 1, 2, 4, 5, 6, 7))
        if data[0] == 0:
            return data
        if data[0] == 5:  # echo test: the chip is a target for as long as the host lets it
            while True:
                yield FOREVER
        if data[0] == 6:  # attention request: of no use with type A, see AN10609
            return self._status(BAD_CONTEXT)
        return b"\x00"

    def _firmware_version(self, data: bytes) -> Steps:
        yield 0
        return FIRMWARE

    def _general_status(self, data: bytes) -> Steps:
        yield 0
        listed = b"".join(bytes((target.number, 0, 0, 0)) for target in self.targets)
        return bytes((self.last_error, int(self.field.on), len(self.targets))) + listed + b"\x80"

    def _read_register(self, data: bytes) -> Steps:
        yield 10 * len(data)
        need(data and not len(data) % 2)
        values = bytearray()
        for at in range(0, len(data), 2):
            address = data[at] << 8 | data[at + 1]
            value = self.registers.get(address, 0)
            values.append(value & 0xFC | 3 * self.field.on if address == TX_CONTROL else value)
        return bytes(values)

    def _write_register(self, data: bytes) -> Steps:
        yield 10 * len(data)
        need(data and not len(data) % 3)
        for at in range(0, len(data), 3):
            address = data[at] << 8 | data[at + 1]
            self.registers[address] = data[at + 2]
            if address == TX_CONTROL:
                self._carrier(bool(data[at + 2] & 3))
        return b""

    def _read_gpio(self, data: bytes) -> Steps:
        yield 0
        return bytes(self.gpio) + b"\x00"

    def _write_gpio(self, data: bytes) -> Steps:
        yield 0
        need(len(data) == 2)
        for index, value in enumerate(data):
            if value & 0x80:
                self.gpio[index] = value & 0x7F
        return b""

    def _set_baud(self, data: bytes) -> Steps:
        yield 0
        need(len(data) == 1 and data[0] < len(BAUDS))
        self.next_baud = BAUDS[data[0]]  # in force once the host has acknowledged the response
        return b""

    def _set_parameters(self, data: bytes) -> Steps:
        yield 0
        need(len(data) == 1)
        self.parameters = data[0]
        return b""

    def _sam_configuration(self, data: bytes) -> Steps:
        yield 0
        need(1 <= len(data) <= 3 and 1 <= data[0] <= 4)
        self.sam_mode = data[0]
        self.low_vbat = False
        return b""

    def _power_down(self, data: bytes) -> Steps:
        yield 0
        need(1 <= len(data) <= 2)
        self.wake_sources = data[0]
        self.going_down = True  # as soon as the response is out
        return b"\x00"

    # --- the field ---

    def _carrier(self, on: bool) -> None:
        self.field.switch(on)
        if not on:
            self.targets = []

    def _rf_configuration(self, data: bytes) -> Steps:
        yield 0
        need(data and RF_ITEMS.get(data[0]) == len(data) - 1)
        if data[0] == 0x01:
            self._carrier(bool(data[1] & 1))
        elif data[0] == 0x02:
            need(data[2] <= 16 and data[3] <= 16)
            self.timeout_us = 100 << (data[3] - 1) if data[3] else 0
        elif data[0] == 0x04:
            self.com_retries = data[1]
        elif data[0] == 0x05:
            self.passive_retries = data[3]
        return b""

    def _list_passive_target(self, data: bytes) -> Steps:
        need(len(data) >= 2 and 1 <= data[0] <= 2 and data[1] <= 4)
        extra = data[2:]
        need({0: len(extra) in (0, 4, 8, 12), 3: 1 <= len(extra) <= 2, 4: not extra}.get(data[1], len(extra) == 5))
        attempts = self.passive_retries + 1
        found = yield from self.list_passive(data[0], data[1], extra, attempts)
        return bytes((len(found),)) + b"".join(found)

    def _auto_poll(self, data: bytes) -> Steps:
        need(3 <= len(data) <= 17 and data[0] and 1 <= data[1] <= 15)
        need(all(kind in PRESENCE_TYPES for kind in data[2:]))
        polls = data[0]
        while True:
            for kind in data[2:]:
                brty = PRESENCE_TYPES[kind]
                found = yield from self.list_passive(2 if brty == 0 else 1, brty, b"", 2)
                part4 = [target.part4 for target in self.targets]
                if found and (kind == 0 or kind >> 5 == int(part4[0])):
                    kinds = [0x20 if is_part4 else 0x10 for is_part4 in part4]
                    listed = zip(kinds, found, strict=True)
                    return bytes((len(found),)) + b"".join(bytes((k, len(d))) + d for k, d in listed)
                yield data[1] * POLL_UNIT_US
            polls -= polls != 0xFF
            if not polls:
                return b"\x00"

    # --- targets ---

    def _addressed(self, data: bytes) -> Target | None:
        return self._find(data[0] & 0x3F)

    def _data_exchange(self, data: bytes) -> Steps:
        yield 0
        need(data)
        target = self._addressed(data)
        if target is None:
            return self._status(BAD_CONTEXT)
        status = yield from self._take_up(target)
        if status:
            return self._status(status)
        if target.part4:
            status, got = yield from self.part4_exchange(target, data[1:], bool(data[0] & 0x40))
            if status & 0x3F:
                self.targets.remove(target)  # the session is lost; what follows is answered with 27
        else:
            status, got = yield from self.mifare_exchange(target, data[1:])
        return self._status(status) + got

    def _communicate_thru(self, data: bytes) -> Steps:
        yield from self._field_on()
        status, got = yield from self.thru(data)
        return self._status(status) + got

    def _each(self, data: bytes) -> list[Target] | None:
        """The target that the host names, or all for 0; None when it knows none of that number."""
        need(len(data) == 1)
        target = self._find(data[0])
        return self.targets if data[0] == 0 else [target] if target else None

    def _deselect(self, data: bytes) -> Steps:
        targets = self._each(data)
        if targets is None:
            return self._status(BAD_CONTEXT)
        status = OK
        for target in targets:
            status = (yield from self._let_go(target)) or status
        return self._status(status)

    def _release(self, data: bytes) -> Steps:
        targets = self._each(data)
        if targets is None:
            return self._status(BAD_CONTEXT)
        status = OK
        for target in list(targets):
            status = (yield from self._let_go(target)) or status
            self.targets.remove(target)
        return self._status(status)

    def _select_target(self, data: bytes) -> Steps:
        targets = self._each(data)
        if not targets or not data[0]:
            return self._status(BAD_CONTEXT)
        return self._status((yield from self._take_up(targets[0])))

    # --- what this chip does not do here ---

    def _jump_for_dep(self, data: bytes) -> Steps:
        need(len(data) >= 3 and data[0] <= 1 and data[1] <= 2)
        yield from self._field_on()
        yield 50_000
        return self._status(TIMEOUT)  # there is no peer

    def _no_dep(self, data: bytes) -> Steps:
        yield 0
        return self._status(BAD_CONTEXT)

    def _wait_as_target(self, data: bytes) -> Steps:
        need(len(data) >= 35)
        while True:
            yield FOREVER  # there is no other reader
