"""Cards for other people's PN532 drivers, and how a driver is run against the virtual chip."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tools.virtual.cards import ApduCard, Ntag, Type4Tag, ndef_message
from tools.virtual.pn532 import serve

READER = Path(__file__).with_name("pn532_reader.py")
MIME = "application/vnd.example.ticket"
SHORT = ndef_message(MIME, bytes(range(150)))
LONG = ndef_message(MIME, bytes(value * 3 & 0xFF for value in range(780)))
OWN_AID = bytes.fromhex("f0010203040506")


def phone(apdu: bytes) -> tuple[bytes, int]:
    """An app behind an AID of its own, as slow as phones are."""
    if apdu[:4] == b"\x00\xa4\x04\x00" and apdu[5 : 5 + apdu[4]] == OWN_AID:
        return b"hello from the phone" + bytes(40) + b"\x90\x00", 90_000
    return b"\x6a\x82", 20_000


def cards():
    """(kind of reading, card, its NDEF message): those that every driver is to read."""
    return {
        "NTAG215": ("ntag", Ntag(215, SHORT), SHORT),
        "NTAG216": ("ntag", Ntag(216, LONG), LONG),
        "Type 4": ("type4", Type4Tag(LONG), LONG),
        "Type 4 in small frames": ("type4", Type4Tag(LONG, fsci=0, mle=200), LONG),
    }


def own_aid_card() -> ApduCard:
    return ApduCard(phone, fwi=6)


def read(driver: str, kind: str, card) -> dict:
    """Runs the driver against a chip with this card; what it printed, with what the air saw of it."""
    # without the tests' own search path: the firmware and these packages share names
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with serve([card]) as served:
        ran = subprocess.run(
            [sys.executable, str(READER), driver, served.path, kind],
            capture_output=True,
            text=True,
            timeout=30,
            env=clean,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        seen = json.loads(ran.stdout.splitlines()[-1])
        seen["frames"], seen["air_us"] = served.do(lambda chip: chip.field.cost())
        return seen
