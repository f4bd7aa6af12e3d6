"""Targets that bytes from the chip, a card or a phone reach."""

import nfc_fakes as fakes

# The types' checker finds nfcpy under this name.
import nfc.frames as frames  # pyright: ignore
import nfc.ndef as ndef  # pyright: ignore
import nfc.polled as polled  # pyright: ignore
import nfc.type2 as type2  # pyright: ignore
import nfc.type4 as type4  # pyright: ignore
from host_tests.fuzz.base import Pieces, in_pieces, target
from nfc.errors import CardError, CardGone, ChipError, NfcError, NoTicket  # pyright: ignore
from nfc.i2c import I2c  # pyright: ignore
from nfc.phone import Phone  # pyright: ignore
from nfc.pn532 import Pn532, parse_targets  # pyright: ignore
from nfc.reader import Found, Reader  # pyright: ignore
from nfc.spi import Spi  # pyright: ignore
from present import messages
from present.session import Session


class Link:
    """A card that gives the pieces of the input as its answers, whatever it is asked. An empty one is silence."""

    uid = b"\x04\x11\x22\x33\x44\x55\x66"
    deadline = 0

    def __init__(self, data: bytes):
        self._next = Pieces(data)

    async def exchange(self, command: bytes) -> memoryview:
        piece = self._next()
        if not piece:
            raise CardGone("status")
        if piece == b"\xff":
            raise CardError("status")
        return memoryview(piece)

    thru = exchange

    async def apdu(self, command: bytes) -> tuple[memoryview, int]:
        answer = await self.exchange(command)
        if len(answer) < 2:
            raise CardError("no status word")
        return answer[:-2], answer[-2] << 8 | answer[-1]

    async def again(self) -> None:
        await self.exchange(b"")


class Recorder(fakes.Link):
    """A stand-in's link that keeps the answers, as seeds for `Link`."""

    def __init__(self, tag):
        super().__init__(tag)
        self.answers: list[bytes] = []

    async def exchange(self, command: bytes) -> memoryview:
        answer = await super().exchange(command)
        self.answers.append(bytes(answer))
        return answer

    thru = exchange


JWS_RECORD = fakes.record(fakes.JWS, b"ticket" * 60)
CWT_RECORD = fakes.record(fakes.CWT, b"ticket", first=False)
MESSAGES = (JWS_RECORD, fakes.LINK + CWT_RECORD, fakes.record(b"U", b"\x04a", tnf=1), fakes.record(b"", b"", tnf=0))
AREAS = (
    fakes.tlv(3, JWS_RECORD) + b"\xfe",
    b"\x00\x01\x03\x88\x08\x66\x02\x03\x10\x04\x34" + fakes.tlv(3, fakes.LINK + CWT_RECORD, long=True),
    fakes.tlv(0xFD, b"own") + b"\x03\x00\xfe",
)
CC2 = bytes((0xE1, 0x10, 0x7E, 0x00))


def planted(data: bytes) -> None:
    """Not one of TARGETS: it fails where the fuzzer gets only by following what each byte changes in the firmware."""
    try:
        form, _, _ = ndef.locate(data, len(data), len(data))
    except NoTicket as refused:
        assert refused.detail != "type length", "PLANTED"
        return
    assert not form


# --- the chip ---


@target(lambda: [fakes.ACK + fakes.NACK + fakes.SYNTAX_ERROR, fakes.frame(b"\xd5\x03" + bytes(300)) + fakes.ACK])
def chip_frames(data: bytes) -> None:
    """Frames in pieces of any size: what comes out has a right checksum, and each byte is taken once."""
    parser = frames.Parser()
    at = 0
    step = 1 + len(data) % 7
    while at < len(data):
        end = min(at + step, len(data))
        taken = parser.feed(data, at, end)
        assert at < taken <= end and 0 <= parser.missing() <= frames.MAX_LENGTH + 1
        at = taken
        if parser.kind == frames.DATA:
            body = b"\xd5" + bytes(parser.data())
            assert body + bytes((-sum(body) & 0xFF,)) in data[:at]
        if parser.kind:
            parser.clear()


