"""`bursar tax`: a month's work sheet, one case computed, the rules, and what is kept of payers, vendors, documents."""

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_existing, resolve_site
from bursar.cli.render import Column, Format, print_csv, print_json, print_table, say, text_column
from bursar.domain.errors import BadTax
from bursar.site import Site, actor

if TYPE_CHECKING:  # start-up: it pulls in SQLAlchemy, and `--help` needs none
    from bursar.finance.tax.book import TaxBook
    from bursar.finance.tax.case import RateOf
    from bursar.finance.tax.compute import Computed

FILE_BYTES_MAX = 4_000_000
DUTY_HEADS = ("section", "what", "document", "vendor", "payer", "amount", "currency", "due", "row", "rules", "rate",
              "rate_from", "confidence", "confirm", "note")  # fmt: skip
RULE_HEADS = ("id", "table", "key", "from", "to", "values", "confidence", "text", "citation", "origin")
KindArgument = Annotated[str, typer.Argument(help="payer, entity, paper, position, document or rules.")]


def worksheet(
    month: Annotated[str, typer.Option("--month", help="As 2026-11.")],
    xlsx: Annotated[Path | None, typer.Option("--xlsx", help="Also write it as a workbook here.")] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Also write it as a PDF here.")] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """What to self-invoice, pay, claim, give back, withhold, file, decide: `bursar tax worksheet --month 2026-11`."""
    # start-up: SQLAlchemy, Typst and XlsxWriter take their time, and `--help` needs none
    from bursar.finance.reconcile.book import InvoiceBook
    from bursar.finance.tax.bill_desk import BillDesk
    from bursar.finance.tax.duties import SECTIONS
    from bursar.finance.tax.sheet import work_sheet
    from bursar.governance.store import ControlStore
    from bursar.reports.tax_print import lead_of, sheet_pdf, told_money
    from bursar.reports.tax_workbook import sheet_workbook

    site = resolve_existing(config, data)
    book = _book(site)
    rates = _rates(site)
    news = BillDesk(book, InvoiceBook(ControlStore(site.control_location), site.secret(), site.clock), rates).all_news()
    sheet, organization = work_sheet(book, month, rates, news), site.config.organization
    for path, make in ((xlsx, sheet_workbook), (pdf, sheet_pdf)):
        if path is not None:
            path.write_bytes(make(sheet, organization, book.rules()))
            say(f"written: {path}")
    rows = [{name: getattr(one, name) for name in DUTY_HEADS} for one in sheet.duties]
    if fmt is Format.JSON:
        print_json([_plain(row) for row in rows])
    elif fmt is Format.CSV:
        print_csv(DUTY_HEADS, [list(_plain(row, "; ").values()) for row in rows])
    elif not rows:
        say(f"nothing is due in {month}: no kept document has its trigger in it.")
    else:
        shown = [
            {"section": SECTIONS[one.section], "what": one.what, "document": one.document or one.vendor,
             "due": str(one.due or ""), "row": one.row,
             "amount": "" if one.amount is None else told_money(one.amount, one.currency),
             "sure": one.confidence if one.confidence == "high" else f"{one.confidence}, confirm"}
            for one in sheet.duties
        ]  # fmt: skip
        print_table(
            [
                _blank("section", "to do"), _blank("what", "what", grow=True), _blank("document", "document"),
                _blank("due", "by"), _blank("row", "row", from_width=110), _blank("amount", "amount", right=True),
                _blank("sure", "how sure"),
            ],
            shown, notes=[lead_of(sheet), *(f"confirm with a professional {why}" for why in sheet.confirm)],
        )  # fmt: skip


def compute(
    file: Annotated[Path, typer.Argument(help="A case as JSON, or several in `cases`; - reads standard input.")],
    lenient: Annotated[bool, typer.Option("--lenient", help="List unknown inputs in place of refusing them.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """One case or several, each figure with its rules: `bursar tax compute case.json`; exit 1 if `expected` differs,
    2 if a case can't be computed: the others are."""
    # start-up: as above
    from bursar.finance.tax.compute import compute as compute_case
    from bursar.finance.tax.rules import shipped_rules

    told = _read(file, "cases")
    site = resolve_site(config, data)
    rules = _book(site).rules() if site.exists() else shipped_rules()
    cases = told["cases"] if isinstance(told.get("cases"), list) else [told]
    rate_of = _rates(site) if site.exists() else None
    tried = [_tried(compute_case, case, rules, rate_of, lenient=lenient) for case in cases]
    found = [one for one in tried if not isinstance(one, BadTax)]
    faults = [one for one in tried if isinstance(one, BadTax)]
    if faults and "cases" not in told:
        raise faults[0]
    if fmt is Format.JSON:
        plain = [
            {"id": str(case.get("id", "")), "error": {"message": one.message, "field": one.field}}
            if isinstance(one, BadTax) else _told(one)
            for case, one in zip(cases, tried, strict=True)
        ]  # fmt: skip
        print_json(plain if "cases" in told else plain[0])
    elif fmt is Format.CSV:
        heads = ("case", "key", "value", "rules", "rate", "rate_from", "confidence", "confirm")
        print_csv(heads, [[one.id, *(_cell(figure[head]) for head in heads[1:])] for one in found
                          for figure in one.figures])  # fmt: skip
    else:
        for one in found:
            _show(one)
    for fault in faults:
        say(f"not computed: {fault.message}")
    if faults:
        raise typer.Exit(2)
    if any(one.checked and (one.checked["differ"] or one.checked["missing"]) for one in found):
        raise typer.Exit(1)


def rules(
    on: Annotated[str, typer.Option("--on", help="Rows that hold on this day, as 2026-11-12 (default: all).")] = "",
    match: Annotated[str, typer.Option("--match", help="Only those with this in their id, table, key or words.")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Rules in their words, and the dated rows that are computed with: `bursar tax rules --match treaty`."""
    # start-up: as above
    from bursar.finance.tax.rules import shipped_rules

    site = resolve_site(config, data)
    book = _book(site).rules() if site.exists() else shipped_rules()
    day = _day(on) if on else None
    rows: list[dict[str, Any]] = [
        {"id": one.id, "table": "", "key": "", "from": one.starts or one.from_text, "to": one.ends or one.to_text,
         "values": one.rate, "confidence": one.confidence, "text": one.condition, "citation": one.citation,
         "origin": ""}
        for one in book.rules.values()
    ]  # fmt: skip
    rows += [
        {"id": one.rule, "table": one.table, "key": one.key, "from": one.starts, "to": one.ends,
         "values": ", ".join(f"{name} {value}" for name, value in one.values.items()),
         "confidence": book.confidence(one), "text": book.rules[one.rule].condition, "citation": one.citation,
         "origin": one.origin}
        for one in book.rows if day is None or one.holds_on(day)
    ]  # fmt: skip
    rows = [row for row in rows if match.lower() in " ".join(map(str, row.values())).lower()]
    if fmt is Format.JSON:
        print_json(rows)
    elif fmt is Format.CSV:
        print_csv(RULE_HEADS, [[row[head] for head in RULE_HEADS] for row in rows])
    else:
        print_table(
            [
                _blank("id", "rule"), _blank("table", "table", from_width=110), _blank("key", "key"),
                _blank("from", "from"), _blank("to", "to"), _blank("values", "values", grow=True),
                _blank("confidence", "how sure"), _blank("text", "words", grow=True, from_width=140),
            ],
            rows,
        )  # fmt: skip


def list_kept(
    kind: KindArgument, data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE
) -> None:
    """What is kept of a kind, its newest version: `bursar tax list entity`."""
    # start-up: as above
    import msgspec

    found = _book(resolve_existing(config, data)).all(kind)
    rows = [
        {"name": one.name, "version": one.version, "by": one.created_by, "terms": msgspec.to_builtins(one.terms)}
        for one in found
    ]
    if fmt is Format.JSON:
        print_json(rows)
    elif fmt is Format.CSV:
        print_csv(
            ("name", "version", "by", "terms"), [[*list(row.values())[:3], json.dumps(row["terms"])] for row in rows]
        )
    elif not rows:
        say(f"no {kind} is kept.")
    else:
        shown = [row | {"terms": json.dumps(row["terms"])} for row in rows]
        print_table([text_column("name", "name", grow=True), text_column("version", "version"), text_column("by", "by"),
                     text_column("terms", "terms", grow=True, from_width=100)], shown)  # fmt: skip


def set_(
    kind: KindArgument,
    name: Annotated[str, typer.Argument(help="Its name: a document's number, an entity's legal name.")],
    file: Annotated[Path, typer.Argument(help="Its terms as JSON, rules as TOML; - reads standard input.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Keep a version of something; those before stay: `bursar tax set position "API calls" position.json`."""
    # start-up: as above
    from bursar.finance.tax.kept import read_kept

    told = {"toml": _text(file)} if kind == "rules" else _read(file)
    kept = _book(resolve_site(config, data)).save(kind, name, read_kept(kind, told), actor=actor())
    say(f"{kind} {kept.name}: version {kept.version}.")


def remove(
    kind: KindArgument,
    name: Annotated[str, typer.Argument(help="Its name or id.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Take something out of every sheet: `bursar tax remove document INV-1042`. Its versions stay."""
    gone = _book(resolve_existing(config, data)).remove(kind, name, actor=actor())
    say(f"{kind} {gone.name} is removed; its versions stay.")


def import_(
    file: Annotated[Path, typer.Argument(help="A CSV: number, payer, entity, and inputs as columns.")],
    mapping: Annotated[
        list[str], typer.Option("--map", help='A column with another name, as "Invoice no=number". May be repeated.')
    ] = [],  # noqa: B006
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Keep documents of a file, all or none; rows with one number are lines of a bill: `bursar tax import b.csv`."""
    # start-up: as above
    from bursar.finance.tax.documents import documents_from_csv

    pairs = dict(one.split("=", 1) for one in mapping if "=" in one)
    if len(pairs) != len(mapping):
        raise BadTax('map: write "their column=our field"', field="map")
    found = documents_from_csv(_text(file).encode(), pairs)
    changed = _book(resolve_site(config, data)).save_all([("document", *one) for one in found], actor=actor())
    say(f"{len(found)} documents read, {changed} new or changed.")


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None,
        help="What tax is due on AI bills, and by when: worksheet, compute, rules, list, set, remove, import.",
    )  # fmt: skip
    for name, command in (("worksheet", worksheet), ("compute", compute), ("rules", rules), ("list", list_kept),
                          ("set", set_), ("remove", remove), ("import", import_)):  # fmt: skip
        group.command(name)(command)
    app.add_typer(group, name="tax")


def _book(site: Site) -> "TaxBook":
    # start-up: SQLAlchemy takes its time, and `--help` needs none
    from bursar.finance.tax.book import TaxBook
    from bursar.governance.store import ControlStore

    site.prepare()
    return TaxBook(ControlStore(site.control_location), site.secret(), site.clock)


def _rates(site: Site) -> "RateOf":
    # start-up: as above
    from bursar.finance.fx.book import RateBook
    from bursar.finance.tax.kept_rates import kept_rates
    from bursar.governance.store import ControlStore

    return kept_rates(RateBook(ControlStore(site.control_location), site.secret(), site.clock).rates())


def _tried(act: Any, case: Any, rules_: Any, rate_of: "RateOf | None", *, lenient: bool) -> "Computed | BadTax":
    """A case that can't be computed is told, and hides no other. Raises BadTax for what is no case."""
    if not isinstance(case, dict):
        raise BadTax("cases: each is an object with inputs", field="cases")
    try:
        found: Computed = act(case, rules_, lenient=lenient, rate_of=rate_of)
    except BadTax as error:
        name = f"case {case['id']}: " if case.get("id") else ""
        return BadTax(f"{name}{error.message}", field=error.field)
    return found


def _show(one: "Computed") -> None:
    rows = [
        {"key": figure["key"], "value": _cell(figure["value"]), "rules": " ".join(figure["rules"]),
         "rate": figure["rate"] + (f" from {figure['rate_from']}" if figure["rate_from"] else ""),
         "sure": figure["confidence"] if figure["confidence"] == "high" else f"{figure['confidence']}, confirm"}
        for figure in one.figures if figure["value"] is not None
    ]  # fmt: skip
    notes = [*one.notes, *(f"confirm with a professional {why}" for why in one.confirm),
             *(f"{no.rule} computes nothing: {no.why}" for no in one.not_computed),
             *(f"not known, and not used: {name}" for name in one.ignored_inputs)]  # fmt: skip
    if one.checked:
        differ = "".join(f"; {key}: expected {told['expected']}, computed {told['computed']}"
                         for key, told in one.checked["differ"].items())  # fmt: skip
        missing = f"; not computed: {', '.join(one.checked['missing'])}" if one.checked["missing"] else ""
        notes.append(f"expected: {one.checked['matches']} agree{differ}{missing}")
    print_table(
        [
            _blank("key", one.id or "figure", grow=True), _blank("value", "value", right=True),
            _blank("rate", "rate", from_width=100), _blank("sure", "how sure"),
            _blank("rules", "rules", grow=True, from_width=80),
        ],
        rows, notes=notes,
    )  # fmt: skip


def _told(one: "Computed") -> Any:
    # start-up: as above
    import msgspec

    return msgspec.to_builtins(one)


def _blank(key: str, title: str, *, grow: bool = False, right: bool = False, from_width: int = 0) -> Column:
    """A column whose empty cells stay empty."""
    return Column(key, title, lambda value: str(value or ""), right=right, grow=grow, from_width=from_width)


def _plain(row: dict[str, Any], joined: str = "") -> dict[str, Any]:
    """Amounts and days as text; lists as text where `joined` says with what between."""
    told = {}
    for name, value in row.items():
        listed = joined.join(value) if joined and isinstance(value, list) else value
        told[name] = listed if isinstance(listed, list | str) or listed is None else str(listed)
    return told


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else "yes" if value is True else "no" if value is False else str(value)


def _text(file: Path) -> str:
    if str(file) == "-":
        return typer.get_text_stream("stdin").read(FILE_BYTES_MAX)
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise BadTax(f"file: {file} is above {FILE_BYTES_MAX:,} bytes", field="file")
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadTax(f"file: {file} can't be read: {error}", field="file") from error


def _read(file: Path, listed: str = "") -> dict[str, Any]:
    """A JSON object; numbers stay text, so that none is rounded. listed: what a bare list is, "" where it is wrong."""
    try:
        told = json.loads(_text(file), parse_float=str)
    except json.JSONDecodeError as error:
        raise BadTax(f"file: {file} is no JSON: {error}", field="file") from error
    if listed and isinstance(told, list):
        return {listed: told}
    if not isinstance(told, dict):
        raise BadTax(f"file: {file} holds no object", field="file")
    return told


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadTax(f"on: {text[:40]!r} is no day; write 2026-11-12", field="on") from error
