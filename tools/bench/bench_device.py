"""Runs on the board that is measured, beside what bench.py puts there, and prints one line of JSON."""
# ruff: noqa: E402, PTH123
# pyright: reportAttributeAccessIssue=false, reportMissingImports=false, reportArgumentType=false

import gc
import json
import sys
import time

tables = [bytearray(18464) for _ in range(2)]  # comb.SIZE; first of all, while the heap is in one piece

import plain_ed25519

from crypto import comb, ed25519, field25519, sha512, x25519

ROUNDS = 3


def fastest(work):
    best = None
    for _ in range(ROUNDS):
        gc.collect()
        start = time.ticks_us()
        work()
        taken = time.ticks_diff(time.ticks_us(), start)
        best = taken if best is None or taken < best else best
    return best


def stepped(start):
    """Of a generator: microseconds of each step (the least of all rounds), last value, most heap in use (bytes)."""
    steps = []
    heap = 0
    value = None
    for number in range(ROUNDS + 1):
        generator = None
        gc.collect()
        before = gc.mem_alloc()
        times = []
        value = None
        generator = start()
        while True:
            begin = time.ticks_us()
            try:
                value = next(generator)
            except StopIteration:
                break
            times.append(time.ticks_diff(time.ticks_us(), begin))
            if number == ROUNDS:  # what a step leaves, its garbage included; a round of its own, since this takes time
                heap = max(heap, gc.mem_alloc() - before)
                gc.collect()
        if number < ROUNDS:
            steps = [min(pair) for pair in zip(steps or times, times)]  # noqa: B905
    return steps, value, heap


def table(key, buffer, name):
    with open(name, "rb") as source:
        source.readinto(buffer)
    return comb.open_table(key, buffer)


class Granted:
    """A verdict whose grant is on record, and the claims of its ticket, of which most say nothing."""

    session, evse_id, key, limits, holder = 1, "E1", bytes(32), {"maxDuration": 1}, "passive"

    def __getattr__(self, name):
        return self if name == "claims" else None


class Decision:
    Verdict = None


def energised():
    """{what: microseconds} from a recorded grant to the relay's output, as the station goes; the least of all rounds.

    Nothing where no station runs: the QEMU port has no asyncio.
    """
    sys.modules["station.decision"] = Decision  # the true one takes 40 KB of heap, and is through by then
    try:
        from relay.gpio import GpioRelay
        from station.tap import Tap
    except ImportError:
        return {}
    best = None
    for _ in range(ROUNDS):
        closed = []
        outputs = {"E1": lambda level: closed.append(time.ticks_us()) if level else None}  # noqa: B023
        relay = GpioRelay(outputs, 60_000, time.ticks_ms, time.ticks_diff)
        tap = Tap(Granted(), relay, None, None, time.ticks_ms, time.ticks_diff)
        gc.collect()
        start = time.ticks_us()
        try:
            tap._deliver(Granted()).send(None)
        except StopIteration:
            pass
        taken = time.ticks_diff(closed[0], start)
        best = taken if best is None or taken < best else best
    return {"record returned to relay output, gpio": best}


def main(folder):
    with open(folder + "case.json") as source:
        case = json.load(source)
    key, signature = bytes(case["key"]), bytes(case["signature"])
    message = bytes(case["length"])
    ed25519.use_base_table(table(case["base"], tables[0], folder + "crypto/base.bin"))
    made = table(key, tables[1], folder + "key.bin")
    here = sys.implementation
    release = ".".join(str(part) for part in here.version[:3])
    result = {
        "system": sys.platform,
        "implementation": f"{here.name} {release}, {getattr(here, '_machine', sys.platform)}",
        "native": field25519.NATIVE and sha512.NATIVE,
        "us": {
            "sha512": fastest(lambda: sha512.sha512(message)),
            "open table": fastest(lambda: comb.open_table(key, made.data)),
        },
        "steps": {},
        "heap": {},
    }
    for name, start in (
        ("verify, table", lambda: ed25519.verify_steps(key, message, signature, made)),
        ("verify, unknown key", lambda: ed25519.verify_steps(key, message, signature)),
        ("x25519", lambda: x25519.shared_steps(key, key)),
    ):
        steps, value, heap = stepped(start)
        if not value:
            raise ValueError(name)
        result["steps"][name] = steps
        result["us"][name] = sum(steps)
        result["heap"][name] = heap
    if not plain_ed25519.verify(key, message, signature):
        raise ValueError("plain verifier")
    result["us"]["plain verifier"] = fastest(lambda: plain_ed25519.verify(key, message, signature))
    result["us"].update(energised())  # last: what it imports stays in the heap
    print("bench:" + json.dumps(result))
