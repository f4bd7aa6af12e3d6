"""nfcpy reads the virtual cards: it changes the serial speed, and does ISO-DEP itself over InCommunicateThru."""

import pytest

from host_tests.peers.pn532_peers import cards, own_aid_card, phone, read

CARDS = cards()


@pytest.mark.parametrize("name", CARDS)
def test_nfcpy_reads_the_message(name):
    kind, card, message = CARDS[name]
    seen = read("nfcpy", kind, card)
    assert bytes.fromhex(seen["ndef"]) == message
    assert seen["uid"] == card.uid.hex()
    assert seen["chip"] == "PN532v1.6"
    assert seen["present"] is True
    assert seen["frames"] > 20
    if kind == "ntag":
        assert name in seen["product"], "told by its answer to GET_VERSION"
        assert seen["writeable"] is True


def test_nfcpy_reaches_an_application_that_takes_its_time():
    card = own_aid_card()
    seen = read("nfcpy", "aid", card)
    assert bytes.fromhex(seen["response"]) == phone(card.apdus[-1][0])[0] != b"\x6a\x82"
    assert card.wtx_sent > 0
