"""JWS compact serialisation (RFC 7515 section 7.1) with Ed25519 (RFC 9864) or EdDSA (RFC 8037), and nothing else."""

from micropython import const

from ticket import b64url, strictjson
from ticket.envelope import SIGNATURE_BYTES, Envelope
from ticket.verdict import MALFORMED, UNSUPPORTED_ALGORITHM, Refused

TICKET = "charging-ticket+jws"
_LONGEST_HEADER = const(512)  # room for a kid of 64 characters, all of them escapes
_MOST_COMMAS = const(32)  # two part the members, and a kid may hold some
_ALGORITHMS = (b"Ed25519", b"EdDSA")


def read(token, typ, algorithms=_ALGORITHMS):
    """bytes -> Envelope of a token of exactly this `typ`. Raises Refused: MALFORMED, UNSUPPORTED_ALGORITHM.

    `algorithms` are those taken, as bytes. The payload is decoded from base64url but not parsed. The caller bounds the
    length of `token`.
    """
    first, second = token.find(b"."), token.rfind(b".")
    if first == second:
        raise Refused(MALFORMED, "jws")
    # a third one would stand in the payload, and is no base64url
    view = memoryview(token)
    header = b64url.decode(view[:first])
    payload = b64url.decode(view[first + 1 : second])
    signature = b64url.decode(view[second + 1 :])
    if header is None or payload is None or signature is None:
        raise Refused(MALFORMED, "base64url")
    # Nobody has signed this yet: what is parsed of it is short, and so few items that they fit any heap.
    if len(header) > _LONGEST_HEADER or header.count(b",") > _MOST_COMMAS:
        raise Refused(MALFORMED, "header")
    kid = _kid(strictjson.loads(header, raw=True), typ, algorithms)
    # Other algorithms have signatures of other lengths, so the length is judged after the algorithm.
    if len(signature) != SIGNATURE_BYTES:
        raise Refused(MALFORMED, "signature")
    return Envelope("jws", kid, view[:second], signature, payload)


def _kid(header, typ, algorithms):
    if type(header) is not dict or len(header) != 3:
        raise Refused(MALFORMED, "header")
    for name in (b"alg", b"kid", b"typ"):
        if name not in header:
            raise Refused(MALFORMED, "header")
        if type(header[name]) is not bytes:
            raise Refused(MALFORMED, str(name, "utf-8"))
    if header[b"typ"] != typ.encode():
        raise Refused(MALFORMED, "typ")
    if header[b"alg"] not in algorithms:
        raise Refused(UNSUPPORTED_ALGORITHM, str(header[b"alg"], "utf-8"))
    return str(header[b"kid"], "utf-8")
