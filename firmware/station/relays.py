"""Makes the deliverer that the site's config asks for. Only that one is loaded."""

from station.config import NotReady


def make(site, ports, services):
    """The deliverer by `site.relay["kind"]`. NotReady: the details of `relay` are wrong, or not for this board.

    services: what a deliverer may use of the station, the App.
    """
    kind = site.relay["kind"]
    if kind == "gpio":
        from relay import gpio as module
    elif kind == "modbus":
        from relay import modbus as module
    else:
        from relay import osdp as module
    try:
        return module.make(
            site.relay, [evse.id for evse in site.evses], site.max_duration_min * 60_000, ports, services
        )
    except ValueError as error:
        raise NotReady("config", 1, str(error)) from error
