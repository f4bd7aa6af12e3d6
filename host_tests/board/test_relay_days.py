"""Days of a station with each deliverer, compressed: sessions come and go, a line is polled, and no heap is lost."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from host_tests.board.conftest import Bench
from host_tests.board.osdp_bus import ADDRESS, BAUD, KEY, BusPanel
from tools.site.keys import load_key
from tools.site.schema import relay_map
from tools.tickets.mint import defaults, mint
from tools.units import epoch_ms
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
OSDP = {"kind": "osdp", "address": ADDRESS, "baud": BAUD}
MODBUS = {"kind": "modbus", "unit": 1, "baud": 19200, "parity": "none", "stop": 1, "map": relay_map("timed-relay")}


def heap(bench):
    said = len(bench.board.console_log)
    bench.board.drive(_HEAP_PIN, 1)
    bench.world.run(0.1)
    bench.board.drive(_HEAP_PIN, 0)
    return int(bench.printed_since(said).partition("heap: ")[2].split()[0])


def hang_on(bench, relay) -> tuple[Wire, Any, Callable[[], bool]]:
    """What is at the other end of the line: (the device, or the controller, whether it energises)."""
    if relay is OSDP:
        wire = Wire(bench.world, BAUD)
        panel = BusPanel(bench.world, wire)
        panel.pause_s = 1
        return wire, panel, lambda: bool(panel.runs)
    wire = Wire(bench.world, 19200)
    device = Device(bench.world, wire.end("relays"))
    return wire, device, (lambda: device.coils.get(0) == 1) if relay is MODBUS else lambda: bench.relay_on


@pytest.mark.parametrize("relay", [{"kind": "gpio"}, MODBUS, OSDP], ids=lambda relay: relay["kind"])
def test_sessions_come_and_go_for_three_days_without_a_missed_answer_or_heap_growth(provisioned, tmp_path, relay, soak):
    every_s, minutes, sessions = (3600, 30, HOURS) if soak else (70, 1, 3)
    bench = Bench(provisioned, tmp_path / "days.img", heap="128wK")
    with bench:
        bench.configure(nfc={"poll_ms": 1000}, relay=relay)
        bench.write("/keys/osdp.key", KEY)
        bench.wrap_main(_HANDLER)
        wire, device, energised = hang_on(bench, relay)
        bench.board.uart(2).connect(wire.end("reader"))
        bench.start()
        if relay is OSDP:
            bench.run_until = device.run_until
            device.serve(2)
        else:
            bench.run_until = lambda condition, seconds: bench.world.run_until(condition, seconds, wall_limit_s=600)
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
            assert bench.run_until(lambda: not energised(), 60 * minutes + 5), number
            assert bench.world.now_us - begun_us > 59_000_000 * minutes
            bench.run_until(lambda: False, every_s - (bench.world.now_us - begun_us) / 1e6)
            used.append(heap(bench))
            if relay is OSDP:
                assert device.missed == 0 and max(device.answers_us) < 200_000
            else:
                del device.asked[:]
        log = bench.board.console_log
        assert re.findall(r"end: \d+ (\w+)", log) == ["DURATION"] * sessions
        # the controller comes after the start, and then the reader says that it is well, for good
        assert re.findall(r"relay: (\w+)", log) == (["no", "well"] if relay is OSDP else [])
        print(f"{relay['kind']}: heap after each session {used}")
        assert max(used[2:]) * 100 <= (100 + HEAP_PERCENT) * used[1], used
