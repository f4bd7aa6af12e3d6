"""A site directory: `site.toml`, the keys beside it, and what a reader is provisioned with from them."""

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from joserfc.jws import extract_compact

from crypto import ed25519
from station.config import ConfigError
from station.config import Site as DeviceSite
from station.tables import FOLDER, file_name
from ticket import b64url
from ticket.verdict import Refused
from tools.problem import Problem
from tools.site import schema
from tools.site.keys import load_key, reason, write_private
from tools.site.zones import offsets
from tools.tickets.signing import BUNDLE_TYPE, sign_jws
from tools.units import duration_s, epoch_ms, instant_ms, wire_time
from trust import bundle

CONFIG = "site.toml"
BUNDLE = "trust.jws"
ROOT_KEY = "root.jwk"
JOURNAL_KEY_BYTES = 32
OSDP_KEY_BYTES = 16
_UNCOUNTED = ("version", "created", "notAfter")  # members that say when a bundle was made, not whom it trusts


class Site:
    """What `site.toml` says, checked. `Site.load(folder)` raises Problem for whatever cannot be used."""

    def __init__(self, folder: Path, content: dict):
        self.folder = folder
        self.content = content

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "Site":
        folder = Path(folder)
        path = folder / CONFIG
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            raise Problem(
                f"{folder} is no site: it has no {CONFIG}; make one with `python -m tools init {folder}`"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise Problem(f"cannot read {path}: {reason(error)}") from None
        return cls(folder, schema.read(text, path))

    @property
    def reader(self) -> str:
        return self.content["reader"]

    @property
    def bus(self) -> str:
        """What the PN532 is on: "hsu", "i2c" or "spi"."""
        return self.content["nfc"]["bus"]

    @property
    def evse_ids(self) -> list[str]:
        return [evse["id"] for evse in self.content["evse"]]

    def device_config(self, now_ms: int | None = None) -> dict:
        """The reader's /site.json; `offsets` are those of the ten years after `now_ms` (default: now)."""
        now_ms = epoch_ms() if now_ms is None else now_ms
        content = self.content
        clock = {"rtc": content["rtc"]} if "rtc" in content else {}
        return {
            "version": 1,
            "operator": content["operator"],
            "pool": content["pool"],
            "station": content["station"],
            "reader": content["reader"],
            "evses": [{"id": evse["id"], "kind": evse["kind"]} for evse in content["evse"]],
            "roots": [{"kid": root["kid"], "x": root["x"]} for root in content["root"]],
            "offsets": offsets(content["timezone"], now_ms // 1000),
            "accept_floor": content.get("accept_clock_floor", False),
            "accept_ended": content.get("trust", {}).get("accept_ended", False),
            "meter_signs": content.get("meter_signs", False),
            "pass_unenforced": content.get("pass_unenforced", False),
            "max_duration_min": content.get("max_duration_min", 480),
            "cooldown_ms": content.get("cooldown_ms", 1000),
            "encrypt": content.get("encrypt", False),
            **({"ble": {"presence": "cable", **content["ble"]}} if "ble" in content else {}),
            "nfc": content["nfc"],
            "relay": _relay(content["relay"]),
            **clock,
        }

    def trust_payload(self) -> dict:
        """Whom this site trusts, as the bundle's payload without version and times."""
        trust = self.content.get("trust", {})
        payload: dict = {"issuers": [_issuer(entry) for entry in self.content["issuer"]]}
        if trust.get("retired_roots"):
            payload["retiredRoots"] = trust["retired_roots"]
        if trust.get("revoked_keys"):
            payload["revokedKeys"] = trust["revoked_keys"]
        if trust.get("revoked_ticket"):
            payload["revokedTickets"] = [
                {"providerId": entry["provider"], "id": entry["id"]} for entry in trust["revoked_ticket"]
            ]
        return payload

    def trust_bundle(self, keep: bool = True) -> bytes:
        """The signed trust bundle (JWS of type charging-trust+jws) that says what site.toml says.

        The one in `trust.jws` where it still does; else a new one, one version up, signed by root.jwk and kept there
        (unless `keep` is false). Raises Problem where one has to be made and root.jwk is not here.
        """
        kept = self.kept_bundle()
        if kept and self._still_says(kept[1]):
            return kept[0]
        signed = self.sign_bundle(self.next_payload(), load_key(self.folder / ROOT_KEY, private=True))
        if keep:
            self.keep_bundle(signed)
        return signed

    def next_payload(self) -> dict[str, Any]:
        """The payload of a new bundle: one version above the kept one, made now, with the site's validity."""
        kept = self.kept_bundle()
        now_ms = epoch_ms() // 1000 * 1000
        payload: dict[str, Any] = {"version": kept[1]["version"] + 1 if kept else 1, "created": wire_time(now_ms)}
        valid_for = self.content.get("trust", {}).get("valid_for")
        if valid_for:
            payload["notAfter"] = wire_time(now_ms + 1000 * duration_s(valid_for))
        return {**payload, **self.trust_payload()}

    def sign_bundle(self, payload: dict, root: dict) -> bytes:
        """The bundle with that payload, signed by a root's private JWK, as this site's reader takes it in the place of
        the kept one, or Problem."""
        signed = sign_jws(json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode(), root, BUNDLE_TYPE)
        offered = self.read_bundle(signed)
        kept = self.kept_bundle()
        if kept:
            present = self.read_bundle(kept[0])
            roots = {entry["kid"]: b"" for entry in self.content["root"]}
            answer = bundle.judge(present, offered, roots, None)
            if answer != bundle.ACCEPTED:
                what = {
                    bundle.OLD_VERSION: f"version {offered.version} is not above the site's {present.version}; "
                    "make the payload anew",
                    bundle.RETIRED_ROOT: f"{BUNDLE} retires the root {offered.root}; sign with the other one",
                    bundle.FORGETS_RETIRED_ROOT: "retirement is for ever; leave in retired_roots what was there",
                }[answer]
                raise Problem(f"readers that have {BUNDLE} would refuse this bundle: {what}")
        return signed

    def read_bundle(self, signed: bytes) -> bundle.Bundle:
        """What the reader takes a bundle for, by the firmware's own code. Raises Problem for what it refuses."""
        try:
            return bundle.read(signed, DeviceSite(self.device_config()).roots)
        except ConfigError as error:
            raise Problem(f"{self.folder / CONFIG}: no reader would take {error}; put that member right") from None
        except Refused as refused:
            detail = f" ({refused.detail})" if refused.detail else ""
            remedy = "it must be signed by a [[root]] of site.toml and at most 16 KB long"
            raise Problem(f"the reader would refuse this bundle: {refused.reason}{detail}; {remedy}") from None

    def keep_bundle(self, signed: bytes) -> None:
        """Makes this the site's bundle, whole or not at all."""
        path = self.folder / BUNDLE
        part = path.with_suffix(".part")
        try:
            part.write_bytes(signed + b"\n")
            part.replace(path)
        except OSError as error:
            raise Problem(f"cannot write {path}: {reason(error)}") from None

    def kept_bundle(self) -> tuple[bytes, dict] | None:
        """The bundle in the site directory and its payload; None if there is none. Problem if it is not ours."""
        path = self.folder / BUNDLE
        try:
            signed = path.read_bytes().strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Problem(f"cannot read {path}: {reason(error)}") from None
        try:
            self.read_bundle(signed)
        except Problem as problem:
            remedy = "or take it from a backup: one made anew has version 1, which is below what readers have"
            raise Problem(f"{path}: {problem}; {remedy}") from None
        return signed, json.loads(extract_compact(signed).payload)

    def _still_says(self, payload: dict) -> bool:
        """Whether a bundle says what site.toml says, and is not so old that half of its validity is over."""
        if {name: value for name, value in payload.items() if name not in _UNCOUNTED} != self.trust_payload():
            return False
        valid_for = self.content.get("trust", {}).get("valid_for")
        if "notAfter" not in payload or not valid_for:
            return ("notAfter" in payload) == bool(valid_for)
        return instant_ms(payload["notAfter"]) - epoch_ms() >= 500 * duration_s(valid_for)

    def provision_files(self) -> dict[str, bytes]:
        """What this site's reader is given: {path on the device: content}."""
        osdp = {"/keys/osdp.key": self.osdp_key()} if self.content["relay"]["kind"] == "osdp" else {}
        return {
            **{f"{FOLDER}/{file_name(key)}": table for key, table in self._tables()},
            **osdp,
            "/site.json": json.dumps(self.device_config(), separators=(",", ":")).encode(),
            "/incoming/trust.jws": self.trust_bundle(),
            "/keys/journal.key": self.journal_key(),
        }

    def _tables(self) -> Iterator[tuple[bytes, bytes]]:
        """(public key, comb table) of each issuer; the reader checks this key's signatures three times as quickly."""
        for entry in self.content["issuer"]:
            key = b64url.decode(entry["x"].encode()) or b""
            try:
                yield key, ed25519.make_table(key)
            except ValueError:
                raise Problem(
                    f"the issuer key {entry['kid']} in {CONFIG} is no proper Ed25519 key; ask for another"
                ) from None

    def journal_key(self) -> bytes:
        """The secret that chains this reader's journal: made once, kept beside site.toml, never shown."""
        path = self.folder / f"{self.reader}.journal-key"
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            key = secrets.token_bytes(JOURNAL_KEY_BYTES)
            write_private(path, key)
        except OSError as error:
            raise Problem(f"cannot read {path}: {reason(error)}") from None
        if len(key) != JOURNAL_KEY_BYTES:
            raise Problem(f"{path} is damaged; take it from a backup, or delete it to begin a new journal key")
        return key

    def osdp_key(self) -> bytes:
        """The key of this reader's OSDP secure channel: made once, kept beside site.toml in hexadecimal, as the
        controller wants it, never shown."""
        path = self.folder / f"{self.reader}.osdp-key"
        try:
            key = bytes.fromhex(path.read_text("ascii"))
        except FileNotFoundError:
            key = secrets.token_bytes(OSDP_KEY_BYTES)
            write_private(path, key.hex().encode() + b"\n")
        except OSError as error:
            raise Problem(f"cannot read {path}: {reason(error)}") from None
        except ValueError:
            key = b""
        if len(key) != OSDP_KEY_BYTES:
            raise Problem(
                f"{path} is no key: 32 hexadecimal digits; take it from a backup, or delete it to make a new one"
            )
        return key


def _relay(relay: dict) -> dict:
    """[relay] as the reader takes it: with the register map of the device that it names, and of no other; what its
    controller enforces a reader hears from the controller itself."""
    if relay["kind"] != "modbus":
        return {name: value for name, value in relay.items() if name != "enforces"}
    return {"parity": "none", "stop": 1, **relay, "map": schema.relay_map(relay["map"])}


def _issuer(entry: dict) -> dict:
    """One [[issuer]] table as the trust bundle writes it: times as in tickets, the lifetime in seconds."""
    issuer = {
        "kid": entry["kid"],
        "x": entry["x"],
        "providers": entry["providers"],
        "notBefore": wire_time(instant_ms(entry["valid_from"])),
        "notAfter": wire_time(instant_ms(entry["valid_until"])),
        "maxLifetime": duration_s(entry["max_lifetime"]),
    }
    for name in ("places", "limits"):
        if entry.get(name):
            issuer[name] = entry[name]
    return issuer
