"""An OSDP reader at the end of a line in memory, and its scripted panel, for the tests of relay/osdp*."""

try:
    import cryptolib
except ImportError:
    cryptolib = None
from osdp_panel import Panel

from support import Skip
from ticket.verdict import is_taken

KEY = bytes(range(16, 32))


def need_aes():
    """For tests of the secure channel."""
    if cryptolib is None:
        raise Skip("no cryptolib on this interpreter")


def ticks_diff(end, start):
    return ((end - start + (1 << 29)) & ((1 << 30) - 1)) - (1 << 29)


class Uart:
    """The reader's port: what `put` was given comes in, `sent` is what went out."""

    def __init__(self):
        self.waiting = b""
        self.sent = b""

    def any(self):
        return len(self.waiting)

    def read(self, count):
        data, self.waiting = self.waiting[:count], self.waiting[count:]
        return data

    def write(self, data):
        self.sent += data

    def flush(self):
        pass


class Services:
    """What a station offers its controller."""

    reader_id = "reader-1"
    evse_ids = ["DE*ABC*E1*1", "DE*ABC*E1*2"]
    starts = 7
    vehicles = ()
    is_taken = staticmethod(is_taken)

    def __init__(self):
        self.done = []
        self.export = [b"\xaa" * 100, b"\xbb" * 16]
        self.outcome = "ACCEPTED"
        self.open = 0
        self.drawn = 0

    def random(self):
        self.drawn += 1
        return bytes((self.drawn & 0xFF,)) * 32

    def ticket_key(self, claims):
        return bytes(range(32))

    def set_time(self, now_s):
        self.done.append(("time", now_s))
        return now_s > 1_700_000_000, now_s

    def document_steps(self, token):
        self.done.append(("document", token))
        yield None
        yield self.outcome

    def journal_export(self, kept_from, refused_from, nonce):
        self.done.append(("journal", kept_from, refused_from, nonce))
        return iter(self.export)

    def journal_collected(self, up_to):
        return 0, min(up_to, 43) + 1, 44

    def status(self, dropped):
        return b"status" + bytes((dropped,))

    def tampered(self):
        return self.open


class Ports:
    """uart: the line; ticks begin just before their wrap."""

    def __init__(self):
        self.ticks = (1 << 30) - 5000
        self.uart = Uart()
        self.driver = []
        self.levels = []

    def ticks_ms(self):
        return self.ticks & ((1 << 30) - 1)

    def ticks_diff(self, end, start):
        return ticks_diff(end, start)

    def rs485(self, baud):
        return self.uart, self.driver.append

    def use_relays(self, count):
        self.levels = [0] * count
        return [lambda level, index=index: self._put(index, level) for index in range(count)]

    def _put(self, index, level):
        self.levels[index] = level


class Line(Panel):
    """A reader, and its panel."""

    def __init__(self, folder, address=5, key=KEY, panel_key=None, enable=False):
        need_aes()
        super().__init__(address, panel_key or key)
        from relay import osdp, osdp_setup

        path = folder + "/osdp.key"
        with open(path, "wb") as file:
            file.write(key)
        osdp_setup.KEY_FILE = path
        self.ports = Ports()
        self.services = Services()
        config = {"kind": "osdp", "address": address, "baud": 9600}
        self.relay = osdp.Osdp(
            self.services.evse_ids,
            480 * 60_000,
            self.ports,
            self.services,
            self.ports.use_relays(2) if enable else [],
            lambda relay: osdp_setup.link(config, self.ports, self.services, relay, path),
        )

    def put(self, data):
        """Bytes on the line; what the reader sends back."""
        self.ports.uart.waiting += data
        before = len(self.ports.uart.sent)
        while self.ports.uart.waiting:
            self.relay.link.serve()
        return self.ports.uart.sent[before:]

    def pass_ms(self, ms, renew=True):
        """Time goes by in a station that serves; what ended."""
        ended = []
        while ms > 0:
            step = min(ms, 100)
            self.ports.ticks += step
            ms -= step
            self.ports.uart.waiting and self.relay.link.serve()
            ended += self.relay.service()
        return ended
