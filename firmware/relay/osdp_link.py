"""The line of an OSDP reader: bytes in, packets out, whenever the panel asks, and what is made of their contents."""

import asyncio
import gc

from micropython import const

from relay.osdp_messages import BAD, Export, File, Outbox, Rejected, read, text

_REJECTED = const(0x0F)
_DOCUMENT = const(0x0A)
_DOCUMENT_TYPE = const(0x80)
_DOCUMENT_MAX = const(16384)
_GAP_MS = const(120)  # more than two erases of the flash, less than a panel waits before it asks again
_SILENT_MS = const(8000)
_WAIT_MS = const(100)
_EMPTY = bytearray(0)


class Link:
    """uart: `machine.UART`; enable: callable(level), the transceiver's driver; parser, channel: of this folder;
    relay: relay.osdp.Osdp; services: station.controller.Controller. It is the `device` of its pd."""

    def __init__(self, uart, enable, baud, parser, channel, relay, services, ticks_ms, ticks_diff):
        self._uart = uart
        self._enable = enable
        self._byte_us = 10_000_000 // baud
        self._parser = parser
        self._channel = channel
        self._relay = relay
        self._services = services
        self._ticks_ms = ticks_ms
        self._ticks_diff = ticks_diff
        self._read = self._told = ticks_ms()  # last bytes; last good packet of the channel
        self._export = None
        self._file = File(_DOCUMENT_TYPE, _DOCUMENT_MAX)
        self._judging = None  # the steps of a document's check
        self._driving = 0  # ms until the reply has left, 0: the line is released
        self.outbox = Outbox()

    def use(self, pd):
        """Has that peripheral device answer from now on."""
        self._pd = pd

    def heard(self):
        """Whether a good packet of the channel has come within the last 8 s."""
        return self._ticks_diff(self._ticks_ms(), self._told) < _SILENT_MS

    def forget(self):
        """What was to be sent in a channel that is no more, and what has come of a document."""
        self.outbox.clear()
        self._export = None
        self._file.held = bytearray(0)
        if not self.heard():
            self._channel.close()

    def export(self, number, parts):
        """Begins to send a journal."""
        self._export = Export(number, iter(parts))

    async def run(self):
        """Serves for ever."""
        reader = asyncio.StreamReader(self._uart)
        while True:
            try:
                await asyncio.wait_for_ms(reader.readinto(_EMPTY), 1 if self._judging else _WAIT_MS)
            except asyncio.TimeoutError:
                pass
            self.serve()
            if self._driving:
                await asyncio.sleep_ms(self._driving)
                self._release()
            self._judge()

    def serve(self):
        """Answers what has come; may be called wherever the loop is held for long."""
        if self._driving:
            self._release()
        try:
            if self._uart.any():
                self._take()
        except MemoryError:  # a card fills the heap, and something of a message may be lost: all begins anew
            gc.collect()
            self._channel.close()

    def _take(self):
        data = self._uart.read(self._uart.any())
        now = self._ticks_ms()
        packets = self._parser.quiet() if self._ticks_diff(now, self._read) > _GAP_MS else []
        self._read = now
        packets += self._parser.feed(data)
        if packets:  # one waits for its answer; those before it were given up
            for packet in packets[:-1]:
                self._answer(packet)
            self._write(self._answer(packets[-1]))

    def _answer(self, packet):
        reply, good = self._pd.answer(packet)
        if good:
            self._told = self._ticks_ms()
        return reply

    def _write(self, reply):
        self._enable(1)
        self._uart.write(reply)
        self._driving = len(reply) * self._byte_us // 1000 + 1

    def _release(self):
        self._uart.flush()
        self._enable(0)
        self._driving = 0

    def _judge(self):
        """A step of the check of a document that has come whole."""
        if self._judging is None:
            if self._file.whole is None:
                return
            self._judging = self._services.document_steps(self._file.whole)
        try:
            outcome = next(self._judging, "INTERNAL_FAULT")
        except MemoryError:
            outcome = "TOO_LARGE"
        if outcome is not None:
            self._judging = self._file.whole = None
            result = bytes((0 if self._services.is_taken(outcome) else 1,))
            self.outbox.add(_DOCUMENT, result + text(outcome))

    # What the peripheral device asks

    def opened(self):
        self._told = self._ticks_ms()
        self._relay.opened()

    def reply(self):
        data = self.outbox.next()
        if data is None and self._export is not None:
            try:
                data = self._export.next()
                over = self._export.over
            except OSError:
                over = True
            if over:
                self._export = None
        return data

    def message(self, data):
        if len(data) < 6:
            data = data + bytes(6)
            self.outbox.add(_REJECTED, bytes((data[0], BAD)), data[1])
            return
        try:
            self._relay.message(data[0], data[1], read(data))
        except Rejected as why:
            self.outbox.add(_REJECTED, bytes((data[0], why.args[0])), data[1])

    def file(self, data):
        status = self._file.take(data) & 0xFFFF
        return bytes((1, 0, 0, status & 0xFF, status >> 8, 0, 0))

    def inputs(self):
        return bytes([int(self._relay.vehicle(evse) is True) for evse in self._services.evse_ids])

    def outputs(self):
        return bytes([int(self._relay.busy(evse)) for evse in self._services.evse_ids])

    def tampered(self):
        return self._services.tampered()
