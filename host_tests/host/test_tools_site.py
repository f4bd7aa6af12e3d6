"""site.toml, what is made of it for the reader, and the secrets that stay in the site directory."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_tests.host.tools_cli import run
from host_tests.pure.ticket_support import FULL
from station.config import Site as DeviceSite
from ticket import form as ticket_form
from ticket.claims import tariffs_json
from tools.problem import Problem
from tools.site.directory import Site
from tools.site.init import init
from tools.site.keys import load_key, new_key
from tools.site.zones import offsets
from tools.tickets import mint
from tools.tickets.verify import Desk, choose_evse, present
from tools.units import duration_s, epoch_ms, instant_ms, wire_time
from tools.virtual.cards import Ntag, ndef_message

NOW_S = 1_795_348_800  # 2026-11-22T12:00:00Z


@pytest.fixture
def folder(tmp_path) -> Path:
    init(tmp_path / "site")
    return tmp_path / "site"


def edit(folder: Path, old: str, new: str) -> Site:
    path = folder / "site.toml"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    return Site.load(folder)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('kind = "AC"', 'kind = "ac"', 'kind = "ac"', 'evse[1].kind: "ac" will not do; write "AC" or "DC"'),
        (
            "cooldown_ms = 1000",
            'cooldown_ms = "1"',
            "cooldown_ms",
            'cooldown_ms: "1" will not do; write a whole',
        ),
        ("cooldown_ms = 1000", "cooldown_ms = true", "cooldown_ms", "a whole number from 0 to 60000"),
        ("max_duration_min = 480", "max_duration_min = 0", "max_duration_min", "from 1 to 7200"),
        ('"31d"', '"a month"', "max_lifetime", 'issuer[1].max_lifetime: "a month" will not do'),
        ('places = ["DE*ABC"]', 'places = ["DE*ABC", "x"]', "places", 'issuer[1].places[2]: "x"'),
        ('places = ["DE*ABC"]', "places = []", "places", "list of ids that is not empty"),
        ('bus = "hsu"', 'bus = "usb"', "bus = ", 'nfc.bus: "usb" will not do; write "hsu"'),
        (
            "meter_signs = false",
            "meter_sings = false",
            "meter_sings",
            "no such member; did you mean meter_signs? known",
        ),
        ("operator =", "opertor =", "opertor =", "opertor: no such member; did you mean operator? known are"),
        ("encrypt = false", "zzz = false", "zzz", "zzz: no such member; known are"),
        ("meter_signs = false", 'meter_signs = [true, "x"]', "meter_signs", 'meter_signs: [true, "x"] will not do'),
        (
            '"2100-01-01T00:00:00Z"',
            '"2019-01-01T00:00:00Z"',
            "valid_until",
            "write a time after valid_from, 2020-01-01T",
        ),
        ('reader = "reader-1"', 'reader = "../x"', "reader = ", "a name of 1 to 32 letters"),
        ("[[root]]", '[[evse]]\nid = "DE*ABC*E1*1"\nkind = "DC"\n[[root]]', 'id = "DE*ABC*E1*1"\nkind = "DC"', "twice"),
        ("revoked_keys = []", "revoked_keys = [1]", "revoked_keys", "trust.revoked_keys[1]: 1 will not do"),
        ("# limits = { maxEnergy = 50000", "limits = { maxEnergy = -1", "limits = {", "issuer[1].limits.maxEnergy: -1"),
    ],
)
def test_an_error_in_the_config_names_member_line_and_remedy(folder, old, new, line, said):
    with pytest.raises(Problem) as raised:
        edit(folder, old, new)
    number = (folder / "site.toml").read_text().split(line)[0].count("\n") + 1
    assert str(raised.value).startswith(f"{folder / 'site.toml'}, line {number}: ")
    assert said in str(raised.value)


@pytest.mark.parametrize("member", ["operator", "pool", "station", "reader", "timezone"])
def test_a_missing_member_is_named(folder, member):
    path = folder / "site.toml"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith(member)))
    with pytest.raises(Problem, match=f"the member {member} is missing; add"):
        Site.load(folder)


@pytest.mark.parametrize("content", [b"operator = ", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_what_is_no_toml_is_said_to_be_none(folder, content):
    (folder / "site.toml").write_bytes(content)
    with pytest.raises(Problem, match=r"is no TOML|cannot read"):
        Site.load(folder)


def test_the_reader_takes_the_config_that_is_made_for_it(folder):
    site = edit(folder, "pass_unenforced = false", "pass_unenforced = true")
    device = DeviceSite(json.loads(site.provision_files()["/site.json"]))
    assert (device.operator, device.reader_id) == ("DE*ABC", "reader-1")
    assert [(evse.id, evse.kind) for evse in device.evses] == [("DE*ABC*E1*1", "AC")]
    assert device.pass_unenforced is True
    assert list(device.roots) == [load_key(folder / "root.jwk", private=True)["kid"]]


@pytest.mark.parametrize(
    "name", ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]
)
@given(after_s=st.integers(0, 10 * 365 * 86400))
def test_offsets_give_the_local_time_of_every_moment_of_ten_years(name, after_s):
    at_s = NOW_S + after_s
    minutes = [shift for from_s, shift in cached_offsets(name) if from_s <= at_s][-1]
    assert timedelta(minutes=minutes) == datetime.fromtimestamp(at_s, ZoneInfo(name)).utcoffset()


_known: dict = {}


def cached_offsets(name: str) -> list:
    if name not in _known:
        _known[name] = offsets(name, NOW_S)
    return _known[name]


def test_offsets_change_at_the_very_second_and_stay_the_same_all_year():
    spring = int(datetime(2027, 3, 28, 1, tzinfo=UTC).timestamp())
    assert [spring, 120] in offsets("Europe/Berlin", NOW_S)
    assert offsets("Europe/Berlin", NOW_S) == offsets("Europe/Berlin", NOW_S - 200 * 86400)
    assert offsets("UTC", 0) == [[0, 0], [int(datetime(1981, 1, 1, tzinfo=UTC).timestamp()), None]]
    assert offsets("UTC", 253402300799)[0] == [0, 0]


def test_a_bundle_is_kept_until_the_config_says_something_else(folder):
    site = Site.load(folder)
    first = site.trust_bundle()
    assert site.trust_bundle() == first == (folder / "trust.jws").read_bytes().strip()
    assert site.read_bundle(first).version == 1
    site = edit(folder, "max_duration_min = 480", "max_duration_min = 60")
    assert site.trust_bundle() == first
    site = edit(folder, '"31d"', '"30d"')
    assert site.read_bundle(site.trust_bundle(keep=False)).version == 2
    assert (folder / "trust.jws").read_bytes().strip() == first
    assert site.read_bundle(site.trust_bundle()).version == 2


def test_a_bundle_ends_where_the_site_says_so_and_is_renewed_when_half_is_over(folder):
    site = edit(folder, '# valid_for = "90d"', 'valid_for = "90d"')
    first = site.trust_bundle()
    end_ms = site.read_bundle(first).not_after_ms
    assert abs(end_ms - epoch_ms() - 90 * 86_400_000) < 60_000
    assert site.trust_bundle() == first
    old = site.next_payload()
    old["notAfter"] = wire_time(epoch_ms() // 1000 * 1000 + 44 * 86_400_000)
    site.keep_bundle(site.sign_bundle(old, load_key(folder / "root.jwk", private=True)))
    assert site.read_bundle(site.trust_bundle()).version == old["version"] + 1


def test_an_ended_bundle_makes_the_issuer_unknown(folder):
    site = edit(folder, '# valid_for = "90d"', 'valid_for = "1d"')
    now_ms = epoch_ms()
    claims = mint.defaults("DE-XYZ", now_ms, now_ms, 5 * 86400)
    ticket = mint.mint(claims, load_key(folder / "issuer.jwk", private=True))
    for after_s, reason in ((3600, "GRANTED"), (2 * 86400, "UNKNOWN_ISSUER")):
        with Desk(site, now_ms + 1000 * after_s) as desk:
            assert desk.judge(present(site, ticket, choose_evse(site, None))).reason == reason


def test_revocations_reach_the_decision(folder):
    now_ms = epoch_ms()
    claims = mint.defaults("DE-XYZ", now_ms, now_ms, 3600)
    ticket = mint.mint(claims, load_key(folder / "issuer.jwk", private=True))
    entry = f'[[trust.revoked_ticket]]\nprovider = "DE-XYZ"\nid = "{claims["id"]}"\n[[root]]'
    site = edit(folder, "[[root]]", entry)
    with Desk(site, now_ms) as desk:
        assert desk.judge(present(site, ticket, choose_evse(site, None))).reason == "REVOKED"
        other = mint.mint(claims | {"id": "other"}, load_key(folder / "issuer.jwk", private=True))
        assert desk.judge(present(site, other, choose_evse(site, None))).reason == "GRANTED"
    site = edit(folder, "revoked_keys = []", f'revoked_keys = ["{site.content["issuer"][0]["kid"]}"]')
    with Desk(site, now_ms) as desk:
        assert desk.judge(present(site, other, choose_evse(site, None))).reason == "REVOKED"


def test_a_bundle_can_be_signed_where_the_root_is(folder, tmp_path, capsys, monkeypatch):
    safe = tmp_path / "safe.jwk"
    (folder / "root.jwk").rename(safe)
    assert "root.jwk" in run(capsys, "bundle", "make", "--site", folder).error
    payload = run(capsys, "bundle", "make", "--site", folder, "--unsigned").out
    sign = ("bundle", "sign", "--site", folder, "--root", safe, "-")
    assert run(capsys, *sign, stdin=payload.encode(), monkeypatch=monkeypatch).code == 0
    assert Site.load(folder).trust_bundle() == (folder / "trust.jws").read_bytes().strip()
    assert "version 1" in run(capsys, "bundle", "show", "--site", folder).out
    again = run(capsys, *sign, stdin=payload.encode(), monkeypatch=monkeypatch)
    assert "not above" in again.error
    stranger = tmp_path / "stranger.jwk"
    stranger.write_text(json.dumps(new_key()))
    sign = ("bundle", "sign", "--site", folder, "--root", stranger, "-")
    assert "UNKNOWN_ISSUER" in run(capsys, *sign, stdin=payload.encode(), monkeypatch=monkeypatch).error
    (folder / "trust.jws").write_bytes(b"broken")
    assert "MALFORMED" in run(capsys, "bundle", "show", "--site", folder).error


def test_the_journal_key_is_made_once_for_each_reader_and_read_by_its_owner_only(folder):
    site = Site.load(folder)
    key = site.journal_key()
    path = folder / "reader-1.journal-key"
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert site.journal_key() == key == site.provision_files()["/keys/journal.key"]
    other = edit(folder, 'reader = "reader-1"', 'reader = "reader-2"')
    assert other.journal_key() != key
    path.write_bytes(b"short")
    with pytest.raises(Problem, match="damaged"):
        site.journal_key()


def test_no_command_prints_a_secret(folder, capsys):
    site = Site.load(folder)
    secrets = [json.loads((folder / f"{name}.jwk").read_text())["d"] for name in ("root", "issuer", "driver")]
    secrets += [site.journal_key().hex(), str(site.journal_key())]
    (folder / "t").write_bytes(
        mint.mint(mint.defaults("DE-XYZ", 0, 0, 1), load_key(folder / "issuer.jwk", private=True))
    )
    for command in (
        ["init", folder, "--force"],
        ["issue", "--site", folder, "--driver", folder / "driver.jwk", "--form", "cwt"],
        ["inspect", folder / "t"],
        ["verify", "--site", folder, "--proof", folder / "driver.jwk", folder / "t"],
        ["bundle", "make", "--site", folder],
        ["bundle", "show", "--site", folder],
        ["inspect", folder / "issuer.jwk"],
    ):
        answer = run(capsys, *command)
        secrets += [json.loads((folder / f"{name}.jwk").read_text())["d"] for name in ("root", "issuer", "driver")]
        assert not [secret for secret in secrets if secret in answer.out + answer.err]


def test_both_forms_of_a_ticket_with_every_claim_say_the_same(capsys, tmp_path):
    key = new_key()
    read = {}
    for form in ("jws", "cwt"):
        ticket = mint.mint(FULL, key, form)
        claims = ticket_form.claims(ticket_form.read(ticket))
        assert json.loads(tariffs_json(claims) or b"") == FULL["tariffs"]
        read[form] = claims._asdict()
        (tmp_path / form).write_bytes(ticket)
        assert json.loads(run(capsys, "inspect", "--json", tmp_path / form).out)["claims"] == FULL
    assert json.loads(read["jws"].pop("received_tariffs")) == FULL["tariffs"] and not read["cwt"].pop(
        "received_tariffs"
    )
    assert read["jws"] == read["cwt"]
    assert None not in read["jws"].values()


def test_a_bearer_ticket_with_every_claim_and_two_tariffs_fits_an_ntag215():
    """As issued for anybody who holds it: all that it says but a driver's key, with names of usual length."""
    claims = {name: value for name, value in FULL.items() if name != "driverPublicKey"}
    usual = {
        "id": "DE-XYZ-CT-019ac0de-1234-7abc-8def-0123456789ab",
        "e2eCommunicationSecurity": "Unencrypted",
        "validOperators": ["DE*ABC"],
        "tariffs": ["tariff-day", "tariff-night"],
    }
    ticket = mint.mint(claims | usual, new_key(), "cwt")
    card = Ntag(215, ndef_message("application/charging-ticket+cwt", ticket))
    assert ticket in card.memory
    said = ticket_form.claims(ticket_form.read(ticket))
    assert [name for name, value in said._asdict().items() if value is None] == [
        "driver_public_key",
        "received_tariffs",
    ]


