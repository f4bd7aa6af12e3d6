"""Stands in for `bluetooth`: the peripheral's half of MicroPython's module on NimBLE. Its other end is radio.py."""

import struct

import virtual_link as _link
from micropython import const

FLAG_READ = const(0x02)
FLAG_WRITE_NO_RESPONSE = const(0x04)
FLAG_WRITE = const(0x08)
FLAG_NOTIFY = const(0x10)

_ACTIVE, _REGISTER, _ADVERTISE, _DISCONNECT, _NOTIFY, _WRITE, _BUFFER, _MTU, _SILENCE = range(9)
_CONNECTED, _DISCONNECTED, _WRITTEN, _READ_REQUEST, _MTU_EXCHANGED = 1, 2, 3, 4, 21


def _ask(operation, data=b""):
    value, tail = _link.ask(0x62, operation, data)
    if value < 0:
        raise OSError(-value)
    return value, tail


class UUID:
    """Of 16 bits (an int) or of 128 (text)."""

    def __init__(self, value):
        self._text = "%04x" % value if isinstance(value, int) else value

    def __repr__(self):
        return "UUID(%r)" % self._text


class BLE:
    """The one radio."""

    _only = None

    def __new__(cls):
        if cls._only is None:
            cls._only = object.__new__(cls)
            cls._only._handler = None
            cls._only._values = {}
            cls._only._name = b"MPY"
            _link.radio = cls._only._event
        return cls._only

    def active(self, on=None):
        if on is None:
            return _link.ask(0x62, _ACTIVE, b"\x02")[0] == 1
        _ask(_ACTIVE, b"\x01" if on else b"\x00")
        self._values = {}
        return bool(on)

    def config(self, *names, **values):
        if names:
            if names == ("gap_name",):
                return self._name
            raise ValueError("unknown config param")
        for name, value in values.items():
            if name == "mtu":
                _ask(_MTU, struct.pack("<H", value))
            elif name == "gap_name":
                self._name = value.encode() if isinstance(value, str) else bytes(value)
            else:
                raise ValueError("unknown config param")

    def irq(self, handler):
        self._handler = handler

    def gap_advertise(self, interval_us, adv_data=None, *, resp_data=None, connectable=True):
        if interval_us is None:
            _ask(_SILENCE)
            return
        adv_data, resp_data = bytes(adv_data or b""), bytes(resp_data or b"")
        if len(adv_data) > 31 or len(resp_data) > 31:
            raise OSError(22)
        _ask(_ADVERTISE, struct.pack("<IB", interval_us, len(adv_data)) + adv_data + resp_data)

    def gap_disconnect(self, connection):
        return _ask(_DISCONNECT, struct.pack("<H", connection))[0] == 1

    def gatts_register_services(self, services):
        """((uuid, ((uuid, flags), …)), …) -> the value handles, in the same shape. Replaces all services."""
        told = b""
        for uuid, characteristics in services:
            told += self._described(uuid, len(characteristics))
            for one in characteristics:
                told += self._described(one[0], one[1])
        tail = _ask(_REGISTER, told)[1]
        handles = list(struct.unpack("<%dH" % (len(tail) // 2), tail))
        for handle in handles:
            self._values[handle] = b""
        return tuple(tuple(handles.pop(0) for _ in characteristics) for _, characteristics in services)

    @staticmethod
    def _described(uuid, number):
        text = uuid._text.encode()
        return struct.pack("<BB", len(text), number) + text

    def gatts_read(self, handle):
        return self._values[handle]

    def gatts_write(self, handle, data, send_update=False):
        if send_update:
            raise NotImplementedError("send_update")
        self._values[handle] = bytes(data)
        _ask(_WRITE, struct.pack("<H", handle) + bytes(data))

    def gatts_set_buffer(self, handle, size, append=False):
        if append:
            raise NotImplementedError("append")
        _ask(_BUFFER, struct.pack("<HH", handle, size))

    def gatts_notify(self, connection, handle, data=None):
        if data is None:
            data = self._values[handle]
        _ask(_NOTIFY, struct.pack("<HH", connection, handle) + bytes(data))

    def _event(self, data):
        code, connection = struct.unpack("<BH", data[:3])
        rest = data[3:]
        if code in (_CONNECTED, _DISCONNECTED):
            told = (connection, rest[0], memoryview(rest)[1:7])
        elif code == _WRITTEN:
            handle = struct.unpack("<H", rest[:2])[0]
            self._values[handle] = rest[2:]
            told = (connection, handle)
        elif code in (_READ_REQUEST, _MTU_EXCHANGED):
            told = (connection, struct.unpack("<H", rest)[0])
        else:
            return
        if self._handler:
            _link.call(lambda told: self._handler(code, told), told)
