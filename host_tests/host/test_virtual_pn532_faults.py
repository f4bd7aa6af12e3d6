"""The fault port of the virtual PN532: each kind does what it says, and nothing that it does is for ever."""

import pytest

from host_tests.host.pn532_host import WAKE_UP, Desk
from tools.virtual.cards import Ntag, Type4Tag
from tools.virtual.pn532 import ACK, ERROR, NACK, frame
from tools.virtual.pn532_faults import FAULTS, Fault, FaultAt

VERSION = frame(b"\xd5\x03\x32\x01\x06\x07")
ASK_VERSION = frame(b"\xd4\x02")
BROKEN_ACK = b"\x00\x00\xff\x01\xff\x00"


def met(where: int, fault: Fault, then: bytes = b"") -> bytes:
    """What the host hears when a fault meets GetFirmwareVersion: at its command (0), its ACK (1), its response (2)."""
    desk = Desk()
    desk.chip.faults = FaultAt(where, fault)
    return desk.raw(ASK_VERSION + then, 0.5)


@pytest.mark.parametrize(
    ("where", "fault", "heard"),
    [
        (0, Fault("drop"), b""),
        (0, Fault("truncate"), b""),
        (0, Fault("corrupt"), b""),
        (0, Fault("duplicate"), ACK + VERSION),
        (0, Fault("nack"), NACK),
        (0, Fault("error"), ERROR),
        (0, Fault("silent"), b""),
        (0, Fault("reset"), b""),
        (0, Fault("remove"), ACK + VERSION),
        (1, Fault("drop"), VERSION),
        (1, Fault("truncate", 4), ACK[:4] + VERSION),
        (1, Fault("corrupt", 3), BROKEN_ACK + VERSION),
        (1, Fault("duplicate"), ACK + ACK + VERSION),
        (1, Fault("delay", 100_000), VERSION + ACK),
        (1, Fault("nack"), NACK + VERSION),
        (1, Fault("error"), ERROR + VERSION),
        (1, Fault("silent"), b""),
        (1, Fault("reset"), b""),
        (2, Fault("drop"), ACK),
        (2, Fault("truncate", 7), ACK + VERSION[:7]),
        (2, Fault("corrupt", 7), ACK + VERSION[:7] + b"\x33" + VERSION[8:]),
        (2, Fault("duplicate"), ACK + VERSION + VERSION),
        (2, Fault("nack"), ACK + NACK),
        (2, Fault("error"), ACK + ERROR),
        (2, Fault("silent"), ACK),
        (2, Fault("reset"), ACK),
    ],
)
def test_a_fault_on_the_link_is_heard_as_it_is_named(where, fault, heard):
    assert met(where, fault) == heard


def test_a_delayed_answer_comes_late():
    desk = Desk()
    desk.chip.faults = FaultAt(2, Fault("delay", 300_000))
    assert desk.raw(ASK_VERSION, 0.25) == ACK
    assert desk.raw(b"", 0.25) == VERSION


def test_a_truncated_command_swallows_the_beginning_of_what_follows():
    desk = Desk()
    desk.chip.faults = FaultAt(0, Fault("truncate", 10))
    assert desk.raw(frame(b"\xd4\x00\x00" + b"e" * 20)) == b""
    assert desk.raw(ASK_VERSION) == b""
    assert desk.raw(ASK_VERSION + ASK_VERSION).endswith(ACK + VERSION)


def test_silence_ends_with_the_reset_pin_alone():
    desk = Desk()
    desk.chip.faults = FaultAt(0, Fault("silent"))
    assert desk.raw(ASK_VERSION) == b""
    desk.chip.faults = None
    assert desk.raw(WAKE_UP + ASK_VERSION, 5) == b""
    desk.chip.reset_pin(0)
    desk.chip.reset_pin(1)
    desk.world.run(0.01)
    assert desk.raw(WAKE_UP + ASK_VERSION) == ACK + VERSION


