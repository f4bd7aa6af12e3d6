"""What must be true before a grant over Bluetooth: still when it is recorded, for one grant, and not by guessing."""

import asyncio

import pytest

from host_tests.host.test_station_decision import DRIVER_JWK, E1, E2, Bench, proof, ticket
from present.presentation import Presentation
from station.presence import Presence

CODE = "123456"
WRAP_MS = 1 << 30


class Clock:
    def __init__(self):
        self.now = 0

    def after(self, ms):
        return (self.now + ms) % WRAP_MS

    def left(self, deadline):
        return (deadline - self.now + WRAP_MS // 2) % WRAP_MS - WRAP_MS // 2

    async def sleep(self, ms):
        self.now = (self.now + ms) % WRAP_MS
        await asyncio.sleep(0)


class Site:
    """A decision with presence of a kind; `plugged` and `pressed` are the world."""

    def __init__(self, folder, kind, code=""):
        self.bench, self.clock = Bench(folder), Clock()
        self.plugged = self.pressed = True
        self.presence = Presence(
            kind, lambda evse_id: self.plugged, lambda: 1 - self.pressed, code, lambda: bytes(32), self.clock, print
        )
        self.bench.decision.presence, self.bench.decision.served = self.presence, self.presence.served

    async def pass_s(self, seconds):
        watch, end = asyncio.ensure_future(self.presence.run()), self.clock.now + seconds * 1000
        while self.clock.now < end:
            await asyncio.sleep(0)
        watch.cancel()

    def presentation(self, evse_id, number):
        shown = ticket(id=number, driverPublicKey=DRIVER_JWK)
        answer = proof(shown, evse_id=evse_id)
        return Presentation(shown, "ble", evse_id, answer, code=answer.code == self.presence.code or None)

    def at_once(self, *presentations, during=None):
        async def decide():
            tasks = [asyncio.ensure_future(self.bench.decision.decide(one)) for one in presentations]
            for _ in range(3):
                await asyncio.sleep(0)
            if during:
                during()
            return [(await task).reason for task in tasks]

        return asyncio.run(decide())


@pytest.mark.parametrize("kind", ["button", "code"])
def test_one_press_or_code_is_one_grant_for_two_phones_at_once(tmp_path, kind):
    site = Site(tmp_path / "ledger", kind)
    site.presence._code = ""  # as proof() proves
    asyncio.run(site.pass_s(1))
    both = [site.presentation(E1, "1"), site.presentation(E2, "2")]
    assert sorted(site.at_once(*both)) == ["GRANTED", "PRESENCE_REQUIRED"]
    assert len(site.bench.journal.entries) == 2


def test_a_cable_that_is_pulled_while_the_proof_is_checked_is_no_grant(tmp_path):
    site = Site(tmp_path / "ledger", "cable")

    def pull():
        site.plugged = False

    shown = site.presentation(E1, "1")
    assert site.at_once(shown, during=pull) == ["PRESENCE_REQUIRED"]
    site.plugged = True
    assert site.at_once(shown) == ["GRANTED"]  # it was not used up


def test_codes_are_guessed_five_times_a_minute_at_most_and_the_right_one_serves_again_later(tmp_path):
    site = Site(tmp_path / "ledger", "code", CODE)
    tries = 0
    for _ in range(600):  # a try a second for ten minutes
        if site.presence.code == CODE:
            site.presence.missed()
            tries += 1
        asyncio.run(site.pass_s(1))
    assert 40 <= tries <= 50
    asyncio.run(site.pass_s(61))
    assert site.presence.code == CODE
    site.clock.now += WRAP_MS // 2  # and stays so when the tick counter wraps
    assert site.presence.code == CODE
