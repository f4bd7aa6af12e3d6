"""Stands in for `machine`: an ESP32-WROOM's, as the MicroPython documentation has it. Buses are in virtual_bus."""

import io
import struct

import virtual_link as _link
from machine import PinBase, Signal  # noqa: F401  the port's own: Signal works on anything that is a PinBase
from micropython import RingIO, const, schedule
from virtual_bus import I2C, SPI, SoftI2C, SoftSPI  # noqa: F401

PWRON_RESET = const(1)
HARD_RESET = const(2)
WDT_RESET = const(3)
DEEPSLEEP_RESET = const(4)
SOFT_RESET = const(5)

_OUT_MASK = const(2)
_OPEN_DRAIN = const(7)
_INPUT_ONLY = const(34)
_FIFO = const(128)  # bytes that the chip holds beyond its driver's buffer
_EAGAIN = const(11)
_RTC_MEMORY = const(2048)

_cause = 0
_uid = b""
_reset = None
_latches = {}  # GPIO: [mode, output latch, pull]


def _setup(cause, uid, reset):
    global _cause, _uid, _reset
    _cause, _uid, _reset = cause, uid, reset


def reset_cause():
    return _cause


def unique_id():
    return _uid


def reset():
    _reset(HARD_RESET)


def soft_reset():
    raise SystemExit


def deepsleep(time_ms=0):
    _reset(DEEPSLEEP_RESET, time_ms)


def lightsleep(time_ms=0):
    _link.sleep_us(time_ms * 1000)


def idle():
    _link.pause(_link.now() + 1000)


def freq(hz=None):
    if hz not in (None, 20000000, 40000000, 80000000, 160000000, 240000000):
        raise ValueError("frequency must be 20MHz, 40MHz, 80Mhz, 160MHz or 240MHz")
    return 160000000 if hz is None else None


def disable_irq():
    return 0  # handlers run between two of the program's own calls only


def enable_irq(state):
    pass


def _gpio(pin):
    if isinstance(pin, Pin):
        return pin._id
    if isinstance(pin, int) and (0 <= pin <= 5 or 12 <= pin <= 23 or 25 <= pin <= 27 or 32 <= pin <= 39):
        return pin  # 6 to 11 are wired to the module's flash
    raise ValueError("invalid pin")


class Pin(PinBase):
    IN = const(1)
    OUT = const(3)
    OPEN_DRAIN = const(7)
    PULL_DOWN = const(1)
    PULL_UP = const(2)
    IRQ_RISING = const(1)
    IRQ_FALLING = const(2)
    WAKE_LOW = const(4)
    WAKE_HIGH = const(5)
    DRIVE_0 = const(0)
    DRIVE_1 = const(1)
    DRIVE_2 = const(2)
    DRIVE_3 = const(3)

    def __init__(self, id, *args, **kwargs):
        self._id = _gpio(id)
        if args or kwargs:
            self.init(*args, **kwargs)

    def init(self, mode=None, pull=-1, *, value=None, drive=None, hold=None):
        state = _latches.setdefault(self._id, [1, 0, 0])
        if mode is not None and mode & _OUT_MASK and self._id >= _INPUT_ONLY:
            raise ValueError("pin can only be input")
        if hold:
            raise NotImplementedError("hold")
        if value is not None:
            state[1] = 1 if value else 0
        if mode is not None:
            state[0] = mode
        if pull != -1:
            state[2] = pull or 0
        self._put(state)

    def _put(self, state):
        mode, latch, pull = state
        drives = mode & _OUT_MASK and not (mode == _OPEN_DRAIN and latch)
        _link.tell(0x70, self._id, bytes((latch if drives else 2, pull, mode)))

    def value(self, value=None):
        state = _latches.get(self._id)
        if value is None:
            if state and state[0] == 3:
                return state[1]
            return _link.ask(0x72, self._id)[0]
        if not state:
            state = _latches[self._id] = [1, 0, 0]
        state[1] = 1 if value else 0
        if state[0] & _OUT_MASK:
            self._put(state)

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(1 - _latches.get(self._id, (1, 0))[1])

    def irq(self, handler=None, trigger=IRQ_FALLING | IRQ_RISING, wake=None):
        if trigger & ~3:
            raise ValueError("trigger")
        if handler is None:
            _link.pins.pop(self._id, None)
        else:
            _link.pins[self._id] = (handler, self)
        _link.tell(0x69, self._id, bytes((trigger if handler else 0,)))

    def __repr__(self):
        return "Pin(%d)" % self._id


