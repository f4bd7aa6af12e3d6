"""`time sign` and the errors of its sisters; what readers make of signed times is in the tests of the board."""

import json

import pytest

from tools.site.directory import Site
from tools.site.keys import load_key
from tools.units import epoch_ms
from trust import signed
from trust import time as trust_time


def read(site, token: str):
    root = load_key(site / "root.jwk", private=True)
    from station.config import Site as DeviceSite

    roots = DeviceSite(Site.load(site).device_config()).roots
    assert list(roots) == [root["kid"]]
    found = None
    for found in trust_time.read_steps(token.strip().encode(), roots):
        pass
    assert found is not None
    return found


def test_a_signed_time_is_what_readers_read(ask, site):
    found = read(site, ask("time", "sign", "--site", site).out)
    assert abs(found.time_ms - epoch_ms()) < 60_000
    assert (found.nonce, found.reset, found.reader) == (None, None, None)
    nonce = bytes(range(32))
    token = ask("time", "sign", "--site", site, "--nonce", nonce.hex(), "--at", "2026-12-24T18:00:00Z").out
    assert read(site, token).nonce == nonce and read(site, token).time_ms == 1_798_135_200_000
    assert len(token.splitlines()) == 1 and len(token) < signed.LIMITS[signed.TIME]


def test_resets_rise_and_name_the_reader(ask, site):
    numbers = [read(site, ask("time", "sign", "--site", site, "--reset").out).reset for _ in range(2)]
    assert numbers == sorted(numbers) and numbers[0] > 28_000_000
    assert read(site, ask("time", "sign", "--site", site, "--reset").out).reader == "reader-1"


def test_a_root_elsewhere_signs(ask, site, tmp_path):
    token = ask("time", "sign", "--site", site).out
    safe = tmp_path / "safe.jwk"
    (site / "root.jwk").rename(safe)
    assert "root.jwk" in ask("time", "sign", "--site", site).error
    other = ask("time", "sign", "--site", site, "--root", safe).out
    safe.rename(site / "root.jwk")
    assert read(site, token).time_ms <= read(site, other).time_ms


@pytest.mark.parametrize("nonce", ["", "00", "0" * 63, "g" * 64, "0" * 66])
def test_a_nonce_that_no_reader_gave_is_refused(ask, site, nonce):
    answer = ask("time", "sign", "--site", site, "--nonce", nonce)
    assert answer.code == 2 and "64 hexadecimal digits" in answer.error


def test_a_port_that_is_not_there_is_named(ask, site):
    (site / "t").write_text("a.b.c")
    for command in (["set", "--site", site], ["ask"], ["give", site / "t"]):
        answer = ask("time", command[0], *command[1:], "--port", "/dev/nothing-here")
        assert answer.code == 2 and "/dev/nothing-here" in answer.error


def test_a_virtual_board_is_not_left_waiting_for_an_answer_that_no_command_can_bring(ask, site):
    for port in ("virtual", f"virtual:{site}"):
        assert "forgets its nonce" in ask("time", "ask", "--port", port).error


def test_the_payload_has_no_members_but_those_of_the_document(ask, site):
    import base64

    payload = ask("time", "sign", "--site", site, "--reset", "--nonce", "0" * 64).out.split(".")[1]
    members = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert set(members) == {"time", "nonce", "reset", "reader"}
