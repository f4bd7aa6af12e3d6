"""Stand-ins for the tests of firmware/nfc: a clock, a bus with a chip on it, tags. None of them ever suspends, so `run`
drives a coroutine of the driver to its end by hand, the same on all three interpreters.
"""

from nfc.errors import CardError, CardGone, NoTicket
from nfc.ndef import MAX_MESSAGE

ACK = b"\x00\x00\xff\x00\xff\x00"
NACK = b"\x00\x00\xff\xff\x00\x00"
SYNTAX_ERROR = b"\x00\x00\xff\x01\xff\x7f\x81\x00"
_WRAP = 1 << 30  # of the ticks of a 32-bit board


def run(coroutine):
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("suspended")


def raised(function, *arguments):
    """The exception that a call ends with."""
    try:
        function(*arguments)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def frame(data):
    """A frame around TFI and data, made another way than the firmware makes it."""
    size = len(data)
    if size < 256:
        head = bytes((0, 0, 255, size, (256 - size) % 256))
    else:
        high, low = divmod(size, 256)
        head = bytes((0, 0, 255, 255, 255, high, low, (512 - high - low) % 256))
    return head + data + bytes(((1024 * 256 - sum(data)) % 256, 0))


def record(kind, payload, first=True, last=True, tnf=2, name=b"", short=None, flags=0):
    """One NDEF record."""
    short = len(payload) < 256 if short is None else short
    head = flags | tnf | (0x80 if first else 0) | (0x40 if last else 0) | (0x10 if short else 0) | (8 if name else 0)
    out = bytes((head, len(kind))) + len(payload).to_bytes(1 if short else 4, "big")
    return out + (bytes((len(name),)) if name else b"") + kind + name + payload


JWS = b"application/charging-ticket+jws"
CWT = b"application/charging-ticket+cwt"
LINK = record(b"U", b"\x04example.org", last=False, tnf=1)


def tlv(kind, value, long=False):
    size = len(value)
    return bytes((kind, 255, size >> 8, size & 255) if long or size > 254 else (kind, size)) + value


