"""The PN532 driver on a bus that loses, repeats, damages and delays."""

from nfc_fakes import ACK, NACK, SYNTAX_ERROR, Bus, Clock, Tag2, Tag4, frame, raised, run

import nfc.pn532 as pn532
from nfc.errors import CardError, CardGone, ChipError
from nfc.pn532 import Pn532


def chip(*cards, **options):
    """A started driver and its bus, whose record begins after the start."""
    clock = Clock()
    bus = Bus(clock, cards)
    driver = Pn532(bus, clock, **options)
    run(driver.start())
    fresh(bus)
    return driver, bus


def fresh(bus):
    bus.writes.clear()
    bus.commands.clear()
    bus.clock.slept = 0


def fails(driver, coroutine, detail, limit_ms=400):
    """The coroutine ends with ChipError(detail) in time."""
    before = driver.timing.slept
    error = raised(run, coroutine)
    assert isinstance(error, ChipError) and error.detail == detail, (error, error.detail)
    assert driver.timing.slept - before <= limit_ms, driver.timing.slept - before


def no_faults(driver):
    return not any(count for name, count in driver.counters.items() if name != "starts")


def test_start_leaves_low_vbat_and_sets_finite_retries_and_no_field():
    bus = Bus(Clock())
    driver = Pn532(bus, bus.clock)
    run(driver.start())
    assert driver.firmware == (0x32, 1, 6, 7)
    assert bus.commands[0] == (0x14, b"\x01\x14\x01")
    assert bus.commands[1] == (0x02, b"")
    assert (0x32, b"\x05\x01\x01\x01") in bus.commands
    assert bus.commands[-1] == (0x32, b"\x01\x00")
    assert no_faults(driver)


def test_start_drives_the_reset_pin_where_it_is_wired():
    clock = Clock()
    levels = []
    driver = Pn532(Bus(clock), clock, reset=levels.append)
    run(driver.start())
    assert levels == [0, 1]


def test_another_chip_or_none_is_no_pn532():
    bus = Bus(Clock())
    driver = Pn532(bus, bus.clock)
    bus.overrides[0x02] = b"\x33\x01\x06\x07"
    fails(driver, driver.start(), "not a PN532")
    assert driver.firmware is None
    bus.dead = True
    fails(driver, driver.start(), "silent", 200)


def test_a_silent_chip_is_asked_three_times():
    driver, bus = chip()
    bus.dead = True
    fails(driver, driver.check(), "silent", 100)
    assert len(bus.writes) == 3 and driver.counters["resends"] == 2 and driver.counters["silences"] == 1


def test_a_lost_damaged_or_refused_command_is_sent_again():
    for fault in (lambda reply: b"", lambda reply: b"\x00\x00\xff\x07", lambda reply: NACK):
        driver, bus = chip()
        bus.faults = {1: fault, 2: fault}
        run(driver.check())
        assert len(bus.writes) == 3 and bus.writes[0] == bus.writes[1] == bus.writes[2]


def test_the_first_resend_comes_after_15_ms_and_some_line_time():
    driver, bus = chip()
    bus.faults = {1: lambda reply: b""}
    run(driver.check())
    assert 15 <= bus.clock.slept <= 20


def test_a_damaged_answer_is_asked_for_again():
    driver, bus = chip()
    damage = lambda reply: reply[:-3] + bytes((reply[-3] ^ 1,)) + reply[-2:]  # noqa: E731
    bus.faults = {1: damage, 2: damage}
    run(driver.check())
    assert bus.writes[1:] == [NACK, NACK] and driver.counters["nacks"] == 2
    bus.faults = {4: damage, 5: damage, 6: damage}
    fails(driver, driver.check(), "damaged")


def test_what_comes_before_the_acknowledge_is_never_the_answer():
    stale = frame(b"\xd5\x41\x00stale")
    driver, bus = chip(Tag4(b""))
    run(driver.poll())
    fresh(bus)
    bus.faults = {1: lambda reply: stale + reply}
    assert bytes(run(driver.exchange(b"\xb2"))) == b"\xa2"
    assert driver.counters["unexpected"] == 1


