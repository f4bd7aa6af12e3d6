"""Random bytes for nonces and ephemeral keys that do not rest on the chip's source alone, weak with the radio off.

HMAC-SHA-256(secret, boot counter[8] ‖ counter[4] ‖ urandom(32)), big endian. The boot counter is durable and no two
calls within a boot share the other one, so a value never comes twice, and without the secret none can be foretold.
"""

from store.mac import Mac

_LABEL = b"charging-ticket-random-v1"


class Random:
    """device_key: a secret of this reader; boot: store.boots.count_boot's number; urandom: count -> bytes."""

    def __init__(self, device_key, boot, urandom):
        # The key serves the journal too: what is made here comes from a secret of its own.
        self._mac = Mac(Mac(device_key).of((_LABEL,)))
        self.starts = boot
        self._boot = boot.to_bytes(8, "big")
        self._urandom = urandom
        self._count = 0

    def __call__(self):
        """32 bytes."""
        self._count += 1
        return self._mac.of((self._boot, self._count.to_bytes(4, "big"), self._urandom(32)))
