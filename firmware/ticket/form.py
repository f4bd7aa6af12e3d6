"""A ticket in either of its forms: JWS, or CWT in COSE_Sign1 for small cards. The first byte tells which."""

from micropython import const

from ticket import cwt, jws, strictjson
from ticket.claims import from_json
from ticket.verdict import MALFORMED, TOO_LARGE, Refused

MAX_BYTES = 4096
_MAX_BYTES = const(4096)


def read(ticket):
    """bytes -> Envelope. Raises Refused: TOO_LARGE, MALFORMED, UNSUPPORTED_ALGORITHM.

    Nothing here is to be believed before `envelope.signature` over `envelope.signed` has been checked.
    """
    if len(ticket) > _MAX_BYTES:
        raise Refused(TOO_LARGE)
    if not ticket:
        raise Refused(MALFORMED, "empty")
    return cwt.read(ticket) if ticket[0] in cwt.FIRST_BYTES else jws.read(ticket, jws.TICKET)


def claims(envelope):
    """Envelope -> Claims, to be called once its signature has been checked, and only once: the payload is let go.

    Raises Refused: MALFORMED, UNKNOWN_CLAIM, BAD_CLAIM.
    """
    payload, envelope.payload = envelope.payload, None  # a long ticket fills a small heap quickly
    if envelope.form == "cwt":
        return cwt.read_claims(payload)
    kept = {b"tariffs": None}
    members = strictjson.loads(payload, raw=True, kept=kept)
    payload = None
    return from_json(members, kept[b"tariffs"])
