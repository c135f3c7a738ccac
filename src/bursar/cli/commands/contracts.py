"""`bursar contracts`: what was agreed with vendors, where it stands, what it did to the books, what to negotiate."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from bursar.cli import client
from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_existing, resolve_site
from bursar.cli.render import (
    Format,
    money_column,
    out_bytes,
    print_csv,
    print_json,
    print_table,
    say,
    text_column,
)
from bursar.domain.errors import BadContract
from bursar.domain.money import plain, usd_from_pico
from bursar.site import Site, actor
from bursar.supervise import find_running

if TYPE_CHECKING:  # start-up: it pulls in SQLAlchemy, which only a command that changes something needs
    from bursar.finance.contracts.book import ContractBook
    from bursar.finance.contracts.terms import ContractTerms, Discount


class DrawdownTold(msgspec.Struct):
    kind: str
    name: str
    state: str
    amount: str
    used: str
    left: str
    end: str | None
    unused: str | None


class ContractTold(msgspec.Struct):
    name: str
    provider: str
    owner: str
    holds: int | None
    drawdowns: list[DrawdownTold]
    effect: dict[str, str]
    versions: list[dict[str, Any]]


class ContractsTold(msgspec.Struct):
    """`/api/contracts`."""

    currency: str
    contracts: list[ContractTold]


class RatedTold(msgspec.Struct):
    """`/api/contracts/rate`."""

    contract: str
    days: int
    entries: int
    contracted_cost: str
    effective_cost: str
    billed_cost: str


class VendorTold(msgspec.Struct):
    provider: str
    effective_cost: str
    before: str
    discount: str
    owner: str
    needs_owner: bool
    contracts: list[str]


class WeighedTold(msgspec.Struct):
    amount: float
    saving: float
    at_low: float
    at_high: float
    regret_low: float
    regret_high: float
    loses: float


class ChosenTold(msgspec.Struct):
    vendor: VendorTold
    months: int
    discount: str
    shape: str
    best: WeighedTold | None
    weighed: list[WeighedTold]


class NegotiationsTold(msgspec.Struct):
    """`/api/negotiations`."""

    currency: str
    vendors: list[VendorTold]
    chosen: ChosenTold | None


_Since = Annotated[str, typer.Option("--since", help="The first day it holds on, as 2026-11-01 (UTC).")]
_File = Annotated[
    Path | None,
    typer.Option("--terms", help="A JSON file of all terms; docs/contracts.md says what can be in it.", dir_okay=False),
]
_Why = Annotated[str, typer.Option("--why", help="Why, for whoever reads it later.")]


def list_contracts(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Contracts, and where their credits and commitments stand: `bursar contracts list`."""
    site = resolve_existing(config, data)
    if fmt is not Format.TABLE:
        out_bytes(client.fetch(site, client.target("/api/contracts", [("format", fmt.value)])))
        return
    told = client.ask(site, "/api/contracts", [], ContractsTold)
    if not told.contracts:
        say("no contract is recorded; `bursar contracts add NAME --provider … --since …` records one.")
        return
    columns = [
        text_column("contract", "contract", grow=True), text_column("what", "promise", grow=True),
        money_column("amount", "amount", told.currency), money_column("used", "used", told.currency),
        text_column("end", "until"), text_column("state", "state"),
        money_column("effect", "changed, effective", told.currency),
    ]  # fmt: skip
    print_table(columns, [row for one in told.contracts for row in _rows(one)])


