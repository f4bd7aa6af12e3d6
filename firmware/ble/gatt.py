"""The peripheral: MicroPython's `bluetooth` on one side, a message in and a message out for each phone on the other.

What the radio reports comes at any time, so its handler only copies into a ring:

    kind[1] | connection[2, LE] | length[2, LE] | data: a frame or an MTU
"""

import gc

from micropython import const

from ble.frames import MAX_FRAME, SILENCE_MS, BadFrame, Inbox, Room, cut

MAX_PHONES = const(4)
_BASE = "-8bd3-431f-9ede-7dc389a5640a"
_SERVICE = bytes.fromhex("0a64a589c37dde9e1f43d38b01002bb0")  # as it is advertised, last byte first
_READ = const(0x02)
_WRITE = const(0x08)
_NOTIFY = const(0x10)

_CONNECT = const(1)
_DISCONNECT = const(2)
_WRITTEN = const(3)
_READ_REQUEST = const(4)
_MTU = const(21)

_RING = const(4096)
_HEAD = const(5)
_KEPT_FREE = const(96)  # for phones that come and go: to lose a frame costs one phone, to lose a connection its place
_ROOM = const(6000)
_LOOK_MS = const(10)
_IDLE_MS = const(40)
_CROWD_MS = const(5000)  # for an exchange while others wait for a place, or have found no room
_SEND_MS = const(4000)  # for a message
_ADVERTISE_US = const(100_000)
_LEAST_MTU = const(23)


class Gone(Exception):
    """The phone is not there any more, or has to go; the text says why."""


class Link:
    """One phone. `gone`: why it is not to be served any more, or ""."""

    def __init__(self, radio, handle):
        self._radio = radio
        self._since = radio.timing.after(0)
        self.handle = handle
        self.inbox = Inbox(radio.timing, radio.room)
        self.mtu = _LEAST_MTU
        self.gone = ""
        self.bad = None
        self.ready = False  # a message is whole
        self.asked = False  # has read `info`
        self._sent = 0

    async def receive(self):
        """The next message; None for one that is longer than a PRESENT can be. Raises BadFrame, Gone."""
        radio = self._radio
        self.inbox.heard()
        while not (self.ready or self.bad or self.gone):
            if self.inbox.late():
                raise Gone("slow")
            if (radio.full or len(radio.links) >= MAX_PHONES) and -radio.timing.left(self._since) > _CROWD_MS:
                raise Gone("others wait")
            await radio.timing.sleep(_LOOK_MS)
        if self.gone:
            raise Gone(self.gone)
        if self.bad:
            raise self.bad
        self.ready = radio.full = False
        return self.inbox.message()

    async def send(self, message):
        """Notifies a message, as fast as the radio takes it. Raises Gone."""
        timing = self._radio.timing
        deadline = timing.after(_SEND_MS)
        for frame in cut(message, self._sent, min(self.mtu - 3, MAX_FRAME)):
            self._sent += 1
            while True:
                if self.gone:
                    raise Gone(self.gone)
                try:
                    self._radio.ble.gatts_notify(self.handle, self._radio.outbox, frame)
                    break
                except OSError:  # its buffers are full
                    if timing.left(deadline) <= 0:
                        raise Gone("deaf")
                    await timing.sleep(_LOOK_MS)

    async def left(self):
        """Waits for the phone to disconnect, for as long as it may take. What it says counts for nothing."""
        timing = self._radio.timing
        self.inbox.clear()
        self.ready = True
        deadline = timing.after(SILENCE_MS)
        while not self.gone and timing.left(deadline) > 0:
            await timing.sleep(_LOOK_MS)

    def hear(self, frame):
        """A frame came in."""
        if self.bad:
            return
        try:
            if self.ready:
                raise BadFrame("not due")  # the last message has not been answered
            self.ready = self.inbox.take(frame)
        except BadFrame as bad:
            self.bad = bad
        except MemoryError:
            self._radio.full = True
            self.bad = Gone("no room")


