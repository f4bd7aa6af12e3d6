"""Measurements of several boards side by side, as a table and as a picture."""

import json

import pytest

from tools.bench import compare


@pytest.fixture
def files(tmp_path):
    wroom = {"us": {"sha512": 2000}, "parts": {"store": {"write 16 KB": 90_000}, "relay": {"RELAY closes": 9000}}}
    s3 = {"us": {"sha512": 1000}, "parts": {"store": {"write 16 KB": 45_000}, "nfc": {"PN532 on i2c": 1500}}}
    for name, content in (("wroom", wroom), ("s3", s3)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def test_boards_are_compared_with_the_first(ask, files):
    both = f"{files / 'wroom.json'},{files / 's3.json'}"
    answer = ask("bench", "--compare", both, "--plot", files / "boards.png")
    assert answer.code == 0, answer.err
    lines = [" ".join(line.split()) for line in answer.out.splitlines()]
    assert any("crypto: sha512 │ 2.000 │ 1.000 (0.5)" in line for line in lines), answer.out
    assert any("relay: RELAY closes │ 9.000 │ │" in line for line in lines)
    assert any("nfc: PN532 on i2c │ │ 1.500" in line for line in lines)
    assert (files / "boards.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_no_measurement_is_told(ask, files):
    for content in ("[]", "{}", "no json", '{"us": {"a": "b"}}'):
        (files / "x.json").write_text(content)
        assert "holds no measurement" in ask("bench", "--compare", files / "x.json").error
    assert "no such file" in ask("bench", "--compare", files / "none.json").error


def test_bench_and_self_test_name_the_same_things_alike(files):
    content = json.loads((files / "s3.json").read_text())
    (files / "test.json").write_text(json.dumps({"board": {}, "results": [], "parts": content["parts"]}))
    boards = [compare.read(files / name) for name in ("wroom.json", "test.json")]
    assert compare.names(boards)[:2] == ["crypto: sha512", "store: write 16 KB"]
    assert boards[1][1]["store: write 16 KB"] == 45
