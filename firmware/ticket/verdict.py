"""The reason codes of a decision, and the one exception that carries a refusal.

`REASONS` is ordered: checks run in this order and the first that fails gives the one reason of the verdict.
"""

TOO_LARGE = "TOO_LARGE"
MALFORMED = "MALFORMED"
UNSUPPORTED_ALGORITHM = "UNSUPPORTED_ALGORITHM"
UNKNOWN_ISSUER = "UNKNOWN_ISSUER"
BAD_SIGNATURE = "BAD_SIGNATURE"
UNKNOWN_CLAIM = "UNKNOWN_CLAIM"
BAD_CLAIM = "BAD_CLAIM"
ISSUER_NOT_ALLOWED = "ISSUER_NOT_ALLOWED"
LIFETIME_TOO_LONG = "LIFETIME_TOO_LONG"
CLOCK_UNKNOWN = "CLOCK_UNKNOWN"
NOT_YET_VALID = "NOT_YET_VALID"
EXPIRED = "EXPIRED"
WRONG_DAY = "WRONG_DAY"
WRONG_OPERATOR = "WRONG_OPERATOR"
EXCLUDED_PLACE = "EXCLUDED_PLACE"
WRONG_PLACE = "WRONG_PLACE"
WRONG_EVSE_KIND = "WRONG_EVSE_KIND"
METER_SIGNATURE_REQUIRED = "METER_SIGNATURE_REQUIRED"
ENCRYPTION_REQUIRED = "ENCRYPTION_REQUIRED"
LIMIT_NOT_ENFORCEABLE = "LIMIT_NOT_ENFORCEABLE"
REVOKED = "REVOKED"
HOLDER_PROOF_REQUIRED = "HOLDER_PROOF_REQUIRED"
HOLDER_PROOF_FAILED = "HOLDER_PROOF_FAILED"
PRESENCE_REQUIRED = "PRESENCE_REQUIRED"
EVSE_BUSY = "EVSE_BUSY"
ALREADY_USED = "ALREADY_USED"
LEDGER_FULL = "LEDGER_FULL"
ONLINE_VALIDATION_REQUIRED = "ONLINE_VALIDATION_REQUIRED"
ONLINE_REFUSED = "ONLINE_REFUSED"
JOURNAL_FULL = "JOURNAL_FULL"
STORE_FAULT = "STORE_FAULT"
RELAY_FAULT = "RELAY_FAULT"
INTERNAL_FAULT = "INTERNAL_FAULT"
GRANTED = "GRANTED"

# What becomes of a signed document instead, besides the codes of documents that are not believed.
TAKEN = "ACCEPTED SAME SET FLOOR RESET NEEDS INSTALLED"
NOT_TAKEN = "OLD_VERSION ENDED RETIRED_ROOT FORGETS_RETIRED_ROOT STALE_NONCE WRONG_READER OLD_RESET OUT_OF_BOUNDS"
NOT_TAKEN += " WRONG_BOARD BAD_BLOCK NO_UPDATE ON_TRIAL"

REASONS = (
    TOO_LARGE,
    MALFORMED,
    UNSUPPORTED_ALGORITHM,
    UNKNOWN_ISSUER,
    BAD_SIGNATURE,
    UNKNOWN_CLAIM,
    BAD_CLAIM,
    ISSUER_NOT_ALLOWED,
    LIFETIME_TOO_LONG,
    CLOCK_UNKNOWN,
    NOT_YET_VALID,
    EXPIRED,
    WRONG_DAY,
    WRONG_OPERATOR,
    EXCLUDED_PLACE,
    WRONG_PLACE,
    WRONG_EVSE_KIND,
    METER_SIGNATURE_REQUIRED,
    ENCRYPTION_REQUIRED,
    LIMIT_NOT_ENFORCEABLE,
    REVOKED,
    HOLDER_PROOF_REQUIRED,
    HOLDER_PROOF_FAILED,
    PRESENCE_REQUIRED,
    EVSE_BUSY,
    ALREADY_USED,
    LEDGER_FULL,
    ONLINE_VALIDATION_REQUIRED,
    ONLINE_REFUSED,
    JOURNAL_FULL,
    STORE_FAULT,
    RELAY_FAULT,
    INTERNAL_FAULT,
    GRANTED,
)


def is_taken(word):
    """Whether this word says that a signed document is in force; NEEDS comes with a number."""
    return word.split(" ")[0] in TAKEN.split()


class Refused(Exception):
    """A refusal. `reason` is one of `REASONS`; `detail` a short text such as a member's name, never secret, maybe "".

    No more than the first 64 characters of `detail` are kept, and those outside printable ASCII become `?`, since it
    may repeat what an attacker wrote, and ends on consoles and in the journal.
    """

    def __init__(self, reason, detail=""):
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = "".join([letter if " " <= letter <= "~" else "?" for letter in detail[:64]])
