"""What the reference controller energises, and when it ends: OSDP.md section 3, with a clock of the test's own."""

import sqlite3

import pytest

from tools.controller import messages
from tools.controller.evse import GpioEvse, SimulatedEvse
from tools.controller.messages import UNKNOWN_WH, Id
from tools.controller.sessions import Sessions
from tools.controller.store import Store

GRANT = {
    "session": 42, "evse": 0, "holder": 1, "smart": 0, "lease_s": 60, "limits": 0, "max_energy_wh": 0, "max_power_w": 0,
    "max_current_a": 0, "max_duration_min": 0, "ticket_key": bytes(range(32)), "provider": "DE-XYZ",
    "ticket": "DE-XYZ-CT-1", "price": "",
    "currency": "", "tariffs": b"",
}  # fmt: skip


class Desk:
    """Sessions on two simulated EVSEs, with what they told the reader."""

    def __init__(self, folder, **options):
        self.now = 1000.0
        self.folder, self.options = folder, options
        self.evses = [SimulatedEvse(clock=lambda: self.now) for _ in range(2)]
        self.begin()

    def begin(self):
        """A controller that starts; the EVSEs are as the last one left them."""
        self.told = []
        self.store = Store(self.folder / "controller.sqlite")
        self.sessions = Sessions(
            "reader-1", self.evses, self.store, self._tell, lambda: self.now, lambda text: None, **self.options
        )

    def _tell(self, id, number, **values):
        self.told.append((id, number, values))

    def heard(self, id):
        return [values for told, _, values in self.told if told == id]

    def grant(self, **more):
        self.sessions.grant(1, {**GRANT, **more})
        return self.heard(Id.GRANT_ANSWER)[-1]["result"]

    def renew(self, session=42, lease_s=60):
        self.sessions.renew(2, {"session": session, "lease_s": lease_s})
        return self.heard(Id.RUNS)[-1]

    def run(self, seconds, renewed=True):
        for _ in range(seconds):
            self.now += 1
            self.sessions.tick()
            if renewed and int(self.now) % 20 == 0:
                self.renew()

    def events(self):
        found = []
        while waiting := self.store.next_event():
            found.append(waiting[1])
            self.store.sent(waiting[0])
        return found


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_accepted_grant_energises_nothing_until_it_is_renewed(desk):
    assert desk.grant() == messages.ACCEPTED
    desk.run(3, renewed=False)
    assert not desk.evses[0].energised and desk.events() == []
    assert desk.renew() == {"session": 42, "result": 0, "seconds": 0, "energy_wh": 0, "vehicle": 1}
    assert desk.evses[0].energised and not desk.evses[1].energised
    assert [event["event_type"] for event in desk.events()] == ["Started"]


def test_acceptance_that_is_a_minute_old_is_none(desk):
    desk.grant()
    desk.run(60, renewed=False)
    assert desk.renew()["result"] == 1 and not desk.evses[0].energised


def test_what_is_not_renewed_for_a_minute_ends(desk):
    desk.grant()
    desk.renew(lease_s=600)
    desk.run(59, renewed=False)
    assert desk.evses[0].energised
    desk.run(1, renewed=False)
    assert not desk.evses[0].energised
    assert desk.heard(Id.ENDED) == [{"session": 42, "cause": messages.LEASE_LOST, "seconds": 60, "energy_wh": 183}]
    assert desk.renew()["result"] == 1 and not desk.evses[0].energised


def test_lease_shorter_than_a_minute_counts(desk):
    desk.grant()
    desk.renew(lease_s=5)
    desk.run(5, renewed=False)
    assert not desk.evses[0].energised


@pytest.mark.parametrize(
    ("limits", "values", "seconds", "cause"),
    [
        (messages.DURATION_BIT, {"max_duration_min": 2}, 120, messages.DURATION),
        (messages.DURATION_BIT, {"max_duration_min": 0}, 1, messages.DURATION),
        (messages.ENERGY_BIT, {"max_energy_wh": 500}, 164, messages.BY_ENERGY),
        (messages.ENERGY_BIT, {"max_energy_wh": 0}, 1, messages.BY_ENERGY),
    ],
)
def test_limit_ends_the_session(desk, limits, values, seconds, cause):
    assert desk.grant(limits=limits, **values) == messages.ACCEPTED
    desk.renew()
    desk.run(seconds - 1)
    assert desk.evses[0].energised or seconds == 1
    desk.run(1)
    assert not desk.evses[0].energised and desk.heard(Id.ENDED)[0]["cause"] == cause


