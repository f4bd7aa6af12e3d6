"""What is fuzzed: each parser that bytes from a chip, a card, a phone, a ticket or a bundle reach.

A target is called with any bytes. It returns, whatever they are, or fails by any exception that is not the module's
own. Beyond that it checks what must hold of what was accepted, where another parser can tell.
"""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

HOST_TESTS = Path(__file__).resolve().parent.parent
FIRMWARE = HOST_TESTS.parent / "firmware"
sys.path[:0] = [str(HOST_TESTS / folder) for folder in ("shims", "pure")] + [str(FIRMWARE)]

import micropython  # noqa: E402, F401  the stand-in's additions to time and asyncio

from host_tests.runner import ours  # noqa: E402

if "ticket" not in sys.modules:
    ours.claim(str(FIRMWARE))

import nfc_fakes as fakes  # noqa: E402

# The types' checker finds nfcpy under this name.
import nfc.frames as frames  # noqa: E402  # pyright: ignore
import nfc.ndef as ndef  # noqa: E402  # pyright: ignore
import nfc.polled as polled  # noqa: E402  # pyright: ignore
import nfc.type2 as type2  # noqa: E402  # pyright: ignore
import nfc.type4 as type4  # noqa: E402  # pyright: ignore
from nfc.errors import CardError, CardGone, ChipError, NfcError, NoTicket  # noqa: E402  # pyright: ignore
from nfc.i2c import I2c  # noqa: E402  # pyright: ignore
from nfc.phone import Phone  # noqa: E402  # pyright: ignore
from nfc.pn532 import Pn532, parse_targets  # noqa: E402  # pyright: ignore
from nfc.reader import Found, Reader  # noqa: E402  # pyright: ignore
from present import messages  # noqa: E402
from present.session import Session  # noqa: E402
from ticket import b64url, cbor, form, scope, strictjson, times, utf8  # noqa: E402
from ticket.envelope import Envelope  # noqa: E402
from ticket.verdict import Refused  # noqa: E402
from trust import bundle, signed  # noqa: E402


