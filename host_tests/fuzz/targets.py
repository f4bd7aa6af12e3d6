"""What is fuzzed: each parser that bytes from a chip, a card, a phone, a ticket or a bundle reach.

A target is called with any bytes. It returns, whatever they are, or fails by any exception that is not the module's
own. Beyond that it checks what must hold of what was accepted, where another parser can tell.
"""

from host_tests.fuzz import ble_targets, nfc_targets, osdp_targets, relay_targets, ticket_targets
from host_tests.fuzz.base import TARGETS, Target

__all__ = ["TARGETS", "Target", "ble_targets", "nfc_targets", "osdp_targets", "relay_targets", "ticket_targets"]
