"""A site directory: `site.toml`, the keys beside it, and what a reader is provisioned with from them."""

import json
import os
import secrets
from pathlib import Path

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from tools import site_schema
from tools.keys import load_key, reason, write_private
from tools.problem import Problem
from tools.signing import BUNDLE_TYPE, sign_jws
from tools.units import duration_s, epoch_ms, instant_ms, wire_time
from tools.zones import offsets

CONFIG = "site.toml"
BUNDLE = "trust.jws"
JOURNAL_KEY_BYTES = 32
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
        return cls(folder, site_schema.read(text, path))

    @property
    def reader(self) -> str:
        return self.content["reader"]

    @property
    def evse_ids(self) -> list[str]:
        return [evse["id"] for evse in self.content["evse"]]

    def device_config(self, now_ms: int | None = None) -> dict:
        """The reader's /site.json; `offsets` are those of the ten years after `now_ms` (default: now)."""
        now_ms = epoch_ms() if now_ms is None else now_ms
        content = self.content
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
            "meter_signs": content.get("meter_signs", False),
            "pass_unenforced": content.get("pass_unenforced", False),
            "max_duration_min": content.get("max_duration_min", 480),
            "cooldown_ms": content.get("cooldown_ms", 3000),
            "nfc": content["nfc"],
            "relay": content["relay"],
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
        path = self.folder / BUNDLE
        kept = self._kept_bundle(path)
        payload = self.trust_payload()
        same = kept and {name: value for name, value in kept[1].items() if name not in _UNCOUNTED} == payload
        if kept and same and not self._due(kept[1]):
            return kept[0]
        version = kept[1]["version"] + 1 if kept else 1
        signed = self.sign_bundle({"version": version, **payload})
        if keep:
            part = path.with_suffix(".part")
            part.write_bytes(signed)
            part.replace(path)
        return signed

    def sign_bundle(self, payload: dict) -> bytes:
        """A bundle with that payload, its time of making and the site's validity put in, signed by root.jwk."""
        root = load_key(self.folder / "root.jwk", private=True)
        if (root["kid"], root["x"]) not in [(entry["kid"], entry["x"]) for entry in self.content["root"]]:
            raise Problem(
                f"{self.folder}: root.jwk is none of the roots in {CONFIG}; put the [[root]] of that key there"
            )
        now_ms = epoch_ms() // 1000 * 1000
        times = {"created": wire_time(now_ms)}
        valid_for = self.content.get("trust", {}).get("valid_for")
        if valid_for:
            times["notAfter"] = wire_time(now_ms + 1000 * duration_s(valid_for))
        body = json.dumps({**payload, **times}, separators=(",", ":"), ensure_ascii=False).encode()
        return sign_jws(body, root, BUNDLE_TYPE)

    def _kept_bundle(self, path: Path) -> tuple[bytes, dict] | None:
        """The bundle in the site directory and its payload, None where there is none; Problem where it is not ours."""
        try:
            signed = path.read_bytes().strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Problem(f"cannot read {path}: {reason(error)}") from None
        for root in self.content["root"]:
            key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": root["x"]})
            try:
                payload = json.loads(jws.deserialize_compact(signed, key, algorithms=["Ed25519"]).payload)
                if isinstance(payload["version"], int):
                    return signed, payload
            except (JoseError, ValueError, TypeError, KeyError):
                continue
        raise Problem(f"{path} is no bundle signed by a root of {CONFIG}; delete it, and a new one is made")

    def _due(self, payload: dict) -> bool:
        """Whether a kept bundle should be made anew: its validity differs from the site's, or half of it is over."""
        valid_for = self.content.get("trust", {}).get("valid_for")
        if "notAfter" not in payload or not valid_for:
            return ("notAfter" in payload) != bool(valid_for)
        return instant_ms(payload["notAfter"]) - epoch_ms() < 500 * duration_s(valid_for)

    def provision_files(self) -> dict[str, bytes]:
        """What this site's reader is given: {path on the device: content}."""
        return {
            "/site.json": json.dumps(self.device_config(), separators=(",", ":")).encode(),
            "/incoming/trust.jws": self.trust_bundle(),
            "/keys/journal.key": self.journal_key(),
        }

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
