"""Programs that read one card through drivers that nobody here wrote. Each is run as a process of its own, since
these packages and the firmware's share names (`nfc`), and prints one JSON object.

    python pn532_reader.py nfcpy|adafruit|pn532pi TERMINAL ntag|type4|aid
"""

import json
import sys
import time
from importlib import import_module
from typing import Any

MAPPING = "00a4040007d276000085010100"
OWN_AID = "f0010203040506"


def driver_module(name) -> Any:
    """Imported by name: what the type checker would find under it is the firmware."""
    return import_module(name)


def nfcpy(path, kind):
    clf = driver_module("nfc.clf")
    frontend = clf.ContactlessFrontend()
    frontend.device = driver_module("nfc.clf.pn532").init(driver_module("nfc.clf.transport").TTY(path))
    try:
        target = frontend.sense(clf.RemoteTarget("106A"))
        tag = driver_module("nfc.tag").activate(frontend, target)
        if kind == "aid":
            response = tag.send_apdu(0, 0xA4, 4, 0, bytes.fromhex(OWN_AID), 256, check_status=False)
            return {"response": response.hex()}
        return {
            "chip": frontend.device.chipset_name,
            "product": str(tag),
            "uid": tag.identifier.hex(),
            "ndef": tag.ndef.octets.hex(),
            "capacity": tag.ndef.capacity,
            "writeable": tag.ndef.is_writeable,
            "present": tag.is_present,
        }
    finally:
        frontend.close()


def read_ndef(kind, page, apdu):
    """Type 2 and Type 4 reading on top of drivers that only carry commands."""
    if kind == "ntag":
        memory = bytearray(page(4))
        size, at = (int.from_bytes(memory[2:4], "big"), 4) if memory[1] == 0xFF else (memory[1], 2)
        while len(memory) < at + size:
            memory += page(4 + len(memory) // 4)
        return bytes(memory[at : at + size])
    for select in (MAPPING, "00a4000c02e104"):
        assert apdu(bytes.fromhex(select), 2) == b"\x90\x00", select
    size = int.from_bytes(apdu(bytes.fromhex("00b0000002"), 4)[:2], "big")
    message = bytearray()
    while len(message) < size:
        offset = 2 + len(message)
        part = min(200, size - len(message))
        message += apdu(b"\x00\xb0" + offset.to_bytes(2, "big") + bytes((part,)), part + 2)[:-2]
    return bytes(message)


def adafruit(path, kind):
    with driver_module("serial").Serial(path, 115200, timeout=0.3) as uart:
        chip = driver_module("adafruit_pn532.uart").PN532_UART(uart)
        uid = chip.read_passive_target(timeout=0.5)

        def apdu(command, size):
            return bytes(chip.call_function(0x40, 1 + size, b"\x01" + command)[1:])

        if kind == "aid":
            return {"response": apdu(bytes.fromhex("00a4040007" + OWN_AID + "00"), 62).hex()}
        ndef = read_ndef(kind, chip.mifare_classic_read_block, apdu)
        return {"chip": list(chip.firmware_version), "uid": uid.hex(), "ndef": ndef.hex()}


def pn532pi(path, kind):
    # its 10 ms for an ACK are meant for a chip, not for a process that shares this machine with others
    hsu = driver_module("pn532pi.interfaces.pn532hsu")
    hsu.PN532_ACK_WAIT_TIME = 1000
    link = hsu.Pn532Hsu.__new__(hsu.Pn532Hsu)  # its constructor opens a port of the Raspberry Pi
    link._serial = driver_module("serial").Serial()
    link._serial.port, link._serial.baudrate, link._serial.timeout = path, 115200, 1
    chip = driver_module("pn532pi").Pn532(link)
    chip.begin()
    version = chip.getFirmwareVersion()
    assert chip.SAMConfig()
    uid = b""
    if kind == "ntag":
        found, uid = chip.readPassiveTargetID(0)  # 106 kbit/s type A
    else:
        found = chip.inListPassiveTarget()
    assert found

    def apdu(command, size):
        ok, response = chip.inDataExchange(bytearray(command))
        assert ok and len(response) == size
        return bytes(response)

    def page(number):
        ok, data = chip.mifareultralight_ReadPage(number)
        return bytes(data) if ok else b""

    if kind == "aid":
        return {"response": apdu(bytes.fromhex("00a4040007" + OWN_AID + "00"), 62).hex()}
    ndef = read_ndef(kind, page, apdu)
    return {"chip": [*version.to_bytes(4, "big")], "uid": bytes(uid).hex(), "ndef": ndef.hex()}


if __name__ == "__main__":
    driver, terminal, what = sys.argv[1:]
    begun = time.monotonic()
    result = {"nfcpy": nfcpy, "adafruit": adafruit, "pn532pi": pn532pi}[driver](terminal, what)
    print(json.dumps({**result, "seconds": round(time.monotonic() - begun, 3)}))
