"""The signed trust bundle: which issuer keys a reader believes, within what bounds, and what has been revoked.

Payload: `version` (1 to 2^31 - 1), `created`, `issuers`, and at will `notAfter`, `retiredRoots` (kids), `revokedKeys`
(kids of issuers), `revokedTickets` ([{providerId, id}]). See signed.py for the envelope and issuers.py for an issuer.
"""

from micropython import const

from crypto import ed25519
from ticket import rules, strictjson
from ticket.verdict import BAD_CLAIM, Refused
from trust import issuers, signed
from trust.kept import Bundle

_STEP = const(8)  # items of a list

# What `judge` says of a bundle that is offered.
ACCEPTED = "ACCEPTED"
RETIRED_ROOT = "RETIRED_ROOT"  # signed by a root that the present bundle retires
FORGETS_RETIRED_ROOT = "FORGETS_RETIRED_ROOT"  # would bring a retired root back
OLD_VERSION = "OLD_VERSION"
ENDED = "ENDED"


def read(token, roots, verify=ed25519.verify):
    """bytes -> Bundle, signed by one of `roots` {kid: public key}. Raises Refused, see signed.py."""
    return parse(signed.verified(token, signed.BUNDLE, roots, verify=verify))


def parse(envelope):
    """Envelope of a bundle (signed.envelope), its signature checked -> Bundle. Raises Refused."""
    return strictjson.result(parse_steps(envelope))


def parse_steps(envelope):
    """Generator: None between pieces of work, none of which is long; returns what `parse` does."""
    found = yield from signed.member_steps(envelope)
    values = signed.take(found, _SCHEMA)
    for name, kind in _LISTS:
        taken, entries = set(), []
        for number, value in enumerate(values[name] or ()):
            value = kind(value)
            if value is None:
                raise Refused(BAD_CLAIM, name)
            if kind is issuers.parse:
                yield from issuers.check_steps(value)
                entries.append(value)
            else:
                taken.add(value)
            if not number % _STEP:
                yield None
        values[name] = entries if kind is issuers.parse else taken
    if len({issuer.kid for issuer in values["issuers"]}) != len(values["issuers"]):
        raise Refused(BAD_CLAIM, "kid")
    # A root that retires itself would leave a bundle that nobody may believe at the next start.
    if envelope.kid in values["retiredRoots"]:
        raise Refused(BAD_CLAIM, "retiredRoots")
    return Bundle(envelope.kid, values)


def judge(present, offered, roots, now_ms, ignore_end=False):
    """Whether `offered` may take the place of `present` (None where there is none yet): ACCEPTED, or why not.

    Versions rise, except that a bundle which newly retires another of this reader's `roots` is taken whatever its
    version: else a stolen root could close the door behind it with the highest version. `now_ms` None: unknown time.
    """
    if not ignore_end and offered.ended(now_ms):
        return ENDED
    if present is None:
        return ACCEPTED
    if offered.root in present.retired_roots:
        return RETIRED_ROOT
    for kid in present.retired_roots:
        if kid not in offered.retired_roots:
            return FORGETS_RETIRED_ROOT
    newly = [kid for kid in offered.retired_roots if kid in roots and kid not in present.retired_roots]
    return ACCEPTED if newly or offered.version > present.version else OLD_VERSION


_REVOKED_TICKET = (("providerId", True, issuers.provider), ("id", True, signed.text))


def _revoked_ticket(found):
    values = signed.take(found, _REVOKED_TICKET)
    return rules.ticket_key(values["providerId"], values["id"])


_SCHEMA = (
    ("version", True, signed.positive),
    ("created", True, signed.time_ms),
    ("notAfter", False, signed.time_ms),
    ("issuers", True, signed.items),
    ("retiredRoots", False, signed.items),
    ("revokedKeys", False, signed.items),
    ("revokedTickets", False, signed.items),
)
# what is made of the lists
_LISTS = (
    ("issuers", issuers.parse),
    ("retiredRoots", signed.text),
    ("revokedKeys", signed.text),
    ("revokedTickets", _revoked_ticket),
)
