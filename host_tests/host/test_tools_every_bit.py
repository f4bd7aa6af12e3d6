"""Every bit of a ticket counts: each one flipped, and each length it can be cut to, is refused with a reason."""

from collections import Counter

import pytest

from ticket.verdict import (
    BAD_SIGNATURE,
    GRANTED,
    MALFORMED,
    UNKNOWN_ISSUER,
    UNSUPPORTED_ALGORITHM,
)
from tools.site.directory import Site
from tools.site.init import init
from tools.site.keys import load_key
from tools.tickets import mint, ticket_file
from tools.tickets.verify import Desk, choose_evse, present

NOW_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z
BEFORE_CLAIMS = {MALFORMED, UNSUPPORTED_ALGORITHM, UNKNOWN_ISSUER, BAD_SIGNATURE}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Site:
    folder = tmp_path_factory.mktemp("bits") / "site"
    init(folder)
    return Site.load(folder)


@pytest.mark.parametrize("form", ["jws", "cwt"])
def test_every_flipped_bit_and_every_cut_is_refused(site, form, soak):
    """In short runs the longer form has one bit of each of its bytes flipped, the shorter one every bit."""
    step = 9 if form == "jws" and not soak else 1
    claims = mint.defaults("DE-XYZ", NOW_MS, NOW_MS, 3600)
    ticket = mint.mint(claims, load_key(site.folder / "issuer.jwk", private=True), form)
    evse = choose_evse(site, None)
    with Desk(site, NOW_MS) as desk:

        def reason(data: bytes) -> str:
            return desk.judge(present(site, ticket_file.unwrap(data), evse)).reason

        flipped = Counter()
        for bit in range(0, 8 * len(ticket), step):
            changed = bytearray(ticket)
            changed[bit >> 3] ^= 1 << (bit & 7)
            flipped[reason(bytes(changed))] += 1
        cut = Counter(reason(ticket[:length]) for length in range(len(ticket)))
        # whatever was tried before, the ticket itself is still good, once
        assert reason(ticket) == GRANTED
    assert set(flipped) == BEFORE_CLAIMS
    assert flipped.total() == -(-8 * len(ticket) // step)
    # all bits of the signature itself are among these, in CWT one for one
    assert flipped[BAD_SIGNATURE] >= 8 * 64 // step
    assert cut == {MALFORMED: len(ticket)}
