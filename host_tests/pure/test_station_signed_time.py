"""Times that a root has signed: what they may do, and what somebody gains who keeps one."""

import json

import time_text
from test_station_clock import DAY_MS, HOUR_MS, NOON_MS, NOON_S, clock
from ticket_support import changed, compact

from station import clock as clocks
from station import signed_time
from station.signed_time import TimeTaker
from ticket import b64url
from ticket.envelope import Envelope
from trust import signed
from trust import time as trust_time

ROOTS = {"root-a": b"a" * 32, "root-b": b"b" * 32}
HEADER = {"alg": "Ed25519", "kid": "root-a", "typ": "charging-time+jws"}


def fake_verify_steps(key, message, signature):
    yield None
    yield signature == key * 2 and bytes(message).count(b".") == 1


def token(payload, **header):
    header = changed(HEADER, **header)
    return compact(json.dumps(header).encode(), json.dumps(payload).encode(), ROOTS.get(header["kid"], b"z" * 32) * 2)


class Trust:
    def __init__(self):
        self.live_roots = ROOTS


class Bench:
    """A reader whose nonces are 32 times a rising byte; `kept` is what the battery would tell at the next start."""

    def __init__(self, floor_s=0):
        self.clock, self.ticks = clock(floor_s)
        self.clock.horizon_s = NOON_S + 400 * 86_400
        self.trust, self.count, self.kept = Trust(), 0, "untouched"
        self.taker = TimeTaker(
            "reader-1", self.trust, self.clock, self._random, self._keep, self.ticks, self.clock._ticks_diff,
            read_steps=read_steps,
        )  # fmt: skip

    def _random(self):
        self.count += 1
        return bytes((self.count,)) * 32

    def _keep(self, time_ms):
        self.kept = time_ms

    def take(self, time_ms=NOON_MS, header=None, **members):
        if "nonce" in members:
            members["nonce"] = b64url.encode(members["nonce"]).decode()
        made = token(changed({"time": time_text.text(time_ms)}, **members), **(header or {}))
        return self.taker.take(made)

    def set_by_nonce(self, time_ms=NOON_MS, **members):
        return self.take(time_ms, nonce=self.taker.challenge(), **members)

    def after_a_pulled_battery(self):
        """The same reader after a power cut that took every clock: only the floor is left."""
        later = Bench(self.clock._floor.seconds)
        later.clock._floor.number = self.clock._floor.number
        later.count = 100  # the boot number makes its nonces others
        return later


def read_steps(made, roots):
    return trust_time.read_steps(made, roots, fake_verify_steps)


def test_a_time_over_the_reader_s_nonce_sets_the_clock_and_is_kept():
    bench = Bench()
    assert bench.set_by_nonce() == signed_time.SET
    assert bench.clock.now() == (NOON_MS, clocks.SET) and bench.kept == NOON_MS


def test_a_nonce_serves_once_and_a_new_one_voids_the_last():
    bench = Bench()
    nonce = bench.taker.challenge()
    assert bench.take(nonce=nonce) == signed_time.SET
    assert bench.take(nonce=nonce) == signed_time.STALE_NONCE
    nonce = bench.taker.challenge()
    bench.taker.challenge()
    assert bench.take(nonce=nonce) == signed_time.STALE_NONCE


def test_a_wrong_guess_spends_the_nonce():
    bench = Bench()
    nonce = bench.taker.challenge()
    assert bench.take(nonce=bytes(32)) == signed_time.STALE_NONCE
    assert bench.take(nonce=nonce) == signed_time.STALE_NONCE
    assert bench.clock.state == clocks.UNKNOWN and bench.kept == "untouched"


def test_a_nonce_ends_after_ten_minutes():
    for wait_ms, word in ((600_000, signed_time.SET), (600_001, signed_time.STALE_NONCE)):
        bench = Bench()
        nonce = bench.taker.challenge()
        bench.ticks.ticks += wait_ms
        assert bench.take(nonce=nonce) == word
    bench = Bench()
    nonce = bench.taker.challenge()
    bench.ticks.ticks += 7 * DAY_MS  # past half a wrap: the difference is negative
    assert bench.take(nonce=nonce) == signed_time.STALE_NONCE


def test_who_delays_a_signed_time_makes_no_ended_ticket_good():
    bench = Bench()
    nonce = bench.taker.challenge()
    bench.ticks.ticks += 300_000  # it may have been signed right after the nonce was made
    assert bench.take(nonce=nonce) == signed_time.SET
    assert bench.clock.now() == (NOON_MS + 300_000, clocks.SET)


def test_a_time_without_a_nonce_only_raises_the_floor():
    bench = Bench()
    assert bench.take() == signed_time.FLOOR
    assert bench.clock.now() == (NOON_MS, clocks.FLOOR) and bench.kept == "untouched"
    assert bench.clock._floor.seconds == NOON_S and bench.clock._floor.durable == 1


def test_an_old_signed_time_is_worth_nothing_after_a_pulled_battery():
    bench = Bench()
    nonce = bench.taker.challenge()
    old_one = {"time_ms": NOON_MS - DAY_MS, "nonce": nonce}
    bench.set_by_nonce()
    bench.ticks.ticks += HOUR_MS
    bench.clock.keep_floor()
    later = bench.after_a_pulled_battery()
    assert later.clock.state == clocks.FLOOR
    assert later.take(**old_one) == signed_time.STALE_NONCE
    assert later.take(NOON_MS - DAY_MS) == signed_time.FLOOR
    assert later.clock.now() == (NOON_MS + HOUR_MS, clocks.FLOOR)


