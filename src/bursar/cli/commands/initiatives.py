"""`bursar initiatives`: what shall become cheaper, what it has saved, and what was booked of that."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from bursar.cli import client
from bursar.cli.options import ConfigOption, DataOption, FilterOption, FormatOption, resolve_existing, resolve_site
from bursar.cli.render import (
    Column,
    Format,
    money_column,
    out_bytes,
    print_csv,
    print_json,
    print_table,
    say,
    text_column,
)
from bursar.domain.errors import BadControl
from bursar.domain.initiatives import AUTO, CALLS, Booking, Initiative, InitiativeTerms
from bursar.governance.checks import read_terms
from bursar.site import Site, actor

if TYPE_CHECKING:  # start-up: it pulls in SQLAlchemy, which only a command that changes something needs
    from bursar.governance.initiatives import InitiativeBook

NameArgument = Annotated[str, typer.Argument(help="The initiative's name or id.")]
DayOption = Annotated[str, typer.Option("--on", help="The day (UTC), as 2026-11-01 (default: its own, else today).")]
NONE = "none"
ENTRY = ("number", "name", "month", "kind", "amount", "low", "high", "method", "computed_us", "computed_by")


class MonthTold(msgspec.Struct):
    """A month, as the console's API tells it; the fields that are shown or booked."""

    month: str
    is_closed: bool
    target: str
    realised: str
    low: str | None
    high: str | None
    booked: str | None
    expected: str
    actual: str
    handed: str
    method: str


class FlagTold(msgspec.Struct):
    text: str


class Told(msgspec.Struct):
    """An initiative, as the console's API tells it."""

    initiative_id: str
    name: str
    status: str
    terms: InitiativeTerms
    target: str
    realised: str
    booked: str
    comparison: str
    flags: list[FlagTold]
    months: list[MonthTold]