def test_answers_to_other_commands_and_second_acknowledges_are_passed_over():
    driver, bus = chip()
    bus.faults = {1: lambda reply: ACK + ACK + frame(b"\xd5\x43\x00") + reply[6:]}
    run(driver.check())
    assert driver.counters["unexpected"] == 1


def test_a_chip_that_gives_other_frames_without_end_does_not_hold_the_loop():
    for kind in (ACK, frame(b"\xd5\x43\x00"), frame(b"\xd5\x03\x32\x01\x06\x07")):
        driver, bus = chip()
        given = []

        async def receive(parser, deadline, kind=kind, given=given):
            given.append(kind)
            assert len(given) < 50
            parser.feed(kind, 0, len(kind))
            return True

        right, bus.receive = bus.receive, receive
        fails(driver, driver._call(0x32, b"\x01\x00"), "strangers", 0)
        bus.receive = right
        run(driver.start())


def test_noise_around_frames_does_not_matter():
    driver, bus = chip()
    bus.faults = {1: lambda reply: b"\x55\x00\x80" + reply[:6] + bytes(9) + reply[6:] + b"\xff"}
    run(driver.check())
    assert len(bus.writes) == 1


def test_a_command_without_answer_is_aborted_at_its_deadline():
    driver, bus = chip()
    bus.overrides[0x02] = None
    fails(driver, driver.check(), "deadline", 130)
    assert bus.writes[-1] == ACK and driver.counters["deadlines"] == 1
    del bus.overrides[0x02]
    run(driver.check())


def test_an_error_frame_is_an_error_and_the_next_command_works():
    driver, bus = chip()
    bus.faults = {1: lambda reply: ACK + SYNTAX_ERROR}
    fails(driver, driver.check(), "syntax")
    run(driver.check())
    assert len(bus.writes) == 2


def test_a_bus_error_is_an_error_of_the_chip():
    driver, bus = chip()
    bus.faults = {1: OSError(5)}
    fails(driver, driver.check(), "bus")
    run(driver.check())
    assert driver.counters["bus_errors"] == 1


def test_a_command_left_behind_by_a_cancelled_task_is_aborted_first():
    driver, bus = chip()

    class Cancelled(Exception):
        pass

    bus.faults = {1: Cancelled()}
    assert isinstance(raised(run, driver.check()), Cancelled)
    bus.faults = {}
    fresh(bus)
    run(driver.check())
    assert bus.writes[0] == ACK and bus.commands == [(0x02, b"")]


def test_poll_lists_two_cards_at_most_and_switches_the_field_off_behind_it():
    driver, bus = chip()
    assert run(driver.poll()) is None
    assert bus.commands == [(0x4A, b"\x02\x00"), (0x32, b"\x01\x00")]
    fresh(bus)
    bus.cards = [Tag2(b""), Tag4(b"")]
    assert run(driver.poll()).count == 2
    assert bus.count(0x32) == 0, "while a card is there, its field stays"


def test_the_field_stays_on_where_configured():
    driver, bus = chip(rf_off=False)
    run(driver.poll())
    run(driver.poll())
    assert [code for code, _ in bus.commands] == [0x4A, 0x4A]


def test_a_card_that_was_active_starts_anew():
    driver, bus = chip(Tag2(b""))
    run(driver.poll())
    fresh(bus)
    run(driver.poll())
    assert [code for code, _ in bus.commands] == [0x52, 0x32, 0x4A]
    assert bus.clock.slept >= 6, "a card needs 5.1 ms without field"


def test_what_a_target_says():
    target = pn532.parse_targets(b"\x01\x01" + Tag4.listed)
    assert (target.count, target.number, target.sens_res, target.sel_res) == (1, 1, 0x0344, 0x20)
    assert target.uid == b"\x08\x01\x02\x03" and target.iso_dep
    target = pn532.parse_targets(b"\x02\x01" + Tag2.listed + b"\x02" + Tag4.listed)
    assert target.count == 2 and len(target.uid) == 7 and not target.iso_dep
    assert pn532.parse_targets(b"\x00") is None


def test_targets_that_cannot_be():
    good = b"\x01\x01" + Tag4.listed
    for data in [good[:size] for size in range(10)] + [b"\x03" + good[1:], b"\x01\x01\x00\x44\x00\x05" + bytes(5)]:
        assert isinstance(raised(pn532.parse_targets, data), ChipError), data


