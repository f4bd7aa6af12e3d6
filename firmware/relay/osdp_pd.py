"""The peripheral device of OSDP: one packet in, one packet out. What is allowed when is in OSDP.md, section 1."""

from relay.osdp_frames import CRC, SECURED, sealed

VENDOR = b"\x42\x43\x54"
_MODEL = 1
_VERSION = 1
_FIRMWARE = b"\x01\x00\x00"
_ACK = 0x40
_NAK = 0x41
_NAK_CHECK = b"\x01"
_NAK_UNKNOWN = b"\x03"
_NAK_SEQUENCE = b"\x04"
_NAK_KEY = b"\x05"
_NAK_SECURITY = b"\x06"
# LED, BUZ, TEXT, ACURXSIZE, ABORT, KEEPACTIVE: acknowledged, and nothing done
_ACKNOWLEDGED = (0x69, 0x6A, 0x6B, 0x7B, 0xA2, 0xA7)


def uid(serial):
    """The 8 bytes by which the channel knows a device; serial: 4 bytes."""
    return VENDOR + bytes((_MODEL,)) + serial


class Pd:
    """address; baud; serial: 4 bytes; channel: osdp_channel.Channel; device: has
    opened()          a panel has proved the key: a new channel begins
    reply()           -> data of an MFGREP that waits, or None
    message(data)     what came as MFG, without the vendor code
    file(data)        what came as FILETRANSFER -> data of FTSTAT
    inputs(), outputs() -> a byte an EVSE;  tampered() -> 0 or 1
    """

    def __init__(self, address, baud, serial, channel, device):
        self._address = address
        self._baud = baud
        self._serial = serial
        self._channel = channel
        self._device = device
        self._tamper = 0  # as last told
        # of clear packets and of those in the channel: sequence number that is due, last packet, the answer to it
        self._clear = [0, b"", b""]
        self._secure = [0, b"", b""]

    def answer(self, packet):
        """A whole packet to this address, its CRC or checksum good -> (the reply, whether it came in the channel)."""
        control = packet[4]
        sequence = control & 3
        if not control & CRC:
            return self._refuse(sequence, _NAK_CHECK), False
        secure = control & SECURED and len(packet) > 7 and packet[6] > 0x14
        state = self._secure if secure else self._clear
        if packet == state[1]:
            return state[2], False
        if sequence != state[0] and (secure or sequence):
            return self._refuse(sequence, _NAK_SEQUENCE), False
        if secure:
            command = self._channel.open(packet)
            if command is None:
                return self._refuse(sequence, _NAK_SECURITY), False
            id, data = self._obey(command[0], command[1:])
            reply = self._channel.seal(self._address, sequence, id, data)
        else:
            reply = self._handshake(packet, sequence)
        state[0], state[1], state[2] = sequence % 3 + 1, packet, reply
        return reply, bool(secure)

    def _plain(self, sequence, id, data, block=b""):
        length = 8 + len(block) + len(data)
        control = sequence | CRC | (SECURED if block else 0)
        head = bytes((0x53, self._address | 0x80, length & 0xFF, length >> 8, control))
        return sealed(head + block + bytes((id,)) + data)

    def _refuse(self, sequence, why):
        return self._plain(sequence, _NAK, why)

    def _handshake(self, packet, sequence):
        """All that is done in clear text."""
        body = packet[5:-2]
        if not packet[4] & SECURED:
            if body == b"\x61\x00":
                return self._plain(sequence, 0x45, self._identity())
            if body == b"\x62\x00":
                return self._plain(sequence, 0x46, self._capabilities())
        elif len(body) > 3 and body[2] == 0:  # the default key
            return self._refuse(sequence, _NAK_KEY)
        elif body[:4] == b"\x03\x11\x01\x76" and len(body) == 12:
            return self._plain(sequence, 0x76, self._channel.challenge(body[4:]), b"\x03\x12\x01")
        elif body[:4] == b"\x03\x13\x01\x77" and len(body) == 20:
            code = self._channel.confirm(body[4:])
            if code is None:
                return self._refuse(sequence, _NAK_KEY)
            self._secure = [sequence % 3 + 1, b"", b""]
            self._tamper = 0  # whoever is new has been told nothing
            self._device.opened()
            return self._plain(sequence, 0x78, code, b"\x03\x14\x01")
        return self._refuse(sequence, _NAK_SECURITY)

    def _identity(self):
        return VENDOR + bytes((_MODEL, _VERSION)) + self._serial + _FIRMWARE

    def _capabilities(self):
        count = len(self._device.inputs())
        # inputs, outputs; CRC, AES-128, longest packet (256 bytes), OSDP v2
        return bytes((1, 1, count, 2, 1, count)) + b"\x08\1\0\x09\1\0\x0a\0\1\x10\2\0"

    def _obey(self, id, data):
        """A command that came in the channel -> id and data of the reply."""
        device = self._device
        if id == 0x80:
            if data[:3] != VENDOR:
                return _NAK, _NAK_UNKNOWN
            device.message(data[3:])
            return self._waiting()
        if id == 0x60:
            if device.tampered() != self._tamper:
                return self._local()
            return self._waiting()
        if id == 0x7C:
            return 0x7A, device.file(data)
        if id == 0x61:
            return 0x45, self._identity()
        if id == 0x62:
            return 0x46, self._capabilities()
        if id == 0x64:
            return self._local()
        if id == 0x65:
            return 0x49, device.inputs()
        if id in (0x66, 0x68):
            return 0x4A, device.outputs()
        if id == 0x6E:
            return 0x54, bytes((self._address,)) + self._baud.to_bytes(4, "little")
        if id in _ACKNOWLEDGED:
            return _ACK, b""
        return _NAK, _NAK_UNKNOWN

    def _waiting(self):
        data = self._device.reply()
        return (_ACK, b"") if data is None else (0x90, VENDOR + data)

    def _local(self):
        self._tamper = self._device.tampered()
        return 0x48, bytes((self._tamper, 0))
