"""Made once at a start: the line, key and packets of an OSDP reader. Nothing of this module is held afterwards."""

import hashlib

from relay.osdp_channel import DEFAULT_KEY, KEY_BYTES, Channel, same
from relay.osdp_frames import Parser
from relay.osdp_link import Link
from relay.osdp_pd import Pd, uid

KEY_FILE = "/keys/osdp.key"
_BAUDS = (9600, 19200, 38400, 57600, 115200, 230400)


def read_key(path):
    """The device's base key. ValueError: none, or one that everybody knows."""
    try:
        with open(path, "rb") as file:
            key = file.read(KEY_BYTES + 1)
    except OSError:
        raise ValueError("no " + path)
    if len(key) != KEY_BYTES or same(key, DEFAULT_KEY) or key == bytes(KEY_BYTES):
        raise ValueError(path + " is no proper key")
    return key


def link(config, ports, services, relay, key_file=KEY_FILE):
    """The Link of a relay. ValueError as in `osdp.make`."""
    address, baud = config.get("address"), config.get("baud", 9600)
    if type(address) is not int or not 0 <= address <= 126 or baud not in _BAUDS:
        raise ValueError("relay.address or relay.baud is missing or wrong")
    key = read_key(key_file)
    line = ports.rs485(baud)
    if line is None:
        raise ValueError("this board has no pins for RS-485")
    serial = hashlib.sha256(services.reader_id.encode()).digest()[:4]
    channel = Channel(key, uid(serial), services.random)
    made = Link(line[0], line[1], baud, Parser(address), channel, relay, services, ports.ticks_ms, ports.ticks_diff)
    made.use(Pd(address, baud, serial, channel, made))
    return made
