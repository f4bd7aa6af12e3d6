"""Trust from site.toml to the verdict: two roots and the end of one, issuers out of bounds, local days."""

import json
from itertools import islice
from pathlib import Path

import pytest

from host_tests.host.tools_cli import issued, verdict
from station.config import Site as DeviceSite
from station.trusted import NoTrust, Trust
from store.slots import Slots
from ticket.verdict import Refused
from tools.site.directory import Site
from tools.site.keys import new_key
from tools.tickets.verify import Desk, present
from tools.units import epoch_ms, wire_time

DAY_MS = 86_400_000
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
ROOT = '[[root]]\nkid = "{kid}"\nx = "{x}"\n\n'


def edit(site: Path, old: str, new: str) -> None:
    path = site / "site.toml"
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))


def add_root(site: Path, key: dict) -> None:
    edit(site, "# Who may sign tickets, and how far.", ROOT.format(**key) + "# Who may sign tickets, and how far.")


class Reader:
    """What a reader keeps of its trust: its roots as provisioned, and its slot."""

    def __init__(self, folder: Path, site: Path, now_ms: int | None = None):
        self.slots = Slots(str(folder))
        self.provision(site)
        self.reading: tuple[int, str] = (now_ms or epoch_ms(), "SET")

    def provision(self, site: Path) -> None:
        self.device = DeviceSite(Site.load(site).device_config())

    def trust(self) -> Trust:
        return Trust(self.slots, self.device.roots, lambda: self.reading, self.device.accept_ended)

    def take(self, bundle: bytes) -> str:
        return self.trust().take(bundle)


@pytest.fixture
def two_roots(ask, site, tmp_path):
    """(site with an old and a new root, reader that has the first bundle, file of the new root's key)."""
    new = tmp_path / "new-root.jwk"
    new.write_text(json.dumps(new_key()))
    add_root(site, json.loads(new.read_text()))
    assert ask("bundle", "make", "--site", site).code == 0
    reader = Reader(tmp_path / "slots", site)
    assert reader.take((site / "trust.jws").read_bytes().strip()) == "ACCEPTED"
    return site, reader, new


def signed_by(ask, site: Path, root: Path) -> bytes:
    payload = ask("bundle", "make", "--site", site, "--unsigned").out
    file = site / "payload.json"
    file.write_text(payload)
    answer = ask("bundle", "sign", "--site", site, "--root", root, file)
    assert answer.code == 0, answer.err
    return (site / "trust.jws").read_bytes().strip()


def test_either_of_two_roots_signs_while_one_takes_over(ask, two_roots):
    site, reader, new = two_roots
    assert reader.take(signed_by(ask, site, new)) == "ACCEPTED"
    assert reader.take(signed_by(ask, site, site / "root.jwk")) == "ACCEPTED"
    assert reader.trust().version == 3


def test_a_bundle_that_a_root_did_not_sign_changes_nothing(ask, two_roots):
    site, reader, new = two_roots
    head, payload, signature = signed_by(ask, site, new).split(b".")
    other = signed_by(ask, site, new).split(b".")[2]
    for forged in (other, (b"B" if signature[:1] == b"A" else b"A") + signature[1:]):
        assert reader.take(b".".join((head, payload, forged))) == "BAD_SIGNATURE"
    assert reader.trust().version == 1
    assert reader.take(b".".join((head, payload, signature))) == "ACCEPTED"


def test_a_retired_root_signs_nothing_any_more_and_stays_retired(ask, two_roots):
    site, reader, new = two_roots
    old_kid = json.loads((site / "root.jwk").read_text())["kid"]
    before = signed_by(ask, site, site / "root.jwk")
    edit(site, "retired_roots = []", f'retired_roots = ["{old_kid}"]')
    refused = ask("bundle", "make", "--site", site)  # by root.jwk, which would retire itself
    assert refused.code == 2 and "retiredRoots" in refused.error
    assert reader.take(signed_by(ask, site, new)) == "ACCEPTED"
    assert list(reader.trust().live_roots) == [json.loads(new.read_text())["kid"]]
    assert reader.take(before) == "RETIRED_ROOT"
    payload = ask("bundle", "make", "--site", site, "--unsigned").out
    for retired, root, said in (("another", new, "for ever"), ("another", site / "root.jwk", "sign with the other")):
        (site / "payload.json").write_text(payload.replace(f'"{old_kid}"', f'"{retired}"'))
        answer = ask("bundle", "sign", "--site", site, "--root", root, site / "payload.json")
        assert answer.code == 2 and said in answer.error


