"""One exchange: a nonce serves one PRESENT within ten seconds, and a proof is tied to what this reader sent."""

import hashlib

from present.messages import HELLO, VERDICT, decode
from present.proof import message
from present.session import NONCE_MS, Session, TooLate
from ticket import cbor

E1, E2 = "DE*ABC*E1*1", "DE*ABC*E1*2"
SIGNATURE = bytes(range(64))


class Clock:
    def __init__(self):
        self.now = 0

    def after(self, ms):
        return self.now + ms

    def left(self, deadline):
        return deadline - self.now


class Nonces:
    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1
        return hashlib.sha256(bytes((self.count,))).digest()


def session(evses=(E1,), clock=None, nonces=None, code=""):
    return Session("reader-1", list(evses), nonces or Nonces(), clock or Clock(), code)


def present(**members):
    keys = {"ticket": 5, "evse": 6, "signature": 7, "ephemeral": 8, "code": 9}
    whole = {0: 1, 5: b"a ticket"}
    for name in members:
        whole[keys[name]] = members[name]
    return cbor.dumps(whole)


def judged_as(one, data):
    """The ticket that a PRESENT is presented as, and whether a proof came with it."""
    got = one.take(data, "phone")
    return got.ticket, got.proof is not None


def too_late(one):
    try:
        one.take(present(), "phone")
    except TooLate:
        return True
    return False


def test_hello_says_who_asks_what_is_on_offer_and_a_new_nonce_each_time():
    nonces = Nonces()
    first, second = [decode(HELLO, session((E1, E2), nonces=nonces).hello) for _ in range(2)]
    assert first[1] == second[1] == "reader-1" and first[2] == second[2] == [E1, E2]
    assert first[3] != second[3]
    assert 4 not in first


def test_a_present_becomes_a_presentation():
    got = session((E1, E2)).take(present(evse=E2, signature=SIGNATURE), "phone")
    assert (got.ticket, got.carrier, got.evse_id, got.encrypted) == (b"a ticket", "phone", E2, False)
    assert got.proof.signature == SIGNATURE
    got = session().take(present(), "ble")
    assert (got.carrier, got.evse_id, got.proof) == ("ble", None, None)


def test_a_proof_is_tied_to_this_reader_s_nonce_and_code_whatever_the_holder_says():
    one = session(code="4711")
    got = one.take(present(signature=SIGNATURE, code="0815"), "phone")
    assert got.proof.nonce == decode(HELLO, one.hello)[3]
    assert got.proof.code == "4711"
    assert got.proof.channel == bytes(32)


def test_a_nonce_serves_once():
    one = session()
    one.take(present(), "phone")
    assert too_late(one)


def test_a_nonce_that_met_a_bad_present_has_served_too():
    one = session()
    assert judged_as(one, b"") == (b"", False)
    assert too_late(one)


def test_a_nonce_serves_within_ten_seconds():
    assert NONCE_MS == 10_000
    clock = Clock()
    one = session(clock=clock)
    clock.now = 9_999
    assert one.take(present(), "phone").ticket == b"a ticket"
    clock.now = 0
    one = session(clock=clock)
    clock.now = 10_000
    assert too_late(one)


def test_an_evse_that_is_not_on_offer_is_refused():
    for evses in ((E1,), (E1, "DE*ABC*E1*3")):
        for evse in (E2, E1.lower()):
            assert judged_as(session(evses), present(evse=evse, signature=SIGNATURE)) == (b"", False)


def test_of_several_evses_one_has_to_be_chosen():
    assert judged_as(session((E1, E2)), present(signature=SIGNATURE)) == (b"", False)


def test_a_key_for_a_channel_that_was_not_offered_is_refused():
    assert judged_as(session(), present(ephemeral=bytes(32), signature=SIGNATURE)) == (b"", False)


def test_a_message_that_is_too_long_is_a_ticket_that_is_too_large():
    ticket, proof = judged_as(session(), None)
    assert len(ticket) == 4097 and not proof


def test_verdicts():
    one = session()
    assert decode(VERDICT, one.verdict("EXPIRED")) == {0: 1, 10: "EXPIRED"}
    granted = one.verdict("GRANTED", E1, {"maxDuration": 60})
    assert decode(VERDICT, granted) == {0: 1, 6: E1, 10: "GRANTED", 11: {13: 60}}


def test_what_is_signed_is_what_the_standard_of_proofs_says():
    inner = hashlib.sha256(
        bytes(range(32)) + b"\x08reader-1\x0bDE*ABC*E1*1\x044711" + hashlib.sha256(b"a ticket").digest() + bytes(32)
    ).digest()
    signed = message(bytes(range(32)), "reader-1", E1, "4711", b"a ticket")
    assert signed == b"charging-ticket-holder-proof-v1\x00" + inner
