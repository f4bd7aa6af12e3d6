"""Options that several commands share, so that they mean and read the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

SITE = Annotated[Path, typer.Option("--site", metavar="DIR", help="The site, made by `init`.")]
TICKET = Annotated[
    str, typer.Argument(metavar="TICKET", help="A file with a ticket (JWS, CWT, or its base64url), or -")
]
AS_JSON = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
EVSE = Annotated[
    str | None, typer.Option("--evse", metavar="ID", help="Which charging point, where there are several.")
]
