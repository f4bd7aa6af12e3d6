"""Documents that an operator's root key signs: one reader for all of them, so that none is ever taken for another.

JWS compact, protected header exactly `alg` = `Ed25519`, `kid` of a root, `typ` of the document's kind; the payload is
one strict JSON object with a closed schema. Refusals use the reasons of tickets: TOO_LARGE, MALFORMED (another `typ`
included), UNSUPPORTED_ALGORITHM, UNKNOWN_ISSUER (no such root, or a retired one), BAD_SIGNATURE, UNKNOWN_CLAIM,
BAD_CLAIM.
"""

from crypto import ed25519
from ticket import b64url, jws, strictjson, times
from ticket.claims import MAX_INTEGER
from ticket.verdict import BAD_CLAIM, BAD_SIGNATURE, MALFORMED, TOO_LARGE, UNKNOWN_CLAIM, UNKNOWN_ISSUER, Refused

BUNDLE = "charging-trust+jws"
TIME = "charging-time+jws"
FIRMWARE = "charging-firmware+jws"

# Longest token of each kind, in bytes.
LIMITS = {BUNDLE: 16384, TIME: 1024, FIRMWARE: 16384}


def envelope(token, typ, roots, retired=()):
    """bytes -> Envelope of a document that claims to be of this `typ` and signed by one of `roots` not in `retired`.

    `roots` is {kid: public key, 32 bytes}. For who checks the signature in steps; what is inside is not yet believed.
    """
    if len(token) > LIMITS[typ]:
        raise Refused(TOO_LARGE, typ)
    signed = jws.read(token, typ, (b"Ed25519",))
    if signed.kid not in roots or signed.kid in retired:
        raise Refused(UNKNOWN_ISSUER, signed.kid)
    return signed


def members(signed):
    """Envelope whose signature has been checked -> dict of its payload's members."""
    return strictjson.result(member_steps(signed))


def member_steps(signed):
    """Generator: None between pieces of work; returns what `members` does."""
    found = yield from strictjson.load_steps(signed.payload)
    if type(found) is not dict:
        raise Refused(MALFORMED, "no object")
    return found


def verified(token, typ, roots, retired=(), verify=ed25519.verify):
    """bytes -> Envelope whose signature is good."""
    signed = envelope(token, typ, roots, retired)
    if not verify(roots[signed.kid], signed.signed, signed.signature):
        raise Refused(BAD_SIGNATURE, signed.kid)
    return signed


def take(found, schema):
    """A parsed object and its schema, rows of (member, mandatory, function) -> dict of every member's value.

    The function gives the value that is kept, or None where what it is given is bad. Members left out are None.
    """
    if type(found) is not dict:
        raise Refused(BAD_CLAIM, "no object")
    names = [row[0] for row in schema]
    for name in found:
        if name not in names:
            raise Refused(UNKNOWN_CLAIM, name)
    values = {}
    for name, mandatory, kind in schema:
        values[name] = None
        if name in found:
            values[name] = kind(found[name])
        if values[name] is None and (mandatory or name in found):
            raise Refused(BAD_CLAIM, name)
    return values


def text(value):
    """A text of 1-64 bytes."""
    return value if type(value) is str and 1 <= len(value.encode()) <= 64 else None


def time_ms(value):
    """A time as in tickets -> ms since 1970."""
    return times.parse(value) if type(value) is str else None


def positive(value):
    """An integer from 1 to 2^31 - 1."""
    return value if type(value) is int and 1 <= value <= MAX_INTEGER else None


def bytes32(value):
    """32 bytes as base64url."""
    data = b64url.decode(value.encode()) if type(value) is str else None
    return data if data is not None and len(data) == 32 else None


def items(values):
    """A list, whose items are still to be judged."""
    return values if type(values) is list else None