def test_of_two_bundles_that_come_at_once_the_newer_one_stays(ask, two_roots):
    site, reader, new = two_roots
    older, newer = signed_by(ask, site, new), signed_by(ask, site, new)
    trust = reader.trust()
    write, begun = trust.slots.write_steps, []
    trust.slots.write_steps = lambda *what: begun.append(what) or write(*what)
    slow, quick = trust.take_steps(older), trust.take_steps(newer)
    while not begun:
        next(slow)
    said = list(islice(quick, 1000))
    assert list(slow)[-1] == "ACCEPTED" and (said + list(quick))[-1] == "ACCEPTED"
    assert trust.version == reader.trust().version == 3


def test_when_the_old_root_is_gone_from_the_reader_the_new_one_goes_on(ask, two_roots):
    site, reader, new = two_roots
    old = json.loads((site / "root.jwk").read_text())
    edit(site, "retired_roots = []", f'retired_roots = ["{old["kid"]}"]')
    assert reader.take(signed_by(ask, site, new)) == "ACCEPTED"
    edit(site, ROOT.format(**old).rstrip() + "\n", "")
    (site / "root.jwk").write_text(new.read_text())
    reader.provision(site)
    assert reader.trust().version == 2
    edit(site, '"31d"', '"30d"')
    assert ask("bundle", "make", "--site", site).code == 0
    assert reader.take((site / "trust.jws").read_bytes().strip()) == "ACCEPTED"
    assert reader.trust().version == 3


def test_a_stolen_root_s_highest_version_does_not_shut_the_other_out(ask, two_roots):
    site, reader, new = two_roots
    here = Site.load(site)
    old = json.loads((site / "root.jwk").read_text())
    thief = here.sign_bundle({**here.next_payload(), "version": 2**31 - 1, "issuers": []}, old)
    assert reader.take(thief) == "ACCEPTED"
    edit(site, "retired_roots = []", f'retired_roots = ["{old["kid"]}"]')
    assert reader.take(signed_by(ask, site, new)) == "ACCEPTED"
    assert reader.take(thief) == "RETIRED_ROOT"


@pytest.mark.parametrize(("accept", "known"), [(False, False), (True, True)])
def test_a_bundle_s_own_end_counts_unless_the_site_opts_out(ask, site, tmp_path, accept, known):
    edit(site, '# valid_for = "90d"', 'valid_for = "2d"')
    if accept:
        edit(site, "# accept_ended = true", "accept_ended = true")
    ticket = issued(ask, site, "--valid-for", "10d")
    reader = Reader(tmp_path / "slots", site)
    bundle = Site.load(site).trust_bundle()
    assert reader.take(bundle) == "ACCEPTED"
    kid = json.loads((site / "issuer.jwk").read_text())["kid"]
    reader.reading = (epoch_ms() + 3 * DAY_MS, "SET")
    try:
        assert reader.trust().find(kid).kid == kid and known
    except Refused as refusal:
        assert refusal.reason == "UNKNOWN_ISSUER" and not known
    again = Reader(tmp_path / "others", site, epoch_ms() + 3 * DAY_MS)
    assert again.take(bundle) == ("ACCEPTED" if accept else "ENDED")
    reason = verdict(ask, site, ticket, "--at", "+3d")["reason"]
    assert reason == ("GRANTED" if known else "UNKNOWN_ISSUER")


def test_the_next_bundle_is_taken_however_far_the_floor_was_pushed(ask, site, tmp_path):
    edit(site, '# valid_for = "90d"', 'valid_for = "90d"')
    reader = Reader(tmp_path / "slots", site)
    here = Site.load(site)
    first = here.trust_bundle()
    assert reader.take(first) == "ACCEPTED"
    horizon_s = reader.trust().horizon_s
    assert abs(horizon_s - (epoch_ms() // 1000 + 90 * 86_400)) < 60
    reader.reading = (horizon_s * 1000, "FLOOR")
    root = json.loads((site / "root.jwk").read_text())
    later = {**here.next_payload(), "notAfter": "2099-01-01T00:00:00Z"}
    assert reader.take(here.sign_bundle(later, root)) == "ACCEPTED"
    assert abs(reader.trust().horizon_s - (epoch_ms() // 1000 + 400 * 86_400)) < 60


def test_without_a_bundle_there_is_no_horizon_and_no_trust(site, tmp_path):
    trust = Reader(tmp_path / "slots", site).trust()
    assert trust.horizon_s == 0
    with pytest.raises(NoTrust):
        trust.require()


BOUNDED = 'places = ["DE*ABC*P1"]\nlimits = { maxEnergy = 5000, maxDuration = 60 }'


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--max-duration", "60"], "GRANTED"),
        ([], "GRANTED"),
        (["--max-duration", "61"], "ISSUER_NOT_ALLOWED"),
        (["--max-energy", "5001"], "ISSUER_NOT_ALLOWED"),
        (["--provider", "DE-QQQ"], "ISSUER_NOT_ALLOWED"),
        (["--valid-for", "31d"], "GRANTED"),
        (["--valid-for", "32d"], "LIFETIME_TOO_LONG"),
        (["--not-before", "+1s", "--valid-for", "31d"], "LIFETIME_TOO_LONG"),  # it lives from when it was made
        (["--not-before", "-30d", "--valid-for", "31d"], "GRANTED"),
        (["--not-before", "-1d", "--valid-for", "32d"], "LIFETIME_TOO_LONG"),
    ],
)
def test_an_issuer_cannot_mint_beyond_its_provider_lifetime_or_limits(ask, site, options, reason):
    edit(site, 'places = ["DE*ABC"]', BOUNDED)
    edit(site, "pass_unenforced = false", "pass_unenforced = true")
    found = verdict(ask, site, issued(ask, site, *options))
    assert found["reason"] == reason
    if found["granted"]:
        # what the ticket does not say is the issuer's bound
        assert found["limits"] == {"maxEnergy": 5000, "maxDuration": 60}


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        (["DE*ABC"], "GRANTED"),
        (["DE*ABC*P1"], "GRANTED"),
        (["DE*ABC*S1"], "GRANTED"),
        (["DE*ABC*E1*1"], "GRANTED"),
        (["DE*XYZ"], "ISSUER_NOT_ALLOWED"),
        (["DE*ABC*P2", "DE*ABC*S2", "DE*ABC*E1*2"], "ISSUER_NOT_ALLOWED"),
    ],
)
def test_an_issuer_opens_nothing_outside_its_places_whatever_its_ticket_says(ask, site, places, reason):
    edit(site, 'places = ["DE*ABC"]', f"places = {json.dumps(places)}")
    for options in ([], ["--evse", "DE*ABC*E1*1"], ["--pool", "DE*ABC*P1", "--operator", "DE*ABC"]):
        assert verdict(ask, site, issued(ask, site, *options))["reason"] == reason


