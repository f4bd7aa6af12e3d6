"""PN532 frames (UM0701-02 section 6.2.1), in and out, into buffers made once. Pure.

    normal    00 00 FF LEN LCS TFI data… DCS 00            LEN counts TFI and data, 1…255
    extended  00 00 FF FF FF LENM LENL LCS TFI data… DCS 00
    ACK       00 00 FF 00 FF 00
    NACK      00 00 FF FF 00 00
    error     00 00 FF 01 FF 7F 81 00                      the chip did not understand the last command

LEN + LCS, LENM + LENL + LCS and TFI + data + DCS are each 0 modulo 256. TFI is D4 from host to chip and
D5 from chip to host. Before and after a frame any number of bytes may stand (00 as a rule).
"""

from micropython import const

# InDataExchange carries at most 262 bytes; TFI, response code and status come on top.
MAX_LENGTH = const(265)
HEADER = const(8)  # room before the data for the longest (extended) header
BUFFER = const(275)  # HEADER + MAX_LENGTH + DCS + postamble

ACK_FRAME = b"\x00\x00\xff\x00\xff\x00"
NACK_FRAME = b"\x00\x00\xff\xff\x00\x00"

NONE = const(0)
ACK = const(1)
NACK = const(2)
ERROR = const(3)
DATA = const(4)

_TFI_CHIP = const(0xD5)
_TFI_ERROR = const(0x7F)

_HUNT = const(0)  # looking for 00
_ZERO = const(1)  # 00 seen, FF makes it a start
_LEN = const(2)
_LCS = const(3)
_LEN_M = const(4)
_LEN_L = const(5)
_LCS_X = const(6)
_BODY = const(7)  # TFI, data and DCS
_DONE = const(8)


class Parser:
    """Bytes in, one frame at a time out, in pieces of any size.

    After `feed` has returned with `kind` other than NONE, the frame stands until `clear`. Of a DATA frame
    `data()` is what follows the TFI. What is no frame is skipped and counted: `bad_headers`, `bad_checksums`,
    `too_long`, `foreign` (a frame from neither the chip nor its error), `stray` (bytes between frames other
    than 00).
    """

    def __init__(self):
        self._buffer = bytearray(MAX_LENGTH + 1)
        self._view = memoryview(self._buffer)
        self.bad_headers = 0
        self.bad_checksums = 0
        self.too_long = 0
        self.foreign = 0
        self.stray = 0
        self.clear()

    def clear(self):
        """Forget the frame in hand, complete or half."""
        self.kind = NONE
        self.damaged = False  # something since the last clear() was cut, too long or had a wrong checksum
        self._state = _HUNT
        self._length = 0
        self._got = 0

    def data(self):
        """Code and parameters of the DATA frame, without TFI: a view that the next frame overwrites."""
        return self._view[1 : self._length]

    def missing(self):
        """Bytes that the begun frame still needs, as far as known; 0 while none has begun."""
        if self._state == _BODY:
            return self._length + 1 - self._got
        return 0 if self._state in (_HUNT, _ZERO, _DONE) else 2

    def feed(self, source, start, end):
        """Take source[start:end] up to the end of a frame; returns the index after the last byte taken."""
        while start < end and self._state != _DONE:
            if self._state == _BODY:
                start = self._body(source, start, end)
            else:
                self._head(source[start])
                start += 1
        return start

    def _head(self, byte):
        state = self._state
        if state == _HUNT or state == _ZERO:
            if byte == 0:
                self._state = _ZERO
            elif byte == 0xFF and state == _ZERO:
                self._state = _LEN
            else:
                self.stray += 1
                self._state = _HUNT
        elif state == _LEN:
            self._length = byte
            self._state = _LCS
        elif state == _LCS:
            self._short(byte)
        elif state == _LEN_M:
            self._length = byte << 8
            self._state = _LEN_L
        elif state == _LEN_L:
            self._length |= byte
            self._state = _LCS_X
        else:
            self._begin((self._length >> 8) + self._length + byte, byte)

    def _short(self, lcs):
        length = self._length
        if length == 0x00 and lcs == 0xFF:
            self.kind = ACK
            self._state = _DONE
        elif length == 0xFF and lcs == 0x00:
            self.kind = NACK
            self._state = _DONE
        elif length == 0xFF and lcs == 0xFF:
            self._state = _LEN_M
        else:
            self._begin(length + lcs, lcs)

    def _begin(self, check, last):
        """The header is complete; `check` must be 0 modulo 256."""
        if check & 0xFF or not self._length:
            self.bad_headers += 1
        elif self._length > MAX_LENGTH:
            self.too_long += 1
        else:
            self._got = 0
            self._state = _BODY
            return
        self.damaged = True
        self._state = _HUNT if last else _ZERO  # a 00 just read may begin the next start code

    def _body(self, source, start, end):
        count = min(self._length + 1 - self._got, end - start)
        self._view[self._got : self._got + count] = source[start : start + count]
        self._got += count
        if self._got > self._length:
            self._finish()
        return start + count

    def _finish(self):
        self._state = _HUNT
        if sum(self._view[: self._length + 1]) & 0xFF:
            self.bad_checksums += 1
            self.damaged = True
        elif self._buffer[0] == _TFI_CHIP and self._length > 1:
            self.kind = DATA
            self._state = _DONE
        elif self._buffer[0] == _TFI_ERROR and self._length == 1:
            self.kind = ERROR
            self._state = _DONE
        else:
            self.foreign += 1


def build(buffer, length):
    """Put a frame around buffer[HEADER:HEADER + length], which starts with the TFI; returns a view of the frame.

    `buffer` is a bytearray of BUFFER bytes. Raises ValueError when `length` is not 1…MAX_LENGTH.
    """
    if not 0 < length <= MAX_LENGTH:
        raise ValueError("frame length")
    view = memoryview(buffer)
    end = HEADER + length
    buffer[end] = -sum(view[HEADER:end]) & 0xFF
    buffer[end + 1] = 0
    if length <= 255:
        start = 3
        buffer[6] = length
        buffer[7] = -length & 0xFF
    else:
        start = 0
        buffer[3] = buffer[4] = 0xFF
        buffer[5] = length >> 8
        buffer[6] = length & 0xFF
        buffer[7] = -(buffer[5] + buffer[6]) & 0xFF
    buffer[start] = buffer[start + 1] = 0
    buffer[start + 2] = 0xFF
    return view[start : end + 2]
