"""CPython's stand-in for MicroPython's `cryptolib`: AES in ECB (1), CBC (2), CTR (6), on the `cryptography` package."""

import warnings
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

# What a mode is for is the firmware's affair.
warnings.filterwarnings("ignore", module="cryptography.*")
_MODES = {1: lambda iv: modes.ECB(), 2: modes.CBC, 6: modes.CTR}
_keyed = lru_cache(64)(algorithms.AES)


class aes:
    """`aes(key, mode[, iv])`. As on the device an object serves one direction, and CBC goes on from call to call."""

    def __init__(self, key, mode, iv=None):
        if mode not in _MODES or (mode != 1) != (iv is not None):
            raise ValueError("mode")
        self._cipher = Cipher(_keyed(bytes(key)), _MODES[mode](iv and bytes(iv)))
        self._used = None

    def _run(self, name, data):
        if self._used is None:
            self._used = name, getattr(self._cipher, name + "or")()
        if self._used[0] != name:
            raise ValueError("one direction only")
        if len(data) % 16 and not isinstance(self._cipher.mode, modes.CTR):
            raise ValueError("blksize % 16")
        return self._used[1].update(bytes(data))

    def encrypt(self, data):
        return self._run("encrypt", data)

    def decrypt(self, data):
        return self._run("decrypt", data)