class Clock:
    """Timing whose time passes by sleeping; begins shortly before its ticks wrap."""

    def __init__(self):
        self.now = _WRAP - 40
        self.slept = 0

    def pass_(self, ms):
        self.now = (self.now + ms) % _WRAP
        self.slept += ms

    def after(self, ms):
        return (self.now + ms) % _WRAP

    def left(self, deadline):
        return (deadline - self.now + _WRAP // 2) % _WRAP - _WRAP // 2

    async def sleep(self, ms):
        self.pass_(ms)

    async def readable(self, stream, ms):
        self.pass_(stream.next_in(ms))


class Bus:
    """A bus with a chip on it. `cards` are in the field. `faults`: {number of the write, from 1: what becomes of the
    chip's reply}: a callable from reply to bytes, or an exception to raise. A `dead` chip says nothing.
    """

    def __init__(self, clock, cards=()):
        self.clock = clock
        self.cards = list(cards)
        self.faults = {}
        self.dead = False
        self.overrides = {}  # command code: answer bytes (without D5 and code), or None for no answer
        self.writes = []
        self.commands = []  # code and data of each command that reached the chip, repetitions included
        self._received = bytearray()
        self._last = b""

    fast = None

    def line_ms(self, count):
        return count // 11 + 1

    async def wake(self, deadline):
        pass

    def drain(self):
        self._received = bytearray()

    async def write(self, data, deadline):
        data = bytes(data)
        self.writes.append(data)
        fault = self.faults.get(len(self.writes))
        if isinstance(fault, Exception):
            raise fault
        reply = b"" if self.dead else self._reply(data)
        self._received.extend(fault(reply) if fault else reply)

    async def receive(self, parser, deadline):
        taken = parser.feed(self._received, 0, len(self._received))
        self._received = self._received[taken:]
        if parser.kind:
            return True
        if not parser.damaged:
            self.clock.pass_(max(0, self.clock.left(deadline)))
        return False

    def _reply(self, data):
        if data == ACK:
            return b""
        if data == NACK:
            return self._last
        start = 8 if data[3:5] == b"\xff\xff" else 5
        assert data == frame(data[start:-2]) and data[start] == 0xD4, data
        code, parameters = data[start + 1], data[start + 2 : -2]
        self.commands.append((code, parameters))
        answer = self.overrides[code] if code in self.overrides else self._answer(code, parameters)
        if answer is None:
            return ACK
        self._last = frame(bytes((0xD5, code + 1)) + answer)
        return ACK + self._last

    def _answer(self, code, data):
        if code == 0x02:
            return b"\x32\x01\x06\x07"
        if code == 0x4A:
            listed = self.cards[: data[0]]
            return bytes((len(listed),)) + b"".join(bytes((i + 1,)) + card.listed for i, card in enumerate(listed))
        if code in (0x40, 0x42):
            if not self.cards:
                return b"\x01"
            answer = self.cards[0].answer(data[1:] if code == 0x40 else data)
            return b"\x01" if answer is None else b"\x00" + answer
        return b"\x00" if code == 0x52 else b""

    def count(self, code):
        return len([1 for command in self.commands if command[0] == code])


class Tag2:
    """A Type 2 tag: memory from page 0 on. Takes READ, and FAST_READ unless `fast` is off."""

    listed = bytes((0x00, 0x44, 0x00, 7)) + b"\x04\x11\x22\x33\x44\x55\x66"

    def __init__(self, data, size=None, cc=None, fast=True, pages=256):
        uid = b"\x04\x11\x22\xbf\x33\x44\x55\x66\x44\x48\x00\x00"
        size = (len(data) + 7) // 8 if size is None else size
        self.memory = bytearray(uid + (cc or bytes((0xE1, 0x10, size, 0x00))) + data)
        self.memory.extend(bytes(4 * pages - len(self.memory)))
        self.fast = fast
        self.commands = []

    def answer(self, command):
        self.commands.append(bytes(command))
        start = 4 * command[1]
        if command[0] == 0x30:
            return bytes((self.memory[start:] + self.memory)[:16])
        if command[0] == 0x3A and self.fast and command[1] <= command[2]:
            return bytes(self.memory[start : 4 * command[2] + 4])
        return None


class Tag4:
    """A Type 4 tag with the files of mapping version `version`; answers in pieces of at most `most` bytes."""

    listed = bytes((0x03, 0x44, 0x20, 4)) + b"\x08\x01\x02\x03" + b"\x05\x78\x80\x70\x02"

    def __init__(self, message, mle=255, version=0x20, size=None, cc=None, most=255, nlen=None):
        wide = version == 0x30
        size = len(message) + 4 if size is None else size
        if cc is None:
            file = (
                b"\x06\x08\xe1\x04" + size.to_bytes(4, "big") if wide else b"\x04\x06\xe1\x04" + size.to_bytes(2, "big")
            )
            cc = bytes((0, 17 if wide else 15, version, mle >> 8, mle & 255, 0, 52)) + file + b"\x00\x00"
        nlen = len(message) if nlen is None else nlen
        self.files = {b"\xe1\x03": cc, b"\xe1\x04": nlen.to_bytes(4 if wide else 2, "big") + message}
        self.application = b"\xd2\x76\x00\x00\x85\x01" + (b"\x00" if version < 0x20 else b"\x01")
        self.most = most
        self.commands = []
        self._file = None

    def answer(self, command):
        command = bytes(command)
        self.commands.append(command)
        if command[:4] == b"\x00\xa4\x04\x00":
            return b"\x90\x00" if command[5 : 5 + command[4]] == self.application else b"\x6a\x82"
        if command[:2] == b"\x00\xa4":
            self._file = self.files.get(command[5:7])
            return b"\x6a\x82" if self._file is None else b"\x90\x00"
        if command[:2] == b"\x00\xb0" and self._file is not None:
            offset = command[2] << 8 | command[3]
            return self._file[offset : offset + min(command[4], self.most)] + b"\x90\x00"
        if command == b"\xb2":
            return b"\xa2"
        return b"\x6d\x00"


class Link:
    """What the reader hands to type2 and type4, right on a tag. `gone_after` so many commands the card is gone."""

    def __init__(self, tag, gone_after=None):
        self.tag = tag
        self.gone_after = gone_after
        self.calls = 0
        self.anew = 0
        size = tag.listed[3]
        self.uid = tag.listed[4 : 4 + size]

    async def exchange(self, command):
        if self.calls == self.gone_after:
            raise CardGone("status")
        self.calls += 1
        answer = self.tag.answer(command)
        if answer is None:
            raise CardError("status")
        return memoryview(answer)

    thru = exchange

    async def apdu(self, command):
        answer = await self.exchange(command)
        return answer[:-2], answer[-2] << 8 | answer[-1]

    async def again(self):
        self.anew += 1


def ticket(size):
    """Bytes of which no two stretches are the same."""
    return bytes((i * 37 + (i >> 8)) & 255 for i in range(size))


def reader_of(module):
    """For the tests of a kind of tag (read, problem, cause): what it holds, why it is not read, has no ticket."""

    def read(tag, link=None):
        form, ticket = run(module.read(link or Link(tag), bytearray(MAX_MESSAGE)))
        return form, bytes(ticket)

    def problem(tag, link=None):
        return raised(read, tag, link)

    def cause(tag):
        error = problem(tag)
        assert isinstance(error, NoTicket), error
        return error.cause

    return read, problem, cause
