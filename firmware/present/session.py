"""One exchange with one holder, whatever carries it: HELLO out, PRESENT in, VERDICT out (wire.md section 2)."""

from micropython import const

import present.messages as messages
from present.messages import BadMessage
from present.presentation import Presentation
from present.proof import Proof
from ticket.form import MAX_BYTES

NONCE_MS = 10_000  # a nonce serves one PRESENT, within this time
_NONCE_BYTES = const(32)


class TooLate(Exception):
    """The nonce of this exchange has served, or its time is over."""


class Session:
    """reader_id, evse_ids: what HELLO says; random: () -> 32 bytes never given before; timing: `after` and `left` as in
    nfc/timing.py; code: what the station shows, "" where it shows none.

    `hello` is the message to send, `deadline` the end of its nonce.
    """

    def __init__(self, reader_id, evse_ids, random, timing, code=""):
        self._evse_ids = evse_ids
        self._timing = timing
        self._code = code
        self._nonce = random()
        self.deadline = timing.after(NONCE_MS)
        self.hello = messages.encode(
            messages.HELLO, {messages.READER: reader_id, messages.EVSES: evse_ids, messages.NONCE: self._nonce}
        )

    def take(self, data, carrier):
        """The Presentation that a PRESENT is, with its proof tied to this session's nonce and code.

        data: bytes or a view of them, or None for a message longer than one with a ticket can be. That is presented as
        a ticket that is too large, and what is no answer to this HELLO as no ticket: both have their reason. Raises
        TooLate.
        """
        nonce, self._nonce = self._nonce, None
        if nonce is None or self._timing.left(self.deadline) <= 0:
            raise TooLate
        if data is None:
            return Presentation(bytes(MAX_BYTES + 1), carrier)
        try:
            return self._read(data, carrier, nonce)
        except BadMessage:
            return Presentation(b"", carrier)

    def _read(self, data, carrier, nonce):
        message = messages.decode(messages.PRESENT, data)
        evse_id = message.get(messages.EVSE)
        if evse_id not in self._evse_ids and (evse_id is not None or len(self._evse_ids) > 1):
            raise BadMessage("not on offer")
        if messages.HOLDER_EPHEMERAL in message:
            raise BadMessage("not offered")  # this HELLO had no key to agree with
        signature = message.get(messages.SIGNATURE)
        proof = None if signature is None else Proof(nonce, self._code, signature)
        return Presentation(message[messages.TICKET], carrier, evse_id, proof)

    def verdict(self, reason, evse_id=None, limits=None):
        """The VERDICT message: a reason code, the EVSE that was judged, and the limits of a grant by their names."""
        message = {messages.REASON: reason}
        if evse_id is not None:
            message[messages.EVSE] = evse_id
        if limits:
            message[messages.LIMITS] = messages.limits_of(limits)
        return messages.encode(messages.VERDICT, message)
