"""Makes the deliverer that the site's config asks for. Only that one is loaded; this module is unloaded after it."""

from station.config import NotReady


def make(site, ports, alive, services):
    """The deliverer by `site.relay["kind"]`. NotReady: the details of `relay` are wrong, or not for this board.

    alive: () -> whether every part of the program is well; services: () -> station.controller.Controller, called only
    for one that has a controller.
    """
    evse_ids = [evse.id for evse in site.evses]
    max_on_ms = site.max_duration_min * 60_000
    try:
        if site.relay["kind"] == "gpio":
            return _gpio(site.relay, evse_ids, max_on_ms, ports, alive)
        if site.relay["kind"] == "modbus":
            from relay import modbus

            return modbus.make(site.relay, evse_ids, max_on_ms, ports)
        from relay import osdp

        return osdp.make(site.relay, evse_ids, max_on_ms, ports, services())
    except ValueError as error:
        raise NotReady("config", 1, str(error) + ": provision again") from error


def _gpio(config, evse_ids, max_on_ms, ports, alive):
    """heartbeat: true for a square wave in place of a level; feedback: "contactor" where the output drives one
    by itself, "controller" where one closes it when the vehicle asks."""
    heartbeat, feedback = config.get("heartbeat", False), config.get("feedback")
    if heartbeat not in (True, False) or feedback not in (None, "contactor", "controller"):
        raise ValueError("relay.heartbeat or relay.feedback is wrong")
    outputs = ports.use_relays(len(evse_ids))
    if len(outputs) < len(evse_ids):
        raise ValueError("more EVSEs than this board has relay outputs")
    options = (
        dict(zip(evse_ids, outputs)),
        max_on_ms,
        ports.ticks_ms,
        ports.ticks_diff,
        dict(zip(evse_ids, ports.inputs("VEHICLE"))),
        alive if heartbeat else None,
    )
    if feedback is None:
        from relay.gpio import GpioRelay

        return GpioRelay(*options)
    from relay.contactor import WatchedRelay

    contactors = dict(zip(evse_ids, ports.inputs("FEEDBACK")))
    if len(contactors) < len(evse_ids):
        raise ValueError("this board has no pins for its relay.feedback")
    return WatchedRelay(contactors, feedback == "contactor", *options)
