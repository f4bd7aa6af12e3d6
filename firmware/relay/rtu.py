"""Modbus RTU master (Modbus over Serial Line 1.02; Application Protocol 1.1b3): one question and its answer.

frame   unit(1) function(1) data CRC-16(2, low byte first), silence of 3.5 characters before and after
FC01    address(2) count(2)  ->  bytes(1) bits          FC05, FC06   address(2) value(2)  ->  the same
FC03/04 address(2) count(2)  ->  bytes(1) registers     error        function + 0x80, code(1)
"""

import struct

from micropython import const

READ_COILS = const(1)
READ_HOLDING = const(3)
READ_INPUT = const(4)
WRITE_COIL = const(5)
WRITE_HOLDING = const(6)
_TRIES = const(3)
_ANSWER_MS = const(300)  # longest that a device takes to answer; as long it is quiet after one that did not
_LONGEST = const(16)  # bytes of an answer: this master reads at most two registers


class RtuError(Exception):
    """NO_ANSWER, BAD_ANSWER (CRC, unit, function, length, echo) or EXCEPTION and its code."""


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def request(unit, function, address, value):
    """The frame of a question; value: a count for reads."""
    frame = struct.pack(">BBHH", unit, function, address, value)
    return frame + struct.pack("<H", crc16(frame))


def silence_ms(baud):
    """3.5 characters of 11 bits, 1.75 ms above 19200 baud; rounded up, since the tick counter may be about to turn."""
    return -(-(1750 if baud > 19200 else 38_500_000 // baud) // 1000) + 1


class Answer:
    """Takes the bytes of the answer to a request, one by one; `data` is what follows its function code."""

    def __init__(self, frame):
        self._asked = frame
        self._got = bytearray()
        self.data = b""

    def feed(self, byte):
        """Whether the answer is complete and intact. RtuError: it is none to this request."""
        got, asked = self._got, self._asked
        got.append(byte)
        count = len(got)
        function = asked[1]
        if got[0] != asked[0] or (count == 2 and byte & 0x7F != function):
            raise RtuError("BAD_ANSWER")
        if count < 3:
            return False
        if got[1] != function:
            length = 5
        elif function >= WRITE_COIL:
            length = 8
        else:
            wanted = asked[4] << 8 | asked[5]
            if got[2] != (-(-wanted // 8) if function == READ_COILS else 2 * wanted) or got[2] > _LONGEST - 5:
                raise RtuError("BAD_ANSWER")
            length = 5 + got[2]
        if count < length:
            return False
        if crc16(memoryview(got)[:-2]) != got[-2] | got[-1] << 8:
            raise RtuError("BAD_ANSWER")
        if got[1] != function:
            raise RtuError("EXCEPTION %d" % got[2])
        if function >= WRITE_COIL and got != asked:
            raise RtuError("BAD_ANSWER")
        self.data = bytes(got[3:-2])
        return True


class Bus:
    """uart: of the line; enable: callable(level) of its transmitter; sleep: async callable(ms); the rest as in
    MicroPython's `time`."""

    def __init__(self, uart, enable, baud, sleep, ticks_ms, ticks_diff):
        self.sleep = sleep
        self._uart = uart
        self._enable = enable
        self._silence_ms = silence_ms(baud)
        self._quiet_ms = self._silence_ms
        self._ticks_ms = ticks_ms
        self._ticks_diff = ticks_diff
        self._last = ticks_ms()  # when the line was last seen busy
        self._asking = False

    async def ask(self, unit, function, address, value):
        """The answer's data; RtuError after three tries, or one that the device refuses."""
        frame = request(unit, function, address, value)
        while self._asking:  # an earlier question has its deadline
            await self.sleep(1)
        self._asking = True
        try:
            for left in range(_TRIES - 1, -1, -1):
                try:
                    return await self._try(frame)
                except RtuError as error:
                    # a late answer must not be taken for the next one's: wait it out
                    self._quiet_ms = _ANSWER_MS
                    self._last = self._ticks_ms()
                    if not left or str(error).startswith("EXCEPTION"):
                        raise
        finally:
            self._asking = False

    async def _try(self, frame):
        give_up = self._ticks_ms()
        while self._heard() or self._ticks_diff(self._ticks_ms(), self._last) < self._quiet_ms:
            if self._ticks_diff(self._ticks_ms(), give_up) > 2 * _ANSWER_MS:
                raise RtuError("BUS_BUSY")  # somebody talks without end
            await self.sleep(1)
        self._quiet_ms = self._silence_ms
        self.send(frame)
        answer = Answer(frame)
        asked = self._last
        while self._ticks_diff(self._ticks_ms(), asked) < _ANSWER_MS:
            for byte in self._heard():
                if answer.feed(byte):
                    return answer.data
            await self.sleep(1)
        raise RtuError("NO_ANSWER")

    def send(self, frame):
        """Sends and lets go of the line at once: a device may answer after 1.75 ms. Blocks 8 characters long."""
        self._enable(1)
        self._uart.write(frame)
        self._uart.flush()
        self._enable(0)
        self._last = self._ticks_ms()

    def _heard(self):
        data = self._uart.read(_LONGEST) if self._uart.any() else None
        if data:
            self._last = self._ticks_ms()
        return data or b""
