"""AES-128 in ECB, for the one interpreter that has no cryptolib (wasm32): FIPS 197, by its definition."""


def _times(a, b):
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def _substitute(byte):
    inverse = next((other for other in range(256) if _times(byte, other) == 1), 0)
    out = 0x63
    for turn in range(5):
        out ^= (inverse << turn | inverse >> (8 - turn)) & 0xFF
    return out


_BOX = []


class aes:
    """As `cryptolib.aes`, mode 1 and encryption only."""

    def __init__(self, key, mode):
        if mode != 1 or len(key) != 16:
            raise ValueError("mode")
        if not _BOX:
            _BOX.extend(_substitute(byte) for byte in range(256))
        words, constant = [list(key[at : at + 4]) for at in range(0, 16, 4)], 1
        for number in range(4, 44):
            word = words[-1]
            if number % 4 == 0:
                word = [_BOX[byte] for byte in word[1:] + word[:1]]
                word[0] ^= constant
                constant = _times(constant, 2)
            words.append([a ^ b for a, b in zip(words[-4], word)])
        self._keys = [words[at] + words[at + 1] + words[at + 2] + words[at + 3] for at in range(0, 44, 4)]

    def encrypt(self, data):
        return b"".join(self._block(data[at : at + 16]) for at in range(0, len(data), 16))

    def _block(self, data):
        state = [a ^ b for a, b in zip(data, self._keys[0])]
        for number in range(1, 11):
            state = [_BOX[state[(at + 4 * (at % 4)) % 16]] for at in range(16)]
            if number < 10:
                mixed = []
                for at in range(0, 16, 4):
                    column = state[at : at + 4]
                    for row in range(4):
                        a, b, c, d = column[row:] + column[:row]
                        double = a ^ b
                        double = double << 1 ^ (0x11B if double & 0x80 else 0)
                        mixed.append(a ^ (a ^ b ^ c ^ d) ^ double)
                state = mixed
            state = [a ^ b for a, b in zip(state, self._keys[number])]
        return bytes(state)
