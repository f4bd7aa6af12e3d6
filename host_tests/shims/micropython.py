"""CPython's stand-in for the `micropython` module, so that firmware source runs unmodified there.

`const` and the emitters (`native`, `viper`, `bytecode`) change speed and never meaning, so here they hand back what
they are given. Viper's type names become built-ins, because annotations such as `data: ptr8` are evaluated early.
This says nothing about 32-bit overflow: that is a matter of the tests of each viper module.

Importing it also adds what MicroPython has in modules of CPython's own: `time.ticks_*`, `time.sleep_ms`,
`time.sleep_us`, `asyncio.sleep_ms`, `asyncio.wait_for_ms`, `sys.print_exception`.
"""

import asyncio
import builtins
import sys
import time
import traceback

_TICKS_PERIOD = 1 << 30  # what a 32-bit board has: its small ints end there
_WORD = (1 << 32) - 1


def const(value):
    return value


def bytecode(function):
    return function


native = bytecode


class _Pointer:
    """Elements of 1, 2 or 4 bytes of a buffer; stores keep the low bits, as the machine does."""

    def __init__(self, buffer, code):
        self._view = memoryview(buffer).cast("B").cast(code) if code != "B" else memoryview(buffer).cast("B")
        self._mask = (1 << (8 * self._view.itemsize)) - 1

    def __getitem__(self, index):
        return self._view[index]

    def __setitem__(self, index, value):
        self._view[index] = value & self._mask


class _Pointer32(_Pointer):
    """Loads are signed: viper's `int` is the 32-bit register."""

    def __getitem__(self, index):
        return ((self._view[index] + 0x80000000) & _WORD) - 0x80000000


def ptr8(buffer):
    return buffer if isinstance(buffer, _Pointer) else _Pointer(buffer, "B")


def ptr16(buffer):
    return buffer if isinstance(buffer, _Pointer) else _Pointer(buffer, "H")


def ptr32(buffer):
    return buffer if isinstance(buffer, _Pointer) else _Pointer32(buffer, "I")


def uint(value):
    return value & _WORD


_POINTERS = {"ptr": ptr8, "ptr8": ptr8, "ptr16": ptr16, "ptr32": ptr32}


def viper(function):
    """The function with its pointer parameters made from whatever buffers it is called with."""
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    hints = function.__annotations__
    makers = [_POINTERS.get(getattr(hints.get(name), "__name__", "")) for name in names]
    if not any(makers):
        return function

    def call(*arguments):
        return function(*(make(value) if make else value for make, value in zip(makers, arguments, strict=True)))

    call.__name__ = function.__name__
    call.__doc__ = function.__doc__
    return call


for _name, _value in dict(_POINTERS, uint=uint).items():
    setattr(builtins, _name, _value)


# Nothing here can watch allocation; the runs on MicroPython do.
_locks = 0


def heap_lock():
    global _locks
    _locks += 1


def heap_unlock():
    global _locks
    _locks -= 1
    return _locks


def heap_locked():
    return _locks


def opt_level(level=None):
    return None if level is not None else 0


def schedule(function, argument):
    function(argument)


def alloc_emergency_exception_buf(size):
    """No exception is raised in an interrupt handler here."""


def kbd_intr(character):
    """No console to interrupt from."""


def mem_info(verbose=None):
    """No heap of its own to describe."""


def stack_use():
    return 0


def _ticks_ms():
    return time.monotonic_ns() // 1_000_000 % _TICKS_PERIOD


def _ticks_us():
    return time.monotonic_ns() // 1_000 % _TICKS_PERIOD


def _ticks_add(ticks, delta):
    return (ticks + delta) % _TICKS_PERIOD


def _ticks_diff(later, earlier):
    half = _TICKS_PERIOD // 2
    return (later - earlier + half) % _TICKS_PERIOD - half


def _print_exception(error, file=None):
    traceback.print_exception(error, file=file or sys.stdout)


for _module, _extras in (
    (
        time,
        {
            "ticks_ms": _ticks_ms,
            "ticks_us": _ticks_us,
            "ticks_cpu": _ticks_us,
            "ticks_add": _ticks_add,
            "ticks_diff": _ticks_diff,
            "sleep_ms": lambda ms: time.sleep(ms / 1000),
            "sleep_us": lambda us: time.sleep(us / 1_000_000),
        },
    ),
    (
        asyncio,
        {
            "sleep_ms": lambda ms: asyncio.sleep(ms / 1000),
            "wait_for_ms": lambda awaitable, ms: asyncio.wait_for(awaitable, ms / 1000),
        },
    ),
    (sys, {"print_exception": _print_exception}),
):
    for _name, _value in _extras.items():
        if not hasattr(_module, _name):
            setattr(_module, _name, _value)
