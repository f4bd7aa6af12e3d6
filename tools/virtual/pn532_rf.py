"""The contactless side of a PN532 as initiator at 106 kbit/s type A: activation, MIFARE and part 4 exchanges.

Everything that takes time is a generator: it yields microseconds to wait, or `FOREVER`, which ends when a card
is put or taken. Where UM0701-02 leaves the chip's ways open, the less comfortable one is modelled: requests are
REQA, so a card that was let go while the field stayed on, or that is in a part 4 session, is not found again.
"""

from collections.abc import Generator
from typing import Any

from .cards import MifareClassic
from .rf import Field, Frame, crc_a, frame_us
from .world import World

FOREVER = -1  # until a card is put or taken
BUFFER = 262  # bytes of data per InDataExchange and InCommunicateThru
OK, TIMEOUT, CRC, WRONG_FORMAT, NOT_AUTHENTICATED, BAD_CONTEXT = 0x00, 0x01, 0x02, 0x13, 0x14, 0x27
MORE = 0x40
PER_FRAME_US, FIELD_ON_US, REQUEST_GAP_US, ATTEMPT_US = 150, 5_000, 1_000, 5_000
TX_MODE, RX_MODE, TX_CONTROL, FIFO_DATA, BIT_FRAMING = 0x6302, 0x6303, 0x6304, 0x6339, 0x633D
MIFARE_COMMANDS = (0x30, 0xA0, 0xA2, 0xB0, 0xC0, 0xC1, 0xC2)

Steps = Generator[int, None, Any]


