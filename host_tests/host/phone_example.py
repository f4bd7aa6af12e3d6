"""The exchange that firmware/nfc/README.md and firmware/present/README.md show in bytes, made by running it.

    PYTHONPATH=.:firmware:host_tests/shims python -m host_tests.host.phone_example

prints what belongs there. The firmware's phone handler talks to the reference wallet; the ticket is a published vector,
the nonce and the driver's key are fixed, and Ed25519 is deterministic, so it comes out the same each time.
"""

import asyncio
import hashlib
import json
import textwrap
from pathlib import Path

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from host_tests.runner import ours
from present.proof import message as signed_message
from present.session import Session
from tools.virtual.phone import Wallet

READER, EVSE, NONCE = "reader-1", "DE*ABC*E1*1", bytes(range(32))
DRIVER = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))  # that of host_tests/vectors/make_tickets.py
LIMITS = {"maxEnergy": 60000, "maxDuration": 240}
VECTORS = Path(__file__).resolve().parents[1] / "vectors/tickets.json"
NAMES = {0: "version", 1: "readerId", 2: "EVSE ids on offer", 3: "nonce", 5: "ticket", 6: "evseId", 7: "signature"}
NAMES |= {10: "reason", 11: "limits"}
WIDTH = 32  # bytes on a line


def ticket() -> bytes:
    """The CWT of the vector that names this driver's key and needs nothing else."""
    cases = json.loads(VECTORS.read_text())["cases"]
    return bytes.fromhex(next(case["cwt"] for case in cases if case["reason"] == "HOLDER_PROOF_REQUIRED"))


class _Link:
    """The wallet as the phone handler sees it; `log` keeps what was said."""

    def __init__(self, wallet: Wallet):
        self.wallet = wallet
        self.deadline = 0
        self.log: list[tuple[bytes, bytes]] = []

    async def apdu(self, command: bytes) -> tuple[bytes, int]:
        answer = self.wallet.apdu(bytes(command))
        self.log.append((bytes(command), answer))
        return answer[:-2], int.from_bytes(answer[-2:], "big")


class Example:
    """The exchange: `log` of (command, answer), and the messages `hello`, `present`, `verdict`."""

    def __init__(self):
        # not before ours.claim, where nfcpy is installed
        from nfc.ndef import MAX_MESSAGE  # pyright: ignore
        from nfc.phone import Phone  # pyright: ignore
        from nfc.timing import Timing  # pyright: ignore

        wallet = Wallet(ticket())
        wallet.key = DRIVER
        link, timing = _Link(wallet), Timing()

        async def offer():
            return Session(READER, [EVSE], lambda: NONCE, timing)

        phone = Phone(offer, timing)
        found = asyncio.run(phone.present(link, bytearray(MAX_MESSAGE)))
        if found is None:
            raise ValueError("the wallet did not answer")
        self.presentation = found.presentation
        self.hello = found.session.hello
        self.present = wallet.present(cbor2.loads(self.hello))
        self.verdict = found.session.verdict("GRANTED", EVSE, LIMITS)
        asyncio.run(phone.tell(found, self.verdict))
        self.told = wallet.verdict
        self.log = link.log

    def apdus(self) -> str:
        """The APDUs as nfc/README.md shows them."""
        lines = []
        for command, answer in self.log:
            lines += _wrapped("reader ", (command[:5], command[5:]))
            lines += _wrapped("phone  ", (answer[:-2], answer[-2:]))
        return "\n".join(lines)

    def messages(self) -> str:
        """The messages, member by member, and what is signed, as present/README.md shows them."""
        parts = [f"{name}, {len(data)} bytes\n{_members(data)}" for name, data in self._named()]
        signed = signed_message(NONCE, READER, EVSE, "", ticket())
        parts.append(
            f"The ticket is the CWT of a vector in host_tests/vectors/tickets.json; its SHA-256 is\n"
            f"{hashlib.sha256(ticket()).hexdigest()}\n"
            f"Signed, with the driver's secret key 02 03 … 21:\n" + "\n".join(textwrap.wrap(signed.hex(), 2 * WIDTH))
        )
        return "\n\n".join(parts)

    def _named(self):
        return ("HELLO", self.hello), ("PRESENT", self.present), ("VERDICT", self.verdict)


def _hex(data: bytes) -> str:
    return data.hex(" ").upper()


def _wrapped(who: str, parts: tuple[bytes, ...]) -> list[str]:
    text = " | ".join(_hex(part) for part in parts if part)
    rows = textwrap.wrap(text, 3 * WIDTH)
    return [(who if index == 0 else " " * len(who)) + row for index, row in enumerate(rows)]


def _members(data: bytes) -> str:
    members = cbor2.loads(data)
    lines = [f"{data[:1].hex().upper()}  a map of {len(members)}"]
    whole = data[:1]
    for key in sorted(members):
        value = cbor2.dumps(members[key], canonical=True)
        whole += bytes((key,)) + value
        shown = members[key] if not isinstance(members[key], bytes) else f"{len(members[key])} bytes"
        lines.append(f"  {key:02X}  {NAMES[key]}: {shown}")
        lines += ["      " + row for row in textwrap.wrap(_hex(value), 3 * WIDTH)]
    if whole != data:
        raise ValueError("the members do not make up the message")
    return "\n".join(lines)


if __name__ == "__main__":
    ours.claim(str(VECTORS.parents[2] / "firmware"))
    example = Example()
    print(example.apdus(), example.messages(), sep="\n\n")
