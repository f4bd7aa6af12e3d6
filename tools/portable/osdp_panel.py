"""A scripted OSDP panel (IEC 60839-11-5) that knows the messages of firmware/relay/OSDP.md, apart from the firmware.

Other than libosdp it does what it is told: any packet, in any order, at any time. It runs on MicroPython too, with the
tests of relay/osdp*.
"""

# An answer may be missing, and a subclass has `put`.
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false, reportAttributeAccessIssue=false

import struct

try:
    import cryptolib
except ImportError:
    cryptolib = None
try:
    from binascii import crc_hqx  # CPython has this very CRC, and many tests ask for it
except ImportError:
    crc_hqx = None

OUI = b"\x42\x43\x54"
POLL, ID, CAP, LSTAT, ISTAT, OSTAT, OUT, LED, COMSET = 0x60, 0x61, 0x62, 0x64, 0x65, 0x66, 0x68, 0x69, 0x6E
KEYSET, CHLNG, SCRYPT, FILE, MFG = 0x75, 0x76, 0x77, 0x7C, 0x80
ACK, NAK, CCRYPT, RMAC, MFGREP = 0x40, 0x41, 0x76, 0x78, 0x90


def crc(data):
    """The CRC as the standard's table-less text has it: bit by bit."""
    value = 0x1D0F
    if crc_hqx:
        return crc_hqx(data, value)
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x1021 if value & 0x8000 else value << 1) & 0xFFFF
    return value


def packet(address, sequence, body, block=b"", check="crc"):
    """Any packet, from SOM to CRC."""
    length = 5 + len(block) + len(body) + (2 if check == "crc" else 1)
    control = sequence | (4 if check == "crc" else 0) | (8 if block else 0)
    made = struct.pack("<BBHB", 0x53, address, length, control) + block + body
    return made + (struct.pack("<H", crc(made)) if check == "crc" else bytes((-sum(made) & 0xFF,)))


class Panel:
    """What a controller says and hears. A subclass has `put`. A test may turn what it counts."""

    def __init__(self, address, key):
        self.address = address
        self.key = key
        self.sequence = 0
        self.keys = None
        self.last = b""  # packet that the panel sent last
        self.pending = None  # what came with the answer to CONTROLLER

    def advance(self):
        self.sequence = self.sequence % 3 + 1

    # clear text

    def clear(self, body, block=b""):
        """(id, data) of the answer to a clear packet, or None."""
        self.last = packet(self.address, self.sequence, body, block)
        reply = self.put(self.last)
        self.advance()
        return plain(reply)

    def greet(self, random=b"RANDOM-A"):
        """The handshake; whether both have proved the key."""
        self.sequence = 0
        assert self.clear(b"\x61\x00")[0] == 0x45
        assert self.clear(b"\x62\x00")[0] == 0x46
        answer = self.clear(b"\x76" + random, b"\x03\x11\x01")
        if answer is None or answer[0] != CCRYPT:
            return False
        self.keys = keys = Keys(self.key, random)
        uid, theirs, proof = answer[1][:8], answer[1][8:16], answer[1][16:]
        assert uid[:3] == OUI
        if proof != keys.ecb(keys.data, random + theirs):
            return False
        cryptogram = keys.ecb(keys.data, theirs + random)
        answer = self.clear(b"\x77" + cryptogram, b"\x03\x13\x01")
        if answer is None or answer[0] != RMAC:
            return False
        self.theirs = answer[1]
        assert self.theirs == keys.ecb(keys.mac2, keys.ecb(keys.mac1, cryptogram))
        return True

    def connect(self, limits=0x1F, flags=1):
        """Handshake, READER and CONTROLLER; the body of READER."""
        assert self.greet()
        (number, body) = self.await_message(1)
        self.pending = self.say(0x81, struct.pack("<BBB", 1, limits, flags), number)
        return body

    # in the channel

    def pack(self, id, data=b""):
        """The packet of a command, as it is due now."""
        block = b"\x02\x17" if data else b"\x02\x15"
        if data:
            data = data + b"\x80" + bytes(-(len(data) + 1) % 16)
            data = self.keys.cbc(self.keys.data, invert(self.theirs), data)
        made = packet(self.address, self.sequence, bytes((id,)) + data + bytes(4), block)[:-6]
        self.ours = self.keys.code(self.theirs, made)
        made += self.ours[:4]
        self.last = made + struct.pack("<H", crc(made))
        return self.last

    def unpack(self, reply):
        """(id, data) of a reply in the channel, its MAC checked; a plain one as `clear` gives it; None: nothing."""
        if len(reply) < 12 or not reply[4] & 8:
            return plain(reply)
        assert reply[5:7] in (b"\x02\x16", b"\x02\x18")
        assert reply[4] & 3 == self.sequence and crc(reply[:-2]) == struct.unpack("<H", reply[-2:])[0]
        code = self.keys.code(self.ours, reply[:-6])
        assert code[:4] == reply[-6:-2], "MAC of the reply"
        self.theirs = code
        data = reply[8:-6]
        if data:
            data = cryptolib.aes(self.keys.data, 2, invert(self.ours)).decrypt(data).rstrip(b"\0")[:-1]
        return reply[7], data

    def command(self, id, data=b""):
        answer = self.unpack(self.put(self.pack(id, data)))
        self.advance()
        return answer

    def poll(self):
        """Data of the MFGREP that came, None for an ACK."""
        if self.pending:
            data, self.pending = self.pending, None
            return data
        answer = self.command(POLL)
        assert answer is not None and answer[0] in (ACK, MFGREP), answer
        return None if answer[0] == ACK else manufacturer(answer)

    def await_message(self, id, polls=100):
        """(number, body) of the next message of that id; others are passed over."""
        body = b""
        for _ in range(polls):
            data = self.poll()
            if data is None:
                continue
            assert len(data) <= 64
            total, offset = struct.unpack("<HH", data[2:6])
            body = data[6:] if offset == 0 else body + data[6:]
            if len(body) == total and data[0] == id:
                return data[1], body
        raise AssertionError("message " + hex(id) + " did not come")

    def say(self, id, body, number=0):
        """An MFG command; data of the MFGREP that answers it, or None."""
        answer = self.command(MFG, OUI + struct.pack("<BBHH", id, number, len(body), 0) + body)
        assert answer[0] in (ACK, MFGREP), answer
        return None if answer[0] == ACK else manufacturer(answer)


def manufacturer(answer):
    assert answer[1][:3] == OUI
    return answer[1][3:]


def plain(reply):
    if not reply:
        return None
    assert crc(reply[:-2]) == struct.unpack("<H", reply[-2:])[0]
    at = 5 + (reply[5] if reply[4] & 8 else 0)
    return reply[at], reply[at + 1 : -2]


def invert(data):
    return bytes([byte ^ 0xFF for byte in data])


class Keys:
    def __init__(self, key, random):
        tail = random[:6] + bytes(8)
        self.data, self.mac1, self.mac2 = [
            self.ecb(key, head + tail) for head in (b"\x01\x82", b"\x01\x01", b"\x01\x02")
        ]

    @staticmethod
    def ecb(key, data):
        return cryptolib.aes(key, 1).encrypt(data)

    @staticmethod
    def cbc(key, iv, data):
        return cryptolib.aes(key, 2, iv).encrypt(data)

    def code(self, before, data):
        if len(data) % 16:
            data = data + b"\x80" + bytes(-(len(data) + 1) % 16)
        if data[:-16]:
            before = self.cbc(self.mac1, before, data[:-16])[-16:]
        return self.cbc(self.mac2, before, data[-16:])
