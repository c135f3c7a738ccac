"""Proofs on the terminal: what was to hold, what was found, and whether they agree."""

from collections.abc import Sequence

import msgspec
from rich.text import Text

from bursar.cli.render import Column, print_table, text_column


class Proved(msgspec.Struct, frozen=True):
    """One thing that was looked at. `about`: the law, or whose claim it is."""

    about: str
    name: str
    ok: bool
    expected: str
    actual: str
    detail: str = ""


def show_proofs(proved: Sequence[Proved], *, title: str) -> None:
    """A line each; those that don't hold say what was found instead."""

    def mark(ok: bool) -> Text:
        return Text("holds", style="green") if ok else Text("BROKEN", style="bold red")

    broken = [proof for proof in proved if not proof.ok]
    print_table(
        [
            Column("ok", "", mark),
            text_column("about", "", style="dim"),
            text_column("name", "what", grow=True),
            Column("expected", "expected", str, right=True),
            Column("actual", "found", str, right=True),
            Column("detail", "", str, style="dim"),
        ],
        [msgspec.structs.asdict(proof) for proof in proved],
        title=title,
        notes=[f"{len(broken)} of {len(proved)} don't hold." if broken else f"All {len(proved)} hold."],
    )
