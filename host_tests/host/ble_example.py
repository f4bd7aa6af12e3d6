"""The encrypted exchange that firmware/ble/README.md shows in bytes, made by running it.

    PYTHONPATH=.:firmware:host_tests/shims python -m host_tests.host.ble_example

prints what belongs there. The reader's side is the firmware's, the holder's the reference wallet's; ticket, nonce and
keys are fixed and nothing in it is random, so it comes out the same each time.
"""

import hashlib
import textwrap

import cbor2
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ble import frames
from host_tests.host.phone_example import DRIVER, EVSE, LIMITS, NONCE, READER, VECTORS, WIDTH, ticket
from host_tests.runner import ours
from present import messages
from present.channel import agree_steps
from present.session import Session
from tools.virtual.channel import keys
from tools.virtual.phone import Wallet

READER_PRIVATE, HOLDER_PRIVATE = bytes(range(64, 96)), bytes(range(96, 128))
MTU = 247


class _Timing:
    def after(self, ms):
        return ms

    def left(self, deadline):
        return deadline


class Example:
    """`steps`: (who, what, message, its frames), in order; `secrets`: (name, bytes) on the way."""

    def __init__(self):
        private, holder = (X25519PrivateKey.from_private_bytes(data) for data in (READER_PRIVATE, HOLDER_PRIVATE))
        pair = READER_PRIVATE, private.public_key().public_bytes_raw()
        self.wallet = Wallet(ticket(), encrypt=True)
        self.wallet.key, self.wallet._ephemeral = DRIVER, holder
        self.session = Session(READER, [EVSE], lambda: NONCE, _Timing(), pair=pair)
        self.info = messages.encode(messages.INFO, {messages.READER: READER, messages.EVSES: [EVSE]})
        opening = self.wallet.opening()
        for _ in agree_steps(self.session, opening):
            pass
        record = self.wallet.present(cbor2.loads(self.session.hello))
        self.presentation = self.session.take(record, "ble")
        verdict = self.session.verdict("GRANTED", EVSE, LIMITS)
        self.wallet.told(verdict)
        self.steps, sent = [], {"phone": 0, "reader": 0}
        for who, what, message in (
            ("phone", "OPENING", opening),
            ("reader", "HELLO", self.session.hello),
            ("phone", "PRESENT as a record", record),
            ("reader", "VERDICT as a record", verdict),
        ):
            cut = list(frames.cut(message, sent[who], MTU - 3))
            sent[who] += len(cut)
            self.steps.append((who, what, message, cut))
        public = holder.public_key().public_bytes_raw()
        secret = holder.exchange(private.public_key())
        names = "holder key", "holder MAC key", "reader key", "reader MAC key"
        self.secrets = [
            ("reader's private key", READER_PRIVATE),
            ("holder's private key", HOLDER_PRIVATE),
            ("readerEphemeral", pair[1]),
            ("holderEphemeral", public),
            ("X25519 secret", secret),
            *zip(names, keys(secret, NONCE, pair[1], public), strict=True),
            ("channel, in the proof", hashlib.sha256(pair[1] + public).digest()),
        ]

    def text(self) -> str:
        lines = [f"info, {len(self.info)} bytes", *_rows(self.info), ""]
        for who, what, message, cut in self.steps:
            lines.append(f"{who}: {what}, {len(message)} bytes")
            for frame in cut:
                lines += _rows(frame)
            lines.append("")
        lines.append("On the way:")
        lines += [f"{name:21} {data.hex()}" for name, data in self.secrets]
        return "\n".join(lines)


def _rows(data: bytes) -> list[str]:
    rows = textwrap.wrap(data.hex(" ").upper(), 3 * WIDTH)
    return ["  " + row if index == 0 else "    " + row for index, row in enumerate(rows)]


if __name__ == "__main__":
    ours.claim(str(VECTORS.parents[2] / "firmware"))
    print(Example().text())