def test_limits_of_power_and_current_reach_the_evse(desk):
    desk.grant(limits=messages.POWER_BIT | messages.CURRENT_BIT, max_power_w=7000, max_current_a=6)
    desk.renew()
    assert desk.evses[0].power_w() == 4140
    desk.run(30)
    assert desk.evses[0].energised


def test_vehicle_that_draws_more_than_granted_is_switched_off(desk):
    desk.grant(limits=messages.POWER_BIT, max_power_w=4000)
    desk.renew()
    desk.evses[0].power_w = lambda: 4300
    desk.run(10)
    assert desk.evses[0].energised
    desk.run(1)
    assert not desk.evses[0].energised and desk.heard(Id.ENDED)[0]["cause"] == messages.RELAY_FAULT


def test_unplugging_ends_the_session_and_a_bouncing_contact_does_not(desk):
    desk.grant()
    desk.renew()
    desk.run(1)
    desk.evses[0].plugged = False
    desk.run(1)
    desk.evses[0].plugged = True
    desk.run(5)
    assert desk.evses[0].energised
    desk.evses[0].plugged = False
    desk.run(3)
    assert not desk.evses[0].energised and desk.heard(Id.ENDED)[0]["cause"] == messages.UNPLUGGED


def test_fault_of_the_evse_ends_the_session_and_refuses_the_next(desk):
    desk.grant()
    desk.renew()
    desk.evses[0].broken = "welded"
    desk.run(1)
    assert not desk.evses[0].energised and desk.heard(Id.ENDED)[0]["cause"] == messages.RELAY_FAULT
    assert desk.grant(session=43) == messages.FAULT


def test_each_refusal_has_its_result(desk):
    assert desk.grant(evse=2) == messages.NOT_WANTED
    assert desk.grant(limits=messages.PRICE_BIT) == messages.NOT_ENFORCED
    desk.evses[0].plugged = False
    assert desk.grant() == messages.NO_VEHICLE
    desk.evses[0].plugged = None
    assert desk.grant() == messages.ACCEPTED
    desk.renew()
    assert desk.grant(session=43) == messages.BUSY
    assert desk.grant(session=44, evse=1) == messages.ACCEPTED
    assert desk.renew(43)["result"] == 1 and not desk.evses[1].energised


def test_unenforced_limit_is_taken_where_the_site_passes_it_on(tmp_path):
    desk = Desk(tmp_path, pass_unenforced=True)
    assert desk.grant(limits=messages.PRICE_BIT) == messages.ACCEPTED


def test_grant_that_the_reader_gave_up_never_runs(desk):
    desk.grant()
    assert desk.grant(session=43) == messages.ACCEPTED
    assert desk.renew(42)["result"] == 1 and not desk.evses[0].energised
    desk.sessions.end(3, {"session": 43, "cause": messages.RELAY_FAULT})
    assert desk.heard(Id.END_ANSWER) == [{"session": 43, "seconds": 0, "energy_wh": 0}]
    assert desk.renew(43)["result"] == 1 and not desk.evses[0].energised
    assert desk.events() == []


def test_end_of_the_reader_is_obeyed_at_once_and_answered_as_often_as_it_comes(desk):
    desk.grant()
    desk.renew()
    desk.run(30)
    for number in (7, 8):
        desk.sessions.end(number, {"session": 42, "cause": messages.STOPPED_BY_DRIVER})
        assert not desk.evses[0].energised
    assert desk.heard(Id.END_ANSWER) == [{"session": 42, "seconds": 30, "energy_wh": 91}] * 2
    desk.run(20, renewed=False)
    assert desk.heard(Id.ENDED) == []
    desk.sessions.end(9, {"session": 99, "cause": 0})
    assert desk.heard(Id.END_ANSWER)[-1] == {"session": 99, "seconds": 0, "energy_wh": UNKNOWN_WH}
    ended = desk.events()[-1]
    assert (ended["trigger_reason"], ended["transaction_info"]["stopped_reason"]) == ("StopAuthorized", "Local")
    assert ended["meter_value"][0]["sampled_value"][0]["value"] == 91


def test_own_end_is_told_every_five_seconds_until_it_is_taken(desk):
    desk.grant()
    desk.renew()
    desk.evses[0].broken = "welded"
    desk.run(21, renewed=False)
    assert len(desk.heard(Id.ENDED)) == 5
    desk.sessions.ended_taken({"session": 42})
    desk.run(20, renewed=False)
    assert len(desk.heard(Id.ENDED)) == 5


