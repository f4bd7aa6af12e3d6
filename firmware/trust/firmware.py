"""Update manifests that an operator's root signs, of type charging-firmware+jws; see signed.py for the envelope.

Payload:
- `version`: 1 to 2^31 - 1, rising;
- `mpy`: for whom it was compiled, as the board says it in `sys.implementation._mpy`;
- `sha256`: of the whole tree, 32 bytes, base64url;
- `blocks`: the first 16 bytes of the SHA-256 of each of its blocks of 4096 bytes, in order, as one base64url text.
"""

from crypto import ed25519
from ticket import b64url
from ticket.verdict import BAD_SIGNATURE, Refused
from trust import signed

DIGEST = 16  # bytes of a block's hash


def read_steps(token, roots, verify_steps=ed25519.verify_steps):
    """Generator: None between pieces of work, then (version, mpy, sha256, blocks) of the manifest that one of `roots`
    {kid: public key} signed. Raises Refused, see signed.py.
    """
    envelope = signed.envelope(token, signed.FIRMWARE, roots)
    genuine = False
    for genuine in verify_steps(roots[envelope.kid], envelope.signed, envelope.signature):
        yield None
    if genuine is not True:
        raise Refused(BAD_SIGNATURE, envelope.kid)
    values = signed.take(signed.members(envelope), _SCHEMA)
    yield values["version"], values["mpy"], values["sha256"], values["blocks"]


def _blocks(value):
    data = b64url.decode(value.encode()) if type(value) is str else None
    return data if data and len(data) % DIGEST == 0 else None


_SCHEMA = (
    ("version", True, signed.positive),
    ("mpy", True, signed.positive),
    ("sha256", True, signed.bytes32),
    ("blocks", True, _blocks),
)
