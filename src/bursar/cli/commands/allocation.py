"""`bursar allocation`: who bears a month's cost, and by which rules; `bursar statements`: one of them."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from bursar.cli import client
from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_existing, resolve_site
from bursar.cli.render import (
    Format,
    count_column,
    money_column,
    out_bytes,
    print_csv,
    print_json,
    print_table,
    say,
    text_column,
)
from bursar.domain.errors import BadControl
from bursar.site import Site, actor
from bursar.supervise import find_running

if TYPE_CHECKING:  # start-up: it pulls in SQLAlchemy, and `--help` needs none
    from bursar.finance.allocation.rules import RuleTerms
    from bursar.governance.store import ControlStore

ByOption = Annotated[str, typer.Option("--by", help="team, customer or feature.")]
MonthOption = Annotated[str, typer.Option("--month", help="As 2026-10 (default: this month).")]
RULE_HEADS = ("name", "version", "kind", "start", "end", "where", "by", "method", "amount", "currency")


class ShareTold(msgspec.Struct):
    """What one of them bears, as the console's API tells it."""

    name: str
    direct: str
    parts: dict[str, str]
    total: str
    attempts: int
    unpriced_count: int


class PoolTold(msgspec.Struct):
    rule: str
    amount: str | None
    left: str
    why: str


class AllocationTold(msgspec.Struct):
    """`/api/allocation`."""

    month: str
    by: str
    state: str
    shares: list[ShareTold]
    pools: list[PoolTold]
    nobody: str
    left: str
    ledger: str
    flat: str


class LineTold(msgspec.Struct):
    value: str
    amount: str
    attempts: int


class StatementTold(msgspec.Struct):
    """`/api/statements`."""

    month: str
    by: str
    state: str
    share: ShareTold
    models: list[LineTold]
    features: list[LineTold]


