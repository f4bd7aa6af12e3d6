"""CWT (RFC 8392) in COSE_Sign1 (RFC 9052) with Ed25519 (-19, RFC 9864) or EdDSA (-8, RFC 9053), and nothing else.

[tag 61] [tag 18] [ protected: bytes of {1: alg, 4: kid}, unprotected: {}, payload: bytes, signature: 64 bytes ]
"""

from micropython import const

from ticket import cbor, utf8
from ticket.envelope import SIGNATURE_BYTES, Envelope
from ticket.verdict import MALFORMED, UNSUPPORTED_ALGORITHM, Refused

FIRST_BYTES = (0x84, 0xD2, 0xD8)  # array of 4, tag 18, tag of one byte: none of them begins a JWS
_TAG_CWT = b"\xd8\x3d"
_TAG_COSE_SIGN1 = b"\xd2"
_FOUR_PARTS = b"\x84"
_EMPTY_MAP = b"\xa0"
_LONGEST_HEADER = const(256)
_ALGORITHMS = (-19, -8)
_ALG = 1
_KID = 4


def read(ticket):
    """bytes -> Envelope. Raises Refused: MALFORMED, UNSUPPORTED_ALGORITHM. The payload is not parsed."""
    if ticket[:2] == _TAG_CWT:
        ticket = ticket[2:]
    if ticket[:1] == _TAG_COSE_SIGN1:
        ticket = ticket[1:]
    if ticket[:1] != _FOUR_PARTS:
        raise Refused(MALFORMED, "cose")
    protected, i = cbor.byte_string(ticket, 1)
    if ticket[i : i + 1] != _EMPTY_MAP:
        raise Refused(MALFORMED, "unprotected header")
    payload, i = cbor.byte_string(ticket, i + 1)
    signature, i = cbor.byte_string(ticket, i)
    if i != len(ticket):
        raise Refused(MALFORMED, "cose")
    # Nobody has signed this yet: what is parsed of it is short, and so few items that they fit any heap.
    if len(protected) > _LONGEST_HEADER:
        raise Refused(MALFORMED, "header")
    kid = _kid(cbor.loads(protected))
    if len(signature) != SIGNATURE_BYTES:
        raise Refused(MALFORMED, "signature")
    return Envelope("cwt", kid, sig_structure(protected, payload), signature, payload)


def sig_structure(protected, payload):
    """The bytes that a COSE_Sign1 signature covers (RFC 9052 section 4.4), with no external data."""
    return b"".join((b"\x84\x6aSignature1", cbor.head(protected), protected, b"\x40", cbor.head(payload), payload))


def _kid(header):
    if type(header) is not dict or len(header) != 2 or _ALG not in header or _KID not in header:
        raise Refused(MALFORMED, "header")
    alg, kid = header[_ALG], header[_KID]
    if type(kid) is not bytes or (type(alg) is not int and type(alg) is not str):
        raise Refused(MALFORMED, "header")
    kid = utf8.decode(kid)
    if kid is None:
        raise Refused(MALFORMED, "kid")
    if alg not in _ALGORITHMS:
        raise Refused(UNSUPPORTED_ALGORITHM, str(alg))
    return kid