def set_(
    name: Annotated[str, typer.Argument(help="A name people will know it by; one that is there is changed.")],
    owner: Annotated[str, typer.Option(help="Who sees to it.")],
    target: Annotated[str, typer.Option(help="USD a month that it shall save.")],
    baseline: Annotated[
        str, typer.Option(help="First and last day (UTC) of what it is compared with: 2026-10-01..2026-10-31.")
    ],
    filters: FilterOption = [],  # noqa: B006
    start: Annotated[str, typer.Option(help="The first day that counts (UTC), after the baseline.")] = "",
    hypothesis: Annotated[str, typer.Option(help="What is done, and why it saves.")] = "",
    unit: Annotated[
        str, typer.Option(help="What cost is divided by: calls, ok_calls, total_input_tokens, tag:pages …")
    ] = CALLS,
    mix: Annotated[
        str, typer.Option(help="Calls are alike by these, with commas between; nothing that it changes itself.")
    ] = "feature,request_type",
    compare: Annotated[
        list[str], typer.Option(help="auto, none, or filters of calls that it doesn't touch. May be repeated.")
    ] = [AUTO],  # noqa: B006
    guard: Annotated[
        str, typer.Option(help="What must not get worse: error_rate=2, latency_p95_ms=4000 or feedback=0.8.")
    ] = "",
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Plan or change an initiative: `bursar initiatives set prompts --owner ada --target 500 --filter feature=checkout
    --baseline 2026-10-01..2026-10-31`.

    It says all that it says: what isn't given is at its default. What was booked stays as it is.
    """
    first, dots, last = baseline.partition("..")
    if not dots:
        raise BadControl(f"baseline: {baseline[:40]!r}; write its first and last day, 2026-10-01..2026-10-31",
                         field="baseline")  # fmt: skip
    given: dict[str, Any] = {
        "owner": owner, "target": target, "filters": filters, "hypothesis": hypothesis, "unit": unit,
        "baseline_from": first, "baseline_to": last, "start": start or None,
        "mix": [word.strip() for word in mix.split(",") if word.strip()],
        "comparison": [] if compare == [NONE] else compare,
    }  # fmt: skip
    if guard:
        given["guard"] = _guard(guard)
    terms = read_terms(given, InitiativeTerms)
    made = _book(resolve_site(config, data)).set(name, terms, actor=actor())
    if fmt is Format.TABLE:
        say(f"initiative {made.name} ({made.initiative_id}) is {made.status}.")
        if made.status == "planned":
            say(f"nothing is measured before `bursar initiatives start {made.initiative_id}`.")
    elif fmt is Format.JSON:
        print_json(msgspec.to_builtins(made))
    else:
        print_csv(("initiative_id", "name", "status"), [(made.initiative_id, made.name, made.status)])


def list_initiatives(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Initiatives and what they saved: `bursar initiatives list --format csv` has a row for each month."""
    site = resolve_existing(config, data)
    if fmt is not Format.TABLE:
        out_bytes(client.fetch(site, client.target("/api/initiatives", [("format", fmt.value)])))
        return
    found = client.ask(site, "/api/initiatives", [], list[Told])
    if not found:
        say("no initiatives; `bursar initiatives set NAME --owner … --target … --baseline …` plans one.")
        return
    rows = [
        {"name": one.name, "status": one.status, "owner": one.terms.owner, "target": one.target,
         "realised": one.realised, "booked": one.booked, "look": len(one.flags) or "", "id": one.initiative_id}
        for one in found
    ]  # fmt: skip
    totals = {name: str(sum(Decimal(str(row[name])) for row in rows)) for name in ("target", "realised", "booked")}
    columns = [
        text_column("name", "name", grow=True), text_column("status", ""), text_column("owner", "owner", grow=True),
        money_column("target", "target so far"), money_column("realised", "realised"), money_column("booked", "booked"),
        Column("look", "to look at", right=True), text_column("id", "id", style="dim"),
    ]  # fmt: skip
    notes = [f"{one.name}: {flag.text}" for one in found for flag in one.flags]
    print_table(columns, rows, totals={"name": "all", **totals}, notes=notes)


def show(
    name: NameArgument, data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE
) -> None:
    """One initiative, month by month: `bursar initiatives show prompts`."""
    site = resolve_existing(config, data)
    if fmt is Format.CSV:
        out_bytes(client.fetch(site, client.path_of("initiatives", f"{name}.csv")))
        return
    path = client.path_of("api", "initiatives", name)
    if fmt is Format.JSON:
        out_bytes(client.fetch(site, path))
        return
    one = client.ask(site, path, [], Told)
    columns = [
        text_column("month", "month"), money_column("expected", "expected"), money_column("actual", "paid"),
        money_column("handed", "handed on"), money_column("realised", "realised"), text_column("interval", "90 %"),
        money_column("target", "target"), text_column("method", "by"), text_column("booked", "booked"),
    ]  # fmt: skip
    rows = [
        msgspec.structs.asdict(month)
        | {"interval": "unknown" if month.low is None else f"{_cents(month.low)} to {_cents(month.high)}",
           "booked": "no" if month.booked is None else _cents(month.booked)}
        for month in one.months
    ]  # fmt: skip
    print_table(
        columns, rows, title=f"{one.name}, {one.status}, {one.terms.owner}",
        notes=[f"compared with: {one.comparison or 'nothing yet'}", *(flag.text for flag in one.flags)],
    )  # fmt: skip


def start(name: NameArgument, on: DayOption = "", data: DataOption = None, config: ConfigOption = None) -> None:
    """Its savings count from a day on: `bursar initiatives start prompts --on 2026-11-01`."""
    _turned(data, config, lambda book: book.start(name, _day(on), actor=actor()))


def done(name: NameArgument, data: DataOption = None, config: ConfigOption = None) -> None:
    """It is delivered, and goes on being measured: `bursar initiatives done prompts`."""
    _turned(data, config, lambda book: book.finish(name, actor=actor()))


def stop(name: NameArgument, on: DayOption = "", data: DataOption = None, config: ConfigOption = None) -> None:
    """From a day on nothing is counted: `bursar initiatives stop prompts`."""
    _turned(data, config, lambda book: book.stop(name, _day(on), actor=actor()))


def remove(name: NameArgument, data: DataOption = None, config: ConfigOption = None) -> None:
    """Remove it from every list: `bursar initiatives remove prompts`. What was booked of it stays."""
    gone = _book(resolve_existing(config, data)).remove(name, actor=actor())
    say(f"initiative {gone.name} ({gone.initiative_id}) is removed; what was booked of it stays.")


def book(
    adjust: Annotated[
        bool, typer.Option("--adjust", help="Also post by how much booked months measure otherwise by now.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Book what closed months saved: `bursar initiatives book`. A running console does so by itself."""
    # start-up: as above
    from bursar.governance.initiatives import Finding

    site = resolve_existing(config, data)
    found = [
        Finding(one.initiative_id, month.month, Decimal(month.realised), _decimal(month.low), _decimal(month.high),
                month.method)
        for one in client.ask(site, "/api/initiatives", [], list[Told])
        for month in one.months
        if month.is_closed
    ]  # fmt: skip
    entries = _book(site).book(found, actor=actor(), adjust=adjust)
    if fmt is Format.TABLE and not entries:
        say("nothing to book.")
        return
    _entries(entries, fmt)


def bookings(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Every entry, oldest first: `bursar initiatives bookings --format csv`."""
    entries = _book(resolve_existing(config, data)).bookings()
    if fmt is Format.TABLE and not entries:
        say("nothing is booked yet: a month is, three days after its end.")
        return
    _entries(entries, fmt)


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None,
        help="What shall become cheaper, and what it saved: list, show, set, start, done, stop, remove, book.",
    )  # fmt: skip
    for name, command in (("list", list_initiatives), ("show", show), ("set", set_), ("start", start), ("done", done),
                          ("stop", stop), ("remove", remove), ("book", book), ("bookings", bookings)):  # fmt: skip
        group.command(name)(command)
    app.add_typer(group, name="initiatives")


def _book(site: Site) -> "InitiativeBook":
    # start-up: SQLAlchemy and SQLGlot take their time, and `--help` needs neither
    from bursar.advisor.initiatives import check_terms
    from bursar.governance.initiatives import InitiativeBook
    from bursar.governance.store import ControlStore

    site.prepare()
    return InitiativeBook(ControlStore(site.control_location), site.secret(), site.clock, check_terms)


def _turned(data: DataOption, config: ConfigOption, act: "Callable[[InitiativeBook], Initiative]") -> None:
    one = act(_book(resolve_existing(config, data)))
    days = f"from {one.terms.start}" + (f" until before {one.ended}" if one.ended else "")
    say(f"initiative {one.name} ({one.initiative_id}) is {one.status}: it counts {days}.")


def _entries(entries: Sequence[Booking], fmt: Format) -> None:
    rows: list[Mapping[str, Any]] = [{name: getattr(one, name) for name in ENTRY} for one in entries]
    if fmt is Format.JSON:
        print_json(rows)
    elif fmt is Format.CSV:
        print_csv(ENTRY, [list(row.values()) for row in rows])
    else:
        columns = [
            text_column("name", "name", grow=True), text_column("month", "month"), text_column("kind", ""),
            money_column("amount", "amount"), text_column("method", "by"), text_column("computed_by", "who"),
        ]  # fmt: skip
        print_table(columns, rows)


def _guard(text: str) -> dict[str, Any]:
    metric, _, limit = text.partition("=")
    try:
        return {"metric": metric.strip(), "limit": float(limit)}
    except ValueError as error:
        raise BadControl(f"guard: {text[:40]!r}; write error_rate=2, latency_p95_ms=4000 or feedback=0.8",
                         field="guard") from error  # fmt: skip


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise BadControl(f"on: {text[:40]!r} is no day; write 2026-11-01", field="on") from error


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _cents(text: str | None) -> str:
    return f"{Decimal(text or 0):,.2f}"