def test_an_issuer_key_is_good_only_while_it_is_valid(ask, site):
    edit(site, 'valid_until = "2100-01-01T00:00:00Z"', 'valid_until = "2030-01-01T00:00:00Z"')
    ticket = issued(ask, site, "--not-before", "2029-12-31T00:00:00Z", "--valid-for", "5d", "--claims",
                    _claims(site, created="2029-12-31T00:00:00Z"))  # fmt: skip
    assert verdict(ask, site, ticket, "--at", "2029-12-31T23:59:59Z")["reason"] == "GRANTED"
    assert verdict(ask, site, ticket, "--at", "2030-01-01T00:00:00Z")["reason"] == "UNKNOWN_ISSUER"


def _claims(site: Path, **members) -> Path:
    path = site / "claims.json"
    path.write_text(json.dumps(members))
    return path


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2027-03-27T22:59:59Z", "Saturday"),  # winter time: midnight is at 23:00 UTC
        ("2027-03-27T23:00:00Z", "Sunday"),
        ("2027-03-28T21:59:59Z", "Sunday"),  # summer time since this night: at 22:00
        ("2027-03-28T22:00:00Z", "Monday"),
        ("2027-10-30T21:59:59Z", "Saturday"),
        ("2027-10-30T22:00:00Z", "Sunday"),
        ("2027-10-31T22:59:59Z", "Sunday"),  # winter time again
        ("2027-10-31T23:00:00Z", "Monday"),
    ],
)
def test_days_of_the_week_are_the_station_s_own_at_the_changes_of_its_time(ask, site, at, day):
    span = {"created": "2027-03-01T00:00:00Z", "notBefore": "2027-03-01T00:00:00Z", "notAfter": "2027-11-30T00:00:00Z"}
    edit(site, '"31d"', '"365d"')
    others = [name for name in DAYS if name != day]
    for named, reason in (([day], "GRANTED"), (others, "WRONG_DAY")):
        ticket = issued(ask, site, "--claims", _claims(site, daysOfWeek=named, **span))
        assert verdict(ask, site, ticket, "--at", at)["reason"] == reason


def test_beyond_the_last_offset_that_is_known_no_day_is_guessed(ask, site):
    here = Site.load(site)
    provisioned = here.device_config()
    end_s, minutes = provisioned["offsets"][-1]
    assert minutes is None
    for at_ms, reason, detail in (
        (end_s * 1000 - 1, "GRANTED", ""),
        (end_s * 1000, "WRONG_DAY", "local time unknown"),
    ):
        span = {name: wire_time(at_ms // 1000 * 1000 - DAY_MS) for name in ("created", "notBefore")}
        span["notAfter"] = wire_time(at_ms // 1000 * 1000 + DAY_MS)
        ticket = issued(ask, site, "--claims", _claims(site, daysOfWeek=DAYS, **span))
        with Desk(here, at_ms) as desk:
            desk.decision.site = DeviceSite(provisioned)
            found = desk.judge(present(here, ticket.read_bytes().strip(), here.evse_ids[0]))
        assert (found.reason, found.detail) == (reason, detail)
