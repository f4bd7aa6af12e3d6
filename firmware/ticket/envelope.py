"""What stands around a signed payload, the same for both forms."""

from micropython import const

SIGNATURE_BYTES = const(64)


class Envelope:
    """A signed thing whose signature nobody has checked yet.

    `form` "jws" or "cwt"; `kid` the signer's key id, a hint and no proof; `signed` the bytes that the signature covers;
    `signature` 64 bytes; `payload` the bytes inside, not yet parsed.
    """

    def __init__(self, form, kid, signed, signature, payload):
        self.form = form
        self.kid = kid
        self.signed = signed
        self.signature = signature
        self.payload = payload
