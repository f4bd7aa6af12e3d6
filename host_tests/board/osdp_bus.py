"""Controllers on the RS-485 bus of a virtual board, for the tests of OSDP."""

import json

from tools.virtual.image import mounted
from tools.virtual.osdp import Controller
from tools.virtual.world import Wire, World

KEY = bytes(range(100, 116))
ADDRESS = 5
BAUD = 9600


def make_osdp(bench, address=ADDRESS, key=KEY, baud=BAUD, **more):
    """While the board is off: it becomes an OSDP reader."""
    with mounted(bench.image) as fs:
        with fs.open("/site.json", "rb") as file:
            config = json.loads(file.read())
        config["relay"] = {"kind": "osdp", "address": address, "baud": baud, **more}
        with fs.open("/site.json", "wb") as file:
            file.write(json.dumps(config).encode())
    bench.write("/keys/osdp.key", key)


class BusPanel(Controller):
    def __init__(self, world: World, wire: Wire, address: int = ADDRESS, key: bytes = KEY):
        super().__init__(world, wire, address, key)
