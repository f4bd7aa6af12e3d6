"""`bundle`: whom a site's readers trust, as the signed document that they take."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from joserfc.jws import extract_compact
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from tools.options import AS_JSON, SITE
from tools.problem import Problem
from tools.site.directory import ROOT_KEY, Site
from tools.site.keys import load_key, reason
from tools.terminal import answers, printable, say
from tools.tickets.mint import no_doubles

EXAMPLES = """Examples:

  python -m tools bundle make --site site

  python -m tools bundle show --site site

Where the root's key is kept on another machine:

  python -m tools bundle make --site site --unsigned > bundle.json

  python -m tools bundle sign --site site --root /media/safe/root.jwk bundle.json"""

app = typer.Typer(
    help="Whom the readers of a site trust: make, sign and show the signed trust bundle.\n\n"
    "site.toml says it, trust.jws in the same directory is the signed form that readers take.",
    epilog=EXAMPLES,
    rich_markup_mode="rich",
    no_args_is_help=True,
)


@app.command()
def make(
    site: SITE,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Print the payload for `bundle sign` instead.")] = False,
):
    """Bring trust.jws up to what site.toml says, signed by the site's root.jwk.

    A bundle that already says it is kept; else a new one is made, one version up.
    """
    here = Site.load(site)
    if unsigned:
        print(json.dumps(here.next_payload(), indent=2, ensure_ascii=False))
        return
    kept = here.kept_bundle()
    signed = here.trust_bundle()
    version = here.read_bundle(signed).version
    say(f"{'Kept' if kept and kept[0] == signed else 'Made'} trust bundle version {version}, {len(signed)} bytes")


@app.command()
def sign(
    site: SITE,
    payload: Annotated[str, typer.Argument(metavar="PAYLOAD", help="What `make --unsigned` printed, or -")],
    root: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The root's private JWK.", show_default="root.jwk of the site")
    ] = None,
):
    """Sign a payload with a root's key and make it the site's trust.jws."""
    here = Site.load(site)
    key = load_key(root or site / ROOT_KEY, private=True)
    content = _json(payload)
    signed = here.sign_bundle(content, key)
    here.keep_bundle(signed)
    say(f"Signed trust bundle version {content['version']}, {len(signed)} bytes")


@app.command()
def show(site: SITE, as_json: AS_JSON = False):
    """Show the site's trust.jws, its signature checked with the roots of site.toml."""
    here = Site.load(site)
    kept = here.kept_bundle()
    if kept is None:
        raise Problem(f"{site} has no trust bundle yet; make one with `python -m tools bundle make --site {site}`")
    signed, payload = kept
    if as_json:
        print(json.dumps(payload, indent=2, ensure_ascii=False))
        return
    title = f"Trust bundle version {payload['version']}, {len(signed)} bytes"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("issuer", "providers", "valid", "longest ticket", "places", "limits"):
        table.add_column(heading, overflow="fold", min_width=16 if heading == "issuer" else 0)
    for issuer in payload["issuers"]:
        cells = (
            issuer["kid"],
            ", ".join(issuer["providers"]),
            " to ".join(issuer[name].replace("T00:00:00Z", "") for name in ("notBefore", "notAfter")),
            f"{issuer['maxLifetime'] / 86400:g} days",
            ", ".join(issuer.get("places", ["everywhere"])),
            ", ".join(f"{name} {value}" for name, value in issuer.get("limits", {}).items()) or "none",
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console = answers()
    console.print(table)
    rows = {
        "signed by root": extract_compact(signed).headers()["kid"],
        "created": payload["created"],
        "ends": payload.get("notAfter", "never"),
        "retired roots": ", ".join(payload.get("retiredRoots", [])) or "none",
        "revoked keys": ", ".join(payload.get("revokedKeys", [])) or "none",
        "revoked tickets": str(len(payload.get("revokedTickets", []))),
    }
    for name, value in rows.items():
        console.print(Text(f"{name}: {printable(value)}"))


def _json(name: str) -> dict:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
        content = json.loads(text, object_pairs_hook=no_doubles)
        json.dumps(content, ensure_ascii=False).encode()  # half a character is none
        if not isinstance(content, dict) or not isinstance(content.get("version"), int):
            raise ValueError("an object with a version is wanted")
    except OSError as error:
        raise Problem(f"cannot read {name}: {reason(error)}") from None
    except (ValueError, RecursionError) as error:
        raise Problem(f"{name} is no payload of a bundle: {error}; print one with `bundle make --unsigned`") from None
    return content
