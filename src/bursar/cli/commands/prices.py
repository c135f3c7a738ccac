"""`bursar prices`: what is known, where catalogues disagree with it, and what jumped."""

import difflib
import fnmatch
from pathlib import Path
from typing import Annotated, Any

import typer

from bursar.cli.commands.price import day, instant, open_book, per_million
from bursar.cli.commands.prices_set import set_price
from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_site
from bursar.cli.render import Column, Format, out, print_csv, print_json, print_table, say, text_column
from bursar.domain.errors import BadRequest, Unpriced
from bursar.domain.money import plain
from bursar.domain.usage import Unit
from bursar.prices.book import PriceBook
from bursar.prices.catalogue import reference_catalogues
from bursar.prices.conflicts import Finding, find_bold_overrides, find_conflicts, find_jumps, not_accepted
from bursar.prices.overrides import price_template
from bursar.prices.rows import STANDARD
from bursar.prices.sheet import PriceSheet
from bursar.site import Site

EXIT_FINDING = 1
COLUMNS = (Unit.INPUT, Unit.CACHE_READ, Unit.CACHE_WRITE_5M, Unit.CACHE_WRITE_1H, Unit.OUTPUT)

ModelFilter = Annotated[str, typer.Option("--model", help="Only models of this name; a pattern may have * and ?.")]
ProviderFilter = Annotated[str, typer.Option("--provider", help="Only this provider.")]
AtOption = Annotated[str, typer.Option("--at", help="As of: 2026-03-01, or with a time; UTC (default: now).")]


