"""PN532 driver (UM0701-02): commands with acknowledge, resend, deadline and abort; one ISO 14443 type A card at a time.

One task at a time may use it. A task that is cancelled in the middle leaves it usable: the next command
first aborts the one left behind. Views that are returned stand until the next command.
"""

from micropython import const

import nfc.frames as frames
from nfc.errors import CardError, CardGone, ChipError

_GET_FIRMWARE_VERSION = const(0x02)
_SET_SERIAL_BAUD_RATE = const(0x10)
_SAM_CONFIGURATION = const(0x14)
_RF_CONFIGURATION = const(0x32)
_IN_DATA_EXCHANGE = const(0x40)
_IN_COMMUNICATE_THRU = const(0x42)
_IN_LIST_PASSIVE_TARGET = const(0x4A)
_IN_RELEASE = const(0x52)

_ACK_MS = const(15)  # UM0701-02 section 6.2.1.3: without ACK in 15 ms the host sends again
_SENDS = const(3)  # a frame lost twice in a row is no accident of the line any more
_NACKS = const(2)  # likewise for asking again for an answer with a wrong checksum
# Frames that are no answer to the command. A chip that gives them without end would else hold the loop for ever.
_STRANGERS = const(8)
_WRITE_MS = const(50)  # beyond the line time of a frame: a bus that takes nothing this long is stuck
_QUICK_MS = const(100)  # commands without RF: the chip answers in about 1 ms
_LIST_MS = const(400)  # two activations of two cards, field start and RATS: under 100 ms in all
_THRU_MS = const(150)  # the chip itself gives up after _THRU_TIMEOUT; the rest is line time
_EXCHANGE_MS = const(1000)  # phones ask for more time (S(WTX)) and then take some 100 ms; silence is noticed within 2 s
_RELEASE_MS = const(300)  # S(DESELECT) to a card that may be gone

_ABORT_MS = const(2)  # after a host ACK the chip needs a moment to drop its command
_WAKE_WRITE_MS = const(100)  # wake-up bytes are 26 ms on HSU
_WAKE_MS = const(3)  # the oscillator starts in at most 2 ms
_RESET_MS = const(2)  # RSTPDN low; the data sheet asks for far less
_BOOT_MS = const(10)  # after RSTPDN rises, until the chip listens
_FIELD_RESET_MS = const(6)  # ISO/IEC 14443-3: a card without field for 5.1 ms starts anew

# RFConfiguration items (section 7.3.1). Retries of FF would wait for ever and lock the chip up.
_RF_FIELD_OFF = b"\x01\x00"
_RF_TIMINGS = b"\x02\x00\x0b\x09"  # ATR_RES 102.4 ms; InCommunicateThru gives up after 25.6 ms (_THRU_TIMEOUT)
_RF_RETRIES = b"\x05\x01\x01\x01"  # ATR, PSL, passive activation: each once more, as cards come into the field slowly
_SAM_NORMAL = b"\x01\x14\x01"  # no SAM; time-out 20 × 50 ms (virtual card only); IRQ pin driven
_MAX_TARGETS = const(2)  # so that a second card is noticed
_LIST_106A = b"\x02\x00"  # _MAX_TARGETS at 106 kbit/s type A

MAX_EXCHANGE = const(262)  # data bytes of InDataExchange and InCommunicateThru, each way (section 7.3.8)

_MORE = const(0x40)  # status: more follows than the chip can hold, which is no answer to an APDU of ours
_GONE = (0x01, 0x0A, 0x27, 0x29, 0x2B)  # time-out, no field, retained target lost, released, disappeared
_CHIP_FAULT = (0x0D, 0x10, 0x26, 0x2D)  # overheated, invalid parameter, not allowed, overcurrent

_ISO_DEP = const(0x20)  # SEL_RES bit 6: ISO/IEC 14443-4


class Target:
    """One activated card: `number` (Tg), `sens_res`, `sel_res`, `uid`; `count` is how many cards were seen."""

    def __init__(self, count, number, sens_res, sel_res, uid):
        self.count = count
        self.number = number
        self.sens_res = sens_res
        self.sel_res = sel_res
        self.uid = uid
        self.iso_dep = bool(sel_res & _ISO_DEP)


def parse_targets(data):
    """Target of the first card of an InListPassiveTarget answer (106 kbit/s type A), None when there is none.

    data: NbTg, then for each: Tg SENS_RES[2] SEL_RES NFCIDLength NFCID [ATS]. Raises ChipError on anything else. The
    ATS is the card's own word, its length too: no use is made of it, and a card that lies there is no chip's fault.
    """
    if not data or data[0] > _MAX_TARGETS:
        raise ChipError("targets")
    if not data[0]:
        return None
    if len(data) < 6 or data[5] not in (4, 7, 10) or len(data) < 6 + data[5]:
        raise ChipError("target")
    return Target(data[0], data[1], data[2] << 8 | data[3], data[4], bytes(data[6 : 6 + data[5]]))


