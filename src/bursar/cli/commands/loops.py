"""`bursar loops`: what the loop breaker refuses, how to let it go, and what calls cost that brought nothing."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import msgspec
import typer

from bursar.cli import client
from bursar.cli.options import (
    ConfigOption,
    DataOption,
    FilterOption,
    FormatOption,
    PeriodOption,
    TimezoneOption,
    resolve_existing,
    resolve_site,
)
from bursar.cli.render import (
    Column,
    Format,
    count_column,
    money_column,
    out_bytes,
    print_csv,
    print_json,
    print_table,
    say,
    share_column,
    text_column,
)
from bursar.domain.errors import BadRequest
from bursar.domain.money import usd_from_pico
from bursar.gateway.loop_cuts import seen_text
from bursar.site import actor

EXIT_FINDING = 1
BY = {"cause": "cause", "feature": "feature", "key": "credential_id"}
CAUSES = {
    "retry": "retried by Bursar",
    "client_retry": "retried by the client's SDK",
    "truncated": "cut off by max_tokens",
    "aborted": "the client hung up",
    "timeout": "timed out",
    "provider_error": "broke off or failed at the provider",
}
LIFTED = ("id", "seen", "credential_id", "feature", "cost_usd", "refused")


class CutTold(msgspec.Struct):
    """A cut as the console's API tells it; the fields that the table shows."""

    id: str
    state: str
    seen: str
    credential_id: str
    feature: str
    model: str
    cost: str
    unpriced: int
    refused: int
    until: datetime


class LoopsTold(msgspec.Struct):
    """`/api/loops`."""

    enabled: bool
    in_force: int
    cuts: list[CutTold]


class PartTold(msgspec.Struct):
    effective_cost: str | None
    attempts: int
    unpriced_count: int


class GroupTold(msgspec.Struct):
    value: str
    total: PartTold
    by_cause: dict[str, PartTold]


class WasteTold(msgspec.Struct):
    """`/api/waste`."""

    currency: str
    total: PartTold
    spent: PartTold
    by_cause: dict[str, PartTold]
    by_feature: list[GroupTold]
    by_key: list[GroupTold]
    double_retries: PartTold


def list_loops(
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Loops that are cut, then those that ended within a day; exit 1 if any is cut: `bursar loops list`."""
    site = resolve_site(config, data)
    told = client.ask(site, "/api/loops", [], LoopsTold)
    if fmt is not Format.TABLE:
        out_bytes(client.fetch(site, client.target("/api/loops", [("format", fmt.value)])))
    elif not told.cuts:
        say("no loop is cut" if told.enabled else "the loop breaker is switched off (loops.enabled)")
    else:
        print_table(
            [
                text_column("id", "id"),
                text_column("state", "state"),
                text_column("for", "whose", from_width=100),
                money_column("cost", "it cost"),
                count_column("refused", "refused"),
                Column("until", "until, UTC", lambda at: at.astimezone(UTC).strftime("%m-%d %H:%M")),
                text_column("seen", "what was seen", grow=True),
            ],
            [
                msgspec.structs.asdict(cut)
                | {"for": cut.feature or cut.credential_id, "cost": _cost(cut), "seen": _seen(cut.seen)}
                for cut in told.cuts
            ],
        )
        if told.in_force:
            say("`bursar loops lift ID` lets one go at once; each ends by itself at its time")
    if told.in_force:
        raise typer.Exit(EXIT_FINDING)


def lift(
    loop_id: Annotated[str, typer.Argument(help="The id that the refusal and `bursar loops list` name.")],
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Let a loop go; workers know within a quarter of a second: `bursar loops lift loop-3f2a9c0b1d`."""
    cut = resolve_existing(config, data).lift_loop(loop_id, actor=actor())
    seen, cost = seen_text(cut), usd_from_pico(cut.cost_pico)
    told = dict(zip(LIFTED, (cut.cut_id, seen, cut.credential_id, cut.feature, cost, cut.refused), strict=True))
    if fmt is Format.JSON:
        print_json(told)
    elif fmt is Format.CSV:
        print_csv(LIFTED, [list(told.values())])
    else:
        say(f"{cut.cut_id} is lifted: {seen}. If it goes on as before, it will be cut again.")


def waste(
    by: Annotated[str, typer.Option("--by", help="cause, feature or key.")] = "cause",
    period: PeriodOption = "last-month",
    filters: FilterOption = [],  # noqa: B006
    timezone: TimezoneOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """What calls cost that brought nothing: `bursar loops waste --by feature --period 7d`."""
    if by not in BY:
        raise BadRequest(f"--by is {by!r}; it can be {', '.join(BY)}", field="by")
    site = resolve_site(config, data)
    parameters = [("period", period), ("tz", timezone), *(("filter", one) for one in filters)]
    if fmt is not Format.TABLE:
        grouped = ("by", "credential_id" if by == "key" else None)
        out_bytes(client.fetch(site, client.target("/api/waste", [*parameters, grouped, ("format", fmt.value)])))
        return
    told = client.ask(site, "/api/waste", parameters, WasteTold)
    if by == "cause":
        parts = [(CAUSES.get(cause, cause), part) for cause, part in told.by_cause.items()]
    else:
        groups = told.by_feature if by == "feature" else told.by_key
        parts = [(group.value, group.total) for group in groups]
    rows = [{"what": what, **msgspec.structs.asdict(part)} for what, part in parts if part.attempts]
    if not rows:
        say("nothing was wasted in this period: no retries, no answers cut off, nobody hung up")
        return
    total = Decimal(told.spent.effective_cost or 0)
    largest = max(Decimal(str(row["effective_cost"] or 0)) for row in rows)
    notes = []
    if told.double_retries.attempts:
        notes.append(f"{told.double_retries.attempts} attempts retried what a client's SDK was retrying too")
    print_table(
        [
            text_column("what", by, grow=True),
            money_column("effective_cost", "cost", told.currency),
            share_column("effective_cost", "of all that was spent", total, largest),
            count_column("attempts", "attempts"),
            count_column("unpriced_count", "unpriced"),
        ],
        rows,
        totals={"what": "all", **msgspec.structs.asdict(told.total)},
        notes=notes,
    )


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Loops that are cut, and what was wasted.", rich_markup_mode=None)
    group.command("list")(list_loops)
    group.command("lift")(lift)
    group.command("waste")(waste)
    app.add_typer(group, name="loops")


def _cost(cut: CutTold) -> str | None:
    """None, which is shown as unpriced, where nothing of it has a price."""
    return None if cut.unpriced and cut.cost == "0" else cut.cost


def _seen(text: str) -> str:
    """What was seen without what the table's other columns say, and how often it came at the end.

    >>> _seen("the same request came 6 times in 59 s, answered and sent again; it has cost $0.3 so far")
    'the same request came 6 times in 59 s'
    """
    return re.sub(r"( times in [^,;]*)[,;].*", r"\1", text)
