"""The bytes in the READMEs are those of an exchange that runs, and they hold up to software that nobody here wrote."""

import hashlib
from pathlib import Path

import cbor2
import pytest

from host_tests.host.phone_example import DRIVER, EVSE, LIMITS, NONCE, READER, Example, ticket

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"


@pytest.fixture(scope="module")
def example():
    return Example()


def test_the_apdus_in_the_readme_are_those_of_a_run(example):
    assert f"```\n{example.apdus()}\n```" in (FIRMWARE / "nfc/README.md").read_text()


def test_the_messages_in_the_readme_are_those_of_a_run(example):
    assert f"```\n{example.messages()}\n```" in (FIRMWARE / "present/README.md").read_text()


def test_the_firmware_s_messages_are_what_cbor2_makes_of_the_same_values(example):
    assert example.hello == cbor2.dumps({0: 1, 1: READER, 2: [EVSE], 3: NONCE}, canonical=True)
    limits = {10: LIMITS["maxEnergy"], 13: LIMITS["maxDuration"]}
    assert example.verdict == cbor2.dumps({0: 1, 6: EVSE, 10: "GRANTED", 11: limits}, canonical=True)
    assert example.told == cbor2.loads(example.verdict)


def test_the_firmware_takes_the_wallet_s_proof_and_no_other(example):
    proof, public = example.presentation.proof, DRIVER.public_key().public_bytes_raw()
    assert example.presentation.ticket == ticket()
    assert list(proof.verify_steps(public, ticket(), READER, EVSE))[-1] is True
    assert list(proof.verify_steps(public, ticket(), READER, EVSE + "2"))[-1] is False


def test_what_is_signed_is_as_specified(example):
    def counted(text):
        return bytes((len(text),)) + text.encode()

    inner = NONCE + counted(READER) + counted(EVSE) + counted("") + hashlib.sha256(ticket()).digest() + bytes(32)
    signed = b"charging-ticket-holder-proof-v1\0" + hashlib.sha256(inner).digest()
    DRIVER.public_key().verify(example.presentation.proof.signature, signed)
