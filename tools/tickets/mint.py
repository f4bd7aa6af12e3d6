"""Minting: claims from defaults, a file and options; one UUIDv7 id each; signed as JWS or CWT."""

import json
import secrets
import sys
from pathlib import Path

from tools.problem import Problem
from tools.site.keys import reason
from tools.tickets import cwt_claims
from tools.tickets.signing import TICKET_TYPE, sign_cose, sign_jws
from tools.units import wire_time

MAX_BYTES = 4096


def ticket_id(provider: str, now_ms: int) -> str:
    """`{provider}-CT-{UUIDv7}` (RFC 9562 section 5.7): sorted by the time of minting, unique by 74 random bits."""
    number = now_ms << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    digits = f"{number:032x}"
    return f"{provider}-CT-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def defaults(provider: str, now_ms: int, not_before_ms: int, valid_for_s: int) -> dict:
    """The mandatory claims: a ticket for one charging session, judged offline. Times are whole seconds."""
    return {
        "id": ticket_id(provider, now_ms),
        "providerId": provider,
        "created": wire_time(now_ms // 1000 * 1000),
        "notBefore": wire_time(not_before_ms // 1000 * 1000),
        "notAfter": wire_time(not_before_ms // 1000 * 1000 + 1000 * valid_for_s),
        "multiUsage": "NotAllowed",
        "validationMethod": "OfflineChargingAllowed",
    }


def claims_file(name: str) -> dict:
    """The JSON object in a file, or on standard input for `-`. Raises Problem for anything else."""
    what = "the claims on standard input" if name == "-" else f"the claims in {name}"
    try:
        text = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise Problem(f"cannot read {what}: {reason(error)}") from None
    try:
        claims = json.loads(text, object_pairs_hook=no_doubles)
    except (ValueError, RecursionError) as error:
        raise Problem(f"{what} are no JSON: {error}") from None
    if not isinstance(claims, dict):
        raise Problem(f'{what} must be one JSON object, such as {{"evseKind": "AC"}}')
    return claims


def no_doubles(pairs: list) -> dict:
    """For `json.loads`: the object. Raises ValueError where a member stands twice."""
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} stands there twice")
    return members


def mint(claims: dict, key: dict, form: str = "jws", alg: str = "Ed25519") -> bytes:
    """The signed ticket: JWS as ASCII, or CWT bytes. `key` is the issuer's private JWK. Raises Problem if too large."""
    try:
        if form == "cwt":
            ticket = sign_cose(cwt_claims.encode(claims), key, alg)
        else:
            payload = json.dumps(claims, separators=(",", ":"), ensure_ascii=False)
            ticket = sign_jws(payload.encode(), key, TICKET_TYPE, alg)
    except UnicodeEncodeError:
        raise Problem("the claims hold half a character (a lone surrogate); write the text whole") from None
    if len(ticket) > MAX_BYTES:
        raise Problem(f"the ticket has {len(ticket)} bytes and readers take {MAX_BYTES}; shorten texts or tariffs")
    return ticket
