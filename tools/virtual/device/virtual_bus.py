"""I2C and SPI of the stand-in for `machine`. What hangs on a bus is a device of the world, found by its pins."""

import struct

import virtual_link as _link
from micropython import const

_ENODEV = const(19)
_ETIMEDOUT = const(116)  # the ESP32's number


def _number(pin):
    import machine

    return machine.Pin(pin)._id if isinstance(pin, int) else pin._id


class SoftI2C:
    _default = (None, None)

    def __init__(self, scl=None, sda=None, *, freq=400000, timeout=50000):
        if scl is None or sda is None:
            raise TypeError("scl and sda are required")
        self._scl, self._sda = _number(scl), _number(sda)
        self._freq = freq
        self._timeout_us = timeout

    def _transfer(self, address, data, count, stop=True):
        head = struct.pack("<BBBHB", self._scl, self._sda, address, count, stop)
        value, tail = _link.ask(0x49, 0, head + data)
        _link.spend((1 + len(data) + count) * 9000000 // self._freq)
        if value < 0:
            raise OSError(-value)
        if value > self._timeout_us:
            raise OSError(_ETIMEDOUT)
        _link.spend(value)  # for so long the device held the clock
        return tail

    def scan(self):
        found = []
        for address in range(8, 0x78):
            try:
                self._transfer(address, b"", 0)
                found.append(address)
            except OSError:
                pass
        return found

    def readfrom(self, address, count, stop=True):
        return self._transfer(address, b"", count, stop)

    def readfrom_into(self, address, buffer, stop=True):
        buffer[:] = self._transfer(address, b"", len(buffer), stop)

    def writeto(self, address, data, stop=True):
        self._transfer(address, bytes(data), 0, stop)
        return len(data)

    def writevto(self, address, vector, stop=True):
        return self.writeto(address, b"".join(vector), stop)

    def readfrom_mem(self, address, memory, count, *, addrsize=8):
        self.writeto(address, memory.to_bytes(addrsize // 8, "big"), False)
        return self.readfrom(address, count)

    def readfrom_mem_into(self, address, memory, buffer, *, addrsize=8):
        buffer[:] = self.readfrom_mem(address, memory, len(buffer), addrsize=addrsize)

    def writeto_mem(self, address, memory, data, *, addrsize=8):
        self.writeto(address, memory.to_bytes(addrsize // 8, "big") + bytes(data))


class I2C(SoftI2C):
    def __init__(self, id=0, *, scl=None, sda=None, freq=400000, timeout=50000):
        if id not in (0, 1):
            raise ValueError("I2C(%d) doesn't exist" % id)
        super().__init__(
            (18 if id == 0 else 25) if scl is None else scl,
            (19 if id == 0 else 26) if sda is None else sda,
            freq=freq,
            timeout=timeout,
        )


class SoftSPI:
    MSB = const(0)
    LSB = const(1)

    def __init__(self, baudrate=500000, *, polarity=0, phase=0, bits=8, firstbit=MSB, sck=None, mosi=None, miso=None):
        if sck is None or mosi is None or miso is None:
            raise TypeError("sck, mosi and miso are required")
        self._pins = (_number(sck), _number(mosi), _number(miso))
        self._setting = [baudrate, polarity, phase, bits, firstbit]
        self.init()

    def init(self, baudrate=None, *, polarity=None, phase=None, bits=None, firstbit=None):
        for i, value in enumerate((baudrate, polarity, phase, bits, firstbit)):
            if value is not None:
                self._setting[i] = value
        if self._setting[3] != 8:
            raise ValueError("bits must be 8")
        self._mode = self._setting[1] << 1 | self._setting[2]

    def deinit(self):
        pass

    def _transfer(self, data):
        if not data:
            raise ValueError("buffer too short")
        head = struct.pack("<BBBBB", *self._pins, self._mode, self._setting[4])
        value, tail = _link.ask(0x53, 0, head + data)
        _link.spend(len(data) * 8000000 // self._setting[0])
        if value < 0:
            raise OSError(-value)
        return tail

    def read(self, count, write=0):
        return self._transfer(bytes((write,)) * count)

    def readinto(self, buffer, write=0):
        buffer[:] = self.read(len(buffer), write)

    def write(self, data):
        self._transfer(bytes(data))

    def write_readinto(self, data, buffer):
        if len(data) != len(buffer):
            raise ValueError("buffers must be the same length")
        buffer[:] = self._transfer(bytes(data))


class SPI(SoftSPI):
    def __init__(self, id=1, baudrate=1000000, *, polarity=0, phase=0, bits=8, firstbit=SoftSPI.MSB, sck=None,
                 mosi=None, miso=None):  # fmt: skip
        if id not in (1, 2):
            raise ValueError("SPI(%d) doesn't exist" % id)
        default = (14, 13, 12) if id == 1 else (18, 23, 19)
        super().__init__(
            baudrate,
            polarity=polarity,
            phase=phase,
            bits=bits,
            firstbit=firstbit,
            sck=default[0] if sck is None else sck,
            mosi=default[1] if mosi is None else mosi,
            miso=default[2] if miso is None else miso,
        )