def add(
    name: Annotated[str, typer.Argument(help="A name people will know it by.")],
    since: _Since,
    provider: Annotated[str, typer.Option("--provider", help="The vendor, as charges say it: openai.")] = "",
    discount: Annotated[str, typer.Option("--discount", help="Percent off list.")] = "",
    models: Annotated[str, typer.Option("--models", help="Of which models, as gpt-5*,o3 (default: all).")] = "",
    owner: Annotated[str, typer.Option("--owner", help="Who owns the relation.")] = "",
    terms: _File = None,
    why: _Why = "",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Record a contract: `bursar contracts add acme-openai --provider openai --since 2026-11-01 --discount 12`.

    What else was agreed (steps by volume, fixed prices, credits, commitments, capacity) is given as --terms.
    """
    found = _terms(terms, provider, discount, models, owner)
    made = _book(resolve_site(config, data)).add(name, _day(since), found, actor=actor(), why=why)
    say(f"contract {made.name} ({made.contract_id}) is recorded; it is rated within minutes, or now by "
        "`bursar contracts rate`.")  # fmt: skip


def change(
    name: Annotated[str, typer.Argument(help="The contract's name or id.")],
    since: _Since,
    terms: _File = None,
    discount: Annotated[str, typer.Option("--discount", help="Percent off list, in place of the one agreed.")] = "",
    models: Annotated[str, typer.Option("--models", help="Of which models that discount is (default: as now).")] = "",
    owner: Annotated[str, typer.Option("--owner", help="Who owns the relation from then on.")] = "",
    until: Annotated[str, typer.Option("--until", help="Its last day.")] = "",
    why: _Why = "",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Record another version, from a day on: `bursar contracts change acme --since 2027-01-01 --discount 15`.

    What isn't said stays as it was; --terms says all of it anew.
    """
    book = _book(resolve_existing(config, data))
    found = _terms(terms, "", "", "", "") if terms else book.get(name).latest.terms
    if not any((terms, until, discount, owner)):
        raise BadContract("terms: give --terms, --discount, --owner or --until, or nothing is changed", field="terms")
    changes: dict[str, Any] = {"owner": owner} if owner else {}
    if discount:
        changes["discounts"] = _other_discount(found, discount, models)
    if until:
        changes["until"] = _day(until)
    made = book.change(name, _day(since), msgspec.structs.replace(found, **changes), actor=actor(), why=why)
    say(f"version {made.latest.number} of contract {made.name} holds from {since} on.")


def show(
    name: Annotated[str, typer.Argument(help="The contract's name or id.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """All terms of a contract as JSON, to change and give back: `bursar contracts show acme-openai > terms.json`."""
    found = _book(resolve_existing(config, data)).get(name)
    out_bytes(msgspec.json.format(msgspec.json.encode(found.latest.terms), indent=2) + b"\n")


def rate(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Rate all charges against the contracts now, and post what differs: `bursar contracts rate`.

    The running console does the same every five minutes. Asking twice posts nothing the second time.
    """
    site = resolve_existing(config, data)
    running = find_running(site.paths.data)
    if running is None:
        found = _rate_ourselves(site)
    else:
        found = client.decode(client.send(running, "POST", "/api/contracts/rate", b"{}"), list[RatedTold])
    if fmt is Format.JSON:
        print_json([msgspec.to_builtins(one) for one in found])
        return
    if fmt is Format.CSV:
        print_csv(RatedTold.__struct_fields__, [list(msgspec.structs.astuple(one)) for one in found])
        return
    if not found:
        say("no contract is recorded.")
        return
    columns = [
        text_column("contract", "contract", grow=True), text_column("days", "days looked at"),
        text_column("entries", "entries posted"), money_column("contracted_cost", "contracted", "USD"),
        money_column("effective_cost", "effective", "USD"), money_column("billed_cost", "billed", "USD"),
    ]  # fmt: skip
    print_table(columns, [msgspec.structs.asdict(one) for one in found])


def negotiate(
    provider: Annotated[str, typer.Argument(help="The vendor (default: the dearest).")] = "",
    discount: Annotated[str, typer.Option("--discount", help="Percent that a commitment would earn.")] = "10",
    months: Annotated[str, typer.Option("--months", help="How long it would bind.")] = "12",
    shape: Annotated[str, typer.Option("--shape", help="part: committed dollars are cheaper; all: everything is.")]
    = "part",
    amount: Annotated[str, typer.Option("--amount", help="A commitment to weigh too, USD over the term.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:  # fmt: skip
    """What a commitment to a vendor would save and risk: `bursar contracts negotiate openai --discount 15`.

    Exit 1 if a vendor above $5,000 a month has no owner.
    """
    site = resolve_existing(config, data)
    asked = [("provider", provider), ("discount", discount), ("months", months), ("shape", shape), ("amount", amount)]
    if fmt is not Format.TABLE:
        out_bytes(client.fetch(site, client.target("/api/negotiations", [*asked, ("format", fmt.value)])))
        return
    told = client.ask(site, "/api/negotiations", asked, NegotiationsTold)
    if told.chosen is None:
        say("no vendor cost anything in the last thirty days.")
        return
    print_table(
        [
            text_column("provider", "vendor", grow=True), money_column("effective_cost", "last 30 days", told.currency),
            money_column("before", "30 before", told.currency), text_column("owner", "owner"),
            text_column("contracts", "contract"),
        ],
        [
            msgspec.structs.asdict(one)
            | {
                "owner": one.owner or ("needs one" if one.needs_owner else "nobody"),
                "contracts": ", ".join(one.contracts) or "none",
            }
            for one in told.vendors
        ],
    )  # fmt: skip
    _print_weighed(told.chosen, told.currency)
    if any(one.needs_owner for one in told.vendors):
        raise typer.Exit(1)


def own(
    provider: Annotated[str, typer.Argument(help="The vendor, as charges say it.")],
    owner: Annotated[str, typer.Argument(help='Who owns the relation; "" for nobody.')],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Say who owns a vendor: `bursar contracts own openai "Ada Lovelace"`."""
    _book(resolve_site(config, data)).set_owner(provider, owner, actor=actor())
    say(f"{provider} is owned by {owner.strip()}." if owner.strip() else f"{provider} is owned by nobody.")


def register(app: typer.Typer) -> None:
    contracts = typer.Typer(
        no_args_is_help=True, help="Contracts with vendors: record, rate, see where they stand, negotiate."
    )
    contracts.command("list")(list_contracts)
    contracts.command("add")(add)
    contracts.command("change")(change)
    contracts.command("show")(show)
    contracts.command("rate")(rate)
    contracts.command("negotiate")(negotiate)
    contracts.command("own")(own)
    app.add_typer(contracts, name="contracts")


def _rate_ourselves(site: Site) -> list[RatedTold]:
    """Without a console: the ledger is ours meanwhile."""
    # start-up: it brings DuckDB, which only this needs
    from bursar.finance.contracts.rating import rate_contract
    from bursar.ledger.loader import Loader

    book, ledger = _book(site), site.open_ledger()
    try:
        Loader(ledger, site.paths.spool, site.clock).load_all()
        done = [(one.name, rate_contract(ledger, book, one, site.clock.now_us())) for one in book.all()]
    finally:
        ledger.close()
    return [
        RatedTold(name, one.days, one.entries, *(plain(usd_from_pico(pico)) for pico in
                                                 (one.contracted, one.effective, one.billed)))
        for name, one in done
    ]  # fmt: skip


def _rows(one: ContractTold) -> list[dict[str, Any]]:
    effect = one.effect["effective_cost"]
    if not one.drawdowns:
        return [{"contract": one.name, "what": one.provider, "amount": "0", "used": "0", "end": "no end",
                 "state": f"version {one.holds}" if one.holds else "not in force", "effect": effect}]  # fmt: skip
    return [
        {
            "contract": one.name, "what": f"{each.kind} {each.name}", "amount": each.amount,
            "used": each.used, "end": each.end or "no end", "state": each.state, "effect": effect if not place else "0",
        }
        for place, each in enumerate(one.drawdowns)
    ]  # fmt: skip


def _print_weighed(chosen: ChosenTold, currency: str) -> None:
    if chosen.best is None:
        say("too young to say: a forecast needs two whole days with calls.")
        return
    columns = [
        text_column("which", f"{chosen.vendor.provider}, {chosen.months} months at {chosen.discount} % off", grow=True),
        money_column("amount", "commit to", currency), money_column("saving", "saves, on average", currency),
        money_column("at_low", "if little is used", currency), money_column("at_high", "if much is used", currency),
        money_column("regret_low", "regret, little", currency), money_column("regret_high", "regret, much", currency),
    ]  # fmt: skip
    best = "best" if chosen.shape == "part" else "breaks even"
    rows = [
        {name: f"{value:.2f}" for name, value in msgspec.structs.asdict(one).items()}
        | {"which": best if one.amount == chosen.best.amount else "weighed"}
        for one in chosen.weighed
    ]
    print_table(columns, rows, notes=["estimates: little and much are the forecast's 10th and 90th percentile"])


def _terms(path: Path | None, provider: str, discount: str, models: str, owner: str) -> "ContractTerms":
    # start-up: the terms of contracts are needed by who records one
    from bursar.finance.contracts.terms import ContractTerms
    from bursar.governance.checks import read_terms

    if path is not None:
        try:
            return read_terms(msgspec.json.decode(path.read_bytes()), ContractTerms)
        except (OSError, msgspec.DecodeError) as error:
            raise BadContract(f"terms: {path} can't be read: {error}", field="terms") from error
    given: dict[str, Any] = {"provider": provider} | ({"owner": owner} if owner else {})
    if discount:
        scope = {"models": [one.strip() for one in models.split(",")]} if models else {}
        given["discounts"] = [{"percent": discount.removesuffix("%"), **scope}]
    return read_terms(given, ContractTerms)


def _other_discount(terms: "ContractTerms", percent: str, models: str) -> "tuple[Discount, ...]":
    """The one discount there is, at another percentage. Raises BadContract where there are several: which one?"""
    if len(terms.discounts) > 1:
        raise BadContract(
            f"discount: the contract has {len(terms.discounts)}; change them with --terms (`bursar contracts show` "
            "prints all terms)", field="discount",
        )  # fmt: skip
    (made,) = _terms(None, terms.provider, percent, models, "").discounts
    if models or not terms.discounts:
        return (made,)
    return (msgspec.structs.replace(terms.discounts[0], percent=made.percent),)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadContract(f"since: {text[:40]!r} is no day; write 2026-11-01", field="since") from error


def _book(site: Site) -> "ContractBook":
    # start-up: SQLAlchemy takes its time, and `--help` doesn't need it
    from bursar.finance.contracts.book import ContractBook
    from bursar.governance.store import ControlStore

    site.prepare()
    return ContractBook(ControlStore(site.control_location), site.secret(), site.clock)
