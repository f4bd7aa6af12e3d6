"""pn532pi, and Debian's nfc-list (libnfc-bin), where they are installed."""

import importlib.util
import os
import shutil
import subprocess

import pytest

from host_tests.peers.pn532_peers import LONG, SHORT, own_aid_card, phone, read
from tools.virtual.cards import MifareClassic, Ntag, PaymentCard, Type4Tag
from tools.virtual.pn532 import serve

has_pn532pi = pytest.mark.skipif(importlib.util.find_spec("pn532pi") is None, reason="pn532pi is not installed")
has_libnfc = pytest.mark.skipif(shutil.which("nfc-list") is None, reason="nfc-list (libnfc-bin) is not installed")


@has_pn532pi
@pytest.mark.parametrize(
    ("kind", "card", "message"), [("ntag", Ntag(215, SHORT), SHORT), ("type4", Type4Tag(LONG), LONG)]
)
def test_pn532pi_reads_the_message(kind, card, message):
    seen = read("pn532pi", kind, card)
    assert bytes.fromhex(seen["ndef"]) == message
    assert seen["chip"] == [0x32, 1, 6, 7]


@has_pn532pi
def test_pn532pi_reaches_an_application_that_takes_its_time():
    card = own_aid_card()
    assert bytes.fromhex(read("pn532pi", "aid", card)["response"]) == phone(card.apdus[-1][0])[0]


@has_libnfc
@pytest.mark.parametrize(
    ("card", "told"),
    [
        (Ntag(215), ["UID (NFCID1): 04  a1  b2  c3  d4  e5  80", "SAK (SEL_RES): 00"]),
        (Type4Tag(), ["SAK (SEL_RES): 20", "ATS: 75  00  80  00"]),
        (PaymentCard(), ["SAK (SEL_RES): 20", "ATS: 75  00  80  00  80  31  80  65"]),
        (MifareClassic(), ["ATQA (SENS_RES): 00  04", "UID (NFCID1): c0  ff  ee  42", "SAK (SEL_RES): 08"]),
    ],
)
def test_libnfc_lists_the_card(card, told):
    with serve([card]) as served:
        ran = subprocess.run(
            ["nfc-list"],
            capture_output=True,
            text=True,
            timeout=30,
            env={**os.environ, "LIBNFC_DEVICE": f"pn532_uart:{served.path}"},
        )
    shown = " ".join(ran.stdout.split())
    assert "1 ISO14443A passive target(s) found" in shown, ran.stdout + ran.stderr
    for line in told:
        assert " ".join(line.split()) in shown, ran.stdout
