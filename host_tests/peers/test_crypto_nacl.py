"""Ed25519 and X25519 against PyNaCl (libsodium), whose verification is as strict: valid and mutated signatures."""

import os
import random
import subprocess
from collections import Counter

from nacl import bindings
from nacl.exceptions import BadSignatureError
from nacl.exceptions import RuntimeError as SodiumError
from nacl.signing import VerifyKey

from crypto import ed25519, x25519
from host_tests.runner.pure import FIRMWARE, micropython

L = ed25519.L
P = 2**255 - 19
LOW_ORDER = [
    bytes.fromhex(text)
    for text in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
]
# The unix port reads key, message, signature, verdict and whether a table may be made, and prints where it disagrees.
SCRIPT = """
import sys, binascii
from crypto import ed25519, field25519
tables = {}
lines = wrong = 0
for line in open(sys.argv[1]):
    key, message, signature, verdict, tabled = [binascii.unhexlify(part) for part in line.strip().split(":")]
    verdict = verdict == b"\\x01"
    ways = [None]
    if tabled == b"\\x01":
        if key not in tables:
            tables[key] = ed25519.open_table(key, ed25519.make_table(key))
        ways.append(tables[key])
    for way in ways:
        if ed25519.verify(key, message, signature, way) is not verdict:
            wrong += 1
            print("wrong", way is not None, line)
    lines += 1
print(field25519.NATIVE, lines, len(tables), wrong)
"""


def sodium_says(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(key).verify(message, signature)
    except (BadSignatureError, SodiumError, ValueError, TypeError):
        return False
    return True


def little(number: int) -> bytes:
    return number.to_bytes(32, "little")


def times_base(scalar: int) -> bytes:
    return bindings.crypto_scalarmult_ed25519_base_noclamp(little(scalar))


class Signer:
    """An Ed25519 signer that may shift its key and its R by points of low order."""

    def __init__(self, chance: random.Random, key_shift: bytes | None = None):
        self.scalar = chance.randrange(1, L)
        self.key = times_base(self.scalar)
        self.pure = key_shift is None
        if key_shift is not None:
            self.key = bindings.crypto_core_ed25519_add(self.key, key_shift)

    def sign(self, chance: random.Random, message: bytes, r_shift: bytes | None = None) -> bytes:
        nonce = chance.randrange(1, L)
        r = times_base(nonce)
        if r_shift is not None:
            r = bindings.crypto_core_ed25519_add(r, r_shift)
        h = int.from_bytes(bindings.crypto_hash_sha512(r + self.key + message), "little") % L
        return r + little((nonce + h * self.scalar) % L)


def flip(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def case(chance: random.Random, kind: str, pool: list[Signer], mixed: list[Signer]):
    """(key, message, signature, whether the key may have a table)."""
    signer = chance.choice(mixed if kind == "mixed-order key" else pool)
    message = chance.randbytes(chance.choice((0, 1, 32, 111, 112, 500)))
    # With a shifted key, no shift of R or its opposite may happen to fit; a shifted R alone never does.
    shifts = {"mixed-order R": LOW_ORDER[1:8], "mixed-order key": LOW_ORDER[:8]}.get(kind)
    r_shift = chance.choice(shifts) if shifts else None
    signature = signer.sign(chance, message, r_shift)
    key, s = signer.key, int.from_bytes(signature[32:], "little")
    if kind == "flipped signature":
        signature = flip(chance, signature)
    elif kind == "flipped message":
        message = flip(chance, message + b"x")
    elif kind == "flipped key":
        key = flip(chance, key)
    elif kind == "S + n L":
        signature = signature[:32] + little(s + L * chance.randrange(1, (2**256 - 1 - s) // L + 1))
    elif kind == "S":
        signature = signature[:32] + little(chance.choice((0, 1, L - 1, L, 2**252, 2**253, 2**256 - 1)))
    elif kind == "non-canonical R":
        signature = little(P + chance.randrange(19) | chance.randrange(2) << 255) + signature[32:]
    elif kind == "non-canonical key":
        key = little(P + chance.randrange(19) | chance.randrange(2) << 255)
    elif kind == "low-order R":
        signature = chance.choice(LOW_ORDER) + signature[32:]
    elif kind == "low-order key":
        # With S = 0 the equation holds whenever h * A = -R.
        key, signature = chance.choice(LOW_ORDER), chance.choice(LOW_ORDER) + bytes(32)
    elif kind == "low-order key, S and R chosen":
        key, nonce = chance.choice(LOW_ORDER), chance.randrange(1, L)
        signature = times_base(nonce) + little(nonce)
    return key, message, signature, key == signer.key and signer.pure


KINDS = (
    "valid", "flipped signature", "flipped message", "flipped key", "S + n L", "S", "non-canonical R",
    "non-canonical key", "low-order R", "low-order key", "low-order key, S and R chosen", "mixed-order R",
    "mixed-order key",
)  # fmt: skip


def test_verdicts_are_sodiums(soak, tmp_path):
    chance = random.Random(25519 if not soak else os.urandom(8).hex())
    pool = [Signer(chance) for _ in range(50 if soak else 5)]
    mixed = [Signer(chance, shift) for shift in LOW_ORDER[1:8]]
    seen: Counter[tuple[str, bool]] = Counter()
    with (tmp_path / "cases").open("w") as file:
        for number in range(20_000 if soak else 500):
            kind = KINDS[number % len(KINDS)]
            key, message, signature, tabled = case(chance, kind, pool, mixed)
            verdict = sodium_says(key, message, signature)
            assert ed25519.verify(key, message, signature) is verdict, (kind, key, message, signature)
            seen[kind, verdict] += 1
            parts = (key, message, signature, bytes([verdict]), bytes([tabled]))
            file.write(":".join(part.hex() for part in parts) + "\n")
    # The cases are worth something: good ones are accepted, and of keys of mixed order some are and some are not.
    assert seen["valid", False] == 0 and seen["valid", True] > 30
    assert seen["mixed-order key", True] > 0 and seen["mixed-order key", False] > 0
    assert {kind for kind, verdict in seen if verdict} == {"valid", "mixed-order key"}
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    result = subprocess.run(
        [micropython(), str(script), str(tmp_path / "cases")],
        env={**os.environ, "MICROPYPATH": f"{FIRMWARE}{os.pathsep}.frozen"},
        capture_output=True,
        text=True,
        timeout=3000,
    )
    assert result.stdout.splitlines()[-1:] == [f"True {sum(seen.values())} {len(pool)} 0"], (
        result.stdout + result.stderr
    )


def test_secrets_are_sodiums(soak):
    chance = random.Random(7748)
    for _ in range(2000 if soak else 40):
        private, other = chance.randbytes(32), chance.randbytes(32)
        assert x25519.public(private) == bindings.crypto_scalarmult_base(private)
        assert x25519.shared(private, other) == bindings.crypto_scalarmult(private, other)
