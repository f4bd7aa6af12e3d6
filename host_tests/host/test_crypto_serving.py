"""What serves where something is missing: no memory for native code, no base table or a damaged one, a small heap."""

import os
import shutil
import subprocess

import pytest

from host_tests.runner.pure import FIRMWARE, micropython
from tools.bench import command as bench

CHECK = """
from crypto import ed25519, field25519, sha512
key = bytes([{key}])
signature = bytes([{signature}])
print(sha512.NATIVE, field25519.NATIVE, ed25519.verify(key, bytes(500), signature), ed25519.verify(key, b"", signature))
print(ed25519.base_table()._file is not None)
"""


@pytest.fixture
def firmware(tmp_path):
    shutil.copytree(FIRMWARE / "crypto", tmp_path / "crypto", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture(scope="module")
def check():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    key, signature = private.public_key().public_bytes_raw(), private.sign(bytes(500))
    return CHECK.format(key=",".join(map(str, key)), signature=",".join(map(str, signature)))


def run(folder, code, heap="2M"):
    result = subprocess.run(
        [micropython(), "-X", f"heapsize={heap}", "-c", code],
        env={**os.environ, "MICROPYPATH": f"{folder}{os.pathsep}.frozen"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.split()


def test_viper_code_serves_with_the_base_table_from_its_file(firmware, check):
    assert run(firmware, check) == ["True", "True", "True", "False", "False"]


@pytest.mark.parametrize("failing", ["sha512_viper", "field25519_viper"])
@pytest.mark.parametrize("failure", ["raise MemoryError", "import nothing_of_that_name"])
def test_the_plain_twin_serves_where_viper_code_cannot_be_had_and_says_so(firmware, check, failing, failure):
    (firmware / f"crypto/{failing}.py").write_text(failure + "\n")
    sha512_native = str(failing != "sha512_viper")
    assert run(firmware, check) == [sha512_native, "False", "True", "False", "False"]


def test_a_missing_or_damaged_base_table_is_made_anew(firmware, check):
    base = firmware / "crypto/base.bin"
    for content in (None, b"", base.read_bytes()[:-1], bytes([base.read_bytes()[0] ^ 1]) + base.read_bytes()[1:]):
        base.unlink()
        if content is not None:
            base.write_bytes(content)
        assert run(firmware, check) == ["True", "True", "True", "False", "False"], content and len(content)
        base.touch()


def test_the_base_table_is_read_in_slices_where_memory_is_short(firmware, check):
    # Compiled, as on a board: there the sources would not fit.
    mpy = firmware / "mpy"
    mpy.mkdir()
    ask = subprocess.run([micropython(), "-c", bench._ASK], capture_output=True, text=True, check=True)
    bench.prepare(mpy, int(ask.stdout))
    assert run(mpy, check, heap="150K") == ["True", "True", "True", "False", "True"]
