"""The command line of the reference controller: what it refuses before it touches a line, and how it says so."""

import pytest

KEY = "00112233445566778899aabbccddeeff"


@pytest.fixture
def osdp_site(site):
    """A site whose reader is on a bus, with the files that a station has of it."""
    toml = site / "site.toml"
    toml.write_text(toml.read_text().replace('kind = "gpio"', 'kind = "osdp"\naddress = 5', 1))
    (site / "reader-1.osdp-key").write_text(KEY + "\n")
    (site / "reader-1.journal-key").write_bytes(bytes(32))
    return site


def refused(ask, site, *more):
    said = ask("controller", "--site", site, "--port", site / "nowhere", *more)
    assert said.code == 2 and said.out == "" and said.err.count("\n") == 1, said
    return said.err


def test_site_of_another_deliverer_is_refused(ask, site):
    assert 'has kind = "gpio"; a controller serves "osdp"' in refused(ask, site, "--simulate")


def test_key_has_to_be_there_and_to_be_one(ask, osdp_site):
    key = osdp_site / "reader-1.osdp-key"
    key.write_text(KEY[:-2])
    assert "is no key of 32 hexadecimal digits" in refused(ask, osdp_site, "--simulate")
    key.unlink()
    assert "no such file or directory; `python -m tools provision` makes it" in refused(ask, osdp_site, "--simulate")
    key.write_text(KEY)
    (osdp_site / "reader-1.journal-key").unlink()
    assert "copy it from where the reader was provisioned" in refused(ask, osdp_site, "--simulate")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "either --simulate, or --gpio for each EVSE"),
        (("--simulate", "--gpio", "DE*ABC*E1*1=17"), "either --simulate, or --gpio for each EVSE"),
        (("--gpio", "DE*ABC*E9*9=17"), "write an EVSE of a site and its lines"),
        (("--gpio", "DE*ABC*E1*1=17,vehicle"), "write an EVSE of a site and its lines"),
        (("--gpio", "DE*ABC*E1*1=17,vehicle:17"), "a GPIO line can be used only once"),
        (("--gpio", "DE*ABC*E1*1=17", "--gpio-chip", "nowhere"), "cannot use nowhere"),
        (("--simulate", "--csms", "http://csms.example"), "is no address of a back end"),
        (("--simulate", "--password", "nowhere"), "cannot read nowhere"),
        (("--simulate",), "nowhere: no such file or directory; is it this controller's, and not in use?"),
    ],
)
def test_options_that_will_not_do(ask, osdp_site, options, words):
    assert words in refused(ask, osdp_site, *options)


def test_two_readers_need_addresses_of_their_own(ask, osdp_site):
    assert "the same address on the bus" in refused(ask, osdp_site, "--site", osdp_site, "--simulate")
