"""Times that an operator's root signs, of type charging-time+jws; see signed.py for the envelope.

Payload: `time` (as in tickets), and for one reader either or both of
- `nonce`: the 32 bytes, base64url, that this reader has just made: the time is now, not what somebody kept;
- `reset` (1 to 2^31 - 1, rising) with `reader` (its id): the clock floor of that reader is to be this time, even if
  that is lower. Named, so that it takes back no other reader of the same operator.
"""

from crypto import ed25519
from ticket.verdict import BAD_CLAIM, BAD_SIGNATURE, Refused
from trust import signed


class SignedTime:
    """`time_ms`; `nonce` (32 bytes), `reset` (number) and `reader` (id), None where they are not given."""

    def __init__(self, values):
        self.time_ms = values["time"]
        self.nonce = values["nonce"]
        self.reset = values["reset"]
        self.reader = values["reader"]


def read_steps(token, roots, verify_steps=ed25519.verify_steps):
    """Generator: None between pieces of work, then the SignedTime that one of `roots` {kid: public key} signed.

    Raises Refused, see signed.py.
    """
    envelope = signed.envelope(token, signed.TIME, roots)
    genuine = False
    for genuine in verify_steps(roots[envelope.kid], envelope.signed, envelope.signature):
        yield None
    if genuine is not True:
        raise Refused(BAD_SIGNATURE, envelope.kid)
    yield parse(envelope)


def parse(envelope):
    """Envelope whose signature has been checked -> SignedTime. Raises Refused."""
    values = signed.take(signed.members(envelope), _SCHEMA)
    if (values["reset"] is None) != (values["reader"] is None):
        raise Refused(BAD_CLAIM, "reader")
    return SignedTime(values)


_SCHEMA = (
    ("time", True, signed.time_ms),
    ("nonce", False, signed.bytes32),
    ("reset", False, signed.positive),
    ("reader", False, signed.text),
)
