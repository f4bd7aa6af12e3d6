"""The bytes in ble/README.md are those of an exchange that runs: the firmware's end with one made of `cryptography`."""

from pathlib import Path

from host_tests.host.ble_example import Example
from host_tests.host.phone_example import DRIVER, EVSE, LIMITS, READER, ticket

README = Path(__file__).resolve().parents[2] / "firmware/ble/README.md"


def test_the_bytes_in_the_readme_are_those_of_a_run():
    assert f"```\n{Example().text()}\n```" in README.read_text()


def test_both_ends_understood_each_other():
    example = Example()
    assert example.presentation.ticket == ticket() and example.presentation.encrypted
    assert example.presentation.proof
    proven = example.presentation.proof.verify_steps(DRIVER.public_key().public_bytes_raw(), ticket(), READER, EVSE)
    assert list(proven)[-1] is True
    assert example.wallet.reason == "GRANTED" and example.wallet.limits == {10: LIMITS["maxEnergy"], 13: 240}