def list_prices(
    model: ModelFilter = "*",
    provider: ProviderFilter = "",
    at: AtOption = "",
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Prices in force, USD per million: `bursar prices list --provider openai --model 'gpt-4*'`."""
    site = resolve_site(config, data)
    book = open_book(site)
    at_us = instant(at, site.clock.now_us())
    wanted = _provider(book, provider)
    rows: dict[str, dict[str, Any]] = {}
    for entry in book.entries():
        if wanted in ("", entry.provider) and fnmatch.fnmatchcase(entry.model.lower(), model.lower()):
            sheet = book.at(entry.provider, entry.model, at_us)
            if sheet is not None:
                rows.setdefault(sheet.sku_id, _row(sheet))
    if not rows:
        where = f" of {wanted}" if wanted else ""
        say(f"no model{where} matches {model!r}; a pattern may have * and ?, such as '*{model.strip('*')}*'")
    if rows or fmt is not Format.TABLE:
        _show_rows(list(rows.values()), fmt)
    if not rows:
        raise typer.Exit(EXIT_FINDING)


def show(
    model: Annotated[str, typer.Argument(help="A model's name, also as provider/model.")],
    provider: ProviderFilter = "",
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Every dated price of a model, by tier and size of the call: `bursar prices show gpt-4o`."""
    site = resolve_site(config, data)
    book = open_book(site)
    sheets = [sheet for tier in book.tiers(provider, model) for sheet in book.history(provider, model, tier)]
    rows = [_row(sheet) for sheet in sheets if sheet.tier_known]
    if not rows:
        if fmt is Format.TABLE:
            say(f"To price it, earlier calls too, fill these lines in and put them into {_overrides(site)}:\n")
            out().print(price_template(provider, model), markup=False, soft_wrap=True)
        raise Unpriced(f"no price is known for {model}; its calls are recorded as unpriced", field="model")
    entry = book.find(provider, model).entry
    notes = []
    if entry is not None and entry.unmetered:
        notes.append(f"also sold by {', '.join(entry.unmetered)}, which Bursar doesn't count")
    if entry is not None and entry.comment:
        notes.append(entry.comment)
    _show_rows(rows, fmt, notes)


def check(
    model: ModelFilter = "*",
    provider: ProviderFilter = "",
    limit: Annotated[int, typer.Option(min=0, help="How many findings a table shows; 0: all.")] = 40,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Where catalogues contradict the price list, and jumps over 3x that need approval; exit 1 if there are any.

    `bursar prices check --provider openai`. `[[accept]]` in prices.toml settles a finding, an own `[[price]]` too.
    """
    site = resolve_site(config, data)
    overrides = site.price_overrides
    book = open_book(site)
    findings = [
        *find_bold_overrides(book, site.clock.now_us()),
        *find_jumps(book.entries()),
        *find_conflicts(book, reference_catalogues()),
    ]
    wanted = _provider(book, provider)
    open_findings = [
        finding
        for finding in not_accepted(findings, book.accepted)
        if wanted in ("", finding.provider) and fnmatch.fnmatchcase(finding.model.lower(), model.lower())
    ]
    faults = [fault for fault in book.faults if fault.severity == "error"]
    rows = [_finding_row(finding) for finding in open_findings]
    if fmt is Format.JSON:
        told = [{"where": str(overrides), "line": fault.line, "what": fault.what} for fault in faults]
        print_json({"catalogue": book.catalogue, "findings": rows, "faults": told})
    elif fmt is Format.CSV:
        print_csv(FINDING_COLUMNS, [list(row.values()) for row in rows])
    elif rows:
        _show_findings(rows, limit, book.catalogue)
    else:
        say(f"{book.catalogue}: no open findings")
    if rows or faults:
        raise typer.Exit(EXIT_FINDING)


def _provider(book: PriceBook, name: str) -> str:
    """The provider's own id; "" for all. Raises BadRequest for one that nobody has a price of."""
    if not name:
        return ""
    wanted = book.find(name, "").provider
    known = {entry.provider for entry in book.entries()} | {row.provider for row in book.overrides}
    if wanted not in known:
        near = difflib.get_close_matches(name.lower(), sorted(known), 3)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; such as openai, anthropic, google"
        raise BadRequest(f"no provider {name!r} is in the price list{hint}", field="provider")
    return wanted


def _overrides(site: Site) -> Path:
    return site.price_overrides or site.paths.prices


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="The price list.", rich_markup_mode=None)
    group.command("list")(list_prices)
    group.command("show")(show)
    group.command("check")(check)
    group.command("set")(set_price)
    app.add_typer(group, name="prices")


FINDING_COLUMNS = (
    "kind",
    "needs_approval",
    "provider",
    "model",
    "tier",
    "above_input_tokens",
    "unit",
    "usd_per_million",
    "source",
    "other_usd_per_million",
    "other_source",
    "ratio",
)


def _row(sheet: PriceSheet) -> dict[str, Any]:
    prices = {unit.value: per_million(price) for unit, price in sheet.unit_prices.items()}
    return {
        "provider": sheet.provider,
        "model": sheet.model,
        "tier": sheet.tier,
        "above_input_tokens": sheet.band_above if sheet.band_above >= 0 else None,
        **{unit.value: prices.get(unit.value) for unit in COLUMNS},
        "listed": sorted(unit.value for unit in sheet.listed),
        "others": {name: price for name, price in prices.items() if Unit(name) not in COLUMNS},
        "daily": sheet.daily,
        "valid_from": day(sheet.valid_from_us),
        "valid_to": day(sheet.valid_to_us),
        "source": sheet.source,
        "sku_price_id": sheet.sku_price_id,
    }


def _finding_row(finding: Finding) -> dict[str, Any]:
    ratio = finding.ratio
    values = (
        finding.kind,
        finding.needs_approval,
        finding.provider,
        finding.model,
        finding.tier,
        finding.above if finding.above >= 0 else None,
        finding.unit.value,
        per_million(finding.left),
        finding.left_source,
        per_million(finding.right),
        finding.right_source,
        None if ratio is None else round(ratio, 3),
    )
    return dict(zip(FINDING_COLUMNS, values, strict=True))


def _show_rows(rows: list[dict[str, Any]], fmt: Format, notes: list[str] | None = None) -> None:
    if fmt is Format.JSON:
        print_json(rows)
        return
    plain_keys = [key for key in (rows[0] if rows else {}) if key not in ("listed", "others")]
    if fmt is Format.CSV:
        print_csv(plain_keys, [[row[key] for key in plain_keys] for row in rows])
        return
    print_table(
        [
            text_column("provider", "provider"),
            text_column("model", "model", grow=True),
            Column("tier", "tier", lambda tier: "" if tier == STANDARD else str(tier)),
            Column("above_input_tokens", "above", _or_blank, right=True),
            *(Column(unit.value, unit.value, _price_or_blank, right=True) for unit in COLUMNS),
            Column("valid_from", "since", _or_blank),
            *([Column("daily", "daily, UTC")] if any(row["daily"] for row in rows) else []),
            text_column("source", "source"),
        ],
        rows,
        notes=[*(notes or []), "USD per million. A unit without a price of its own is shown as it is billed."],
    )


def _show_findings(rows: list[dict[str, Any]], limit: int, catalogue: str) -> None:
    shown = rows[:limit] if limit else rows
    kinds = {kind: sum(row["kind"] == kind for row in rows) for kind in ("override", "jump", "conflict")}
    need = sum(bool(row["needs_approval"]) for row in rows)
    counts = ", ".join(f"{count} {kind}{'s' if count != 1 else ''}" for kind, count in kinds.items() if count)
    hidden = [f"{len(rows) - len(shown)} more: --limit 0"] if len(shown) < len(rows) else []
    print_table(
        [
            Column("kind", "finding"),
            Column("needs_approval", "", lambda value: "needs approval" if value else ""),
            text_column("provider", "provider"),
            text_column("model", "model", grow=True),
            Column("tier", "tier", lambda tier: "" if tier == STANDARD else str(tier)),
            Column("unit", "unit"),
            Column("usd_per_million", "price", plain, right=True),
            text_column("source", "says"),
            Column("other_usd_per_million", "other", plain, right=True),
            text_column("other_source", "says"),
            Column("ratio", "ratio", lambda ratio: "∞" if ratio is None else f"{ratio:.2f}x", right=True),
        ],
        shown,
        title=f"{catalogue}: {counts}; {need} over 3x",
        notes=[*hidden, "USD per million."],
    )


def _or_blank(value: Any) -> str:
    return "" if value is None else str(value)


def _price_or_blank(value: Any) -> str:
    return "" if value is None else plain(value)
