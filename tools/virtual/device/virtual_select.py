"""Stands in for `select`: polls streams made in Python by their `ioctl`, and waits in the world's time."""

import select as _select  # the port's own, for its own streams (the console)

import virtual_link as _link
from micropython import const

POLLIN = const(1)
POLLOUT = const(4)
POLLERR = const(8)
POLLHUP = const(16)

_POLL = const(3)  # ioctl request MP_STREAM_POLL
_SLICE_US = const(5000)


class poll:
    def __init__(self):
        self._streams = {}  # id(stream): [stream, mask]
        self._port = None  # poll object of the port, once a stream of the port is registered
        self._port_streams = 0

    def register(self, stream, mask=POLLIN | POLLOUT):
        if not hasattr(stream, "ioctl"):
            if not self._port:
                self._port = _select.poll()
            self._port.register(stream, mask)
            self._port_streams += 1
        else:
            self._streams[id(stream)] = [stream, mask]

    def unregister(self, stream):
        if hasattr(stream, "ioctl"):
            self._streams.pop(id(stream), None)
        else:
            self._port.unregister(stream)
            self._port_streams -= 1

    def modify(self, stream, mask):
        if not hasattr(stream, "ioctl"):
            self._port.modify(stream, mask)
        elif id(stream) in self._streams:
            self._streams[id(stream)][1] = mask
        else:
            raise OSError(2)  # ENOENT

    def _ready(self):
        ready = []
        for stream, mask in self._streams.values():
            flags = stream.ioctl(_POLL, mask | POLLERR | POLLHUP)
            if flags:
                ready.append((stream, flags))
        if self._port_streams:
            ready += self._port.poll(0)
        return ready

    def poll(self, timeout_ms=-1, flags=0):
        if not self._streams and self._port:
            return self._port.poll(-1 if timeout_ms is None else timeout_ms)  # the console keeps the host's time
        _link.refresh()
        ready = self._ready()
        if ready or timeout_ms == 0:
            return ready
        until_us = _link.now() + timeout_ms * 1000 if timeout_ms is not None and timeout_ms > 0 else 1 << 60
        while not ready:
            at_us = _link.now()
            if at_us >= until_us:
                break
            _link.pause(min(until_us, at_us + _SLICE_US) if self._port_streams else until_us)
            ready = self._ready()
        return ready

    ipoll = poll
