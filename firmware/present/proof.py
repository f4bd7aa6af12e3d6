"""Holder proof: the driver's key signs the reader's nonce, the reader, the EVSE and the ticket (README.md).

signed = "charging-ticket-holder-proof-v1" 00 SHA-256(nonce[32] | len8 readerId | len8 evseId | len8 code |
         SHA-256(ticket) | channel[32])
"""

import hashlib

from crypto import ed25519

_DOMAIN = b"charging-ticket-holder-proof-v1\x00"
NO_CHANNEL = bytes(32)


def _counted(text):
    data = text.encode()
    if len(data) > 255:
        raise ValueError("over 255 bytes")
    return bytes((len(data),)) + data


def message(nonce, reader_id, evse_id, code, ticket, channel=NO_CHANNEL):
    """The bytes that the holder signs. ValueError for a nonce or channel that is not 32 bytes, or a text over 255."""
    if len(nonce) != 32 or len(channel) != 32:
        raise ValueError("nonce and channel are 32 bytes each")
    inner = hashlib.sha256(nonce)
    inner.update(_counted(reader_id))
    inner.update(_counted(evse_id))
    inner.update(_counted(code))
    inner.update(hashlib.sha256(ticket).digest())
    inner.update(channel)
    return _DOMAIN + inner.digest()


class Proof:
    """A holder's answer to one HELLO. nonce, code, channel are what this reader sent or shows, never what came back."""

    def __init__(self, nonce, code, signature, channel=NO_CHANNEL):
        self.nonce = nonce
        self.code = code
        self.signature = signature
        self.channel = channel

    def verify_steps(self, public_key, ticket, reader_id, evse_id):
        """Yields between pieces of work; the last value is True when the holder of `public_key` signed exactly this."""
        signed = message(self.nonce, reader_id, evse_id, self.code, ticket, self.channel)
        return ed25519.verify_steps(public_key, signed, self.signature)
