"""Days of a station with gpio or Modbus, compressed: sessions come and go, a line is polled, and no heap is lost."""

import json
import re

import pytest

from host_tests.board.conftest import Bench
from tools.site.keys import load_key
from tools.site.schema import relay_map
from tools.tickets.mint import defaults, mint
from tools.units import epoch_ms
from tools.virtual.image import mounted
from tools.virtual.modbus import Device
from tools.virtual.world import Wire

HOURS = 72
HEAP_PERCENT = 1
_HEAP_PIN = 36  # a rising edge makes the board print its heap; only tests have that handler
_HANDLER = f"""
from machine import Pin
def _heap(pin):
    gc.collect()
    print("heap:", gc.mem_alloc())
Pin({_HEAP_PIN}, Pin.IN).irq(_heap, Pin.IRQ_RISING)
"""
MODBUS = {"kind": "modbus", "unit": 1, "baud": 19200, "parity": "none", "stop": 1, "map": relay_map("timed-relay")}


def heap(bench):
    said = len(bench.board.console_log)
    bench.board.drive(_HEAP_PIN, 1)
    bench.world.run(0.1)
    bench.board.drive(_HEAP_PIN, 0)
    return int(bench.printed_since(said).partition("heap: ")[2].split()[0])


@pytest.mark.parametrize("relay", [{"kind": "gpio"}, MODBUS], ids=lambda relay: relay["kind"])
def test_sessions_come_and_go_for_three_days_without_a_missed_answer_or_heap_growth(provisioned, tmp_path, relay, soak):
    every_s, minutes, sessions = (3600, 30, HOURS) if soak else (90, 1, 3)
    bench = Bench(provisioned, tmp_path / "days.img", heap="128wK")
    with bench:
        with mounted(bench.image) as fs:
            with fs.open("/site.json", "rb") as file:
                config = json.loads(file.read())
            config["nfc"]["poll_ms"], config["relay"] = 1000, relay
            with fs.open("/site.json", "wb") as file:
                file.write(json.dumps(config).encode())
        bench.wrap_main(_HANDLER)
        wire = Wire(bench.world, 19200)
        bench.board.uart(2).connect(wire.end("reader"))
        device = Device(bench.world, wire.end("relays"))
        energised = (lambda: bench.relay_on) if relay is not MODBUS else (lambda: device.coils.get(0) == 1)
        bench.start()
        key, start_ms, start_us = (
            load_key(provisioned.site / "issuer.jwk", private=True),
            epoch_ms(),
            bench.world.now_us,
        )
        used = []
        for number in range(sessions):
            now_ms = start_ms + (bench.world.now_us - start_us) // 1000
            claims = {**defaults("DE-XYZ", now_ms, now_ms - 3_600_000, 86_400), "maxDuration": minutes}
            begun_us = bench.world.now_us
            assert bench.tap_ticket(mint(claims, key)).reason == "GRANTED" and energised(), number
            assert bench.world.run_until(lambda: not energised(), 60 * minutes, wall_limit_s=600), number
            assert bench.world.now_us - begun_us > 59_000_000 * minutes
            bench.world.run(every_s - (bench.world.now_us - begun_us) / 1e6, wall_limit_s=600)
            used.append(heap(bench))
            del device.asked[:]
        log = bench.board.console_log
        assert re.findall(r"end: \d+ (\w+)", log) == ["DURATION"] * sessions and "relay: " not in log
        assert max(used[2:]) * 100 <= (100 + HEAP_PERCENT) * used[1], used