class Pn532:
    """`bus` as in hsu.py, `timing` as in timing.py; `reset(level)` drives RSTPDN where it is wired (0 resets).

    `rf_off`: no field between polls, which saves power and lets a card start anew each time.
    `counters` counts faults since the start, for the doctor; `firmware` is the chip's (IC, version, revision,
    support) or None. After a ChipError call `start()` again.
    """

    def __init__(self, bus, timing, reset=None, rf_off=True):
        self.timing = timing
        self.target = None
        self.firmware = None
        self.parser = frames.Parser()
        self.counters = {
            "starts": 0,
            "resends": 0,
            "nacks": 0,
            "silences": 0,
            "deadlines": 0,
            "syntax": 0,
            "unexpected": 0,
            "bus_errors": 0,
            "card_errors": 0,
            "cards_gone": 0,
        }
        self._bus = bus
        self._reset = reset
        # Only where a reset can bring the chip back to the speed that it starts with, whatever became of this one.
        self._fast = bus.fast if reset else None
        self._rf_off = rf_off
        self._used = True  # a card may have been activated in this field, or the field is on against `rf_off`
        self._busy = False
        self._strangers = 0  # since the command began
        self._frame = bytearray(frames.BUFFER)

    # -- the chip ------------------------------------------------------------------------------------

    async def start(self):
        """Reset (where wired), wake and configure the chip, field off. Raises ChipError when it does not answer."""
        self.counters["starts"] += 1
        self.target = self.firmware = None
        self._busy = False
        try:
            if self._reset:
                if self._bus.fast:
                    self._bus.hasten(False)
                self._reset(0)
                await self.timing.sleep(_RESET_MS)
                self._reset(1)
                await self.timing.sleep(_BOOT_MS)
            await self._bus.wake(self.timing.after(_WAKE_WRITE_MS))
            await self.timing.sleep(_WAKE_MS)
        except OSError:
            self.counters["bus_errors"] += 1
            raise ChipError("bus")
        await self._call(_SAM_CONFIGURATION, _SAM_NORMAL)  # leaves LowVbat, in which the chip does little else
        version = await self._call(_GET_FIRMWARE_VERSION)
        if len(version) != 4 or version[0] != 0x32:
            raise ChipError("not a PN532")
        firmware = tuple(version)
        if self._fast:
            await self._hasten(self._fast)
        await self._call(_RF_CONFIGURATION, _RF_RETRIES)
        await self._call(_RF_CONFIGURATION, _RF_TIMINGS)
        await self._field_off()
        self.firmware = firmware

    async def _hasten(self, speed):
        """Go on at the bus's higher speed; a bus that does not bear it is left at the other by the next start."""
        await self._call(_SET_SERIAL_BAUD_RATE, speed)
        try:
            await self._abort()  # here the host's ACK makes the chip change its speed
            self._bus.hasten(True)
        except OSError:
            self.counters["bus_errors"] += 1
            raise ChipError("bus")
        fast, self._fast = self._fast, None
        await self.check()
        self._fast = fast

    async def check(self):
        """Ask the chip for a sign of life. Raises ChipError."""
        await self._call(_GET_FIRMWARE_VERSION)

    async def _field_off(self):
        await self._call(_RF_CONFIGURATION, _RF_FIELD_OFF)
        self._used = False

    # -- the card ------------------------------------------------------------------------------------

    async def poll(self):
        """Look once for a type A card (about 20 ms); the Target or None. Raises ChipError.

        A card that was activated before starts anew. ISO-DEP cards have had their RATS.
        """
        if self._used:
            await self.release()
            await self.timing.sleep(_FIELD_RESET_MS)
        self._used = True
        self.target = parse_targets(await self._call(_IN_LIST_PASSIVE_TARGET, _LIST_106A, _LIST_MS))
        if not self.target:
            if self._rf_off:
                await self._field_off()
            self._used = False
        return self.target

    async def release(self):
        """Let go of the card and switch the field off. Raises ChipError."""
        if self.target:
            self.target = None
            try:
                await self._call(_IN_RELEASE, b"\x00", _RELEASE_MS)  # its status says only whether the card was there
            except ChipError as fault:
                await self._excuse(fault)  # a card may answer that with a request for more time
        await self._field_off()

    async def exchange(self, data):
        """One ISO-DEP APDU (or Type 2 command) through InDataExchange; the card's answer.

        Raises CardGone, CardError or ChipError; ValueError for more than 262 bytes or without a target.
        """
        if not self.target:
            raise ValueError("no target")
        return await self._rf(_IN_DATA_EXCHANGE, self.target.number, data, _EXCHANGE_MS)

    async def communicate_thru(self, data):
        """`data` to the card as it is (the chip adds and checks the CRC); the card's answer.

        Only for a card that has been exchanged with since `poll`: looking for a second card, the chip halts the
        first, and InDataExchange is what selects it again.
        Raises CardGone, CardError or ChipError; ValueError for more than 262 bytes.
        """
        return await self._rf(_IN_COMMUNICATE_THRU, None, data, _THRU_MS)

    async def present(self):
        """Whether the card that was exchanged with still answers; an ISO-DEP session stays as it was. Raises ChipError.

        ISO-DEP: R(NAK), which any state answers without effect (ISO/IEC 14443-4). Others: READ of page 0.
        """
        if not self.target:
            return False
        try:
            if self.target.iso_dep:
                await self.communicate_thru(b"\xb2")
            else:
                await self.exchange(b"\x30\x00")
        except CardGone:
            return False
        except CardError:
            pass  # garbled, but an answer
        return True

    async def _rf(self, code, number, data, deadline_ms):
        """Answer of a command whose answer starts with a status byte, without that."""
        try:
            answer = await self._call(code, data, deadline_ms, number)
        except ChipError as fault:
            await self._excuse(fault)
            raise self._card(CardGone("deadline"))
        if not len(answer):
            raise ChipError("no status")
        error = answer[0] & 0x3F
        if error in _CHIP_FAULT:
            raise ChipError("status")
        if error in _GONE:
            raise self._card(CardGone("status"))
        if error or answer[0] & _MORE:
            raise self._card(CardError("status"))
        return answer[1:]

    async def _excuse(self, fault):
        """Return if a card can be to blame: an answer was late, and the chip itself is well. Raises ChipError else."""
        if fault.detail != "deadline":
            raise fault
        await self.check()

    def _card(self, fault):
        if isinstance(fault, CardGone):
            self.counters["cards_gone"] += 1
            self.target = None  # nothing to say goodbye to
        else:
            self.counters["card_errors"] += 1
        return fault

    # -- one command ---------------------------------------------------------------------------------

    async def _call(self, code, data=b"", deadline_ms=_QUICK_MS, number=None):
        """Answer of one command, without its code; `number` is a parameter byte before `data`. Raises ChipError."""
        length = len(data)
        if length > MAX_EXCHANGE:
            raise ValueError("too long")
        buffer = self._frame
        buffer[frames.HEADER] = 0xD4
        buffer[frames.HEADER + 1] = code
        at = frames.HEADER + 2
        if number is not None:
            buffer[at] = number
            at += 1
        buffer[at : at + length] = data
        self._strangers = 0
        try:
            if self._busy:
                await self._abort()
            self._bus.drain()
            self._busy = True
            await self._send(frames.build(buffer, at + length - frames.HEADER))
            answer = await self._answer(code + 1, self.timing.after(deadline_ms))
        except OSError:
            self.counters["bus_errors"] += 1
            raise ChipError("bus")
        self._busy = False
        return answer

    async def _send(self, frame):
        """Send until the chip acknowledges."""
        line_ms = self._bus.line_ms(len(frame) + len(frames.ACK_FRAME))
        for attempt in range(_SENDS):
            if attempt:
                self.counters["resends"] += 1
            await self._bus.write(frame, self.timing.after(line_ms + _WRITE_MS))
            deadline = self.timing.after(line_ms + _ACK_MS)
            while True:
                self.parser.clear()
                if not await self._bus.receive(self.parser, deadline):
                    if self.parser.damaged and self.timing.left(deadline) > 0:
                        continue
                    break
                if self.parser.kind == frames.ACK:
                    return
                if self.parser.kind == frames.NACK:
                    break
                # An answer before the acknowledge belongs to an earlier command, whatever it says.
                self._stranger()
        self.counters["silences"] += 1
        raise ChipError("silent")

    async def _answer(self, code, deadline):
        nacks = 0
        while True:
            self.parser.clear()
            whole = await self._bus.receive(self.parser, deadline)
            if self.parser.damaged and not whole:
                if nacks == _NACKS:
                    raise ChipError("damaged")
                nacks += 1
                self.counters["nacks"] += 1
                await self._bus.write(frames.NACK_FRAME, self.timing.after(_WRITE_MS))
            elif not whole:
                self.counters["deadlines"] += 1
                await self._abort()
                raise ChipError("deadline")
            elif self.parser.kind == frames.ERROR:
                self.counters["syntax"] += 1
                self._busy = False
                raise ChipError("syntax")
            elif self.parser.kind == frames.DATA and self.parser.data()[0] == code:
                return self.parser.data()[1:]
            else:
                self._stranger()

    def _stranger(self):
        if self.parser.kind != frames.ACK:  # a second ACK follows a resend whose first ACK was only late
            self.counters["unexpected"] += 1
        self._strangers += 1
        if self._strangers > _STRANGERS:
            raise ChipError("strangers")

    async def _abort(self):
        """A host ACK ends the running command (section 6.2.1.3)."""
        await self._bus.write(frames.ACK_FRAME, self.timing.after(_WRITE_MS))
        await self.timing.sleep(_ABORT_MS)
        self._busy = False
