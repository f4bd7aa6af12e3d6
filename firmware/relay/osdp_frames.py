"""OSDP packets on the line (IEC 60839-11-5): what comes in is cut into packets to this address, others are passed over.

Packet: 53 ‖ address (bit 7: a reply) ‖ length of all of it, 2, little endian ‖ control (bits 0–1 sequence, 2 CRC,
3 security block) ‖ [security block: its length, type, data] ‖ id ‖ data ‖ [MAC, 4] ‖ CRC-16, 2, little endian (or a
checksum, 1). Marks (FF) may come before it.
"""

from micropython import const

LONGEST = const(256)  # of a packet to this device
_LONGEST_OF_ALL = const(1440)  # of a packet to others, by the standard
_SHORTEST = const(7)
_SOM = b"\x53"
CRC = const(4)  # bits of control
SECURED = const(8)


def crc16(data):
    """CRC-16 of polynomial 1021, from 1D0F."""
    crc = 0x1D0F
    for byte in data:
        crc = (crc >> 8 | crc << 8) & 0xFFFF ^ byte
        crc ^= (crc & 0xFF) >> 4
        crc ^= crc << 12 & 0xFFFF
        crc ^= (crc & 0xFF) << 5
    return crc


def sealed(packet):
    """The packet with its CRC, which its length counts already."""
    crc = crc16(packet)
    return packet + bytes((crc & 0xFF, crc >> 8))


def _good(packet):
    if packet[4] & CRC:
        return crc16(packet[:-2]) == packet[-2] | packet[-1] << 8
    return sum(packet) & 0xFF == 0


class Parser:
    """Takes bytes as they come, and passes over what is no whole packet to this address."""

    def __init__(self, address):
        self._address = address
        self._held = b""
        self._skip = 0  # bytes of a packet to others that are still to come

    def feed(self, data):
        """Bytes of the line, at most a few hundred at once -> the whole packets to this address that they complete."""
        held = self._held + data
        found = []
        at = 0
        while True:
            step = min(self._skip, len(held) - at)
            self._skip -= step
            at = held.find(_SOM, at + step)
            if at < 0:
                at = len(held)
                break
            if len(held) - at < 5:
                break
            length = held[at + 2] | held[at + 3] << 8
            if not _SHORTEST <= length <= _LONGEST_OF_ALL:
                at += 1
            elif held[at + 1] != self._address or length > LONGEST:
                self._skip = length
            elif len(held) - at < length:
                break
            elif _good(held[at : at + length]):
                found.append(held[at : at + length])
                at += length
            else:  # a real one may have begun in it
                at += 1
        self._held = held[at:]
        return found

    def quiet(self):
        """The line was silent for longer than inside a packet: what was begun will not come, but something in it may
        have been a packet. Returns those."""
        found = []
        self._skip = 0
        while self._held:
            held, self._held = self._held, b""
            found += self.feed(held[1:])
            self._skip = 0
        return found
