"""JWS compact serialisation (RFC 7515 section 7.1) with Ed25519 (RFC 9864) or EdDSA (RFC 8037), and nothing else."""

from ticket import b64url, strictjson
from ticket.envelope import SIGNATURE_BYTES, Envelope
from ticket.verdict import MALFORMED, UNSUPPORTED_ALGORITHM, Refused

TICKET = "charging-ticket+jws"
_ALGORITHMS = ("Ed25519", "EdDSA")


def read(token, typ, algorithms=_ALGORITHMS):
    """bytes -> Envelope of a token of exactly this `typ`. Raises Refused: MALFORMED, UNSUPPORTED_ALGORITHM.

    The payload is decoded from base64url but not parsed. The caller bounds the length of `token`.
    """
    if token.count(b".") != 2:
        raise Refused(MALFORMED, "jws")
    header, payload, signature = [b64url.decode(part) for part in token.split(b".")]
    if header is None or payload is None or signature is None:
        raise Refused(MALFORMED, "base64url")
    kid = _kid(strictjson.loads(header), typ, algorithms)
    # Other algorithms have signatures of other lengths, so the length is judged after the algorithm.
    if len(signature) != SIGNATURE_BYTES:
        raise Refused(MALFORMED, "signature")
    return Envelope("jws", kid, token[: token.rfind(b".")], signature, payload)


def _kid(header, typ, algorithms):
    if not isinstance(header, dict) or set(header) != {"alg", "kid", "typ"}:
        raise Refused(MALFORMED, "header")
    for name in ("alg", "kid", "typ"):
        if not isinstance(header[name], str):
            raise Refused(MALFORMED, name)
    if header["typ"] != typ:
        raise Refused(MALFORMED, "typ")
    if header["alg"] not in algorithms:
        raise Refused(UNSUPPORTED_ALGORITHM, header["alg"])
    return header["kid"]