def test_a_time_beyond_the_horizon_does_not_raise_the_floor():
    bench = Bench(NOON_S)
    assert bench.take((bench.clock.horizon_s + 1) * 1000) == signed_time.OUT_OF_BOUNDS
    assert bench.clock.now() == (NOON_MS, clocks.FLOOR) and bench.clock._floor.seconds == NOON_S


def test_a_time_before_the_floor_sets_nothing():
    bench = Bench(NOON_S)
    assert bench.set_by_nonce(NOON_MS - DAY_MS) == signed_time.OUT_OF_BOUNDS
    assert bench.clock.state == clocks.FLOOR and bench.kept == "untouched"


def test_a_reset_lowers_the_floor_of_the_reader_that_it_names_and_forgets_the_kept_time():
    bench = Bench(NOON_S + 300 * 86_400)
    assert bench.take(reset=1, reader="reader-2") == signed_time.WRONG_READER
    assert bench.clock._floor.seconds == NOON_S + 300 * 86_400 and bench.kept == "untouched"
    assert bench.take(reset=1, reader="reader-1") == signed_time.RESET
    assert bench.clock.now() == (NOON_MS, clocks.FLOOR) and bench.kept is None
    assert bench.set_by_nonce() == signed_time.SET


def test_a_reset_over_the_nonce_sets_the_clock_too():
    bench = Bench(NOON_S + 300 * 86_400)
    assert bench.set_by_nonce(reset=7, reader="reader-1") == signed_time.SET
    assert bench.clock.now() == (NOON_MS, clocks.SET) and bench.kept == NOON_MS


def test_a_reset_over_a_stale_nonce_resets_nothing():
    bench = Bench(NOON_S + 300 * 86_400)
    assert bench.take(reset=7, reader="reader-1", nonce=bytes(32)) == signed_time.STALE_NONCE
    assert bench.clock._floor.number == 0 and bench.kept == "untouched"


def test_a_reset_serves_once_also_after_a_pulled_battery():
    bench = Bench(NOON_S + 300 * 86_400)
    bench.take(reset=3, reader="reader-1")
    bench.set_by_nonce(NOON_MS + 5 * DAY_MS)
    bench.ticks.ticks += HOUR_MS
    bench.clock.keep_floor()
    later = bench.after_a_pulled_battery()
    for number in (1, 2, 3):
        assert later.take(reset=number, reader="reader-1") == signed_time.OLD_RESET
    assert later.clock._floor.seconds >= NOON_S + 5 * 86_400


def test_what_no_living_root_signed_is_refused_by_the_reason_of_documents():
    bench = Bench()
    nonce = bench.taker.challenge()
    assert bench.take(nonce=nonce, header={"kid": "root-z"}) == "UNKNOWN_ISSUER"
    assert bench.take(nonce=nonce, header={"alg": "EdDSA"}) == "UNSUPPORTED_ALGORITHM"
    for typ in ("charging-trust+jws", "charging-firmware+jws", "charging-ticket+jws", "JWT"):
        assert bench.take(nonce=nonce, header={"typ": typ}) == "MALFORMED"
    assert bench.taker.take(b"") == "MALFORMED" and bench.taker.take(b"x" * 1025) == "TOO_LARGE"
    bench.trust.live_roots = {"root-b": ROOTS["root-b"]}
    assert bench.take(nonce=nonce) == "UNKNOWN_ISSUER"
    bench.trust.live_roots = {"root-a": b"x" * 32}
    assert bench.take(nonce=nonce) == "BAD_SIGNATURE"
    assert bench.clock.state == clocks.UNKNOWN
    bench.trust.live_roots = ROOTS
    assert bench.take(nonce=nonce) == signed_time.SET  # what was not signed has not spent it


def why(payload):
    try:
        trust_time.parse(Envelope("jws", "root-a", b"", b"", json.dumps(payload).encode()))
    except signed.Refused as refusal:
        return refusal.reason
    return ""


def test_the_schema_is_closed_and_a_reset_names_its_reader():
    good = {"time": "2026-11-22T12:00:00Z"}
    nonce = b64url.encode(bytes(32)).decode()
    for more in (
        {},
        {"nonce": nonce},
        {"reset": 1, "reader": "r"},
        {"nonce": nonce, "reset": 2147483647, "reader": "r"},
    ):
        assert why(changed(good, **more)) == "", more
    assert why(changed(good, more=1)) == "UNKNOWN_CLAIM"
    for more in (
        {"time": ...},
        {"time": 1},
        {"time": "2026-11-22T12:00:00"},
        {"nonce": "x"},
        {"nonce": nonce + "="},
        {"nonce": None},
        {"reset": 1},
        {"reader": "r"},
        {"reset": 0, "reader": "r"},
        {"reset": 2147483648, "reader": "r"},
        {"reset": "1", "reader": "r"},
        {"reset": 1, "reader": ""},
    ):
        assert why(changed(good, **more)) == "BAD_CLAIM", more


class Broken:
    seconds = NOON_S

    def rise(self, seconds, at_once=False):
        raise signed_time.Fault("flash")


def test_a_floor_that_cannot_be_stored_is_told():
    bench = Bench()
    bench.clock._floor = Broken()
    assert bench.take(NOON_MS + DAY_MS) == signed_time.STORE_FAULT
