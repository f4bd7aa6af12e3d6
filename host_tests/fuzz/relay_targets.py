"""Targets that bytes of the line to the relay reach."""

import struct

from host_tests.fuzz.base import target
from relay.rtu import Answer, RtuError, crc16, request

ASKED = (
    request(1, 1, 0, 8),
    request(1, 3, 261, 1),
    request(1, 4, 17, 2),
    request(1, 5, 0, 0xFF00),
    request(1, 6, 261, 160),
)
BODIES = (b"\x01\x01\x01\x01", b"\x01\x03\x02\x00\xa0", b"\x01\x04\x04\x00\x00\x00\x07", b"\x01\x86\x02")


def _sealed(body: bytes) -> bytes:
    return body + struct.pack("<H", crc16(body))


@target(lambda: [*(_sealed(body) for body in BODIES), *ASKED])
def modbus_answers(data: bytes) -> None:
    """The answer to each kind of question; what is taken is sealed, of that unit, function and length."""
    for frame in ASKED:
        answer = Answer(frame)
        try:
            for count, byte in enumerate(data, 1):
                if answer.feed(byte):
                    taken = data[:count]
                    assert taken == _sealed(taken[:-2]) and taken[:2] == frame[:2]
                    assert answer.data == taken[3:-2]
                    break
        except RtuError:
            pass