@target(lambda: [fakes.frame(b"\xd5\x41\x00" + bytes(20)), fakes.frame(b"\xd5\x41" + bytes(262)), fakes.ACK])
def polled_frame(data: bytes) -> None:
    """A frame fetched over I2C and over SPI."""

    class Port:
        at = 0

        def writeto(self, address, data):
            pass

        def write(self, data):
            self.status = data == b"\x02"

        def readfrom_into(self, address, buffer):
            buffer[:] = (b"\x01" + data + bytes(300))[: len(buffer)]

        def readinto(self, buffer):
            if self.status:
                buffer[0] = 1
                return
            assert len(buffer), "an ESP32 raises ValueError"
            buffer[:] = (data[self.at :] + bytes(300))[: len(buffer)]
            self.at += len(buffer)

    for bus, lines in ((I2c, ()), (Spi, (lambda level: None,))):
        clock = fakes.Clock()
        parser = frames.Parser()
        kind = fakes.run(bus(Port(), clock, *lines).receive(parser, clock.after(5)))
        assert bool(kind) == bool(parser.kind)
    assert polled.rest((data + bytes(6))[:6]) >= polled.BROKEN


@target(lambda: [b"\x01\x01" + fakes.Tag2.listed, b"\x02\x01" + fakes.Tag4.listed])
def chip_targets(data: bytes) -> None:
    """The answer to a look for cards."""
    try:
        found = parse_targets(data)
    except ChipError:
        return
    assert found is None or len(found.uid) in (4, 7, 10)


def _dialogues() -> list[bytes]:
    both = []
    for card in (fakes.Tag2(AREAS[0]), fakes.Tag4(JWS_RECORD)):
        bus = fakes.Bus(fakes.Clock(), [card])
        replies: list[bytes] = []
        answer = bus._answer

        def keep(code, data, answer=answer, replies=replies):
            given = answer(code, data)
            replies.append(given)
            return given

        bus._answer = keep
        fakes.run(Reader(Pn532(bus, bus.clock)).read())
        both.append(in_pieces(reply[:255] for reply in replies))
    return both


@target(_dialogues)
def chip_answers(data: bytes) -> None:
    """A whole look by the reader at a chip that answers each command with the next piece of the input."""
    pieces = Pieces(data)
    bus = fakes.Bus(fakes.Clock(), [])
    bus._answer = lambda code, data: pieces()
    reader = Reader(Pn532(bus, bus.clock), Phone(offering(bus.clock), bus.clock))
    found = fakes.run(reader.read())
    assert found is None or isinstance(found, Found)
    fakes.run(reader.gone())


@target(lambda: [in_pieces([fakes.ACK + fakes.frame(b"\xd5\x15")] * 6), in_pieces([fakes.NACK, fakes.SYNTAX_ERROR])])
def chip_line(data: bytes) -> None:
    """Starting a chip that sends the next piece of the input after each frame that it gets."""
    pieces = Pieces(data)
    bus = fakes.Bus(fakes.Clock())
    bus._reply = lambda data: pieces() or b""
    try:
        fakes.run(Pn532(bus, bus.clock).start())
    except ChipError:
        pass
    assert bus.clock.slept < 2000


# --- cards ---


@target(lambda: MESSAGES)
def ndef_message(data: bytes) -> None:
    try:
        name, start, end = ndef.locate(data, len(data), len(data))
    except NoTicket:
        return
    assert name in ("jws", "cwt") and start <= end <= len(data)


@target(lambda: [CC2 + area for area in AREAS])
def type2_tlvs(data: bytes) -> None:
    """CC and data area of a Type 2 tag, in portions of any size."""
    step = 1 + len(data) % 61
    try:
        size = type2.parse_cc(data[:4])
        memory = (data[4:] + bytes(1008))[:1008]
        area = type2.Area(memory, size)
        have = 0
        value = area.locate(have)
        while isinstance(value, int):
            assert have < value <= size
            have = max(value, min(have + step, size, len(memory)))
            if have > len(memory):
                return
            value = area.locate(have)
    except NoTicket:
        return
    at, length = value
    message = bytearray(ndef.MAX_MESSAGE)
    assert 0 <= area.gather(at, length, min(size, 1008), message) <= length