class Peripheral:
    """Serves every phone that connects by `serve(link)`, a coroutine of its own.

    ble: a bluetooth.BLE; uuid: bluetooth.UUID; info: the value of that characteristic; name: what is advertised;
    timing: as nfc.timing.Timing; start: coroutine -> None, makes a task of it; report: text -> None.

    `lost`: frames for which the ring had no room.
    """

    def __init__(self, ble, uuid, info, name, timing, start, serve, report):
        self.ble = ble
        self.timing = timing
        self.room = Room(_ROOM)
        self.outbox = self._inbox = self._info = 0
        self._uuid = uuid
        self._value = info
        self._name = name.encode()[:29]
        self._start = start
        self._serve = serve
        self._report = report
        self._ring = bytearray(_RING)
        self._put = self._got = 0
        self._torn = False  # there was no memory to hear something
        self.links = {}  # by handle
        self._advertising = False
        self.full = False  # a phone has found no room since the last message
        self.lost = 0

    async def run(self):
        """Never returns; a radio that fails is started anew."""
        while True:
            try:
                self._begin()
                while self.ble.active():
                    self._drain()
                    self._advertise()
                    await self.timing.sleep(_LOOK_MS if self.links else _IDLE_MS)
                self._report("reset")
            except OSError as error:
                self._report("radio: " + str(error))
            except MemoryError:  # phones must not be able to reset the reader; the ring may have lost its place
                self._report("no memory")
                gc.collect()
            for link in self.links.values():
                link.gone = "radio"
            self.links = {}
            await self.timing.sleep(1000)

    def _begin(self):
        ble, uuid = self.ble, self._uuid
        ble.active(False)
        self._put = self._got = 0
        self._advertising = self._torn = False
        ble.active(True)
        ble.config(mtu=517, gap_name=self._name)
        ble.irq(self._irq)
        characteristics = (
            (uuid("b02b0002" + _BASE), _READ),
            (uuid("b02b0003" + _BASE), _WRITE),
            (uuid("b02b0004" + _BASE), _NOTIFY),
        )
        ((self._info, self._inbox, self.outbox),) = ble.gatts_register_services(
            ((uuid("b02b0001" + _BASE), characteristics),)
        )
        ble.gatts_set_buffer(self._info, len(self._value))
        ble.gatts_write(self._info, self._value)
        # The radio cuts what is longer than its buffer and says nothing: what fills this one was too long.
        ble.gatts_set_buffer(self._inbox, MAX_FRAME + 1)

    def _advertise(self):
        """A connection ends it; while there is no place for another one it stays off."""
        if self._advertising or len(self.links) >= MAX_PHONES:
            return
        self.ble.gap_advertise(
            _ADVERTISE_US,
            adv_data=b"\x02\x01\x06\x11\x07" + _SERVICE,
            resp_data=bytes((len(self._name) + 1, 9)) + self._name,
        )
        self._advertising = True

    # The ring: written by the handler alone up to _put, read by the task alone from _got.

    def _irq(self, event, data):
        told = b""
        try:
            if event == _WRITTEN:
                told = self.ble.gatts_read(data[1])
            elif event == _MTU:
                told = bytes((data[1] & 0xFF, data[1] >> 8))
            elif event not in (_CONNECT, _DISCONNECT, _READ_REQUEST):
                return
            self._keep(event, data[0], told, 0 if event <= _DISCONNECT else _KEPT_FREE)
        except MemoryError:  # what leaves a handler is the last that MicroPython lets it hear
            self._torn = True

    def _keep(self, kind, handle, data, spare):
        put, size = self._put, len(data)
        if (self._got - put - 1) % _RING < _HEAD + size + spare:
            self.lost += 1  # a frame's number will be missing then
            return
        for byte in (kind, handle & 0xFF, handle >> 8, size & 0xFF, size >> 8):
            self._ring[put] = byte
            put = (put + 1) % _RING
        first = min(size, _RING - put)
        self._ring[put : put + first] = data[:first]
        self._ring[0 : size - first] = data[first:]
        self._put = (put + size) % _RING

    def _taken(self, count):
        at = self._got
        data = self._ring[at : at + count]
        if len(data) < count:
            data += self._ring[: count - len(data)]
        self._got = (at + count) % _RING  # only now: the handler writes over what has been read, at any time
        return data

    def _drain(self):
        if self._torn:
            raise MemoryError
        while self._got != self._put:
            head = self._taken(_HEAD)
            kind, handle = head[0], head[1] | head[2] << 8
            data = self._taken(head[3] | head[4] << 8)
            link = self.links.get(handle)
            if kind == _CONNECT:
                self._advertising = False
                if link is not None:
                    link.gone = "left"  # and was not heard to
                link = self.links[handle] = Link(self, handle)
                self._start(self._served(link))
            elif link is None:
                continue
            elif kind == _DISCONNECT:
                link.gone = "left"
                del self.links[handle]
                self._advertising = False
            elif kind == _WRITTEN:
                link.hear(data)
            elif kind == _MTU:
                link.mtu = data[0] | data[1] << 8
                link.inbox.heard()
            elif not link.asked:
                link.asked = True
                link.inbox.heard()

    async def _served(self, link):
        try:
            await self._serve(link)
        except (BadFrame, Gone) as error:
            if not link.gone:
                self._report(str(error))
        except MemoryError:
            self._report("no memory")
            gc.collect()
        link.ready = True  # what it still writes is not due, and takes no room
        link.inbox.clear()
        while not link.gone:
            try:
                self.ble.gap_disconnect(link.handle)
            except OSError:
                pass  # it has gone by itself, and the radio will say so; or the radio is busy
            await self.timing.sleep(200)
