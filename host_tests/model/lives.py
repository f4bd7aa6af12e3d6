"""Random lives of readers, for hypothesis: a site, its trust, some tickets, and what happens to it one after the other.

Nearly everything is drawn close to what would be granted, with a few things changed, since a ticket of random members
would never get past the first check. Times lie on both sides of every edge there is.

Hypothesis draws one number for each life, and all else follows from it: drawn choice by choice, its taste for repeating
itself leaves most lives in the first few checks. `smaller` takes the place of its shrinking.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from host_tests.model import rules
from host_tests.model.claims import CLAIMS, instant_ms, same
from host_tests.model.minting import ODD, Minted, unpadded

START_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z, a Sunday
HOUR_MS = 3_600_000
DRIVER = 7  # seeds of the drivers' keys: the one who shows the tickets, and somebody else
STRANGER = 8
ZONES = ["Europe/Berlin", "Pacific/Auckland", "America/St_Johns", "UTC"]
OPERATORS = ["DE*ABC", "DE*ABD", "AT*ABC"]
PROVIDERS = ["DE-XYZ", "DE*XYZ", "dexyz", "DE-XYA"]
SUFFIXES = ["1", "1*1", "11", "1*2", "12", "12*3", "1*23", "123", "A*1", "a1*", "*7"]
ENFORCED = ("maxDuration", "maxEnergy")
BOUNDS = {"maxEnergy": 60_000, "maxPower": 11_000, "maxCurrent": 32, "maxDuration": 240}


def instant(ms: int) -> str:
    text = datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{ms % 1000:03}Z" if ms % 1000 else text + "Z"


def sometimes(dice: Random, one_in: int) -> bool:
    return dice.randrange(one_in) == 0


def respelled(dice: Random, text: str) -> str:
    """The same id, perhaps in another spelling."""
    how = dice.randint(0, 5)
    if how == 1:
        return text.lower()
    if how == 2:
        return text.replace("*", "", 2)
    if how == 3:
        return text.replace("*", "").replace("-", "")
    if how == 4:
        return text.replace("*", "", 1)
    return text


def place(dice: Random, letter: str, ours: list[str]) -> str:
    if sometimes(dice, 2):
        return respelled(dice, dice.choice(ours))
    return respelled(dice, f"{dice.choice(OPERATORS)}*{letter}{dice.choice(SUFFIXES)}")


def listed(dice: Random, make) -> list:
    return [make() for _ in range(dice.randint(1, 2))]


@dataclass
class Step:
    """tap, clock, reboot, end, answer or journal, and what belongs to it."""

    what: str
    value: Any = None


@dataclass
class Tap:
    ticket: int
    evse: str | None
    carrier: str
    proof: str
    encrypted: bool


@dataclass
class Ticket:
    """`driver`: seed of the key that the ticket names, None without."""

    claims: dict
    kid: str
    how: Minted
    driver: int | None


@dataclass
class Life:
    site: rules.Site
    trust: rules.Trust
    ledger_limit: int
    tickets: list[Ticket]
    steps: list[Step]
    real_signatures: bool


def a_site(dice: Random) -> rules.Site:
    operator = dice.choice(OPERATORS)
    evses: dict[str, str] = {}
    for _ in range(dice.randint(1, 3)):
        evse = f"{operator}*E{dice.choice(SUFFIXES)}"
        if not any(same("evse", evse, other) for other in evses):
            evses[evse] = dice.choice(["AC", "AC", "DC"])
    return rules.Site(
        operator,
        f"{operator}*P{dice.choice(SUFFIXES)}",
        f"{operator}*S{dice.choice(SUFFIXES)}",
        evses,
        dice.choice(ZONES),
        ENFORCED,
        accept_floor=sometimes(dice, 2),
        meter_signs=sometimes(dice, 3),
        pass_unenforced=sometimes(dice, 2),
    )


def bounds(dice: Random, one_in: int) -> dict:
    """Some limits, near the edge of what issuers may grant."""
    limits: dict = {}
    for name, bound in BOUNDS.items():
        if sometimes(dice, one_in):
            limits[name] = bound + dice.randint(-1, 1)
    if sometimes(dice, one_in + 1):
        limits["maxPrice"] = {
            "amount": dice.choice(["49.99", "50", "50.00", "50.01", "0", "9"]),
            "currency": dice.choice(["EUR", "EUR", "CHF"]),
        }
    return limits


def an_issuer(dice: Random, site: rules.Site, main: bool) -> rules.Issuer:
    wide = main and not sometimes(dice, 4)
    places = None
    if not wide and sometimes(dice, 2):
        ours = [(site.pool, "P"), (site.station, "S"), *((evse, "E") for evse in site.evses)]
        places = listed(
            dice,
            lambda: respelled(dice, dice.choice(OPERATORS)) if sometimes(dice, 3) else near(dice, dice.choice(ours)),
        )
    return rules.Issuer(
        ["DE-XYZ"] if wide else listed(dice, lambda: dice.choice(PROVIDERS)),
        START_MS - (10 if wide else dice.choice([10, 1, -1])) * 24 * HOUR_MS,
        START_MS + (10 if wide else dice.choice([10, 2])) * 24 * HOUR_MS,
        86400 if wide else dice.choice([86400, 7200, 7199]),
        places,
        bounds(dice, 6 if wide else 3),
    )


def near(dice: Random, ours: tuple[str, str]) -> str:
    return place(dice, ours[1], [ours[0]])


def a_trust(dice: Random, site: rules.Site) -> rules.Trust:
    return rules.Trust(
        {"issuer-1": an_issuer(dice, site, True), "issuer-2": an_issuer(dice, site, False)},
        START_MS + 5 * HOUR_MS if sometimes(dice, 8) else None,
        {"issuer-2"} if sometimes(dice, 4) else set(),
        [(dice.choice(PROVIDERS), "T2")] if sometimes(dice, 4) else [],
    )


WRONG = [None, True, False, 0, -1, 1, 2**31 - 1, 2**31, 2**63, 10**30, 1.0, 1.5, "", "x", "AC", [], [None], [[]], {}]
WRONG += [["Monday", "monday"], {"x": 1}, "2026-02-29T00:00:00Z", "2026-11-22T12:00:00+00:00", "2026-11-22T24:00:00Z"]
WRONG += ["2026-11-22T12:00:60Z", "2026-11-22t12:00:00Z", "2028-02-29T12:00:00Z", "DE*ABC", "DE*ABC*E**", "DE**ABC*E1"]
WRONG += ["é" * 32, "é" * 33, ["DE*ABC*E1", "DE-ABC*E1"], ["DE*ABC*E" + "1" * 31], ["DE*ABC*S" + "1" * 50]]


def change(dice: Random, claims: dict, site: rules.Site) -> int | None:
    """One member gets a value of its own; the seed of the driver's key if that is what came in."""
    what = dice.randint(0, 20)
    evses = list(site.evses)
    if what == 0:
        claims["validOperators"] = listed(dice, lambda: respelled(dice, dice.choice(OPERATORS)))
    elif what <= 3:
        name, letter, ours = [("ChargingPools", "P", [site.pool]), ("ChargingStations", "S", [site.station]),
                              ("EVSEIds", "E", evses)][what - 1]  # fmt: skip
        which = "valid" if sometimes(dice, 2) else "invalid"
        claims[which + name] = listed(dice, lambda: place(dice, letter, ours))
    elif what == 4:
        claims["evseKind"] = dice.choice(["AC", "DC"])
    elif what == 5:
        claims.update(bounds(dice, 3))
    elif what == 6:
        claims["daysOfWeek"] = listed(dice, lambda: dice.choice(["Sunday", "Monday", "Saturday", "Wednesday"]))
    elif what in (7, 8):
        claims["multiUsage"] = dice.choice(["OnlyAtTheSameEVSE", "AfterOnlineValidation", "Allowed"])
    elif what in (9, 10):
        claims["validationMethod"] = dice.choice(["ShouldBeValidated", "MustBeValidated"])
    elif what == 20:
        claims["smartChargingMode"] = dice.choice(["NotAllowed", "Smart", "Bidirectional"])
        claims["meterValueSignatures"] = dice.choice(["WhenAvailable", "Mandatory", "Off"])
    elif what in (11, 12):
        seed = dice.choice([DRIVER, DRIVER, STRANGER])
        claims["driverPublicKey"] = {"kty": "OKP", "crv": "Ed25519", "x": seed}  # the key itself is put in later
        if sometimes(dice, 2):
            claims["e2eCommunicationSecurity"] = dice.choice(["Unencrypted", "EphemeralKeyAgreement"])
        return seed
    elif what == 13:
        name = dice.choice(["created", "notBefore", "notAfter"])
        ms = dice.choice([0, 1, 500, 999]) if sometimes(dice, 3) else 0
        claims[name] = instant(START_MS + dice.choice([-25, -24, -1, 0, 1, 2, 24]) * HOUR_MS + ms)
    elif what == 14:
        claims["providerId"] = dice.choice(PROVIDERS)
    elif what == 15:
        claims[dice.choice(list(CLAIMS))] = dice.choice(WRONG)
    elif what == 16:
        claims.pop(dice.choice(list(claims)))
    elif what == 17:
        claims["tariffs"] = listed(dice, lambda: dice.choice(["T-1", "x" * 60, {"tariffId": "T-2", "energy": {}}]))
        claims["providerName"] = [{"language": "en", "text": "Provider"}]
        claims["providerURL"] = "https://provider.example"
        claims["customData"] = {"any": [1, {"thing": None}]}
    elif what == 18:
        odd(dice, claims)
    elif what == 19 and sometimes(dice, 2):
        claims["description"] = [{"language": "de", "text": "x" * dice.choice([1, 2500, 4000])}]
    return None