@target(lambda: [b"\x00" + CC2 + area for area in AREAS] + [b"\x03" + CC2 + AREAS[0]])
def type2_tag(data: bytes) -> None:
    """A whole tag with this memory; the first byte says whether it knows FAST_READ and when it is pulled away."""
    how = data[0] if data else 0
    tag = fakes.Tag2(data[5:1013], cc=(data[1:5] + bytes(4))[:4], fast=not how & 1, pages=260)
    link = fakes.Link(tag, how >> 1 if how > 1 else None)
    try:
        name, ticket = fakes.run(type2.read(link, bytearray(ndef.MAX_MESSAGE)))
    except NfcError:
        return
    assert name in ("jws", "cwt") and len(ticket) <= ndef.MAX_TICKET


@target(lambda: [b"\x00\x0f\x20\x00\x3b\x00\x34\x04\x06\xe1\x04\x00\x32\x00\x00"])
def type4_cc(data: bytes) -> None:
    try:
        found = type4.parse_cc(data)
    except NoTicket:
        return
    assert 15 <= found.le <= 253 and found.prefix in (2, 4)


def _recorded(version: int = 0x20) -> bytes:
    link = Recorder(fakes.Tag4(JWS_RECORD, version=version))
    fakes.run(type4.read(link, bytearray(ndef.MAX_MESSAGE)))
    return in_pieces(link.answers)


@target(lambda: [_recorded(), _recorded(0x30), _recorded(0x10)])
def type4_answers(data: bytes) -> None:
    """The answers of a Type 4 tag, whatever it is asked."""
    try:
        name, ticket = fakes.run(type4.read(Link(data), bytearray(ndef.MAX_MESSAGE)))
    except NfcError:
        return
    assert name in ("jws", "cwt") and len(ticket) <= ndef.MAX_TICKET


# --- phones ---


def session(clock) -> Session:
    return Session("reader-1", ["DE*ABC*E1*1"], lambda: bytes(32), clock)


def offering(clock):
    """As the phone handler is offered sessions."""

    async def offer():
        return session(clock)

    return offer


def _present() -> bytes:
    return messages.encode(messages.PRESENT, {messages.TICKET: b"ticket", messages.SIGNATURE: bytes(64)})


def _phone_answers() -> bytes:
    whole = len(_present()).to_bytes(2, "big") + _present()
    return in_pieces([b"\x01\x90\x00", b"\x90\x00", whole[:50] + b"\x90\x00", b"\x69\x85", whole[50:] + b"\x90\x00"])


@target(lambda: [_phone_answers()])
def phone_answers(data: bytes) -> None:
    """The answers of a phone with our application, and then its verdict."""
    clock = fakes.Clock()
    phone = Phone(offering(clock), clock)
    try:
        found = fakes.run(phone.present(Link(data), bytearray(ndef.MAX_MESSAGE)))
        if found:
            fakes.run(phone.tell(found, found.session.verdict("EXPIRED")))
    except NfcError:
        pass


def present_seeds() -> list[bytes]:
    verdict = {messages.REASON: "GRANTED", messages.LIMITS: {10: 1, 14: ["1.00", "EUR"]}, messages.EVSE: "DE*ABC*E1*1"}
    return [session(fakes.Clock()).hello, _present(), messages.encode(messages.VERDICT, verdict)]


@target(present_seeds)
def present_messages(data: bytes) -> None:
    """A message of each kind; what is taken is written as it was read."""
    for kind in (messages.HELLO, messages.PRESENT, messages.VERDICT):
        try:
            message = messages.decode(kind, data)
        except messages.BadMessage:
            continue
        again = messages.decode(kind, messages.encode(kind, message))
        assert again == message


@target(present_seeds)
def present_session(data: bytes) -> None:
    try:
        presentation = session(fakes.Clock()).take(data, "phone")
    except messages.BadMessage:
        return
    assert presentation.ticket is not None