def test_ids_of_tickets_rise_and_never_repeat():
    ids = [mint.ticket_id("DE-XYZ", 1_795_348_800_000 + n // 100) for n in range(1000)]
    assert len(set(ids)) == 1000
    assert [text[:24] for text in ids] == sorted(text[:24] for text in ids)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("90m", 5400), ("24h", 86400), ("7d", 604800), ("2w", 1209600)]
)
def test_durations(text, seconds):
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "1.5h", "1 h", "1H", "\u0661h", "1h1m", "9999999999s"])
def test_what_is_no_duration(text):
    with pytest.raises(Problem):
        duration_s(text)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-22T12:00:00Z", NOW_S * 1000),
        ("2026-11-22T12:00:00.250Z", NOW_S * 1000 + 250),
        ("2026-11-22T12:00:00", NOW_S * 1000),
        ("2026-11-22 13:00+01:00", NOW_S * 1000),
        ("now", 5000),
        ("+2s", 7000),
        ("-1s", 4000),
    ],
)
def test_instants(text, ms):
    assert instant_ms(text, now_ms=5000) == ms


@given(st.integers(0, 253402300799999))
def test_a_time_written_is_the_time_read(ms):
    assert instant_ms(wire_time(ms)) == ms


def test_bluetooth_is_off_unless_it_is_asked_for_and_then_wants_a_cable(tmp_path, capsys):
    assert run(capsys, "init", tmp_path / "off").code == run(capsys, "init", tmp_path / "on", "--ble").code == 0
    off, on = (Site.load(tmp_path / name).device_config() for name in ("off", "on"))
    assert "ble" not in off and not off["encrypt"]
    assert on["ble"] == {"presence": "cable"} and on["encrypt"]


