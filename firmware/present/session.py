"""One exchange with one holder, whatever carries it: HELLO out, PRESENT in, VERDICT out (README.md)."""

from micropython import const

import present.messages as messages
from present.messages import BadMessage
from present.presentation import Presentation
from present.proof import NO_CHANNEL, Proof
from ticket.form import MAX_BYTES

NONCE_MS = 10_000  # a nonce serves one PRESENT, within this time
_NONCE_BYTES = const(32)


class TooLate(Exception):
    """The nonce of this exchange has served, or its time is over."""


class Session:
    """reader_id, evse_ids: what HELLO says; random: () -> 32 bytes never given before; timing: `after` and `left` as in
    nfc/timing.py; code: what the station shows, "" where it shows none; pair: this session's key pair, made by
    present.channel.pair_steps, None where the site does not encrypt.

    `hello` is the message to send, `deadline` the end of its nonce. Once `channel.agree_steps` has set `channel` the
    rest travels in records.
    """

    def __init__(self, reader_id, evse_ids, random, timing, code="", pair=None):
        self._evse_ids = evse_ids
        self._timing = timing
        self._code = code
        self.pair = pair
        self.channel = self.holder = None
        self.nonce = random()
        self.deadline = timing.after(NONCE_MS)
        hello = {messages.READER: reader_id, messages.EVSES: evse_ids, messages.NONCE: self.nonce}
        if pair is not None:
            hello[messages.READER_EPHEMERAL] = pair[1]
        self.hello = messages.encode(messages.HELLO, hello)

    def take(self, data, carrier):
        """The Presentation that a PRESENT is, or a record with one, its proof tied to this session's nonce, code, keys.

        data: bytes or a view of them, or None for a message longer than one with a ticket can be. That is presented as
        a ticket that is too large, and what is no answer to this HELLO as no ticket: both have their reason. Raises
        TooLate.
        """
        nonce, self.nonce = self.nonce, None
        if nonce is None or self._timing.left(self.deadline) <= 0:
            raise TooLate
        if data is None:
            return Presentation(bytes(MAX_BYTES + 1), carrier)
        try:
            return self._read(data, carrier, nonce)
        except BadMessage:
            return Presentation(b"", carrier)

    def _read(self, data, carrier, nonce):
        binding = NO_CHANNEL
        if self.channel is not None:
            data, binding = self.channel.open(data), self.channel.binding
        message = messages.decode(messages.PRESENT, data)
        evse_id = message.get(messages.EVSE)
        if evse_id not in self._evse_ids and (evse_id is not None or len(self._evse_ids) > 1):
            raise BadMessage("not on offer")
        if message.get(messages.HOLDER_EPHEMERAL, self.holder) != self.holder:
            raise BadMessage("not the one agreed on")
        code, signature = message.get(messages.CODE), message.get(messages.SIGNATURE)
        # whoever names a code proves the one that is shown here, whoever names none that there was none
        proof = None if signature is None else Proof(nonce, "" if code is None else self._code, signature, binding)
        right = None if code is None else bool(self._code) and code == self._code
        made = Presentation(message[messages.TICKET], carrier, evse_id, proof, self.channel is not None, right)
        made.nonce, made.waited_ms = nonce, NONCE_MS - self._timing.left(self.deadline)
        return made

    def verdict(self, reason, evse_id=None, limits=None):
        """The VERDICT, a record where one is due: a reason code, the EVSE that was judged, a grant's limits by name."""
        message = {messages.REASON: reason}
        if evse_id is not None:
            message[messages.EVSE] = evse_id
        if limits:
            message[messages.LIMITS] = messages.limits_of(limits)
        data = messages.encode(messages.VERDICT, message)
        return data if self.channel is None else self.channel.seal(data)