def test_a_brown_out_puts_the_chip_to_sleep():
    desk = Desk()
    desk.chip.faults = FaultAt(2, Fault("reset"))
    assert desk.raw(ASK_VERSION) == ACK
    assert desk.raw(ASK_VERSION) == b""
    assert desk.raw(WAKE_UP + ASK_VERSION) == ACK + VERSION


@pytest.mark.parametrize(
    ("where", "fault", "status"),
    [
        (2, Fault("drop"), b"\x01"),
        (2, Fault("corrupt"), b"\x01"),
        (2, Fault("remove"), b"\x01"),
        (3, Fault("drop"), b"\x01"),
        (3, Fault("truncate"), b"\x02"),
        (3, Fault("corrupt"), b"\x02"),
        (3, Fault("delay"), b"\x01"),
        (3, Fault("remove"), b"\x01"),
    ],
)
def test_a_fault_on_the_air_has_the_status_of_the_chip(where, fault, status):
    desk = Desk(Ntag(215))
    desk.activate()
    desk.chip.faults = FaultAt(where, fault)
    assert desk.exchange(b"\x30\x04") == status
    assert [point.where for point in desk.chip.faults.seen[:4]][where] == ("to card", "from card")[where - 2]


@pytest.mark.parametrize("fault", [Fault("drop"), Fault("corrupt"), Fault("truncate")])
@pytest.mark.parametrize("where", [2, 3])
def test_retries_of_the_chip_mend_what_fails_once(where, fault):
    desk = Desk(Type4Tag())
    desk.activate()
    desk.retries(2, exchange=2)
    desk.chip.faults = FaultAt(where, fault)
    assert desk.exchange(bytes.fromhex("00a4040007d276000085010100")) == b"\x00\x90\x00"


def read_message(desk: Desk, step) -> bytes:
    """A short and trusting reading of a Type 4 tag: `step` sends a command and gives the response's data, or raises."""
    step(0x14, b"\x01")
    step(0x32, b"\x05\xff\x01\x02")
    step(0x4A, b"\x01\x00")
    for apdu in ("00a4040007d276000085010100", "00a4000c02e104"):
        assert step(0x40, b"\x01" + bytes.fromhex(apdu)) == b"\x00\x90\x00"
    response = step(0x40, bytes.fromhex("0100b0000040"))
    assert response[:1] == b"\x00" and response[-2:] == b"\x90\x00"
    return response[3:-2]


def attempt(desk: Desk) -> bytes | None:
    """One reading from wake-up on by a host that gives up at whatever it does not expect."""

    def step(code: int, data: bytes) -> bytes:
        response = desk.command(code, data, seconds=2)
        assert response is not None
        return response

    desk.raw(WAKE_UP, 0.01)
    try:
        return read_message(desk, step)
    except AssertionError:
        return None


CLEAN = Desk(Type4Tag(bytes(range(62)), fsci=0))
CLEAN.chip.faults = CLEAN_RUN = FaultAt()
assert attempt(CLEAN) == bytes(range(62))


@pytest.mark.parametrize("kind", FAULTS)
def test_after_any_fault_at_any_frame_a_reset_and_a_card_make_a_good_reading(kind):
    assert {point.where for point in CLEAN_RUN.seen} == {"command", "ack", "response", "to card", "from card"}
    failed = 0
    for number in range(len(CLEAN_RUN.seen)):
        card = Type4Tag(bytes(range(62)), fsci=0)
        desk = Desk(card)
        desk.chip.faults = hook = FaultAt(number, Fault(kind))
        got = attempt(desk)
        assert got in (None, bytes(range(62))), "what is read is right or nothing"
        failed += got is None
        assert len(hook.seen) > number
        desk.chip.faults = None
        desk.world.run(2)
        desk.chip.reset_pin(0)
        desk.chip.reset_pin(1)
        desk.world.run(0.01)
        desk.field.put(card)
        assert attempt(desk) == bytes(range(62))
    assert failed > 5, "such faults are felt"


def test_an_unknown_fault_is_refused():
    desk = Desk()
    desk.chip.faults = FaultAt(0, Fault("explode"))
    with pytest.raises(ValueError, match="explode"):
        desk.raw(ASK_VERSION)
