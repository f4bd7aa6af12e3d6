"""What a holder presents, whatever carried it: the ticket, and what came along to prove it is theirs."""


class Presentation:
    """One presented ticket.

    ticket: the bytes as received (JWS as ASCII, or CWT); carrier: "card", "phone" or "ble";
    evse_id: the holder's choice among those on offer, or None; proof: a `present.proof.Proof`, or None;
    encrypted: it came as a record of the encrypted channel; code: whether it holds the code that the station shows,
    None where it names none. `nonce` is what HELLO told `waited_ms` before this came, None for a card.
    """

    def __init__(self, ticket, carrier, evse_id=None, proof=None, encrypted=False, code=None):
        self.ticket = ticket
        self.carrier = carrier
        self.evse_id = evse_id
        self.proof = proof
        self.encrypted = encrypted
        self.code = code
        self.nonce, self.waited_ms = None, 0