def test_restarted_controller_begins_with_everything_off_and_tells_what_it_knew(desk):
    desk.grant()
    desk.renew()
    desk.run(130)
    desk.evses[0].energised = False  # what a power cut does
    desk.store.close()
    desk.evses = [SimulatedEvse(clock=lambda: desk.now) for _ in range(2)]
    desk.begin()
    ended = {"session": 42, "cause": messages.RESTART, "seconds": 120, "energy_wh": 366}
    assert desk.heard(Id.ENDED) == [ended] and not desk.evses[0].energised
    assert desk.renew() == {"session": 42, "result": 1, "seconds": 120, "energy_wh": 366, "vehicle": 1}
    assert not desk.evses[0].energised
    assert [event["event_type"] for event in desk.events()] == ["Started", "Updated", "Updated", "Ended"]
    desk.store.close()
    desk.begin()
    desk.run(1, renewed=False)
    assert desk.heard(Id.ENDED) == [ended] and desk.events() == []


def test_resume_never_energises_and_tells_whether_it_runs(desk):
    desk.grant()
    desk.sessions.resume(1, {"session": 42, "evse": 0})
    assert desk.heard(Id.RUNS)[-1]["result"] == 1 and not desk.evses[0].energised
    desk.renew()
    desk.sessions.resume(1, {"session": 42, "evse": 0})
    assert desk.heard(Id.RUNS)[-1]["result"] == 0
    desk.run(60, renewed=False)
    desk.sessions.resume(1, {"session": 42, "evse": 0})
    assert desk.heard(Id.RUNS)[-1]["result"] == 1


def test_stop_of_the_back_end_goes_through_the_reader_and_past_a_silent_one(desk):
    desk.grant()
    desk.renew()
    transaction = desk.events()[0]["transaction_info"]["transaction_id"]
    assert not desk.sessions.stop("another") and desk.sessions.stop(transaction)
    assert desk.heard(Id.STOP) == [{"session": 42}] and desk.evses[0].energised
    desk.run(5)
    assert not desk.evses[0].energised and desk.heard(Id.ENDED)[0]["cause"] == messages.STOPPED_BY_CONTROLLER


def test_nothing_is_energised_that_cannot_be_written_down(desk):
    desk.grant()
    desk.store.close()
    with pytest.raises(sqlite3.Error):
        desk.store.next_event()
    assert desk.renew()["result"] == 1 and not desk.evses[0].energised


def test_controller_that_goes_switches_everything_off(desk):
    desk.grant()
    desk.renew()
    desk.sessions.stop_all()
    assert not desk.evses[0].energised and desk.heard(Id.ENDED)[0]["cause"] == messages.STOPPED_BY_CONTROLLER


class Lines:
    """GPIO lines of memory."""

    def __init__(self):
        self.levels, self.edges, self.broken = {}, 0, False

    def write(self, line, high):
        if self.broken:
            raise OSError(5, "Input/output error")
        self.levels[line] = high

    def read(self, line):
        return self.levels[line]

    def pulses(self, line):
        seen, self.edges = self.edges, 0
        return seen

    def close(self):
        pass


def test_gpio_evse_counts_pulses_and_says_what_it_cannot_keep():
    lines = Lines()
    evse = GpioEvse(17, 27, 22, 1000, lines)
    assert evse.enforces == messages.DURATION_BIT | messages.ENERGY_BIT
    assert GpioEvse(17, None, None, 1000, lines).enforces == messages.DURATION_BIT
    assert GpioEvse(17, None, None, 1000, lines).vehicle() is None
    evse.energise(None, None)
    lines.levels[27], lines.edges = True, 40
    assert lines.levels[17] and evse.vehicle() is True and evse.meter_wh() == 40
    lines.broken = True
    evse.de_energise()
    assert evse.fault() == "line 17: Input/output error"
    lines.broken = False
    evse.close()
    assert not lines.levels[17] and evse.fault() == ""


def test_line_that_could_not_be_switched_off_is_tried_again(desk):
    lines = Lines()
    desk.sessions.evses = [GpioEvse(17, None, None, 1000, lines)]
    desk.grant()
    desk.renew()
    lines.broken = True
    desk.sessions.end(3, {"session": 42, "cause": messages.STOPPED_BY_DRIVER})
    assert desk.grant(session=43) == messages.FAULT
    lines.broken = False
    desk.run(1, renewed=False)
    assert not lines.levels[17] and desk.grant(session=43) == messages.ACCEPTED