def odd(dice: Random, claims: dict) -> None:
    """Members that nobody knows, or parts that are not whole."""
    name = dice.choice(["maxSpeed", "driverPublicKey", "maxPrice", "description", "tariffs"])
    if name == "maxSpeed":
        claims[name] = 1
    elif name == "driverPublicKey":
        key: dict = {"kty": "OKP", "crv": "Ed25519", "x": unpadded(bytes(32))}
        key[dice.choice(["kty", "crv", "x", "kid"])] = dice.choice(["", "OKP", "A" * 42 + "B", unpadded(bytes(31)), 1])
        claims[name] = key
    elif name == "maxPrice":
        price: dict = {"amount": "1", "currency": "EUR"}
        price[dice.choice(["amount", "currency", "per"])] = dice.choice(
            ["1.", ".5", "01", "1e3", "-1", "1" * 20, "1" * 21, "0.0", "eur", "EURO", "CHF", 1]
        )
        claims[name] = price
    elif name == "description":
        text: dict = {"language": "en", "text": ""}
        text[dice.choice(["language", "text", "title"])] = dice.choice(["", "de", "d" * 35, "d" * 36, "d e", 1])
        claims[name] = [text]
    else:
        claims[name] = [dice.choice(["", "x" * 61, {}, {"tariffId": ""}, 1])]


