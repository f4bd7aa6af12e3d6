"""Signatures by other people's software: JWS through joserfc, COSE through cwt. The firmware only verifies."""

import base64
import warnings

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cwt import COSE, COSEKey
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import OKPKey

TICKET_TYPE = "charging-ticket+jws"
BUNDLE_TYPE = "charging-trust+jws"
TIME_TYPE = "charging-time+jws"
FIRMWARE_TYPE = "charging-firmware+jws"
COSE_ALGORITHMS = {"Ed25519": -19, "EdDSA": -8}


def sign_jws(payload: bytes, key: dict, typ: str, alg: str = "Ed25519") -> bytes:
    """JWS compact serialisation of the payload; `key` is a private JWK with kid, alg `Ed25519` or `EdDSA`."""
    header = {"alg": alg, "kid": key["kid"], "typ": typ}
    with warnings.catch_warnings():
        # EdDSA is the older name of the same signature, which issuers with older libraries are stuck with
        warnings.simplefilter("ignore", SecurityWarning)
        return jws.serialize_compact(header, payload, OKPKey.import_key(key), algorithms=[alg]).encode()


def sign_cose(payload: bytes, key: dict, alg: str = "Ed25519") -> bytes:
    """COSE_Sign1 (tag 18) over the payload, alg and kid protected, nothing unprotected."""
    signer = COSEKey.from_jwk({**key, "alg": alg})
    protected = {1: COSE_ALGORITHMS[alg], 4: key["kid"].encode()}
    message = COSE.new().encode_and_sign(payload, signer, protected=protected, unprotected={})
    if not isinstance(message, bytes):
        raise TypeError("the COSE library gave no bytes")
    return message


def sign_bytes(message: bytes, key: dict) -> bytes:
    """The bare 64 bytes of an Ed25519 signature by a private JWK."""
    secret = base64.urlsafe_b64decode(key["d"] + "=")
    return Ed25519PrivateKey.from_private_bytes(secret).sign(message)
