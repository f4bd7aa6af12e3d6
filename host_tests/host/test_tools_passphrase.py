"""Private keys under a passphrase: opened with it, by nothing else, and never shown."""

import getpass
import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

from ticket import b64url
from tools.site import passphrase
from tools.site.directory import Site
from tools.site.keys import PRIVATE, load_key

FIRST, SECOND = "correct horse battery", "a\u0301 second one"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(passphrase, "_ROUNDS", 1000)
    monkeypatch.setattr(passphrase, "_typed", [])
    for name in (passphrase.VARIABLE, passphrase.NEW_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def typing(monkeypatch):
    """Answers at the terminal, one after the other; what was asked is returned."""

    def answers(*lines):
        asked, left = [], list(lines)
        monkeypatch.setattr(getpass, "getpass", lambda prompt: asked.append(prompt) or left.pop(0))
        return asked

    return answers


def plain_bytes(folder, secrets):
    """Which of the secrets lie readable somewhere in a folder."""
    content = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return [secret for secret in secrets if secret.encode() in content]


def test_a_protected_site_issues_with_its_passphrase_alone(ask, tmp_path, typing, monkeypatch):
    site = tmp_path / "site"
    asked = typing(FIRST, FIRST)
    made = ask("init", site, "--passphrase")
    assert (made.code, len(asked)) == (0, 2)
    assert FIRST not in made.out + made.err
    assert [oct((site / name).stat().st_mode)[-3:] for name in PRIVATE] == ["600"] * 3
    asked = typing(FIRST)
    assert ask("bundle", "make", "--site", site).code == 0
    issued = ask("issue", "--site", site)  # not asked again in this process
    assert issued.code == 0, issued.err
    assert len(asked) == 1
    secrets = [load_key(site / name, private=True)["d"] for name in PRIVATE]
    assert plain_bytes(site, [*secrets, FIRST]) == []
    monkeypatch.setattr(passphrase, "_typed", [])
    typing("correct horse batterx")
    wrong = ask("issue", "--site", site)
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.error.startswith(f"wrong passphrase for {site / 'issuer.jwk'}")
    assert "batter" not in wrong.error


def test_the_variable_stands_for_the_terminal(ask, tmp_path, typing, monkeypatch):
    site = tmp_path / "site"
    monkeypatch.setenv(passphrase.VARIABLE, FIRST)
    asked = typing()
    assert ask("init", site).code == 0
    assert ask("issue", "--site", site).code == 0
    monkeypatch.setenv(passphrase.VARIABLE, SECOND)
    assert passphrase.VARIABLE in ask("issue", "--site", site).error
    assert asked == []
    monkeypatch.delenv(passphrase.VARIABLE)

    def no_terminal(prompt):
        raise getpass.GetPassWarning

    monkeypatch.setattr(getpass, "getpass", no_terminal)
    assert "no terminal" in ask("issue", "--site", site).error


def test_a_passphrase_is_added_and_changed(ask, site, typing, monkeypatch):
    before = {name: json.loads((site / name).read_text()) for name in PRIVATE}
    typing(FIRST, FIRST)
    assert ask("keys", "protect", site).code == 0
    assert plain_bytes(site, [key["d"] for key in before.values()]) == []
    typing("something else", SECOND, SECOND)
    locked = (site / "root.jwk").read_bytes()
    assert "another one" in ask("keys", "protect", site).error
    assert (site / "root.jwk").read_bytes() == locked
    # as an interrupted change leaves it: one file has the new one already
    content = json.dumps(before["root.jwk"])
    (site / "root.jwk").write_text(passphrase.lock(content, SECOND))
    typing(FIRST, SECOND, SECOND)
    assert ask("keys", "protect", site).code == 0
    assert not list(site.glob("*.part"))
    monkeypatch.setenv(passphrase.VARIABLE, "\u00e1 second one")  # the same letters, typed otherwise
    assert {name: load_key(site / name, private=True) for name in PRIVATE} == before
    assert Site.load(site).trust_bundle()


@pytest.mark.parametrize(
    ("lines", "said"),
    [(("short", "short"), "at least 8"), ((FIRST, SECOND), "two different")],
)
def test_a_bad_choice_writes_nothing(ask, site, tmp_path, typing, lines, said):
    before = (site / "root.jwk").read_bytes()
    typing(*lines)
    assert said in ask("keys", "protect", site / "root.jwk").error
    assert (site / "root.jwk").read_bytes() == before
    typing(*lines)
    assert said in ask("init", tmp_path / "other", "--passphrase").error
    assert not (tmp_path / "other").exists()


def test_a_damaged_file_is_no_key(ask, site, typing, monkeypatch):
    monkeypatch.setenv(passphrase.VARIABLE, FIRST)
    text = passphrase.lock((site / "issuer.jwk").read_text(), FIRST).strip()
    for at in (5, text.index(".") + 3, len(text) - 3):
        (site / "issuer.jwk").write_text(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :])
        assert ask("issue", "--site", site).code == 2
    (site / "issuer.jwk").write_text(text)
    assert ask("issue", "--site", site).code == 0


def test_the_file_is_as_rfc_7518_has_it():
    text = passphrase.lock('{"kty":"OKP"}', FIRST).strip()
    protected, wrapped, nonce, sealed, tag = text.split(".")
    header = json.loads(b64url.decode(protected.encode()) or b"")
    assert header["p2c"] == 1000
    salt = header["alg"].encode() + b"\0" + (b64url.decode(header["p2s"].encode()) or b"")
    derived = PBKDF2HMAC(SHA512(), 32, salt, header["p2c"]).derive(FIRST.encode())
    key, iv, body, end = (b64url.decode(part.encode()) or b"" for part in (wrapped, nonce, sealed, tag))
    opened = AESGCM(aes_key_unwrap(derived, key)).decrypt(iv, body + end, protected.encode())
    assert opened == b'{"kty":"OKP"}'


def test_the_count_is_the_most_that_is_taken(monkeypatch):
    monkeypatch.undo()
    text = passphrase.lock("x", FIRST)
    header = json.loads(b64url.decode(text.split(".")[0].encode()) or b"")
    assert header["p2c"] == 300_000
