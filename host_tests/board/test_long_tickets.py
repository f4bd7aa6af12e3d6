"""Tickets up to the longest that the design allows."""

from tools.virtual.cards import Type4Tag, ndef_message


def of_size(provisioned, size: int) -> bytes:
    """A good ticket of `size` bytes, or up to two fewer, which says much that is shown and nothing that decides."""
    room = (size - len(provisioned.ticket(description=[{"language": "en", "text": ""}]))) * 3 // 4
    ticket = provisioned.ticket(description=[{"language": "en", "text": "x" * room}])
    assert size - 3 <= len(ticket) <= size
    return ticket


def tap(station, ticket: bytes):
    return station.tap(Type4Tag(ndef_message("application/charging-ticket+jws", ticket), size=8192))


def test_long_tickets_are_granted_like_short_ones(bench):
    bench.start()
    for size in (1300, 2400, 4096):
        bench.wait_relay_off()
        tapped = tap(bench, of_size(bench.provisioned, size))
        assert tapped.energised and tapped.reason == "GRANTED", (size, tapped)


def test_where_memory_runs_out_the_ticket_is_refused_by_name_and_may_come_again(bench):
    """The heap is taken away at the first two taps: while the card is read, and while its ticket is judged."""
    bench.wrap_main(HOG)
    bench.start()
    ticket = of_size(bench.provisioned, 1300)
    for _ in range(2):
        since = len(bench.board.console_log)
        tapped = tap(bench, ticket)
        assert not tapped.energised and tapped.reason == "INTERNAL_FAULT", tapped
        assert "NO_MEMORY" in bench.printed_since(since)
    tapped = tap(bench, ticket)
    assert tapped.energised and tapped.reason == "GRANTED", tapped


# Runs out when a card is there, before it is read, and at the next one as its claims are read.
HOG = """
import nfc.reader
from ticket import form
_left = [1, 1]
def _short(whole, at):
    def short(*arguments, **named):
        if _left[at]:
            _left[at] -= 1
            bytearray(1 << 30)
        return whole(*arguments, **named)
    return short
nfc.reader.Found = _short(nfc.reader.Found, 0)
form.claims = _short(form.claims, 1)
"""
