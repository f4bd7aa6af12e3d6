"""What is done once at a start: site, stores, clock and trust are opened. Nothing of this module is held afterwards,
so that the app can unload it."""

from station.clock import Clock, unix_ms
from station.config import NotReady
from station.stores import SITE, TRUST_OFFER, Stores, load_site
from station.trusted import NoTrust, Trust, take_file


def opened(ports):
    """(site, ledger, journal, random, clock, timekeeper or None, trust, what became of an offered bundle or None).

    Raises NotReady.
    """
    site = load_site("/" + SITE)
    stores = Stores("/")
    clock = Clock(ports.ticks_ms, ports.ticks_diff, stores.floor)
    timekeeper = _start_clock(ports, site, clock)
    try:
        trust = Trust(stores.slots, site.roots, clock.now, site.accept_ended)
        taken = take_file(trust, "/" + TRUST_OFFER)
        trust.require()
    except NoTrust as error:
        raise NotReady("trust", 2, str(error)) from error
    clock.horizon_s = trust.horizon_s
    return site, stores.ledger, stores.journal, stores.random, clock, timekeeper, trust, taken


def _start_clock(ports, site, clock):
    if site.rtc is None:
        clock.set(unix_ms(ports.rtc.datetime()))
        return None
    from station.ds3231 import Ds3231
    from station.timekeeper import Timekeeper

    bus = ports.clock_bus()
    if bus is None:
        raise NotReady("config", 1, "this board has no pins for its rtc")
    timekeeper = Timekeeper(clock, ports.rtc, Ds3231(bus))
    timekeeper.start()
    return timekeeper