def test_a_fixed_code_is_carried_to_the_reader(tmp_path, capsys):
    assert run(capsys, "init", tmp_path / "site", "--ble").code == 0
    path = tmp_path / "site/site.toml"
    path.write_text(path.read_text().replace('presence = "cable"', 'presence = "code"\ncode = "4711"'))
    assert Site.load(tmp_path / "site").device_config()["ble"] == {"presence": "code", "code": "4711"}
    path.write_text(path.read_text().replace('"4711"', '"471 1"'))
    with pytest.raises(Problem, match=r'ble\.code: "471 1" will not do; write the code printed on the station'):
        Site.load(tmp_path / "site")


def test_osdp_reader_is_provisioned_with_a_key_of_its_own_that_the_site_keeps(site):
    config = site / "site.toml"
    config.write_text(
        config.read_text().replace('kind = "gpio"', 'kind = "osdp"\naddress = 5\nenforces = ["maxPower"]')
    )
    given = Site.load(site).provision_files()
    key = given["/keys/osdp.key"]
    assert len(key) == 16 and json.loads(given["/site.json"])["relay"] == {"kind": "osdp", "address": 5}
    kept = site / "reader-1.osdp-key"
    assert bytes.fromhex(kept.read_text()) == key and kept.stat().st_mode & 0o077 == 0
    assert Site.load(site).provision_files()["/keys/osdp.key"] == key
    kept.write_text("00 11")
    with pytest.raises(Problem, match="32 hexadecimal digits"):
        Site.load(site).provision_files()


def test_osdp_reader_needs_its_address(site):
    config = site / "site.toml"
    config.write_text(config.read_text().replace('kind = "gpio"', 'kind = "osdp"'))
    with pytest.raises(Problem, match="address is missing"):
        Site.load(site)
