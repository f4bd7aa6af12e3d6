"""The secure channel of OSDP (IEC 60839-11-5 annex D): AES-128, mutual proof of the key, a chain of MACs.

Session keys are the base key's encryption of 01 82, 01 01 or 01 02 and six bytes of the panel's random number. Each MAC
begins from the last one of the other direction, so a packet is good once, in its place.
"""

from cryptolib import aes
from micropython import const

from relay.osdp_frames import CRC, SECURED, sealed

KEY_BYTES = const(16)
DEFAULT_KEY = b"0123456789:;<=>?"
_ECB = const(1)
_CBC = const(2)
_MAC = const(4)  # bytes of a MAC that are sent
_COMMAND = const(0x15)  # security blocks: with a MAC
_COMMAND_ENCRYPTED = const(0x17)
_REPLY = const(0x16)
_REPLY_ENCRYPTED = const(0x18)


def same(one, other):
    """Whether two byte strings are equal, in a time that does not depend on where they differ."""
    difference = len(one) ^ len(other)
    for a, b in zip(one, other):
        difference |= a ^ b
    return difference == 0


def _block(key, data):
    return aes(key, _ECB).encrypt(data)


def _inverted(data):
    return bytes(byte ^ 0xFF for byte in data)


class _Keys:
    def __init__(self, key, panel_random):
        tail = panel_random[:6] + bytes(8)
        self.data = _block(key, b"\x01\x82" + tail)
        self.mac1 = _block(key, b"\x01\x01" + tail)
        self.mac2 = _block(key, b"\x01\x02" + tail)

    def mac(self, before, packet):
        """16 bytes over a packet up to its MAC, from the MAC before it."""
        rest = len(packet) % 16
        if rest:
            packet = packet + b"\x80" + bytes(15 - rest)
        if len(packet) > 16:
            before = aes(self.mac1, _CBC, before).encrypt(packet[:-16])[-16:]
        return aes(self.mac2, _CBC, before).encrypt(packet[-16:])


class Channel:
    """key: the device's base key, 16 bytes; uid: its 8 bytes of identity; random: () -> at least 8 bytes.

    `active`: a panel has proved the key, and nothing was wrong since.
    """

    def __init__(self, key, uid, random):
        self._key = key
        self._uid = uid
        self._random = random
        self._asked = None  # (keys, the panel's random number, ours) of a handshake that is not finished
        self._keys = None
        self._theirs = self._ours = b""  # the last MAC of each side
        self.active = False

    def challenge(self, panel_random):
        """The panel's 8 random bytes -> data of CCRYPT. The channel that runs is not touched."""
        keys = _Keys(self._key, panel_random)
        random = self._random()[:8]
        self._asked = keys, panel_random, random
        return self._uid + random + _block(keys.data, panel_random + random)

    def confirm(self, cryptogram):
        """The panel's 16 bytes -> data of RMAC_I, and the channel is a new one; None: it has not proved the key. A
        challenge serves once."""
        if self._asked is None:
            return None
        keys, panel_random, random = self._asked
        self._asked = None
        if not same(cryptogram, _block(keys.data, random + panel_random)):
            return None
        self._keys = keys
        self._ours = _block(keys.mac2, _block(keys.mac1, cryptogram))
        self.active = True
        return self._ours

    def close(self):
        """Forgets the channel: whatever comes in it is refused."""
        self.active = False
        self._keys = None

    def open(self, packet):
        """A whole packet with a security block of 15 or 17 -> id and data, or None. A wrong one ends the channel."""
        if not self.active:
            return None
        signed = packet[:-6]
        mac = self._keys.mac(self._ours, signed)
        if len(signed) < 8 or packet[5] != 2 or not same(mac[:_MAC], packet[-6:-2]):
            self.close()
            return None
        self._theirs = mac
        data = signed[8:]
        if packet[6] == _COMMAND_ENCRYPTED:
            data = self._decrypted(data)
        elif packet[6] != _COMMAND or data:
            data = None
        if data is None:
            self.close()
            return None
        return signed[7:8] + data

    def _decrypted(self, data):
        if not data or len(data) % 16:
            return None
        data = aes(self._keys.data, _CBC, _inverted(self._ours)).decrypt(data).rstrip(b"\0")
        return data[:-1] if data[-1:] == b"\x80" else None

    def seal(self, address, sequence, id, data):
        """The packet of a reply to what was opened last."""
        head = bytes((2, _REPLY_ENCRYPTED if data else _REPLY, id))
        if data:
            data = data + b"\x80" + bytes(15 - len(data) % 16)
            data = aes(self._keys.data, _CBC, _inverted(self._theirs)).encrypt(data)
        length = 5 + len(head) + len(data) + _MAC + 2
        packet = bytes((0x53, address | 0x80, length & 0xFF, length >> 8, sequence | CRC | SECURED)) + head + data
        self._ours = self._keys.mac(self._theirs, packet)
        return sealed(packet + self._ours[:_MAC])
