"""Cards that speak ISO/IEC 14443-4: Type 4 tags, payment cards, and anything that is a function of APDUs."""

from collections.abc import Callable

from .rf import FDT_US, Card, Reply, answer

FSC = (16, 24, 32, 40, 48, 64, 96, 128, 256)
NDEF_AID = bytes.fromhex("d2760000850101")
CC_FILE = 0xE103
OK, NO_FILE, BAD_OFFSET, BAD_LENGTH = b"\x90\x00", b"\x6a\x82", b"\x6b\x00", b"\x67\x00"
END_OF_FILE, NO_INS, NO_CLA, NOT_ALLOWED, BAD_P1P2 = b"\x62\x82", b"\x6d\x00", b"\x6e\x00", b"\x69\x82", b"\x6a\x86"


class IsoDepCard(Card):
    """The card's side of ISO/IEC 14443-4: RATS, PPS, I-, R- and S-blocks, chaining both ways, waiting-time extensions.

    `fsci` and `fwi` go into the answer to select. `delay_us` is what each APDU takes; what does not fit into the
    frame waiting time is bridged with S(WTX), as phones do. Subclasses answer APDUs in `apdu`.
    """

    sak = 0x20

    def __init__(self, uid: bytes, *, fsci: int = 5, fwi: int = 8, delay_us: int = 0, historical: bytes = b""):
        super().__init__(uid)
        self.fsci, self.fwi, self.delay_us, self.historical = fsci, fwi, delay_us, historical
        self.fwt_us = 4096 * 1_000_000 // 13_560_000 << fwi
        self.wtx_sent = 0
        self.apdus: list[tuple[bytes, bytes]] = []
        self._forget()

    def _forget(self) -> None:
        self._number = 1
        self._fsd = 256
        self._command = bytearray()
        self._rest = b""
        self._last: bytes = b""
        self._ready_us: int | None = None
        self._chaining = False

    def reset(self, state: str) -> None:
        super().reset(state)
        self._forget()
        self.deselected()

    def deselected(self) -> None:
        """The reader let go or the field went: whatever was selected no longer is."""

    def apdu(self, command: bytes) -> bytes | tuple[bytes, int]:
        """Answers one APDU: the response with its status word, and the µs it takes where `delay_us` does not hold."""
        raise NotImplementedError

    def ats(self) -> bytes:
        body = bytes((0x70 | self.fsci, 0x00, self.fwi << 4, 0x00)) + self.historical
        return bytes((len(body) + 1,)) + body

    def command(self, data: bytes) -> Reply | None:
        if data[0] != 0xE0 or len(data) != 2:
            self.fall_back()
            return None
        self._forget()
        self._fsd = FSC[min(data[1] >> 4, 8)]
        self.state = "PROTOCOL"
        return answer(self.ats(), 300)

    def block(self, data: bytes) -> Reply | None:
        pcb = data[0]
        if pcb & 0xE2 == 0x02 and not pcb & 0x0C:
            return self._information(pcb, data[1:])
        if pcb & 0xE6 == 0xA2 and not pcb & 0x08 and len(data) == 1:
            return self._supervise(pcb)
        if pcb == 0xC2 and len(data) == 1:  # S(DESELECT)
            self.state = "HALT"
            self._halted = True
            self._forget()
            self.deselected()
            return answer(b"\xc2")
        if pcb == 0xF2 and len(data) == 2 and self._ready_us is not None:
            return self._finish()
        if pcb & 0xF0 == 0xD0 and self._number == 1 and not self._last:  # PPS, before the first block
            return answer(data[:1])
        return None

    def _send(self, block: bytes, delay_us: int = FDT_US) -> Reply:
        self._last = block
        return answer(block, delay_us)

    def _information(self, pcb: int, information: bytes) -> Reply | None:
        if self._ready_us is not None:
            return None  # still at work on the last one
        self._number ^= 1  # rule D
        self._command += information
        if pcb & 0x10:
            return self._send(bytes((0xA2 | self._number,)))
        command, self._command = bytes(self._command), bytearray()
        result = self.apdu(command)
        response, delay_us = result if isinstance(result, tuple) else (result, self.delay_us)
        self.apdus.append((command, response))
        self._rest = response
        self._ready_us = self.now_us + delay_us
        return self._finish()

    def _finish(self) -> Reply:
        """The response, or a request for more time when it will not be ready within the frame waiting time."""
        assert self._ready_us is not None
        left_us = self._ready_us - self.now_us
        if left_us > self.fwt_us * 3 // 4:
            self.wtx_sent += 1
            factor = min(59, left_us // self.fwt_us + 1)
            return self._send(bytes((0xF2, factor)), self.fwt_us // 2)
        self._ready_us = None
        return self._next(left_us)

    def _next(self, delay_us: int = FDT_US) -> Reply:
        room = min(self._fsd, 256) - 3
        part, self._rest = self._rest[:room], self._rest[room:]
        self._chaining = bool(self._rest)
        return self._send(bytes((0x02 | (0x10 if self._rest else 0) | self._number,)) + part, delay_us)

    def _supervise(self, pcb: int) -> Reply | None:
        if pcb & 1 == self._number and self._last:
            return answer(self._last)  # rule 11: the reader lost the last block
        if pcb & 0x10:
            return answer(bytes((0xA2 | self._number,)))  # rule 12, which is also the presence check
        if self._chaining:
            self._number ^= 1  # rule E
            return self._next()
        return None


class ApduCard(IsoDepCard):
    """A card or phone that is a function: `handler(apdu) -> response` or `(response, microseconds)`."""

    name = "APDU card"

    def __init__(
        self,
        handler: Callable[[bytes], bytes | tuple[bytes, int]],
        uid: bytes = bytes.fromhex("08112233"),
        *,
        on_deselect: Callable[[], None] | None = None,
        **part4,
    ):
        self.handler = handler
        self.on_deselect = on_deselect
        super().__init__(uid, **part4)

    def apdu(self, command: bytes) -> bytes | tuple[bytes, int]:
        return self.handler(command)

    def deselected(self) -> None:
        if self.on_deselect:
            self.on_deselect()


class Apdu:
    """A short or extended command APDU, taken apart (ISO/IEC 7816-4, 5.1). Raises ValueError when it is none."""

    def __init__(self, raw: bytes):
        if len(raw) < 4:
            raise ValueError("an APDU has at least four bytes")
        self.cla, self.ins, self.p1, self.p2 = raw[:4]
        self.data, self.le = b"", 0
        body = raw[4:]
        if not body:
            return
        wide = len(body) > 2 and body[0] == 0
        size = 2 if wide else 1
        body = body[1:] if wide else body
        if len(body) > size:
            lc = int.from_bytes(body[:size], "big")
            self.data, body = body[size : size + lc], body[size + lc :]
            if not lc or len(self.data) != lc or len(body) not in (0, size):
                raise ValueError("Lc and the length disagree")
        if body:
            self.le = int.from_bytes(body, "big") or 256**size


class Type4Tag(IsoDepCard):
    """An NFC Forum Type 4 tag (mapping version 2.0) that holds one NDEF message.

    `mle` and `mlc` are the most that one READ BINARY gives and one UPDATE BINARY takes, and are enforced.
    `size` is the size of the NDEF file, its two length bytes included. `aid` lets a test stand in for an old tag.
    """

    name = "Type 4 tag"

    def __init__(
        self,
        message: bytes = b"",
        uid: bytes = bytes.fromhex("04c4c4c4c4c480"),
        *,
        mle: int = 255,
        mlc: int = 255,
        size: int = 4096,
        version: int = 0x20,
        aid: bytes = NDEF_AID,
        file_id: int = 0xE104,
        writable: bool = False,
        **part4,
    ):
        if len(message) + 2 > size:
            raise ValueError(f"{len(message)} bytes do not fit a file of {size}")
        self.mle, self.mlc, self.aid, self.writable, self.file_id = mle, mlc, aid, writable, file_id
        ndef = bytearray(len(message).to_bytes(2, "big") + message)
        ndef.extend(bytes(size - len(ndef)))
        container = bytearray(b"\x00\x0f" + bytes((version,)) + mle.to_bytes(2, "big") + mlc.to_bytes(2, "big"))
        container += b"\x04\x06" + file_id.to_bytes(2, "big") + size.to_bytes(2, "big")
        container += b"\x00\x00" if writable else b"\x00\xff"
        self.files = {CC_FILE: container, file_id: ndef}
        Type4Tag.deselected(self)
        super().__init__(uid, **part4)

    def deselected(self) -> None:
        self._application = False
        self._file: bytearray | None = None

    def apdu(self, command: bytes) -> bytes:
        try:
            apdu = Apdu(command)
        except ValueError:
            return BAD_LENGTH
        if apdu.cla:
            return NO_CLA
        if apdu.ins == 0xA4:
            return self._select(apdu)
        if apdu.ins not in (0xB0, 0xD6):
            return NO_INS
        if self._file is None:
            return NOT_ALLOWED
        offset = apdu.p1 << 8 | apdu.p2
        if offset >= len(self._file):
            return BAD_OFFSET
        return self._read(offset, apdu) if apdu.ins == 0xB0 else self._update(offset, apdu)

    def _select(self, apdu: Apdu) -> bytes:
        if apdu.p1 == 0x04:
            self._application = apdu.data == self.aid
            self._file = None
            return OK if self._application else NO_FILE
        if apdu.p1 or apdu.p2 not in (0x00, 0x0C):
            return BAD_P1P2
        file = self.files.get(int.from_bytes(apdu.data, "big")) if len(apdu.data) == 2 else None
        if file is None or not self._application:
            return NO_FILE
        self._file = file
        return OK

    def _read(self, offset: int, apdu: Apdu) -> bytes:
        assert self._file is not None
        if apdu.data or not apdu.le or (apdu.le > self.mle and apdu.le != 256):
            return BAD_LENGTH
        part = bytes(self._file[offset : offset + min(apdu.le, self.mle)])
        return part + (OK if apdu.le == 256 or len(part) == apdu.le else END_OF_FILE)

    def _update(self, offset: int, apdu: Apdu) -> bytes:
        assert self._file is not None
        if not self.writable or self._file is self.files[CC_FILE]:
            return NOT_ALLOWED
        if not apdu.data or len(apdu.data) > self.mlc:
            return BAD_LENGTH
        if offset + len(apdu.data) > len(self._file):
            return BAD_OFFSET
        self._file[offset : offset + len(apdu.data)] = apdu.data
        return OK


class PaymentCard(IsoDepCard):
    """A contactless payment card: it knows its payment directory and answers 6A82 to any other application."""

    name = "payment card"
    FCI = bytes.fromhex("6f23840e325041592e5359532e4444463031a511bf0c0e610c4f07a0000000031010870101")

    def __init__(self, uid: bytes = bytes.fromhex("08a0b0c0"), **part4):
        super().__init__(uid, **{"historical": b"\x80\x31\x80\x65", **part4})

    def apdu(self, command: bytes) -> bytes:
        try:
            apdu = Apdu(command)
        except ValueError:
            return BAD_LENGTH
        if apdu.ins == 0xA4 and apdu.p1 == 0x04 and apdu.data == b"2PAY.SYS.DDF01":
            return self.FCI + OK
        return NO_FILE if apdu.ins == 0xA4 else NO_INS