def test_a_card_that_lies_about_the_length_of_its_ats_is_no_fault_of_the_chip():
    good = b"\x01\x01" + Tag4.listed
    for ats in (b"", b"\x00", b"\x06" + good[11:], b"\xff", bytes(255)):
        assert pn532.parse_targets(good[:10] + ats).uid == b"\x08\x01\x02\x03", ats


def test_exchange_names_the_target_and_gives_the_card_s_answer():
    driver, bus = chip(Tag4(b""))
    run(driver.poll())
    fresh(bus)
    assert bytes(run(driver.exchange(b"\x00\xa4\x00\x0c\x02\xe1\x03"))) == b"\x90\x00"
    assert bus.commands == [(0x40, b"\x01\x00\xa4\x00\x0c\x02\xe1\x03")]
    assert bytes(run(driver.communicate_thru(b"\xb2"))) == b"\xa2"
    assert bus.commands[1] == (0x42, b"\xb2")


def test_the_longest_exchange_and_no_longer():
    driver, bus = chip(Tag4(b""))
    run(driver.poll())
    bus.cards[0].answer = bytes
    data = bytes(range(256)) + bytes(6)
    assert bytes(run(driver.exchange(data))) == data
    assert isinstance(raised(run, driver.exchange(bytes(263))), ValueError)
    run(driver.release())
    assert isinstance(raised(run, driver.exchange(b"")), ValueError)


def test_an_answer_longer_than_any_that_was_asked_for_is_refused_and_its_rest_not_fetched():
    for part in (b"\x40" + bytes(262), b"\x40"):
        driver, bus = chip(Tag4(b""))
        run(driver.poll())
        bus.overrides[0x40] = part
        error = raised(run, driver.exchange(b"ask"))
        assert isinstance(error, CardError) and not isinstance(error, CardGone)
        assert bus.count(0x40) == 1


def test_a_card_that_does_not_let_itself_be_released_is_no_fault_of_the_chip():
    driver, bus = chip(Tag4(b""))
    run(driver.poll())
    bus.overrides[0x52] = None
    fresh(bus)
    run(driver.release())
    assert driver.target is None and bus.clock.slept < 400
    assert [code for code, _ in bus.commands] == [0x52, 0x02, 0x32], "asked for a sign of life, and the field is off"


def test_status_bytes():
    for status in range(1, 0x40):
        driver, bus = chip(Tag4(b""))
        run(driver.poll())
        bus.overrides[0x40] = bytes((status,))
        error = raised(run, driver.exchange(b"ask"))
        if status in (0x01, 0x0A, 0x27, 0x29, 0x2B):
            assert isinstance(error, CardGone) and driver.counters["cards_gone"] == 1 and driver.target is None
        elif status in (0x0D, 0x10, 0x26, 0x2D):
            assert isinstance(error, ChipError)
        else:
            assert isinstance(error, CardError) and not isinstance(error, CardGone)
    driver, bus = chip(Tag4(b""))
    run(driver.poll())
    bus.overrides[0x40] = b""
    fails(driver, driver.exchange(b"ask"), "no status")


def test_a_card_that_keeps_the_chip_waiting_is_gone_and_the_chip_is_well():
    driver, bus = chip(Tag4(b""))
    run(driver.poll())
    bus.overrides[0x40] = None
    error = raised(run, driver.exchange(b"ask"))
    assert isinstance(error, CardGone)
    assert bus.clock.slept < 1500
    assert bus.commands[-1] == (0x02, b"")


def test_a_chip_that_dies_with_a_card_is_noticed_within_two_seconds():
    driver, bus = chip(Tag4(b""))
    run(driver.poll())
    fresh(bus)

    def die(reply):
        bus.dead = True
        return ACK

    bus.faults = {1: die}
    fails(driver, driver.exchange(b"ask"), "silent", 2000)


def test_presence_of_both_kinds():
    for card in (Tag2(b""), Tag4(b"")):
        driver, bus = chip(card)
        assert not run(driver.present())
        run(driver.poll())
        assert run(driver.present())
        bus.overrides[0x40] = bus.overrides[0x42] = b"\x02"
        assert run(driver.present()), "a garbled answer is one"
        bus.overrides.clear()
        bus.cards = []
        assert not run(driver.present())
