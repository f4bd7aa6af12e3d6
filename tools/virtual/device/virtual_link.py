"""The board's only way out: one descriptor to the world, and the board's own clock.

To the world: length of payload (2) ‖ kind (1) ‖ argument (1) ‖ time µs (8) ‖ payload, little endian.
Kinds in ASKS are answered: length of tail (2) ‖ flags (1) ‖ 0 (1) ‖ time µs (8) ‖ value (8) ‖ tail. The tail of a
wait's answer is a list of events: kind (1) ‖ id (1) ‖ length (2) ‖ data.
"""

import struct
import sys
from time import ticks_us as _host_us  # this module is loaded before `time` is replaced

from micropython import const

_TICK_US = const(10)  # what reading the clock or asking the world costs: a loop that only looks at the clock ends
_STALE_US = const(1000)  # a board that computes looks at its inputs at least so often
_INTERRUPT = const(1)
_REAL = const(2)
_FOREVER = const(1 << 60)

_EVENT_UART = const(1)
_EVENT_PIN = const(2)
_EVENT_RADIO = const(3)

_file = None
_head = bytearray(12)
_wait = bytearray(20)
_answer = bytearray(20)
_now = 0
_offset = 0
_real = False
_heard_us = 0
_open = False  # a question is out and its answer not yet read
_nonce = 0

uarts = {}  # id: UART that takes received bytes
radio = None  # takes what the radio reports
pins = {}  # number: (handler, Pin)
timers = []  # running Timers: .due_us, .fire()


def connect(fd):
    global _file
    _file = open(fd, "r+b", buffering=0)


def now():
    """µs of this board's clock; reading it takes time."""
    global _now
    if _real:
        t = _host_us() + _offset
        if t > _now:
            _now = t
    else:
        _now += _TICK_US
    return _now


def spend(us):
    """Time that the chip needs for something in which nothing else runs."""
    global _now
    if not _real:
        _now += us


def tell(kind, argument=0, data=b""):
    """Sends what needs no answer."""
    struct.pack_into("<HBBq", _head, 0, len(data), kind, argument, now())
    _file.write(_head + data if data else _head)


def _settle():
    # A question was cut off by Ctrl-C: skip whatever is still under way, up to the mark that is asked for.
    global _nonce
    _nonce += 1
    mark = b"\xff\x00resync" + struct.pack("<I", _nonce)
    struct.pack_into("<HBBq", _head, 0, len(mark), 0x73, 0, now())
    _file.write(_head + mark)
    window = b""
    while window != mark:
        window = (window + _file.read(1))[-len(mark) :]


def _exchange(request):
    global _open, _now, _offset, _real, _heard_us
    if _open:
        _settle()
    _open = True
    _file.write(request)
    if _file.readinto(_answer) != 20:
        sys.exit()  # the world has ended
    length, flags, _, at, value = struct.unpack("<HBBqq", _answer)
    tail = _file.read(length) if length else b""
    _open = False
    _real = bool(flags & _REAL)
    if _real:
        _offset = at - _host_us()
    if at > _now:
        _now = at
    _heard_us = _now
    return flags, value, tail


def ask(kind, argument=0, data=b""):
    """(value, tail) of the world's answer."""
    struct.pack_into("<HBBq", _head, 0, len(data), kind, argument, now())
    _, value, tail = _exchange(_head + data if data else _head)
    return value, tail


def pause(until_us=_FOREVER):
    """Returns when `until_us` has come or something came in, whichever is first. Runs handlers and timers."""
    for timer in timers:
        if timer.due_us < until_us:
            until_us = timer.due_us
    struct.pack_into("<HBBqq", _wait, 0, 8, 0x77, 0, now(), until_us)
    flags, _, tail = _exchange(_wait)
    if tail:
        _dispatch(tail)
    if timers:
        for timer in list(timers):
            if timer.due_us <= _now and timer in timers:
                timer.fire()
    if flags & _INTERRUPT:
        raise KeyboardInterrupt


def refresh():
    """Lets inputs in, when it is long since the last time."""
    if now() - _heard_us > _STALE_US:
        pause(0)


def sleep_us(us):
    until_us = now() + us
    pause(until_us)
    while _now < until_us:
        pause(until_us)


def _dispatch(tail):
    i = 0
    while i < len(tail):
        kind, which, length = struct.unpack_from("<BBH", tail, i)
        i += 4
        if kind == _EVENT_UART:
            uart = uarts.get(which)
            if uart:
                uart._receive(tail[i : i + length])
        elif kind == _EVENT_PIN and which in pins:
            call(*pins[which])
        elif kind == _EVENT_RADIO and radio:
            radio(tail[i : i + length])
        i += length


def call(handler, argument):
    """A handler's error is printed and ends nothing, as with scheduled handlers of the chip."""
    try:
        handler(argument)
    except Exception as error:
        sys.print_exception(error)
