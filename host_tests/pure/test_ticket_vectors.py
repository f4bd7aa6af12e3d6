"""The published tickets of vectors/tickets.json: form, issuer, signature, claims and rules in one go."""

import json

import support
from crypto import ed25519
from ticket import b64url, form, rules
from ticket.claims import DAYS
from ticket.times import parse
from ticket.verdict import BAD_SIGNATURE, GRANTED, UNKNOWN_ISSUER, Refused


class Issuer:
    """The issuer of the vectors."""

    def __init__(self, entry):
        self.kid = entry["kid"]
        self.public_key = b64url.decode(entry["x"].encode())
        self.providers, self.places = entry["providers"], entry["places"]
        self.limits, self.max_lifetime_s = entry["limits"], entry["maxLifetime"]


def situation(site):
    here = rules.Situation()
    here.now_ms, here.clock, here.weekday = parse(site["now"]), "SET", DAYS.index(site["weekday"])
    here.operator, here.pool, here.station, here.evse = site["operator"], site["pool"], site["station"], site["evse"]
    here.evse_kind, here.enforced = site["evseKind"], site["enforced"]
    here.revoked_ticket, here.evse_busy = False, False
    return here


def decide(ticket, issuer, here):
    """-> (reason, limits)"""
    try:
        envelope = form.read(ticket)
        if envelope.kid != issuer.kid:
            raise Refused(UNKNOWN_ISSUER)
        if not ed25519.verify(issuer.public_key, envelope.signed, envelope.signature):
            raise Refused(BAD_SIGNATURE)
        return GRANTED, rules.check(form.claims(envelope), issuer, here)
    except Refused as refused:
        return refused.reason, None


def unhex(digits):
    return bytes([int(digits[i : i + 2], 16) for i in range(0, len(digits), 2)])


def test_every_published_ticket_gets_its_reason():
    with open(support.vector("tickets.json")) as file:
        published = json.load(file)
    issuer, here = Issuer(published["issuer"]), situation(published["site"])
    tickets = 0
    for case in published["cases"]:
        for name, read in (("jws", lambda text: text.encode()), ("cwt", unhex)):
            if name in case:
                found = decide(read(case[name]), issuer, here)
                assert found == (case["reason"], case["limits"]), (case["name"], name, found)
                tickets += 1
    assert tickets > 60
