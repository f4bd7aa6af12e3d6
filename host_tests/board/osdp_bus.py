"""Controllers on the RS-485 bus of a virtual board, for the tests of OSDP."""

from tools.virtual.osdp import Controller
from tools.virtual.world import Wire, World

KEY = bytes(range(100, 116))
ADDRESS = 5
BAUD = 9600


def make_osdp(bench, address=ADDRESS, key=KEY, baud=BAUD, **more):
    """While the board is off: it becomes an OSDP reader."""
    bench.configure(relay={"kind": "osdp", "address": address, "baud": baud, **more})
    bench.write("/keys/osdp.key", key)


class BusPanel(Controller):
    def __init__(self, world: World, wire: Wire, address: int = ADDRESS, key: bytes = KEY):
        super().__init__(world, wire, address, key)