def a_ticket(dice: Random, site: rules.Site) -> Ticket:
    claims = {
        "id": dice.choice(["T1", "T2", "T3"]),
        "providerId": "DE-XYZ",
        "created": instant(START_MS - HOUR_MS),
        "notBefore": instant(START_MS - HOUR_MS),
        "notAfter": instant(START_MS + HOUR_MS),
        "multiUsage": "NotAllowed",
        "validationMethod": "OfflineChargingAllowed",
    }
    driver = None
    for _ in range(dice.choice([0, 0, 1, 1, 1, 2, 2, 3])):
        driver = change(dice, claims, site) or driver
    if "driverPublicKey" not in claims:
        driver = None
    how = Minted(dice.choice(["jws", "cwt"]), dice.choice(["Ed25519", "EdDSA"]))
    if sometimes(dice, 20):
        how.odd = dice.choice([*ODD, "signature", "signature"])
    kid = dice.choice(["issuer-1"] * 40 + ["issuer-2"] * 4 + ["issuer-9"])
    return Ticket(claims, kid, how, driver)


def edges(trust: rules.Trust, known: list[Ticket]) -> list[int]:
    """Instants at which something begins or ends, and the START."""
    found = [START_MS] * 2
    for ticket in known:
        times = [instant_ms(ticket.claims.get(name)) for name in ("notBefore", "notAfter")]
        found += [ms for ms in times if ms is not None and ms > START_MS - 100 * HOUR_MS]
    if trust.not_after_ms:
        found.append(trust.not_after_ms)
    return found