def show(
    month: MonthOption = "",
    by: ByOption = "team",
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Who bears a month's cost: `bursar allocation show --month 2026-10 --by team`."""
    site = resolve_existing(config, data)
    asked = [("month", month), ("by", by)]
    if fmt is not Format.TABLE:
        out_bytes(client.fetch(site, client.target("/api/allocation", [*asked, ("format", fmt.value)])))
        return
    told = client.ask(site, "/api/allocation", asked, AllocationTold)
    rows: list[dict[str, Any]] = [
        {"name": one.name, "direct": one.direct, "total": one.total, "unpriced": one.unpriced_count,
         "allocated": str(Decimal(one.total) - Decimal(one.direct))}
        for one in told.shares
    ]  # fmt: skip
    sums = {name: str(sum(Decimal(row[name]) for row in rows)) for name in ("direct", "allocated", "total")}
    columns = [
        text_column("name", told.by, grow=True), money_column("direct", "direct"),
        money_column("allocated", "allocated"), money_column("total", "total"), count_column("unpriced", "unpriced"),
    ]  # fmt: skip
    notes = [f"{told.nobody} USD say no {told.by}, and no rule takes them"] if told.nobody != "0" else []
    notes += [
        f"{one.rule}: " + (f"{one.why}" if one.amount is None else f"{one.left} USD not split, {one.why}")
        for one in told.pools
        if one.why
    ]
    print_table(
        columns,
        rows,
        title=f"{told.month}, {told.state}; effective cost",
        totals={"name": "borne", **sums},
        notes=notes,
    )


def rules(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Rules as they were written last: `bursar allocation rules`."""
    from bursar.finance.allocation.rule_book import latest_rules  # start-up: SQLAlchemy takes its time

    found = latest_rules(_store(resolve_existing(config, data)))
    rows: list[dict[str, Any]] = []
    for one in found:
        terms = one.terms
        if terms is not None:
            rows.append(
                {"name": one.name, "version": one.version, "kind": terms.kind, "start": str(terms.start),
                 "end": str(terms.end or ""), "where": "; ".join(terms.where),
                 "by": "" if terms.kind == "tag" else terms.by, "method": "" if terms.kind == "tag" else terms.method,
                 "amount": terms.amount, "currency": terms.currency if terms.amount else ""}
            )  # fmt: skip
    if fmt is Format.JSON:
        print_json(
            [{"name": one.name, "version": one.version, "terms": msgspec.to_builtins(one.terms)} for one in found]
        )
    elif fmt is Format.CSV:
        print_csv(RULE_HEADS, [list(row.values()) for row in rows])
    elif not rows:
        say("no rules; `bursar allocation set NAME --kind split --where team= --from …` makes one.")
    else:
        columns = [text_column("name", "rule", grow=True), text_column("kind", ""), text_column("where", "whose"),
                   text_column("by", "among"), text_column("method", "how"), text_column("amount", "a month"),
                   text_column("currency", ""), text_column("start", "from"), text_column("end", "until")]  # fmt: skip
        print_table(columns, [{name: value or "–" for name, value in row.items()} for row in rows])


def set_(
    name: Annotated[str, typer.Argument(help="Its name; one that is there gets a new version.")],
    kind: Annotated[str, typer.Option("--kind", help="split charges, a flat cost a month, or tag afterwards.")],
    start: Annotated[str, typer.Option("--from", help="The first day it holds, as 2026-10-01.")],
    end: Annotated[str, typer.Option("--until", help="The last day (default: it stays).")] = "",
    where: Annotated[
        list[str], typer.Option("--where", help="Whose charges, as a filter: team= or feature=chat.")
    ] = [],  # noqa: B006
    by: ByOption = "team",
    method: Annotated[str, typer.Option("--method", help="proportional, even, fixed or driver.")] = "proportional",
    among: Annotated[list[str], typer.Option("--among", help="Only these (default: all with direct cost).")] = [],  # noqa: B006
    share: Annotated[list[str], typer.Option("--share", help="web=60: per cent, or a driver's number.")] = [],  # noqa: B006
    driver: Annotated[
        str, typer.Option("--driver", help="attempts, calls, input_tokens, output_tokens, duration_ms or given.")
    ] = "",
    amount: Annotated[str, typer.Option("--amount", help="Of a flat cost, a month.")] = "",
    currency: Annotated[str, typer.Option("--currency", help="Of a flat cost.")] = "USD",
    tag: Annotated[list[str], typer.Option("--tag", help="team=web: what charges get.")] = [],  # noqa: B006
    note: Annotated[str, typer.Option("--note", help="Why, for whoever reads it later.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Make a rule, or change it from a day on: `bursar allocation set untagged --kind split --where team= --from
    2026-10-01`."""
    from bursar.finance.allocation.rules import RuleTerms  # start-up: SQLGlot takes its time
    from bursar.governance.checks import read_terms

    given: dict[str, Any] = {
        "kind": kind, "start": start, "where": where, "by": by, "method": method, "among": among, "driver": driver,
        "shares": _pairs("share", share), "amount": amount, "currency": currency.upper(), "tags": _pairs("tag", tag),
        "note": note,
    }  # fmt: skip
    _keep(resolve_site(config, data), name, read_terms(given | ({"end": end} if end else {}), RuleTerms))


def end(
    name: Annotated[str, typer.Argument(help="The rule's name.")],
    on: Annotated[str, typer.Option("--on", help="The first day it holds no more, as 2026-11-01.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """A rule holds no more from a day on: `bursar allocation end untagged --on 2026-11-01`."""
    from bursar.finance.allocation.rule_book import RuleBook  # start-up: SQLAlchemy takes its time

    site = resolve_existing(config, data)
    RuleBook(_store(site), site.secret(), site.clock).end(name, _day(on), actor=actor())
    say(f"rule {name} holds until before {on}.")


def charge(
    month: Annotated[str, typer.Argument(help="As 2026-10.")],
    by: ByOption = "team",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Post a month's allocation as a transfer: `bursar allocation charge 2026-10`. Again, it posts the difference."""
    site = resolve_existing(config, data)
    running = find_running(site.paths.data)
    if running is not None:
        path = f"{client.path_of('api', 'allocation', month)}/chargeback"
        posted: int = len(msgspec.json.decode(client.send(running, "POST", path, msgspec.json.encode({"by": by}))))
    else:
        from bursar.cli.ledgers import opened_books  # start-up: DuckDB takes its time

        with opened_books(site) as books:
            posted = len(books.allocation.charge_back(month, by, actor=actor()))
    say(f"{month} is charged back by {by}." if posted else f"{month} is charged back already, as it stands.")


def statement(
    of: Annotated[str, typer.Argument(help="Whose: a team, customer or feature.")],
    month: MonthOption = "",
    by: ByOption = "team",
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write it here, to be printed.")] = None,
    xlsx: Annotated[Path | None, typer.Option("--xlsx", help="Write it here as a workbook.")] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """What one of them bears in a month, and why: `bursar statements web --month 2026-10 --pdf web.pdf`."""
    site = resolve_existing(config, data)
    for path, kind in ((pdf, "pdf"), (xlsx, "xlsx")):
        if path is not None:
            asked = [("month", month), ("among", by), ("of", of)]
            content = client.fetch(site, client.target(f"/statements/print.{kind}", asked))
            path.write_bytes(content)
            say(f"{path}: {len(content):,} bytes.")
    if pdf is not None or xlsx is not None:
        return
    asked = [("month", month), ("by", by), ("of", of)]
    if fmt is not Format.TABLE:
        out_bytes(client.fetch(site, client.target("/api/statements", [*asked, ("format", fmt.value)])))
        return
    told = client.ask(site, "/api/statements", asked, StatementTold)
    rows = [{"line": "direct", "what": one.value, "amount": one.amount} for one in told.models]
    rows += [{"line": "allocated", "what": rule, "amount": part} for rule, part in told.share.parts.items()]
    print_table(
        [text_column("line", ""), text_column("what", "model or rule", grow=True), money_column("amount", "amount")],
        rows,
        title=f"{told.share.name}, {told.month}, {told.state}",
        totals={"line": "all", "amount": told.share.total},
    )


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None,
        help="Who bears a month's cost, and by which rules: show, rules, set, end, charge.",
    )  # fmt: skip
    for name, command in (("show", show), ("rules", rules), ("set", set_), ("end", end), ("charge", charge)):
        group.command(name)(command)
    app.add_typer(group, name="allocation")
    app.command("statements")(statement)


def _keep(site: Site, name: str, terms: "RuleTerms") -> None:
    from bursar.finance.allocation.rule_book import RuleBook  # start-up: SQLAlchemy takes its time

    site.prepare()
    book = RuleBook(_store(site), site.secret(), site.clock)
    made = book.set(name, terms, actor=actor())
    say(f"rule {made.name}, version {made.version}, from {terms.start} on.")


def _store(site: Site) -> "ControlStore":
    from bursar.governance.store import ControlStore  # start-up: SQLAlchemy takes its time

    return ControlStore(site.control_location)


def _pairs(field: str, texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise BadControl(f"{field}: {text[:60]!r}; write web=60", field=field)
        found[name.strip()] = value.strip().removesuffix("%")
    return found


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadControl(f"on: {text[:40]!r} is no day; write 2026-11-01", field="on") from error
