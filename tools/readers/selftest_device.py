"""Runs on the board that is tested, typed in by mpremote with a call of `main` at its end; prints one line of JSON.

It writes one file, for a moment. Outputs are driven only where `energise` says so, and are off again whatever happens.
"""
# ruff: noqa: PTH123, PTH107, BLE001
# pyright: reportAttributeAccessIssue=false, reportMissingImports=false, reportCallIssue=false

import binascii
import gc
import json
import os
import time

import machine
from machine import Pin

_FILE = "/selftest.tmp"
_CLOSED_MS = 300  # how long a relay stays on
_FOLLOWS_MS = 1000  # longest until its feedback is given up
_GOOD_MS = 10  # a second that is known to within this is not measured again
_CLOCK_MS = 8500

# RFC 8032 section 7.1 test 3 and RFC 7748 section 5.2; SHA-512 of "abc" from FIPS 180-4's examples
_KEY = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
_SIGNATURE = (
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)
_SCALAR = "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"
_U = "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"
_SHARED = "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
_ABC = (
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
)


def timed(work):
    """(what `work` gives, microseconds)."""
    machine.WDT(timeout=8000).feed()
    gc.collect()
    start = time.ticks_us()
    value = work()
    return value, time.ticks_diff(time.ticks_us(), start)


def crypto():
    from crypto import ed25519, sha512, x25519

    key, signature, message = binascii.unhexlify(_KEY), binascii.unhexlify(_SIGNATURE), b"\xaf\x82"
    ed25519.base_table()
    digest, hash_us = timed(lambda: sha512.sha512(b"abc"))
    good, verify_us = timed(lambda: ed25519.verify(key, message, signature))
    bad = ed25519.verify(key, message + b"\x00", signature)
    shared, shared_us = timed(lambda: x25519.shared(binascii.unhexlify(_SCALAR), binascii.unhexlify(_U)))
    right = {
        "SHA-512": binascii.hexlify(digest).decode() == _ABC,
        "Ed25519 takes a good signature": good is True,
        "Ed25519 refuses a bad one": bad is False,
        "X25519": binascii.hexlify(shared).decode() == _SHARED,
    }
    times = {"SHA-512, one block": hash_us, "Ed25519, unknown key": verify_us, "X25519": shared_us}
    return {"right": right, "us": times}


def store():
    part, back = os.urandom(4096), bytearray(4096)

    def write():
        with open(_FILE, "wb") as file:
            for _ in range(4):
                file.write(part)

    def append():
        with open(_FILE, "ab") as file:
            file.write(part[:64])

    def read():
        crc = 0
        with open(_FILE, "rb") as file:
            while True:
                got = file.readinto(back)
                if not got:
                    return crc & 0xFFFFFFFF
                crc = binascii.crc32(memoryview(back)[:got], crc)

    times = {}
    try:
        times = {"write 16 KB": timed(write)[1], "append 64 bytes": timed(append)[1]}
        crc, times["read 16 KB, CRC-32"] = timed(read)
    finally:
        times["remove 16 KB"] = timed(lambda: os.remove(_FILE))[1]
    return {"same": crc == binascii.crc32(part * 4 + part[:64]) & 0xFFFFFFFF, "us": times}


def clock():
    """Milliseconds that a second of the clock takes by the chip's other counter, and the time (UTC). What holds the
    program up makes it see a change late, and a bad crystal spoils all: of the times between any two of the first few
    changes, the nearest to 1000 a second."""
    changes, nearest = [], None
    start, last = time.ticks_ms(), machine.RTC().datetime()[6]
    while (nearest is None or abs(nearest - 1000) > _GOOD_MS) and time.ticks_diff(time.ticks_ms(), start) < _CLOCK_MS:
        now = machine.RTC().datetime()[6]
        if now != last:
            last, at = now, time.ticks_ms()
            for second, before in changes:
                took = time.ticks_diff(at, before) // ((now - second) % 60)
                if nearest is None or abs(took - 1000) < abs(nearest - 1000):
                    nearest = took
            changes.append((now, at))
        time.sleep_ms(2)
    return {"second_ms": nearest, "now": board_time()}


def board_time():
    year, month, day, _, hour, minute, second = machine.RTC().datetime()[:7]
    return [year, month, day, hour, minute, second]


def until(level_of, level):
    """Microseconds until an input has that level; None: not in time, or there is no such input."""
    start = time.ticks_us()
    while level_of is not None and time.ticks_diff(time.ticks_us(), start) < 1000 * _FOLLOWS_MS:
        if level_of() == level:
            return time.ticks_diff(time.ticks_us(), start)
    return None


def relays(energise):
    import pins

    try:
        with open("/site.json") as file:
            site = json.load(file)
    except OSError:
        site = {"relay": {"kind": "gpio"}, "evses": [0]}
    found = {"kind": site["relay"]["kind"], "feedback": site["relay"].get("feedback"), "outputs": []}
    if found["kind"] != "gpio":
        return found
    for name in sorted(name for name in dir(pins) if name.startswith("RELAY"))[: len(site["evses"])]:
        there = {
            role: Pin(getattr(pins, role + name[5:]), Pin.IN).value
            for role in ("VEHICLE", "FEEDBACK")
            if hasattr(pins, role + name[5:])
        }
        found["outputs"].append(relay(name, Pin(getattr(pins, name), Pin.OUT, value=0).value, there, energise))
    return found


def relay(name, output, inputs, energise):
    feedback = inputs.get("FEEDBACK")
    said = {"name": name, "vehicle": inputs["VEHICLE"]() if "VEHICLE" in inputs else None, "off": output()}
    said["rest"] = feedback() if feedback else None
    if energise and said["vehicle"] != 1:
        try:
            output(1)
            said["closes_us"] = until(feedback, 0)
            said["on"] = output()
            time.sleep_ms(_CLOSED_MS)
        finally:
            output(0)
        said["opens_us"] = until(feedback, 1)
        said["off"] = output()
    return said


def main(energise):
    said = {}
    for name, work in (("crypto", crypto), ("store", store), ("clock", clock), ("relay", lambda: relays(energise))):
        machine.WDT(timeout=8000).feed()
        gc.collect()
        try:
            said[name] = work()
        except Exception as error:
            said[name] = {"error": type(error).__name__ + ": " + str(error)}
    print("selftest:" + json.dumps(said))
