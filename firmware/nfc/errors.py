"""What can go wrong between the antenna and a ticket: four exceptions and the names of the causes.

Every parser and driver of this package raises these and nothing else, whatever bytes it is given.
"""

NO_NDEF = "NO_NDEF"  # a card that is not NDEF formatted, or holds no message
NOT_A_TICKET = "NOT_A_TICKET"  # an NDEF message, broken or without a ticket record
UNSUPPORTED_CARD = "UNSUPPORTED_CARD"  # a card that this reader has no way to read
TWO_CARDS = "TWO_CARDS"  # more than one card in the field
CARD_GONE = "CARD_GONE"  # it left the field before it was read
TOO_LARGE = "TOO_LARGE"  # a ticket of more than 4096 bytes
READ_ERROR = "READ_ERROR"  # the card stayed, but could not be read in time


class NfcError(Exception):
    """Base of them all; `detail` is a short fixed text, never card data."""

    def __init__(self, detail=""):
        super().__init__(detail)
        self.detail = detail


class ChipError(NfcError):
    """The PN532 or its bus failed: silent, late, or it refused a command that it should know."""


class CardError(NfcError):
    """The card answered, but wrongly (checksum, protocol, too slow). Worth another try."""


class CardGone(CardError):
    """The card does not answer any more."""


class NoTicket(NfcError):
    """The card was read and has no ticket for us: `cause` is one of the names above."""

    def __init__(self, cause, detail=""):
        super().__init__(detail)
        self.cause = cause
