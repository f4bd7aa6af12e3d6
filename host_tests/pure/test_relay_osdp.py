import struct

from osdp_delivery import E1, E2, Delivery, grant, renewed, running, sleeping
from osdp_line import Line
from osdp_panel import MFG, OUI, POLL

from support import folder


@sleeping
def test_grant_reaches_the_controller_with_all_it_says(line):
    line.connect()
    delivery = Delivery(line, grant())
    delivery.step()
    first = line.poll()
    assert first[0] == 2 and len(first) == 64
    second = line.poll()
    body = first[6:] + second[6:]
    head = struct.unpack("<IBBBHBIIII", body[:26])
    assert head == (42, 0, 1, 2, 60, 0b11001, 11000, 0, 0, 90)
    assert body[26:] == bytes(range(32)) + b"\x06DE-XYZ\x0bDE-XYZ-CT-1\x0520.00\x03EUR" + b'\x06\x00["T1"]'
    assert line.relay.busy(E1) and not line.relay.busy(E2)


@sleeping
def test_accepted_grant_runs_from_the_first_renewal(line):
    line.connect()
    delivery = Delivery(line, grant())
    delivery.step()
    number, _ = line.await_message(2)
    line.say(0x82, struct.pack("<IB", 42, 0), number)
    assert not delivery.over
    delivery.step()
    number, body = line.await_message(3)
    assert body == struct.pack("<IH", 42, 60) and not delivery.over
    line.say(0x83, struct.pack("<IBIIB", 42, 0, 0, 0, 1), number)
    delivery.step()
    assert delivery.over and delivery.fault is None and line.relay.vehicle(E1) is None


@sleeping
def test_refused_grant_is_a_fault_and_never_renewed(line):
    for result, word in ((1, "busy"), (3, "no vehicle"), (5, "not wanted"), (99, "refused")):
        line.connect()
        delivery = Delivery(line, grant())
        delivery.step()
        number, _ = line.await_message(2)
        line.say(0x82, struct.pack("<IB", 42, result), number)
        delivery.step()
        assert delivery.over and str(delivery.fault) == word and not delivery.fault.perhaps
        assert not line.relay.busy(E1)
        number, body = line.await_message(4)
        assert body == struct.pack("<IB", 42, 7)
        line.relay.renew_all()
        assert line.poll() is None


@sleeping
def test_grant_without_an_answer_is_a_fault_after_five_seconds_and_a_late_yes_starts_nothing(line):
    line.connect()
    delivery = Delivery(line, grant())
    delivery.step()
    number, _ = line.await_message(2)
    delivery.until(4900)
    assert not delivery.over
    delivery.until(200)
    assert delivery.over and str(delivery.fault) == "no answer"
    line.say(0x82, struct.pack("<IB", 42, 0), number)
    line.relay.renew_all()
    assert line.pass_ms(1000) == [] and line.poll() is None


