"""A station with its radio, and phones near it."""

from pathlib import Path

from host_tests.board.conftest import Bench
from tools.site.keys import load_key
from tools.virtual.ble_phone import BlePhone
from tools.virtual.phone import Wallet
from tools.virtual.radio import Air, Radio

HEAP = "120wK"  # 96 for everything else, and what Bluetooth may take


class Site:
    """A station with its radio. `plug`: a vehicle at its charging point."""

    def __init__(self, provisioned, image: Path, **members):
        self.bench = Bench(provisioned, image, heap=HEAP)
        self.air = Air(self.bench.world)
        self.radio = Radio(self.bench.board, self.air)
        members = {"encrypt": True, "ble": {"presence": "cable"}, **members}
        self.bench.configure(nfc={"poll_ms": 1000}, **members)  # what looks less often is simulated sooner
        self.driver = load_key(provisioned.site / "driver.jwk", private=True)
        self.public = {name: self.driver[name] for name in ("kty", "crv", "x")}
        self.provisioned = provisioned
        self.phones = 0

    def start(self):
        self.bench.start()
        self.plug(1)
        return self

    def plug(self, level: int):
        self.bench.board.drive(self.bench.pins["VEHICLE"], level)

    def ticket(self, **claims) -> bytes:
        return self.provisioned.ticket(driverPublicKey=self.public, **claims)

    def wallet(self, encrypt=True, code="", **claims) -> Wallet:
        return Wallet(self.ticket(**claims), self.driver, encrypt=encrypt, code=code)

    def phone(self, wallet: Wallet | None = None, mtu: int = 247) -> BlePhone:
        self.phones += 1
        address = "C0:00:00:00:{:02X}:{:02X}".format(*divmod(self.phones, 256))
        return BlePhone(self.air, wallet or self.wallet(), address, mtu)

    def present(self, wallet: Wallet | None = None, mtu: int = 247) -> str:
        return self.air.run(self.phone(wallet, mtu).present())

    def said(self, since: int = 0) -> str:
        return self.bench.board.console_log[since:]

    def end_session(self):
        """The vehicle, once it has been seen in this session, is unplugged, and comes again."""
        self.bench.world.run(0.5)
        self.plug(0)
        assert self.bench.world.run_until(lambda: not self.bench.relay_on, 10)
        self.plug(1)
        self.bench.world.run(1)

    def honest_phone_is_granted(self):
        assert self.present() == "GRANTED"
        assert self.bench.relay_on
        self.end_session()