class Target(NamedTuple):
    """`run` takes any bytes; `seeds` gives inputs that go deep, from which the fuzzer sets out."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]


TARGETS: dict[str, Target] = {}


def target(seeds: Callable[[], Iterable[bytes]]):
    def add(run: Callable[[bytes], None]):
        TARGETS[run.__name__] = Target(run, seeds)
        return run

    return add


class Pieces:
    """Cuts the input into pieces: a length byte, then so many bytes. At the end there are none."""

    def __init__(self, data: bytes):
        self._data = data
        self._at = 0

    def __call__(self) -> bytes | None:
        if self._at >= len(self._data):
            return None
        start = self._at + 1
        self._at = start + self._data[self._at]
        return self._data[start : self._at]


def in_pieces(pieces: Iterable[bytes]) -> bytes:
    return b"".join(bytes((len(piece),)) + piece for piece in pieces)


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
        message = ndef.parse(data)
    except NoTicket as refused:
        assert refused.detail != "type length", "PLANTED"
        return
    assert not message


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
    """A frame fetched over I2C."""

    class Port:
        def writeto(self, address, data):
            pass

        def readfrom_into(self, address, buffer):
            buffer[:] = (b"\x01" + data + bytes(300))[: len(buffer)]

    clock = fakes.Clock()
    parser = frames.Parser()
    heard = fakes.run(I2c(Port(), clock).receive(parser, clock.after(5)))
    assert bool(heard) == bool(parser.kind)
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
    reader = Reader(Pn532(bus, bus.clock), Phone(lambda: session(bus.clock), bus.clock))
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
        name, payload = ndef.parse(data)
    except NoTicket:
        return
    assert name in ("jws", "cwt") and bytes(payload) in data


@target(lambda: [CC2 + area for area in AREAS])
def type2_tlvs(data: bytes) -> None:
    """CC and data area of a Type 2 tag, bit by bit."""
    try:
        size = type2.parse_cc(data[:4])
        memory = (data[4:] + bytes(1008))[:1008]
        area = type2.Area(memory, size)
        have = 0
        value = area.locate(have)
        while isinstance(value, int):
            assert have < value <= size
            have = value
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
        name, ticket = fakes.run(type2.read(link, bytearray(1008), bytearray(ndef.MAX_MESSAGE)))
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


def _present() -> bytes:
    return messages.encode(messages.PRESENT, {messages.TICKET: b"ticket", messages.SIGNATURE: bytes(64)})


def _phone_answers() -> bytes:
    whole = len(_present()).to_bytes(2, "big") + _present()
    return in_pieces([b"\x01\x90\x00", b"\x90\x00", whole[:50] + b"\x90\x00", b"\x69\x85", whole[50:] + b"\x90\x00"])


@target(lambda: [_phone_answers()])
def phone_answers(data: bytes) -> None:
    """The answers of a phone with our application, and then its verdict."""
    clock = fakes.Clock()
    phone = Phone(lambda: session(clock), clock)
    try:
        found = fakes.run(phone.present(Link(data), bytearray(ndef.MAX_MESSAGE)))
        if found:
            fakes.run(phone.tell(found, found.session.verdict("EXPIRED")))
    except NfcError:
        pass


def _messages() -> list[bytes]:
    verdict = {messages.REASON: "GRANTED", messages.LIMITS: {10: 1, 14: ["1.00", "EUR"]}, messages.EVSE: "DE*ABC*E1*1"}
    return [session(fakes.Clock()).hello, _present(), messages.encode(messages.VERDICT, verdict)]


@target(_messages)
def present_messages(data: bytes) -> None:
    """A message of each kind; what is taken is written as it was read."""
    for kind in (messages.HELLO, messages.PRESENT, messages.VERDICT):
        try:
            message = messages.decode(kind, data)
        except messages.BadMessage:
            continue
        again = messages.decode(kind, messages.encode(kind, message))
        assert again == message


@target(_messages)
def present_session(data: bytes) -> None:
    try:
        presentation = session(fakes.Clock()).take(data, "phone")
    except messages.BadMessage:
        return
    assert presentation.ticket is not None


# --- tickets and bundles ---


def _cases() -> list[dict]:
    return json.loads((HOST_TESTS / "vectors" / "tickets.json").read_text())["cases"]


def _payloads() -> list[bytes]:
    return [json.dumps(case["claims"], ensure_ascii=False).encode() for case in _cases() if case.get("claims")]


def _cwts() -> list[bytes]:
    return [bytes.fromhex(case["cwt"]) for case in _cases() if case.get("cwt")]


@target(lambda: [case["jws"].encode() for case in _cases() if case.get("jws")] + _cwts())
def ticket_forms(data: bytes) -> None:
    """A ticket in either form, its claims too, as if its signature were good."""
    try:
        found = form.read(data)
        form.claims(found)
    except Refused:
        return


@target(_payloads)
def ticket_claims(data: bytes) -> None:
    """A JWS payload behind a good signature."""
    try:
        form.claims(Envelope("jws", "issuer", b"", b"", data))
    except Refused:
        return


def _cwt_payloads() -> list[bytes]:
    return [form.read(data).payload for data in _cwts() if not _refused(lambda data=data: form.read(data))]


@target(_cwt_payloads)
def cwt_claims(data: bytes) -> None:
    """A CWT payload behind a good signature."""
    try:
        form.claims(Envelope("cwt", "issuer", b"", b"", data))
    except Refused:
        return


@target(lambda: [*_payloads(), b'[1,-0,1e5,"\\u00e4\\ud83d\\ude00",{"a":{}},null,true]'])
def strict_json(data: bytes) -> None:
    """What is taken, json takes too and reads the same; both ways of reading take the same."""
    try:
        found = strictjson.loads(data)
    except Refused:
        assert _refused(lambda: strictjson.loads(data, raw=True))
        return
    strictjson.loads(data, raw=True)
    assert _plain(found) == json.loads(data, parse_float=str, parse_int=_integer, parse_constant=_constant)


def _refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except Refused:
        return True
    return False


def _integer(text: str) -> int | str:
    return int(text) if len(text.lstrip("-")) <= 18 else text


def _constant(text: str) -> None:
    raise AssertionError("no JSON: " + text)


def _plain(value):
    if isinstance(value, strictjson.Number):
        return str(value.text, "ascii") if isinstance(value.text, bytes) else value.text
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return [_plain(member) for member in value] if isinstance(value, list) else value


@target(lambda: [*_cwts(), *_messages(), cbor.dumps({"a": [1, -1, b"", None, True], 2: {}})])
def strict_cbor(data: bytes) -> None:
    """What is taken has one serialisation only, but for the order of keys: the one that was read."""
    try:
        found = cbor.loads(data)
    except Refused:
        assert _refused(lambda: cbor.loads(data, raw=True))
        return
    cbor.loads(data, raw=True)
    again = cbor.dumps(found)
    assert sorted(again) == sorted(data) and cbor.loads(again) == found


@target(lambda: [b"DE*ABC*E1*1", b"2026-11-22T12:00:00.123Z", b"aGFsbG8", "ä€😀".encode()])
def texts(data: bytes) -> None:
    """base64url, UTF-8, times and ids."""
    decoded = b64url.decode(data)
    assert decoded is None or b64url.encode(decoded).rstrip() == data
    text = utf8.decode(data)
    assert (text is None) == (_decoded(data) is None)
    if text is not None:
        at = times.parse(text)
        assert at is None or at >= 0
        for kind in (scope.OPERATOR, scope.PROVIDER, scope.POOL, scope.STATION, scope.EVSE):
            scope.parse(kind, text)


def _decoded(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _bundle() -> bytes:
    issuer = {
        "kid": "issuer-1", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg", "providers": ["DE-XYZ"],
        "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2027-01-01T00:00:00Z", "maxLifetime": 86400,
        "places": ["DE*ABC"], "limits": {"maxEnergy": 1, "maxPrice": {"amount": "1", "currency": "EUR"}},
    }  # fmt: skip
    payload = {
        "version": 1, "created": "2026-01-01T00:00:00Z", "notAfter": "2027-01-01T00:00:00Z", "issuers": [issuer],
        "retiredRoots": ["old"], "revokedKeys": ["k"], "revokedTickets": [{"providerId": "DE-XYZ", "id": "1"}],
    }  # fmt: skip
    return json.dumps(payload).encode()


@target(lambda: [_bundle()])
def trust_bundle(data: bytes) -> None:
    """A bundle's payload behind a good signature."""
    try:
        found = bundle.parse(Envelope("jws", "root", b"", b"", data))
    except Refused:
        return
    assert found.version >= 1


@target(lambda: [case["jws"].encode() for case in _cases() if case.get("jws")][:1])
def trust_envelope(data: bytes) -> None:
    for kind in (signed.BUNDLE, signed.TIME, signed.FIRMWARE):
        try:
            signed.envelope(data, kind, {"root": bytes(32)})
        except Refused:
            continue
