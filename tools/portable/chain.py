"""Reading and checking an exported journal, with the device's key.

Runs on MicroPython too, with the stores' tests.
"""

import struct

from store import journal, log, records
from store.mac import Mac, same

_BODY = records.HEAD + log.LINK


def split(chain):
    """The records of an export as (stream, sequence, kind, body, link, code, record), as far as they can be read."""
    found = []
    at = 0
    while at < len(chain):
        fields = records.parse(chain, at)
        end = at + records.AROUND + fields[2] if fields else at
        data = bytes(chain[at:end])
        if fields is None or fields[2] < log.LINK + log.CODE or records.whole(data) is None:
            at = chain.find(records.MAGIC, at + 1)
            if at < 0:
                break
            continue
        body = data[_BODY : -4 - log.CODE]
        found.append(
            (fields[1], fields[3], fields[0], body, data[records.HEAD : _BODY], data[-4 - log.CODE : -4], data)
        )
        at = end
    return found


def verify(chain, key, nonce=b"", after=None):
    """Check an export of `journal.Journal.export`; returns (records, problems), problems being words, none if good.

    `records` are those of `split` whose code holds, without the trailer. A removed, added, changed or reordered
    record, another device's, and an answer to another nonce are problems. `after` maps a stream to the (sequence,
    code) of the last record collected before, which this export must continue.
    """
    mac = Mac(key)
    problems = []
    good = []
    everything = split(chain)
    if sum(len(entry[6]) for entry in everything) != len(chain):
        problems.append("unreadable bytes")
    for entry in everything:
        if same(mac.of((entry[6][: -4 - log.CODE],))[: log.CODE], entry[5]):
            good.append(entry)
        else:
            problems.append(f"stream {entry[0]} record {entry[1]}: wrong code")
    if not good or good[-1][0] != journal.TRAILER or len(good[-1][3]) < 48:
        problems.append("no trailer")
        return [entry for entry in good if entry[0] != journal.TRAILER], problems
    trailer = good.pop()[3]
    ranges = struct.unpack_from("<IIII", trailer)
    if not same(trailer[48:], nonce):
        problems.append("another nonce")
    order = [entry[0] for entry in good]
    if order != sorted(order) or not all(stream in (journal.KEPT, journal.REFUSED) for stream in order):
        problems.append("streams out of order")
    for stream, first, last, code in (
        (journal.KEPT, ranges[0], ranges[1], trailer[16:32]),
        (journal.REFUSED, ranges[2], ranges[3], trailer[32:48]),
    ):
        entries = [entry for entry in good if entry[0] == stream]
        problems += _gaps(stream, entries, first, last, code, (after or {}).get(stream))
    return good, problems


def _gaps(stream, entries, first, last, code, after):
    """What is wrong with the order of one stream's records."""
    problems = []
    expected, link = first, None
    if after and after[0] + 1 == first:
        link = after[1][: log.LINK]
    elif after and stream == journal.KEPT:
        problems.append(f"stream {stream}: {after[0] + 1} expected, begins at {first}")
    for entry in entries:
        if entry[1] != expected:
            problems.append(f"stream {stream}: {expected} expected, {entry[1]} found")
        elif link is not None and entry[4] != link:
            problems.append(f"stream {stream} record {entry[1]}: does not continue the one before")
        expected, link = entry[1] + 1, entry[5][: log.LINK]
    if expected != last + 1:
        problems.append(f"stream {stream}: ends at {expected - 1}, not at {last}")
    elif entries and entries[-1][5] != code:
        problems.append(f"stream {stream}: another last record")
    return problems