@sleeping
def test_grant_with_long_tariffs_has_the_time_that_they_take_on_a_slow_line(line):
    for size, ms in ((2700, 14_200), (100, 5_000)):
        line.connect()
        long = grant()
        long.tariffs = b'["' + b"x" * size + b'"]'
        delivery = Delivery(line, long)
        delivery.step()
        for _ in range(ms // 1000 - 1):
            line.poll()
            delivery.until(1000)
        delivery.until(900)
        assert not delivery.over
        delivery.until(500)
        assert delivery.over and str(delivery.fault) == "no answer"


@sleeping
def test_vehicle_that_the_last_channel_told_of_is_not_known_in_the_next(line):
    line.connect()
    line.say(0x87, b"\x01\x01", 1)
    assert line.relay.vehicle(E2) is True
    line.connect()
    assert line.relay.vehicle(E2) is None


@sleeping
def test_grant_whose_renewal_is_not_answered_may_run_so_it_ends(line):
    line.connect()
    delivery = Delivery(line, grant())
    delivery.step()
    number, _ = line.await_message(2)
    line.say(0x82, struct.pack("<IB", 42, 0), number)
    delivery.step()
    line.await_message(3)
    delivery.until(5200)
    assert delivery.over and delivery.fault.perhaps and line.relay.busy(E1)
    line.await_message(4)
    line.say(0x84, struct.pack("<III", 42, 3, 17), 0)
    (ended,) = line.pass_ms(100)
    assert (ended.cause, ended.seconds, ended.energy_wh) == ("RELAY_FAULT", 3, 17) and not line.relay.busy(E1)


@sleeping
def test_grant_that_the_controller_takes_and_then_does_not_start_is_no_grant(line):
    line.connect()
    delivery = Delivery(line, grant())
    delivery.step()
    number, _ = line.await_message(2)
    line.say(0x82, struct.pack("<IB", 42, 0), number)
    delivery.step()
    number, _ = line.await_message(3)
    line.relay.renew_all()
    line.pending = line.say(0x83, struct.pack("<IBIIB", 42, 1, 0, 0xFFFFFFFF, 0), number)
    delivery.step()
    assert delivery.over and not delivery.fault.perhaps and not line.relay.busy(E1)
    assert line.pass_ms(1000) == [] and not line.relay._renewals


@sleeping
def test_answer_of_another_kind_or_for_another_session_is_none(line):
    line.connect()
    delivery = Delivery(line, grant(1))
    delivery.step()
    number, _ = line.await_message(2)
    line.say(0x86, b"\1", number)
    line.say(0x83, struct.pack("<IBIIB", 1, 0, 0, 0, 1), number)
    delivery.step()
    assert not delivery.over
    line.say(0x82, struct.pack("<IB", 1, 0), number)
    delivery.step()
    number, _ = line.await_message(3)
    line.say(0x83, struct.pack("<IBIIB", 2, 1, 0, 0, 1), number)  # it may run all the same
    delivery.step()
    assert delivery.over and delivery.fault.perhaps and line.relay.busy(E1)
    assert line.await_message(4)[1] == struct.pack("<IB", 1, 7)


@sleeping
def test_renewed_session_goes_on_and_its_meter_is_kept(line):
    line.connect()
    running(line)
    assert renewed(line, 200_000, energy=77) == []
    assert line.relay.vehicle(E1) is True
    line.relay.stop(E1, "STOPPED_BY_DRIVER")
    ended = line.pass_ms(61_000)
    assert [(one.cause, one.energy_wh) for one in ended] == [("STOPPED_BY_DRIVER", 77)]


@sleeping
def test_unanswered_renewals_end_the_session_a_minute_after_the_last_answered_one_was_sent(line):
    line.connect()
    running(line)
    ended = []
    for second in range(140):
        if second % 20 == 0:
            line.relay.renew_all()
        line.poll()
        ended += line.pass_ms(1000)
        if not line.relay._sessions:
            break
    assert 59 <= second <= 61 and not ended and line.relay.busy(E1)
    assert line.await_message(4)[1] == struct.pack("<IB", 42, 5)


@sleeping
def test_silent_panel_is_no_controller_and_the_lease_ends(line):
    line.connect()
    running(line)
    assert line.pass_ms(7900) == [] and line.relay.fault == "" and line.relay.accepts(E2, {})
    assert line.pass_ms(200) == [] and line.relay.fault == "no controller" and not line.relay.accepts(E2, {})
    assert line.pass_ms(51_000) == [] and line.relay.busy(E1)
    ended = line.pass_ms(61_000)
    assert [one.cause for one in ended] == ["LEASE_LOST"]
    assert line.put(line.pack(POLL))[5:7] == b"\x41\x06"  # the channel is over


@sleeping
def test_controller_that_comes_back_within_the_lease_keeps_the_session(line):
    line.connect()
    running(line)
    line.pass_ms(30_000)
    line.connect()
    number, _ = line.await_message(3)
    line.say(0x83, struct.pack("<IBIIB", 42, 0, 30, 5, 1), number)
    assert renewed(line, 100_000) == [] and line.relay.busy(E1)


@sleeping
def test_memory_that_runs_out_over_a_message_costs_the_channel_and_no_session(line):
    line.connect()
    running(line)

    def fails(now_s):
        raise MemoryError

    line.services.set_time = fails
    sent = line.pack(MFG, OUI + struct.pack("<BBHHI", 0x88, 1, 4, 0, 1_795_392_000))
    assert line.put(sent) == b"" and line.put(sent)[5:7] == b"\x41\x06"
    line.connect()
    number, _ = line.await_message(3)
    line.say(0x83, struct.pack("<IBIIB", 42, 0, 30, 5, 1), number)
    assert renewed(line, 100_000) == [] and line.relay.busy(E1)


@sleeping
def test_restarted_controller_that_does_not_know_the_session_ends_it(line):
    line.connect()
    running(line)
    line.connect()
    number, _ = line.await_message(3)
    line.say(0x83, struct.pack("<IBIIB", 42, 1, 12, 5, 0), number)
    (ended,) = line.pass_ms(100)
    assert (ended.cause, ended.seconds, ended.energy_wh) == ("STOPPED_BY_CONTROLLER", 12, 5) and not line.relay.busy(E1)


@sleeping
def test_end_is_told_again_and_again_over_new_channels_until_it_is_answered(line):
    line.connect()
    running(line)
    line.relay.stop(E1, "STOPPED_BY_DRIVER")
    line.await_message(4)
    line.pass_ms(5000)
    line.await_message(4)
    line.connect()
    number, body = line.await_message(4)
    assert body == struct.pack("<IB", 42, 3) and line.relay.busy(E1)
    line.say(0x84, struct.pack("<III", 42, 1800, 9340), number)
    (ended,) = line.pass_ms(100)
    assert tuple(ended)[1:] == ("STOPPED_BY_DRIVER", 1800, 9340) and not line.relay.busy(E1)


@sleeping
def test_end_by_the_controller_is_acknowledged_after_the_journal(line):
    line.connect()
    running(line)
    body = struct.pack("<IBII", 42, 2, 1800, 9340)
    assert line.say(0x85, body, 1) is None and line.poll() is None
    (ended,) = line.relay.service()
    assert tuple(ended)[1:] == ("UNPLUGGED", 1800, 9340)
    assert line.poll() is None  # the station may be writing
    assert line.relay.service() == []
    assert line.poll()[0] == 5
    assert line.say(0x85, body, 1) is None and line.pass_ms(300) == []
    assert line.poll()[6:] == struct.pack("<I", 42)


@sleeping
def test_controller_that_says_everything_again_prolongs_nothing_and_starts_nothing(line):
    line.connect()
    delivery = Delivery(line, grant())
    delivery.step()
    number, _ = line.await_message(2)
    accepted = 0x82, struct.pack("<IB", 42, 0), number
    line.pending = line.say(*accepted) or line.say(*accepted)
    delivery.step()
    number, _ = line.await_message(3)
    runs = 0x83, struct.pack("<IBIIB", 42, 0, 0, 0, 1), number
    line.say(*runs)
    delivery.step()
    ended = []
    for second in range(70):
        if second % 20 == 0:
            line.relay.renew_all()
        line.poll()
        line.pending = line.say(*accepted) or line.say(*runs)  # the first answer, for each RENEW
        ended += line.pass_ms(1000)
    assert not line.relay._sessions and not ended  # the lease was not prolonged
    over = 0x84, struct.pack("<III", 42, 60, 5), 0
    told = 0x85, struct.pack("<IBII", 42, 2, 60, 5), 1
    for said in (over, told, over, told, accepted, runs, told):
        line.pending = line.say(*said)
        line.poll()
        ended += line.pass_ms(300)
    assert [tuple(one)[1:] for one in ended] == [("LEASE_LOST", 60, 5)] and not line.relay.busy(E1)
    line.relay.renew_all()
    while (data := line.poll()) is not None:
        assert data[0] == 5  # nothing but that the end is in the journal


@sleeping
def test_both_ends_at_once_are_one_end(line):
    line.connect()
    running(line)
    line.relay.stop(E1, "STOPPED_BY_DRIVER")
    line.say(0x85, struct.pack("<IBII", 42, 2, 9, 9), 1)
    line.say(0x84, struct.pack("<III", 42, 9, 9), 1)
    ended = line.pass_ms(70_000)
    assert [one.cause for one in ended] == ["STOPPED_BY_DRIVER"]


@sleeping
def test_stop_by_the_controller_ends_the_session_and_is_reported(line):
    line.connect()
    running(line)
    line.say(0x89, struct.pack("<I", 41), 1)
    assert line.relay.busy(E1) and line.poll() is None
    assert line.say(0x89, struct.pack("<I", 42), 1)[6:] == struct.pack("<IB", 42, 4)


@sleeping
def test_session_of_an_earlier_life_runs_only_if_the_controller_says_so(line):
    line.relay.resume(grant(40))
    line.relay.resume(grant(41, E2))
    assert line.relay.busy(E1) and line.relay.busy(E2)
    line.connect()
    number, body = line.await_message(7)
    assert body == struct.pack("<IB", 40, 0)
    line.say(0x83, struct.pack("<IBIIB", 40, 0, 600, 100, 1), number)
    assert line.relay._sessions[E1].duration_ms == 80 * 60_000
    line.say(0x83, struct.pack("<IBIIB", 41, 1, 700, 200, 1), number)
    (ended,) = line.pass_ms(100)
    assert (ended.grant.session, ended.cause, ended.seconds, ended.energy_wh) == (41, "RESTART", 700, 200)
    assert line.relay.busy(E1) and not line.relay.busy(E2)


@sleeping
def test_session_of_an_earlier_life_that_nobody_confirms_ends_after_the_lease(line):
    line.relay.resume(grant(40))
    assert line.pass_ms(59_000) == []
    (ended,) = line.pass_ms(2000)
    assert (ended.cause, ended.seconds, ended.energy_wh) == ("RESTART", None, None)


@sleeping
def test_own_outputs_follow_the_session_where_wired(line):
    line = Line(folder(), enable=True)
    line.connect()
    running(line)
    assert line.ports.levels == [1, 0]
    line.pass_ms(59_000)
    assert line.ports.levels == [1, 0]
    line.pass_ms(2000)
    assert line.ports.levels == [0, 0]
