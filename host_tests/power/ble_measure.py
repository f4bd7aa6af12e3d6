"""What an encrypted exchange over Bluetooth costs on this interpreter; prints `what: values`."""

import gc
import sys
import time

import measured

try:
    import cryptolib  # noqa: F401
except ImportError:

    class _Plain:  # this port has none: what AES costs, in C, is missing from the sums
        def __init__(self, key, mode):
            pass

        def encrypt(self, data):
            return bytes(len(data))

    class cryptolib:
        aes = _Plain

    sys.modules["cryptolib"] = cryptolib
    print("without cryptolib: AES is not counted")

import crypto.x25519
import present.session  # noqa: F401  what NFC needs anyway
import station.config  # noqa: F401

_MESSAGE = 1407


class Timing:
    def after(self, ms):
        return time.ticks_add(time.ticks_ms(), ms)

    def left(self, deadline):
        return time.ticks_diff(deadline, time.ticks_ms())


class Ble:
    def __getattr__(self, name):
        return lambda *given, **named: ((1, 2, 3),) if name == "gatts_register_services" else None


def stepped(steps):
    """(sum, longest step, last value) of a generator, in µs."""
    total = longest = 0
    value = None
    while True:
        gc.collect()
        start = time.ticks_us()
        try:
            value = next(steps)
        except StopIteration:
            return total, longest, value
        took = time.ticks_diff(time.ticks_us(), start)
        total += took
        longest = max(longest, took)


def timed(name, work):
    gc.collect()
    start = time.ticks_us()
    value = work()
    print("%s: %d us" % (name, time.ticks_diff(time.ticks_us(), start)))
    return value


def memory():
    gc.collect()
    before = gc.mem_alloc()
    from ble import frames, gatt
    from present import channel
    from station import presence, radio

    gc.collect()
    code = gc.mem_alloc() - before
    timing = Timing()
    told = presence.Presence("cable", None, None, "", None, timing, None)
    made = gatt.Peripheral(Ble(), str, bytes(213), "reader-1", timing, lambda task: None, None, None)
    made._begin()
    gc.collect()
    idle = gc.mem_alloc() - before
    links = [gatt.Link(made, number) for number in range(gatt.MAX_PHONES)]
    for link in links:
        for frame in list(frames.cut(bytes(_MESSAGE), 0, 244))[:-1]:
            link.hear(frame)
    gc.collect()
    print("memory: code %d, idle %d, four messages under way %d bytes" % (code, idle, gc.mem_alloc() - before))
    return told, channel, radio


def main():
    memory()
    from ble import frames
    from present import channel, messages
    from present.session import Session

    timing = Timing()
    total, longest, pair = stepped(channel.pair_steps(bytes(range(32))))
    print("key pair, while idle: %d us, longest step %d us" % (total, longest))
    session = timed("HELLO", lambda: Session("reader-1", ["DE*ABC*E1*1"], lambda: bytes(32), timing, "", pair))
    opening = messages.encode(messages.OPENING, {messages.HOLDER_EPHEMERAL: crypto.x25519.public(bytes(range(1, 33)))})
    total, longest, _ = stepped(channel.agree_steps(session, opening))
    print("agreeing on keys: %d us, longest step %d us" % (total, longest))
    present = messages.encode(
        messages.PRESENT,
        {messages.TICKET: measured.TICKET, messages.EVSE: "DE*ABC*E1*1", messages.SIGNATURE: bytes(64)},
    )
    theirs = channel.Channel(session.channel._ours + session.channel._theirs, b"")
    theirs._theirs, theirs._ours = session.channel._ours, session.channel._theirs
    record = theirs.seal(present)
    box = frames.Inbox(timing, frames.Room(6000))
    cut = list(frames.cut(record, 0, 244))
    print("record of %d bytes in %d frames" % (len(record), len(cut)))

    def receive():
        for frame in cut:
            box.take(frame)
        return box.message()

    arrived = timed("frames", receive)
    taken = timed("record and PRESENT", lambda: session.take(arrived, "ble"))
    if taken.ticket != measured.TICKET:
        raise ValueError("another ticket")
    timed("VERDICT", lambda: list(frames.cut(session.verdict("GRANTED", "DE*ABC*E1*1", {"maxEnergy": 1}), 0, 244)))


main()
