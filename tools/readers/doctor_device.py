"""Runs on the board that the doctor looks at, typed in by mpremote; prints one line of JSON. Writes one file, for a
moment, to see whether the flash still takes one."""
# ruff: noqa: PTH123, PTH107, PTH208, BLE001, UP031
# pyright: reportAttributeAccessIssue=false, reportMissingImports=false, reportCallIssue=false
# pyright: reportOptionalMemberAccess=false

import binascii
import gc
import json
import os
import sys
import time

import machine

said = {}


def note(name, work):
    """Keeps what `work` gives, or why it gave nothing."""
    machine.WDT(timeout=8000).feed()
    gc.collect()
    try:
        said[name] = work()
    except Exception as error:
        said[name + "_error"] = type(error).__name__ + ": " + str(error)


def flash():
    part, back = os.urandom(1024), bytearray(1024)
    start = time.ticks_ms()
    with open("/doctor.tmp", "wb") as file:
        for _ in range(4):
            file.write(part)
    took_ms = time.ticks_diff(time.ticks_ms(), start)
    same = True
    with open("/doctor.tmp", "rb") as file:
        for _ in range(4):
            file.readinto(back)
            same = same and back == part
    os.remove("/doctor.tmp")
    size, _, blocks, free = os.statvfs("/")[:4]
    return {"same": same, "took_ms": took_ms, "free": size * free, "size": size * blocks}


def rom():
    import vfs

    return hasattr(vfs, "rom_ioctl") and vfs.rom_ioctl(1) > 0


def native():
    from crypto import field25519, sha512

    return field25519.NATIVE and sha512.NATIVE


def crashes():
    kept = bytes(machine.RTC().memory())
    return kept[2] if len(kept) == 3 and kept[:2] == b"CT" else 0


def site():
    from station.stores import SITE, load_site

    found = load_site("/" + SITE)
    return {"reader": found.reader_id, "bus": found.bus, "rtc": found.rtc is not None}


def stores():
    from station import repair

    return repair.damage()


def parts():
    """The firmware's Ports, without running it."""
    import trees
    from start import VERSION, Ports

    said["firmware"], said["trial"] = VERSION, 0 < trees.record()[3] < 255
    return Ports()


def clock():
    found = {"year": machine.RTC().datetime()[0]}
    bus = ports.clock_bus()
    if bus is not None:
        try:
            from station.ds3231 import Ds3231

            found["battery"] = "runs" if Ds3231(bus).read() else "stopped"
        except OSError:
            found["battery"] = "silent"
    return found


def nfc(bus):
    import asyncio

    from nfc.pn532 import Pn532
    from nfc.timing import Timing

    lines = ports.nfc(bus)
    if lines is None:
        return "no pins"
    if bus == "hsu":
        from nfc.hsu import Hsu as Bus
    elif bus == "i2c":
        from nfc.i2c import I2c as Bus
    else:
        from nfc.spi import Spi as Bus
    timing, port = Timing(), lines[0]
    chip = Pn532(Bus(port, timing, *lines[1:]), timing, reset=ports.nfc_reset)

    async def talk():
        await chip.start()
        start = time.ticks_us()
        for _ in range(4):
            await chip.check()
        said.setdefault("nfc_us", {})[bus] = time.ticks_diff(time.ticks_us(), start) // 4

    try:
        asyncio.run(asyncio.wait_for(talk(), 4))
    except Exception as error:
        return type(error).__name__ + ": " + str(error)
    return "PN532 firmware %d.%d" % tuple(chip.firmware[1:3])


gc.collect()
said["heap"] = {"free": gc.mem_free(), "used": gc.mem_alloc()}
said["version"] = ".".join(str(part) for part in sys.implementation.version[:3])
said["machine"] = getattr(sys.implementation, "_machine", sys.platform)
said["mpy"] = getattr(sys.implementation, "_mpy", 0)
said["id"] = binascii.hexlify(machine.unique_id()).decode()
said["maintenance"] = "maintenance" in os.listdir("/")
for name in ("flash", "rom", "native", "crashes", "site", "stores"):
    note(name, globals()[name])
ports = None
try:
    ports = parts()
except Exception as error:
    said["ports_error"] = type(error).__name__ + ": " + str(error)
if ports is not None:
    note("clock", clock)
    for bus in ("hsu", "i2c", "spi"):
        note("nfc_" + bus, lambda: nfc(bus))  # noqa: B023 - it is called at once
print("doctor:" + json.dumps(said))
