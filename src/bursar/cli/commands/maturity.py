"""`bursar maturity`: the step that is reached, what climbs the next, and a person's word on what can't be seen."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.text import Text

from bursar.cli import client
from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_existing
from bursar.cli.render import (
    Column,
    Format,
    money_column,
    out,
    out_bytes,
    print_csv,
    print_json,
    print_table,
    say,
    text_column,
)
from bursar.domain.clock import Clock, datetime_from_us
from bursar.site import Site, actor

if TYPE_CHECKING:  # start-up: it pulls in SQLAlchemy, which only a command that changes something needs
    from bursar.governance.maturity import Evidence, MaturityBook
    from bursar.governance.store import ControlStore

EVIDENCE = ("number", "check_id", "who", "text", "at", "until", "holds")


class CheckTold(msgspec.Struct):
    """A check, as the console's API tells it; the fields that are shown."""

    id: str
    step: int
    name: str
    state: str
    is_required: bool
    value_words: str
    threshold_words: str
    said: str


class MoneyTold(msgspec.Struct):
    amount: str | None
    says: str


class ActTold(msgspec.Struct):
    title: str
    effort: str
    command: str
    money: MoneyTold


class DebtTold(msgspec.Struct):
    name: str
    state: str
    money: MoneyTold


class Told(msgspec.Struct):
    """The measure, as the console's API tells it."""

    step: int
    name: str
    next: int | None
    next_name: str
    acts: list[ActTold]
    checks: list[CheckTold]
    debts: list[DebtTold]


def show(
    every: Annotated[bool, typer.Option("--all", help="Every check, not only what doesn't pass.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """The step that is reached, and what climbs the next one: `bursar maturity show --all`."""
    site = resolve_existing(config, data)
    if fmt is not Format.TABLE:
        query = [("format", "csv")] if fmt is Format.CSV else []
        out_bytes(client.fetch(site, client.target("/api/maturity", query)))
        return
    found = client.ask(site, "/api/maturity", [], Told)
    out().print(Text(f"step {found.step} of 6: {found.name.lower()}", style="bold"))
    if found.next is not None:
        rows = [
            msgspec.structs.asdict(one) | {"amount": one.money.amount, "says": one.money.says} for one in found.acts
        ]
        print_table(
            [text_column("title", "act", grow=True), text_column("effort", "effort"), _usd("amount"),
             text_column("says", "that", grow=True), text_column("command", "with", grow=True, style="dim")],
            rows, title=f"to step {found.next}, {found.next_name.lower()}",
        )  # fmt: skip
    shown = [one for one in found.checks if every or one.state != "passed"]
    print_table(
        [text_column("step", "step"), text_column("name", "check", grow=True), text_column("state", ""),
         text_column("value_words", "is"), text_column("threshold_words", "passes"),
         text_column("said", "seen", grow=True), text_column("id", "id", style="dim")],
        [msgspec.structs.asdict(one) | {"value_words": one.value_words or "–"} for one in shown],
        title="checks" if every else "checks that don't pass",
    )  # fmt: skip
    print_table(
        [text_column("name", "debt", grow=True), text_column("state", ""), _usd("amount"),
         text_column("says", "that", grow=True)],
        [_with_money(one) for one in found.debts], title="FinOps debt",
    )  # fmt: skip


def add(
    check: Annotated[str, typer.Argument(help="What it speaks for: roles_agreed, finance_joins.")],
    who: Annotated[str, typer.Option(help="In whose name.")],
    text: Annotated[str, typer.Option(help="What was done, when, and where it can be seen.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Say what Bursar can't see: `bursar maturity evidence add finance_joins --who "Ada, finance" --text "minutes of
    5 November"`. What Bursar measures itself nobody can say."""
    # start-up: as above
    from bursar.maturity.evidence import check_evidence

    site = resolve_existing(config, data)
    said = check_evidence(check, who, text, site.clock.now_us())
    given = _book(site).add(said.check.id, said.who, said.text, said.until_us, actor=actor())
    say(f"evidence {given.number} speaks for {given.check_id} until {_day(given.until_us)}.")


def list_evidence(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """What was said, oldest first: `bursar maturity evidence list`."""
    site = resolve_existing(config, data)
    now_us = site.clock.now_us()
    rows = [_row(one, now_us) for one in _book(site).evidence()]
    if fmt is Format.JSON:
        print_json(rows)
    elif fmt is Format.CSV:
        print_csv(EVIDENCE, [list(row.values()) for row in rows])
    elif not rows:
        say("nobody has said anything yet.")
    else:
        columns = [text_column(name, name.replace("_id", ""), grow=name in ("who", "text")) for name in EVIDENCE]
        print_table(columns, [row | {"holds": "yes" if row["holds"] else "no longer"} for row in rows])


def withdraw(
    number: Annotated[int, typer.Argument(help="The number of the evidence.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """What was said holds no longer: `bursar maturity evidence withdraw 3`. It stays in the list."""
    gone = _book(resolve_existing(config, data)).withdraw(number, actor=actor())
    say(f"evidence {gone.number} speaks for {gone.check_id} no longer.")


def held(
    kind: Annotated[str, typer.Argument(help="weekly or monthly.")],
    by: Annotated[str, typer.Option(help="Who held it.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Record that a review was held now: `bursar maturity held weekly --by Ada`. What it says: `bursar review`."""
    # start-up: as above
    from bursar.governance.reviews import ReviewBook

    site = resolve_existing(config, data)
    store, secret, clock = _parts(site)
    one = ReviewBook(store, secret, clock).record(kind, by=by, actor=actor())
    say(f"the {one.kind} review of {_day(one.at_us)} is recorded, held by {one.by}.")


def register(app: typer.Typer) -> None:
    about = "How far this installation has come in six steps: show, held, evidence."
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=about)
    group.command("show")(show)
    group.command("held")(held)
    about = "A person's word on what Bursar can't see: add, list, withdraw."
    evidence = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=about)
    for name, command in (("add", add), ("list", list_evidence), ("withdraw", withdraw)):
        evidence.command(name)(command)
    group.add_typer(evidence, name="evidence")
    app.add_typer(group, name="maturity")


def _book(site: Site) -> "MaturityBook":
    # start-up: as above
    from bursar.governance.maturity import MaturityBook

    return MaturityBook(*_parts(site))


def _parts(site: Site) -> "tuple[ControlStore, bytes, Clock]":
    # start-up: as above
    from bursar.governance.store import ControlStore

    site.prepare()
    return ControlStore(site.control_location), site.secret(), site.clock


def _with_money(one: ActTold | DebtTold) -> dict[str, object]:
    return msgspec.structs.asdict(one) | {"amount": one.money.amount, "says": one.money.says}


def _row(one: "Evidence", now_us: int) -> dict[str, object]:
    times = {"at": _day(one.at_us), "until": _day(one.until_us), "holds": one.holds(now_us)}
    return {name: times.get(name, getattr(one, name, "")) for name in EVIDENCE}


def _day(at_us: int) -> str:
    return datetime_from_us(at_us).date().isoformat()


def _usd(key: str) -> Column:
    """Unknown says so (`unpriced` would be another thing), and nothing is a word of the sentence beside it."""
    shown = money_column(key, "USD", unknown="unknown")

    def show(value: Any) -> str | Text:
        return Text("nothing") if value is not None and not Decimal(value) else shown.show(value)

    return shown._replace(show=show)
