"""The firmware's NDEF parser against ndeflib: the same ticket in every sound message, and none where that sees none."""

import io

import ndef
from hypothesis import assume, given
from hypothesis import strategies as st

# The types' checker finds nfcpy under this name.
from nfc import ndef as ours  # pyright: ignore
from nfc.errors import NOT_A_TICKET, TOO_LARGE, NoTicket  # pyright: ignore

TICKETS = {"application/charging-ticket+jws": "jws", "application/charging-ticket+cwt": "cwt"}

payloads = st.one_of(st.binary(max_size=40), st.integers(0, 700).map(bytes), st.integers(4090, 4100).map(bytes))
names = st.one_of(st.just(""), st.text("abc/#", max_size=20), st.just("n" * 255))
kinds = st.sampled_from(
    [*TICKETS, "application/Charging-Ticket+JWS", "text/plain", "urn:nfc:wkt:U", "urn:nfc:ext:example.org:x", "unknown"]
)


@st.composite
def records(draw):
    """Any record that ndeflib can make, tickets more often than chance would have it."""
    kind = draw(st.one_of(st.sampled_from(list(TICKETS)), kinds))
    return ndef.Record(kind, draw(names), draw(payloads))


def encoded(some: list[ndef.Record]) -> bytes:
    stream = io.BytesIO()
    list(ndef.message_encoder(some, stream))
    return stream.getvalue()


messages = st.lists(records(), min_size=1, max_size=6).map(encoded)


def by_ndeflib(message: bytes) -> tuple[str, bytes] | None:
    """Form and payload of the first ticket, as far as ndeflib gets without a complaint.

    It cannot hold records whose type is not printable ASCII; messages with such ones are left out.
    """
    try:
        for record in ndef.message_decoder(message, known_types={}):
            if form := TICKETS.get(record.type.lower()):
                return form, record.data
    except ndef.DecodeError:
        pass
    except ValueError:
        assume(False)
    return None


def end_by_ndeflib(message: bytes) -> int:
    """Where the first ticket ends in a sound message."""
    stream = io.BytesIO(message)
    return next(
        stream.tell() for record in ndef.message_decoder(stream, known_types={}) if record.type.lower() in TICKETS
    )


def by_us(message: bytes) -> tuple[str, bytes] | str:
    """Form and payload of the first ticket, or the cause why there is none."""
    try:
        form, start, end = ours.locate(message, len(message), len(message))
    except NoTicket as reason:
        return reason.cause
    return form, message[start:end]


@given(messages)
def test_sound_messages_have_the_same_ticket_for_both(message):
    theirs = by_ndeflib(message)
    mine = by_us(message)
    if theirs is None:
        assert mine == NOT_A_TICKET
    elif len(theirs[1]) > ours.MAX_TICKET or end_by_ndeflib(message) > ours.MAX_MESSAGE:
        assert mine == TOO_LARGE
    else:
        assert mine == theirs


@given(messages, st.data())
def test_a_damaged_message_never_gives_us_a_ticket_that_ndeflib_does_not_see(message, data):
    damaged = bytearray(message)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.one_of(st.integers(0, min(40, len(damaged) - 1)), st.integers(0, len(damaged) - 1)))
        damaged[at] = data.draw(
            st.one_of(st.sampled_from([0, 1, 0x11, 0x31, 0x51, 0x91, 0xD2, 0xFF]), st.integers(0, 255))
        )
    mine = by_us(bytes(damaged))
    assert mine in (NOT_A_TICKET, TOO_LARGE) or mine == by_ndeflib(bytes(damaged))


@given(messages, st.data())
def test_a_message_that_comes_in_pieces_gives_the_same(message, data):
    have = 0
    whole = by_us(message)
    try:
        form, start, end = ours.locate(message, have, len(message))
        while not form or end > have:
            assert have < end <= len(message)
            have = data.draw(st.integers(end, min(len(message), end + 60)))
            form, start, end = ours.locate(message[:have], have, len(message))
    except NoTicket as reason:
        assert reason.cause == whole
    else:
        assert (form, message[start:end]) == whole


@given(st.binary(max_size=80))
def test_any_bytes_give_a_ticket_or_a_cause(message):
    assert by_us(message) in (NOT_A_TICKET, TOO_LARGE) or by_us(message) == by_ndeflib(message)
