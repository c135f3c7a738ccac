"""`bursar verify`: the laws, proved on this installation."""

from typing import Any

import typer

from bursar.cli import client
from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_site
from bursar.cli.render import Format, out_bytes, print_csv, say
from bursar.cli.report import Proved, show_proofs
from bursar.domain.errors import Unavailable

EXIT_UNKNOWN = 3
FIELDS = ("law", "name", "ok", "expected", "actual", "detail")


def verify(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Prove the laws on this installation: nothing lost, nothing twice, sums exact.

    Attempts equal charges, rollups equal charges, each call has one outcome, no gap in any sequence. Exit code 1 if one
    doesn't hold, 3 if nobody could say (a console that starts or isn't reached): `bursar verify --format json`.
    """
    try:
        body = client.fetch(resolve_site(config, data), "/api/verify")
        answer: dict[str, Any] = client.decode(body, dict[str, Any])
    except (client.Refused, Unavailable) as error:
        say(f"nothing was proved: {error.message}")
        raise typer.Exit(EXIT_UNKNOWN) from error
    if fmt is Format.JSON:
        out_bytes(body)
    elif fmt is Format.CSV:
        print_csv(FIELDS, [[str(finding[name]) for name in FIELDS] for finding in answer["findings"]])
    else:
        proofs = [
            Proved(
                f"law {found['law']}", found["name"], found["ok"], found["expected"], found["actual"], found["detail"]
            )
            for found in answer["findings"]
        ]
        show_proofs(proofs, title="The laws, on this installation")
    if not answer["ok"]:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    app.command("verify")(verify)