class UART(io.IOBase):
    INV_TX = const(32)
    INV_RX = const(4)
    IRQ_RX = const(1)
    IRQ_RXIDLE = const(0x1000)
    IRQ_BREAK = const(0x80)

    def __init__(self, id, *args, **kwargs):
        if not 0 <= id <= 2:
            raise ValueError("UART(%d) does not exist" % id)
        if id == 0:
            raise ValueError("UART(0) is the console")
        self._id = id
        self._rx = None
        self._handler = None
        self._free_us = 0  # when the last byte written will have left
        self.init(*args, **kwargs)

    def init(self, baudrate=0, bits=0, parity=-1, stop=0, *, tx=-1, rx=-1, rts=-1, cts=-1, txbuf=-1, rxbuf=-1,
             timeout=-1, timeout_char=-1, invert=-1, flow=-1):  # fmt: skip
        if self._rx is None:
            self._baud, self._bits, self._parity, self._stop = 115200, 8, None, 1
            self._txbuf, self._rxbuf, self._timeout, self._timeout_char = 256, 256, 0, 0
        elif self._free_us > _link.now():
            self.flush()
        if bits not in (0, 5, 6, 7, 8):
            raise ValueError("invalid data bits")
        if stop not in (0, 1, 2):
            raise ValueError("invalid stop bits")
        for pin in (tx, rx, rts, cts):
            if pin != -1:
                _gpio(pin)
        if tx != -1 and _gpio(tx) >= _INPUT_ONLY:
            raise OSError(-1, "ESP_FAIL")
        if (0 < rxbuf <= _FIFO) or (0 < txbuf <= _FIFO):
            raise OSError(-1, "ESP_FAIL")  # the driver wants more than the hardware's own buffer
        self._baud = baudrate if baudrate > 0 else self._baud
        self._bits = bits or self._bits
        self._stop = stop or self._stop
        self._parity = self._parity if parity == -1 else parity
        self._txbuf = txbuf if txbuf >= 0 else self._txbuf
        self._rxbuf = rxbuf if rxbuf >= 0 else self._rxbuf
        self._timeout = timeout if timeout >= 0 else self._timeout
        self._timeout_char = timeout_char if timeout_char >= 0 else self._timeout_char
        frame = 1 + self._bits + self._stop + (self._parity is not None)
        self._byte_ns = frame * 1000000000 // self._baud
        capacity = self._rxbuf + _FIFO
        self._rx = RingIO(capacity)  # what was received under the former settings is gone
        _link.uarts[self._id] = self
        _link.tell(0x6F, self._id, struct.pack("<II", self._baud, capacity))

    def deinit(self):
        self._rx = None
        _link.uarts.pop(self._id, None)
        _link.tell(0x6F, self._id, struct.pack("<II", 0, 0))

    def _receive(self, data):
        self._rx.write(data)  # what does not fit is lost
        if self._handler:
            schedule(self._call, 0)

    def _call(self, _):
        if self._handler:
            _link.call(self._handler, self)

    def irq(self, handler=None, trigger=0, hard=False):
        if hard:
            raise ValueError("hard IRQ is not supported")
        if trigger & ~(self.IRQ_RX | self.IRQ_RXIDLE | self.IRQ_BREAK):
            raise ValueError("trigger 0x%04x unsupported" % trigger)
        if trigger & (self.IRQ_RXIDLE | self.IRQ_BREAK):
            raise NotImplementedError("trigger")
        self._handler = handler if trigger else None

    def any(self):
        _link.refresh()
        if not self._rx.any():
            _link.pause(0)
        return self._rx.any()

    def _available(self, timeout_ms):
        # Whether there is a byte within that time.
        if not self._rx.any():
            until_us = _link.now() + timeout_ms * 1000
            _link.pause(until_us if timeout_ms else 0)
            while not self._rx.any() and _link.now() < until_us:
                _link.pause(until_us)
        return self._rx.any() > 0

    def readinto(self, buffer, count=None):
        count = len(buffer) if count is None else min(count, len(buffer))
        view = memoryview(buffer)
        done = 0
        while done < count and self._available(self._timeout_char if done else self._timeout):
            done += self._rx.readinto(view[done:count])
        return done or None

    def read(self, count=-1):
        if count is not None and count >= 0:
            data = bytearray(count)
            done = self.readinto(data)
            return bytes(data[:done]) if done else (None if count else b"")
        data = b""
        while self._available(self._timeout_char if data else self._timeout):
            data += self._rx.read()
        return data or None

    def readline(self):
        data = b""
        while not data.endswith(b"\n") and self._available(self._timeout_char if data else self._timeout):
            data += self._rx.read(1)
        return data or None

    def write(self, data):
        data = bytes(data) if not isinstance(data, str) else data.encode()
        at_us = _link.now()
        self._free_us = max(self._free_us, at_us) + len(data) * self._byte_ns // 1000
        for i in range(0, len(data), 4096):
            _link.tell(0x75, self._id, data[i : i + 4096])
        room_us = (self._txbuf + _FIFO) * self._byte_ns // 1000
        if self._free_us - at_us > room_us:  # blocks until the rest fits the buffer
            _link.sleep_us(self._free_us - at_us - room_us)
        return len(data)

    def txdone(self):
        return _link.now() >= self._free_us

    def flush(self):
        while _link.now() < self._free_us:
            _link.pause(self._free_us)

    def sendbreak(self):
        self.flush()
        _link.sleep_us(13000000 // self._baud)

    def ioctl(self, request, argument):
        if request == 3:  # poll
            flags = 1 if argument & 1 and self._rx.any() else 0
            backlog_us = self._free_us - _link.now()
            if argument & 4 and backlog_us < self._txbuf * self._byte_ns // 1000:
                flags |= 4
            return flags
        if request == 1:  # flush
            self.flush()
        elif request == 4:  # close
            self.deinit()
        return 0


class WDT:
    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        _link.tell(0x64, 0, struct.pack("<I", timeout))

    def feed(self):
        _link.tell(0x66)


class RTC:
    def datetime(self, parts=None):
        import time

        if parts is None:
            us, _ = _link.ask(0x63)
            year, month, day, hour, minute, second, weekday, _ = time.gmtime(us // 1000000)
            return (year, month, day, weekday, hour, minute, second, us % 1000000)
        year, month, day, _, hour, minute, second, us = parts
        seconds = time.mktime((year, month, day, hour, minute, second, 0, 0))
        _link.tell(0x43, 0, struct.pack("<q", seconds * 1000000 + us))

    def init(self, parts):
        year, month, day, hour, minute, second, us, _ = parts
        self.datetime((year, month, day, 0, hour, minute, second, us))

    def memory(self, data=None):
        if data is None:
            return _link.ask(0x6D)[1]
        if len(data) > _RTC_MEMORY:
            raise ValueError("buffer too long")
        _link.tell(0x4D, 0, bytes(data))


class Timer:
    ONE_SHOT = const(0)
    PERIODIC = const(1)

    def __init__(self, id, **kwargs):
        if id >= 4:
            raise ValueError("Timer(%d) doesn't exist, there are only 4 hardware timers" % id)
        self._callback = None
        self.due_us = 0
        if kwargs:
            self.init(**kwargs)

    def init(self, *, mode=PERIODIC, freq=-1, period=-1, callback=None, hard=False):
        if hard:
            raise ValueError("hard Timers are not implemented")
        self.deinit()
        period_us = int(1000000 / freq) if freq != -1 else period * 1000
        if period_us <= 0:
            raise ValueError("Timer period is too short for this timer")
        self._period_us = period_us
        self._mode = mode
        self._callback = callback
        self.due_us = _link.now() + period_us
        _link.timers.append(self)

    def fire(self):
        if self._mode == self.PERIODIC:
            self.due_us += self._period_us
        else:
            self.deinit()
        if self._callback:
            _link.call(self._callback, self)

    def deinit(self):
        if self in _link.timers:
            _link.timers.remove(self)
