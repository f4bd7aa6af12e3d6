"""NDEF messages (NFC Forum NDEF 1.0): finds the first ticket record, strictly and within bounds. Pure.

    record: flags[MB ME CF SR IL TNF:3] type length (1) payload length (1 if SR, else 4, BE) id length (1, if IL)
            type, id, payload

A ticket record has TNF 2 (MIME) and type `application/charging-ticket+jws` or `application/charging-ticket+cwt`
(without case, as MIME types are). Everything up to and including it must be well formed; what follows it is
not read.
"""

from micropython import const

from nfc.errors import NOT_A_TICKET, TOO_LARGE, NoTicket

MAX_TICKET = const(4096)  # as in ticket.form
# What a message may hold up to the end of the ticket: the ticket, and 512 bytes for its header and for records
# before it (a link for phones without the app).
MAX_MESSAGE = const(4608)
_MAX_RECORDS = const(16)  # before the ticket; bounds the work that a card can ask for

_MB = const(0x80)
_ME = const(0x40)
_CF = const(0x20)
_SR = const(0x10)
_IL = const(0x08)

_EMPTY = const(0)
_MIME = const(2)
_UNKNOWN = const(5)
_UNCHANGED = const(6)

_FORMS = {b"application/charging-ticket+jws": "jws", b"application/charging-ticket+cwt": "cwt"}
_TYPE_LENGTH = const(31)


def locate(message, have, total):
    """Look for the ticket in message[:have], the beginning of a message of `total` bytes.

    Returns (form, start, end) of its payload once its header is known, even when `end` is beyond `have` (never
    beyond MAX_MESSAGE). Until then the form is "" and `end` says how many bytes are needed to go on: more than
    `have`, at most `total`. Raises NoTicket with NOT_A_TICKET or TOO_LARGE.
    """
    at = 0
    for _ in range(_MAX_RECORDS):
        form, start, end = _record(message, at, have, total)
        if form is None:
            return "", 0, end
        if form:
            if end - start > MAX_TICKET or end > MAX_MESSAGE:
                raise NoTicket(TOO_LARGE)
            return form, start, end
        if end == total:
            raise NoTicket(NOT_A_TICKET, "no ticket record")
        at = end
    raise NoTicket(NOT_A_TICKET, "records")


def _record(message, at, have, total):
    """One record at `at`: (form or "", payload start, end); (None, 0, n) when n bytes are needed first."""
    if total - at < 3:
        raise NoTicket(NOT_A_TICKET, "cut record")
    if have < at + 3:
        return None, 0, at + 3
    flags = message[at]
    tnf = flags & 7
    if bool(flags & _MB) != (at == 0):
        raise NoTicket(NOT_A_TICKET, "MB")
    if flags & _CF or tnf == _UNCHANGED:
        raise NoTicket(NOT_A_TICKET, "chunked")
    if tnf > _UNCHANGED:
        raise NoTicket(NOT_A_TICKET, "TNF")
    header = at + 3 + (0 if flags & _SR else 3) + (1 if flags & _IL else 0)
    if header > total:
        raise NoTicket(NOT_A_TICKET, "cut record")
    if have < header:
        return None, 0, header
    type_length = message[at + 1]
    id_length = message[header - 1] if flags & _IL else 0
    length = message[at + 2] if flags & _SR else _uint32(message, at + 2)
    start = header + type_length + id_length
    end = start + length
    if end > total:
        raise NoTicket(NOT_A_TICKET, "cut record")
    if bool(flags & _ME) != (end == total):
        raise NoTicket(NOT_A_TICKET, "ME")
    if tnf == _EMPTY and end != header:
        raise NoTicket(NOT_A_TICKET, "empty record")
    if (tnf in (_EMPTY, _UNKNOWN)) != (type_length == 0):
        raise NoTicket(NOT_A_TICKET, "type length")
    if tnf != _MIME or type_length != _TYPE_LENGTH:
        return "", start, end
    if have < header + type_length:
        return None, 0, header + type_length
    return _FORMS.get(bytes(message[header : header + type_length]).lower(), ""), start, end


def _uint32(data, at):
    return data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3]