def a_life(dice: Random) -> Life:
    site = a_site(dice)
    trust = a_trust(dice, site)
    known = [a_ticket(dice, site) for _ in range(dice.randint(1, 3))]
    moments = edges(trust, known)
    moments += [issuer.not_after_ms for issuer in trust.issuers.values()]
    steps = [Step("clock", (START_MS, dice.choice([rules.SET] * 12 + [rules.FLOOR, rules.UNKNOWN])))]
    steps.append(Step("answer", dice.choice(["yes", "no", "silent", "silent"])))
    for _ in range(dice.randint(2, 12)):
        what = dice.randint(0, 15)
        if what == 0:
            state = dice.choice([rules.SET] * 4 + [rules.FLOOR] * 2 + [rules.UNKNOWN])
            steps.append(Step("clock", (dice.choice(moments) + dice.choice([-1, 0, 1, 999]), state)))
        elif what == 1:
            steps.append(Step("reboot"))
        elif what in (2, 3):
            steps.append(Step("end", dice.choice(list(site.evses))))
        elif what == 4:
            steps.append(Step("answer", dice.choice(["yes", "no", "silent", "silent"])))
        elif what == 5:
            steps.append(Step("journal", dice.choice(["full", "broken", "good"])))
        else:
            steps.append(Step("tap", a_tap(dice, site, known)))
    return Life(site, trust, dice.choice([1, 1, 2, 10]), known, steps, sometimes(dice, 16))


def a_tap(dice: Random, site: rules.Site, known: list[Ticket]) -> Tap:
    number = dice.randint(0, len(known) - 1)
    evse = None if sometimes(dice, 8) else dice.choice(list(site.evses))
    carrier, proof, encrypted = "card", "none", False
    if known[number].driver is not None or sometimes(dice, 10):
        carrier = dice.choice(["card", "phone", "phone", "ble", "ble"])
    if carrier != "card":
        encrypted = sometimes(dice, 2)
        if evse is not None:
            proof = dice.choice(["none"] + ["good"] * 5 + ["nonce", "evse", "reader", "ticket"])
    return Tap(number, evse, carrier, proof, encrypted)


def smaller(life: Life) -> Iterator[Life]:
    """The same life with one thing less."""
    for at in range(len(life.steps)):
        less = copy.deepcopy(life)
        del less.steps[at]
        yield less
    for at, ticket in enumerate(life.tickets):
        for name in ticket.claims:
            less = copy.deepcopy(life)
            del less.tickets[at].claims[name]
            if name == "driverPublicKey":
                less.tickets[at].driver = None
            yield less
    for kid in life.trust.issuers:
        less = copy.deepcopy(life)
        less.trust.issuers[kid].limits, less.trust.issuers[kid].places = {}, None
        if less != life:
            yield less
