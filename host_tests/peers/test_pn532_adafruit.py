"""adafruit-circuitpython-pn532 reads the virtual cards: Type 4 through the chip's own ISO-DEP, over InDataExchange."""

import pytest

from host_tests.peers.pn532_peers import cards, own_aid_card, phone, read

CARDS = cards()


@pytest.mark.parametrize("name", CARDS)
def test_adafruit_reads_the_message(name):
    kind, card, message = CARDS[name]
    seen = read("adafruit", kind, card)
    assert bytes.fromhex(seen["ndef"]) == message
    assert seen["uid"] == card.uid.hex()
    assert seen["chip"] == [0x32, 1, 6, 7]


def test_adafruit_reaches_an_application_that_takes_its_time():
    card = own_aid_card()
    seen = read("adafruit", "aid", card)
    assert bytes.fromhex(seen["response"]) == phone(card.apdus[-1][0])[0] != b"\x6a\x82"
    assert card.wtx_sent > 0