class Target:
    """A card that the chip has activated, and the state of its ISO/IEC 14443-4 session if it has one."""

    def __init__(self, number: int, atqa: bytes, sak: int, uid: bytes):
        self.number, self.atqa, self.sak, self.uid = number, atqa, sak, uid
        self.ats = b""
        self.selected = True
        self.start_session()

    @property
    def part4(self) -> bool:
        return bool(self.ats)

    def start_session(self) -> None:
        self.block = 0
        self.received = bytearray()
        self.chaining = False

    def timing(self) -> tuple[int, int]:
        """(bytes per frame that the card takes, µs it may think), from its ATS."""
        body = list(self.ats[2:])
        fsc = (16, 24, 32, 40, 48, 64, 96, 128, 256)[min(self.ats[1] & 15, 8)] if len(self.ats) > 1 else 32
        if len(self.ats) > 1 and self.ats[1] & 0x10:
            body.pop(0)
        fwi = body[0] >> 4 if len(self.ats) > 1 and self.ats[1] & 0x20 else 4
        return fsc, (4096 * 1_000_000 // 13_560_000 << min(fwi, 14)) + 5_000

    def data(self) -> bytes:
        ats = self.ats if self.ats else b""
        return bytes((self.number, self.atqa[1], self.atqa[0], self.sak, len(self.uid))) + self.uid + ats


class Contactless:
    """The contactless interface and the targets it holds."""

    def __init__(self, world: World):
        self.world = world
        self.field = Field(world)
        self.forget()

    def forget(self) -> None:
        """The state of a chip that was just reset."""
        self.field.switch(False)
        self.targets: list[Target] = []
        self.com_retries = 0
        self.timeout_us = 51_200
        self.parameters = 0x14  # fAutomaticATR_RES, fAutomaticRATS
        self.registers: dict[int, int] = {TX_MODE: 0x80, RX_MODE: 0x80}

    def rf_fault(self, where: str, data: bytes) -> tuple[bytes | None, int]:
        """The fault port for frames on the air: (what arrives or None, microseconds later)."""
        return data, 0

    # --- frames on the air ---

    def rf(self, data: bytes, timeout_us: int, bits: int | None = None, crc: bool = True) -> Steps:
        """Sends a frame and returns (status, data, bits, crc present)."""
        frame = Frame(bytes(data), 8 * len(data) if bits is None else bits, crc)
        _, reply = yield from self._exchange(frame, timeout_us)
        return reply

    def _exchange(self, frame: Frame, timeout_us: int) -> Steps:
        """(all replies, what the receiver makes of them)."""
        field = self.field
        yield PER_FRAME_US
        start_us = self.world.now_us
        yield frame_us(frame.bits + (16 if frame.crc else 0))
        field.note(start_us, self.world.now_us, "reader", frame.data)
        sent, late_us = self.rf_fault("to card", frame.data)
        heard = []
        if sent:
            broken = Frame(sent, min(frame.bits, 8 * len(sent)), False)
            heard = field.hear(frame if sent == frame.data else broken)
        if not heard:
            return (yield from self._silence(timeout_us))
        card, reply = heard[0]
        got, later_us = self.rf_fault("from card", reply.data)
        delay_us = reply.delay_us + late_us + later_us
        if got is None or (timeout_us and delay_us > timeout_us):
            return (yield from self._silence(timeout_us))
        yield delay_us
        start_us = self.world.now_us
        yield frame_us(reply.bits + (16 if reply.crc else 0))
        if card not in field.cards or not field.on:  # taken, or the carrier switched off, while it was answering
            return (yield from self._silence(timeout_us and max(1, timeout_us - delay_us)))
        field.note(start_us, self.world.now_us, card.name, reply.data)
        if got != reply.data:
            return [], (CRC, got, reply.bits, reply.crc)
        collided = len({answer.data for _, answer in heard}) > 1
        return [answer for _, answer in heard], (CRC if collided else OK, got, reply.bits, reply.crc)

    def _silence(self, timeout_us: int) -> Steps:
        """Waits in vain; a time-out of 0 is none at all, and only the host's abort ends it."""
        yield timeout_us or FOREVER
        while not timeout_us:
            yield FOREVER
        return [], (TIMEOUT, b"", 0, False)

    def _field_on(self) -> Steps:
        if not self.field.on:
            self.field.switch(True)
            yield FIELD_ON_US

    def _request(self, code: int) -> Steps:
        """REQA or WUPA: the answer, or None. Cards that answer together are heard as one."""
        self.registers[TX_MODE] = self.registers[RX_MODE] = 0x80
        self.registers[FIFO_DATA] = code
        replies, _ = yield from self._exchange(Frame(bytes((code,)), 7, False), REQUEST_GAP_US)
        if replies:
            self.registers[FIFO_DATA] = 0
        return replies[0].data if replies else None

    def _select(self, wanted: bytes = b"") -> Steps:
        """The anticollision loop: (sak, uid) of one card in READY, or of the wanted one; None when it fails."""
        uid = b""
        for code in (0x93, 0x95, 0x97):
            part = wanted[:4] if wanted else (yield from self._resolve(code))
            if not part:
                return None
            full = part[:4] + bytes((part[0] ^ part[1] ^ part[2] ^ part[3],))
            status, answer, _, _ = yield from self.rf(bytes((code, 0x70)) + full, REQUEST_GAP_US)
            if status or len(answer) != 1:
                return None
            wanted = wanted[4:]
            uid += full[1:4] if answer[0] & 4 else full[:4]
            if not answer[0] & 4:
                return answer[0], uid
        return None

    def _resolve(self, code: int) -> Steps:
        """One cascade level: bit by bit where cards collide, towards the 1."""
        known, bits = 0, 0
        while True:
            nvb = (bits // 8 + 2) << 4 | bits % 8
            data = bytes((code, nvb)) + known.to_bytes(5, "little")[: (bits + 7) // 8]
            replies, _ = yield from self._exchange(Frame(data, 16 + bits, False), REQUEST_GAP_US)
            values = [int.from_bytes(reply.data, "little") for reply in replies]
            if not values:
                return None
            differing = 0
            for value in values:
                differing |= value ^ values[0]
            if not differing:
                return values[0].to_bytes(5, "little")
            lowest = (differing & -differing).bit_length()  # the first bit that collides, counted from 1
            known = (values[0] & ((1 << lowest) - 1)) | 1 << (lowest - 1)
            bits = lowest

    # --- targets ---

    def _activate(self, number: int, wanted: bytes = b"", request: int = 0x26) -> Steps:
        """One card from request to ready for data: a Target, or None."""
        atqa = yield from self._request(request)
        if atqa is None:
            return None
        found = yield from self._select(wanted)
        if found is None:
            return None
        target = Target(number, atqa, *found)
        if target.sak & 0x20 and self.parameters & 0x10:
            status, ats, _, _ = yield from self.rf(b"\xe0\x50", 5_000)
            if status or not ats:
                return None
            target.ats = ats
        return target

    def _find(self, number: int) -> Target | None:
        return next((target for target in self.targets if target.number == number), None)

    def _let_go(self, target: Target) -> Steps:
        """DESELECT or HLTA. Either leaves the card in HALT, where REQA does not reach it while the field is on."""
        status = OK
        if target.selected:
            target.selected = False
            if target.part4:
                status, _, _, _ = yield from self.rf(b"\xc2", target.timing()[1])
                target.start_session()
            else:
                yield from self.rf(b"\x50\x00", REQUEST_GAP_US)  # silence is the good answer
        return status

    def _take_up(self, target: Target) -> Steps:
        """Selects a target that is not; lets go of the one that is."""
        if target.selected:
            return OK
        for other in self.targets:
            yield from self._let_go(other)
        cascade = target.uid if len(target.uid) == 4 else b"\x88" + target.uid[:3] + target.uid[3:]
        if len(target.uid) == 10:
            cascade = b"\x88" + target.uid[:3] + b"\x88" + target.uid[3:]
        again = yield from self._activate(target.number, cascade, 0x52)
        if again is None:
            return TIMEOUT
        target.ats, target.selected = again.ats, True
        target.start_session()
        return OK

    def list_passive(self, most: int, brty: int, wanted: bytes, attempts: int) -> Steps:
        """Activates up to `most` cards; those activated before are forgotten, though they themselves know nothing."""
        self.targets = []
        yield from self._field_on()
        tried = 0
        while brty == 0 and len(self.targets) < most:
            if self.targets:
                yield from self._let_go(self.targets[-1])
            target = yield from self._activate(len(self.targets) + 1, wanted)
            if target is not None:
                self.targets.append(target)
                tried = attempts - 1  # a further card gets one try
                continue
            tried += 1
            if self.targets or tried >= attempts:
                break
            yield ATTEMPT_US if self.field.cards else (FOREVER if attempts > 0xFF else ATTEMPT_US)
        if brty and attempts > 0xFF:
            while True:
                yield FOREVER
        if brty:
            yield attempts * ATTEMPT_US
        return [target.data() for target in self.targets]

    # --- ISO/IEC 14443-4 ---

    def _block(self, target: Target, block: bytes) -> Steps:
        """Sends one block until its answer is there: honours S(WTX), repeats as MxRtyCOM says. (status, block)."""
        wait_us = fwt_us = target.timing()[1]
        tries = 0
        sending = block
        while True:
            status, got, _, _ = yield from self.rf(sending, wait_us)
            wait_us = fwt_us
            if status or not got:
                tries += 1
                if self.com_retries != 0xFF and tries > self.com_retries:
                    return status or WRONG_FORMAT, b""
                sending = bytes(((0xA2 if block[0] & 0xE0 == 0xA0 else 0xB2) | target.block,))
            elif got[0] == 0xF2 and len(got) == 2:
                wait_us = fwt_us * max(1, got[1] & 0x3F)
                sending = bytes((0xF2, got[1] & 0x3F))
            elif got[0] & 0xF6 == 0xA2 and got[0] & 1 != target.block and block[0] & 0xE0 == 0:
                sending = block  # the card did not get the block: once more
                tries += 1
                if self.com_retries != 0xFF and tries > self.com_retries + 1:
                    return WRONG_FORMAT, b""
            elif got[0] & 1 != target.block:
                return WRONG_FORMAT, b""
            else:
                return OK, got

    def part4_exchange(self, target: Target, data: bytes, more: bool) -> Steps:
        """One APDU, or the piece of it that the host gave: (status byte, response data)."""
        room = target.timing()[0] - 3
        got = b""
        if data or not (target.chaining or target.received):
            pieces = [data[at : at + room] for at in range(0, len(data), room)] or [b""]
            target.received = bytearray()
            for index, piece in enumerate(pieces):
                chained = more or index < len(pieces) - 1
                block = bytes((0x02 | (0x10 if chained else 0) | target.block,)) + piece
                status, got = yield from self._block(target, block)
                if status:
                    return status, b""
                if chained:
                    if got[0] & 0xF6 != 0xA2:
                        return WRONG_FORMAT, b""
                    target.block ^= 1
            if more:
                return OK, b""
        while len(target.received) < BUFFER:
            if not got:
                if not target.chaining:
                    break
                status, got = yield from self._block(target, bytes((0xA2 | target.block,)))
                if status:
                    return status, b""
            if got[0] & 0xE2 != 0x02:
                return WRONG_FORMAT, b""
            target.block ^= 1
            target.chaining = bool(got[0] & 0x10)
            target.received += got[1:]
            got = b""
        part, target.received = bytes(target.received[:BUFFER]), target.received[BUFFER:]
        return (MORE if target.chaining or target.received else OK), part

    def mifare_exchange(self, target: Target, data: bytes) -> Steps:
        """A MIFARE or Type 2 command: (status, response data)."""
        if data[:1] in (b"\x60", b"\x61") and len(data) >= 12:
            return (yield from self._authenticate(data)), b""
        if not data or data[0] not in MIFARE_COMMANDS:
            return BAD_CONTEXT, b""
        two_steps = data[0] == 0xA0 and len(data) == 18
        status = TIMEOUT
        got, bits = b"", 0
        for _ in range(1 + self.com_retries if self.com_retries != 0xFF else 1 << 30):
            status, got, bits, _ = yield from self.rf(data[:2] if two_steps else data, self.timeout_us)
            if not status:
                break
        if not status and two_steps and bits == 4 and got[0] == 0xA:
            status, got, bits, _ = yield from self.rf(data[2:], self.timeout_us)
        if status:
            return status, b""
        if bits == 4:
            return (OK if got[0] == 0xA else WRONG_FORMAT), b""
        return OK, got

    def _authenticate(self, data: bytes) -> Steps:
        yield 3 * (frame_us(64) + PER_FRAME_US)
        for card in self.field.cards if self.field.on else ():
            if isinstance(card, MifareClassic) and card.uid[-4:] == data[8:12]:
                return OK if card.authenticate(data[1], data[2:8]) else NOT_AUTHENTICATED
        return TIMEOUT

    def thru(self, data: bytes) -> Steps:
        """A frame as the host gave it, with the CRCs that the registers ask for: (status, data)."""
        last = self.registers.get(BIT_FRAMING, 0) & 7
        crc = bool(self.registers[TX_MODE] & 0x80)
        bits = 8 * len(data) - (8 - last if last else 0)
        if not crc and not last and len(data) > 2 and crc_a(data[:-2]) == data[-2:]:
            data, bits, crc = data[:-2], bits - 16, True
        if not data:
            yield from self._silence(self.timeout_us)
            return TIMEOUT, b""
        status, got, got_bits, got_crc = yield from self.rf(data, self.timeout_us, bits, crc)
        if status in (OK, CRC) and not self.registers[RX_MODE] & 0x80:
            return OK, (got + crc_a(got) if got_crc and status == OK else got)[:BUFFER]
        if status:
            return status, b""
        return (OK, got[:BUFFER]) if got_crc and got_bits >= 8 else (CRC, b"")
