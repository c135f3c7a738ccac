"""What finance says in reports: margin by plan, contracts, bills, the tax to see to, the close of the month."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from bursar.console.context import ConsoleContext
from bursar.console.contracts import contracts_told
from bursar.console.tying import tie_steps
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import Unavailable
from bursar.domain.money import usd_from_pico
from bursar.finance.economics.figures import Sum, sum_of
from bursar.finance.economics.spans import read_span
from bursar.finance.tax.duties import SECTIONS
from bursar.finance.tax.sheet import WorkSheet
from bursar.reports import charts
from bursar.reports.blocks import Block, Cell, Column, Figure, Figures, Line, Prose, Table, totalled
from bursar.reports.tax_print import told_money
from bursar.reviews.words import Words

PLANS_SHOWN = 5
COST_NAMES = {
    "list_cost": "List at close", "contracted_cost": "Contracted at close", "effective_cost": "Effective at close",
    "billed_cost": "Billed at close",
}  # fmt: skip
RUNNING = "Draft: the month isn't over."
NOT_CLOSED = "Draft: the month isn't closed, and its figures may still move."


def state_of(context: ConsoleContext, view: View) -> str:
    """How firm a month's figures are, and in which time zone it is cut."""
    zoned = f" Months are cut in {view.timezone}."
    if view.includes_now:
        return RUNNING + zoned
    try:
        closings = context.finance().close.closings()
    except Unavailable:
        return NOT_CLOSED + zoned
    found = next((one for one in closings if one.month == f"{view.first_day:%Y-%m}"), None)
    if found is None:
        return NOT_CLOSED + zoned
    day = display.day(datetime_from_us(found.closed_us).date(), year=True)
    return f"Closed on {day} by {found.closed_by}; figures are by when calls were made." + zoned


def margin_blocks(context: ConsoleContext, view: View, words: Words) -> tuple[Block, ...]:
    """What customers paid and cost, by plan; nothing where no customer was brought in."""
    try:
        desk = context.finance().economics
    except Unavailable:
        return ()
    found = desk.economics(read_span(f"{view.first_day:%Y-%m}", "1", view.now, view.timezone))
    total = found.total
    if not total.with_revenue:
        return ()
    margin, revenue = usd_from_pico(total.margin_pico or 0), usd_from_pico(total.revenue_pico)
    share = words.share(abs(margin), revenue)
    kept = f"{'' if margin >= 0 else 'minus '}{share} of revenue"
    figures = Figures(
        (
            Figure("Revenue", words.money(revenue), f"{words.count(total.with_revenue)} customers with a known one"),
            Figure("AI cost of these", words.money(usd_from_pico(total.revenue_cost_pico))),
            Figure("Gross margin", words.money(margin), kept, "bad" if margin < 0 else "good"),
            Figure("Lose money", words.count(total.losing), "customers who cost more than they bring",
                   "bad" if total.losing else "plain"),
        )
    )  # fmt: skip
    plans = {name: sum_of(rows) for name, rows in found.plans.items()}
    known = [(name, one) for name, one in plans.items() if one.margin_pico is not None]
    ordered = sorted(known, key=lambda item: -abs(item[1].margin_pico or 0))[:PLANS_SHOWN]
    chart = charts.margins([(name or "no plan", usd_from_pico(one.margin_pico or 0)) for name, one in ordered])
    return (figures, *((chart,) if len(ordered) > 1 else ()), _plan_table(plans, found.unattributed, words))


def _plan_table(plans: dict[str, Sum], nameless: Sum, words: Words) -> Table:
    """nameless: calls that say no customer. They are on no plan, and all AI cost is there only with them."""
    columns = (
        Column("Plan"), Column("Customers", "count"), Column("Revenue", "money", "unknown"),
        Column("AI cost", "money"), Column("Other cost", "money", "unknown"), Column("Margin", "money", "unknown"),
        Column("Margin, share", "share"),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for name, one in sorted(plans.items(), key=lambda item: -(item[1].revenue_pico)):
        known = one.margin_pico is not None
        revenue = usd_from_pico(one.revenue_pico) if known else None
        margin = None if one.margin_pico is None else usd_from_pico(one.margin_pico)
        share = margin / revenue if margin is not None and revenue else None
        other = usd_from_pico(one.other_pico) if known else None
        rows.append((name or "no plan", one.customers, revenue, usd_from_pico(one.ai_pico), other, margin, share))
    note = "AI cost is of all customers of a plan; the margin of those whose revenue is known."
    if nameless.ai_pico or nameless.calls:
        cost = usd_from_pico(nameless.ai_pico)
        rows.append(("calls without a customer", None, None, cost, None, None, None))
        note += f" {words.money(cost)} of calls that name no customer are in no margin."
    return Table("Margin by plan", columns, tuple(rows), totalled(columns, rows), note)


def finance_blocks(context: ConsoleContext, view: View, words: Words, *, short: bool = False) -> tuple[Block, ...]:
    """Contracts, bills and tax, as far as there are any. short: tax by section, as a board reads it."""
    try:
        return (
            *_closed(context, view), *_contracts(context, words), *_bills(context, view, words),
            *_tax(context, view, short=short),
        )  # fmt: skip
    except Unavailable:
        return ()


def _closed(context: ConsoleContext, view: View) -> tuple[Block, ...]:
    """What was booked when the month was closed: what came later is in a later month's books."""
    month = f"{view.first_day:%Y-%m}"
    desk = context.finance().close
    if not any(one.month == month for one in desk.closings()):
        return ()
    totals = desk.closed(month).totals
    columns = (Column("The books"), *(Column(name, "money") for name in COST_NAMES.values()))
    row: tuple[Cell, ...] = ("Booked in the month, at its close", *(Decimal(totals[cost]) for cost in COST_NAMES))
    place = view.timezone
    zoned = "" if place == "UTC" else f"; figures of calls here are by when they were received, in {place}"
    note = (
        f"Months of the books are cut in UTC{zoned}. What came after the close is booked in the month in which it came."
    )
    steps: list[tuple[Cell, ...]] = [(one.what, one.amount) for one in tie_steps(desk.tie(month, place), place)]
    tied = Table("How the month ties to the books", (Column("Step"), Column("Effective cost", "money")), tuple(steps))
    return (Table("As closed", columns, (row,), note=note), tied)


def _contracts(context: ConsoleContext, words: Words) -> tuple[Block, ...]:
    told = contracts_told(context)
    if not told.contracts:
        return ()
    columns = (Column("Credit or commitment"), Column("Amount", "money"), Column("Used", "money"),
               Column("Left", "money"), Column("Owner"))  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (f"{one.name}, {drawn.name or drawn.kind}", drawn.amount, drawn.used, drawn.left, one.owner or "nobody")
        for one in told.contracts
        for drawn in one.drawdowns
    ]
    unowned = [Line(f"Nobody owns {one.name} ({one.provider}).", "bad") for one in told.contracts if not one.owner]
    count = len(told.contracts)
    lines = (Line(f"{words.count(count)} contract{'' if count == 1 else 's'} with vendors."), *unowned)
    prose = Prose("Contracts", lines)
    return (prose, Table("Credits and commitments", columns, tuple(rows))) if rows else (prose,)


def _bills(context: ConsoleContext, view: View, words: Words) -> tuple[Block, ...]:
    month = f"{view.first_day:%Y-%m}"
    found = [(bill, one) for bill, one in context.finance().invoices.summaries() if bill.month == month]
    if not found:
        return (Prose("Bills", (Line("No bill of this month was brought in, so it isn't known if the books tie."),)),)
    columns = (
        Column("Bill"), Column("Billed for usage", "money", "unknown"),
        Column("Explained by our charges", "money", "unknown"), Column("Waits for a decision", "money", "unknown"),
        Column("Open", "count"),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (f"{bill.provider} {bill.account}".strip(), None, None, None, None)
        if one is None
        else (
            f"{bill.provider} {bill.account}".strip(), usd_from_pico(one.used), usd_from_pico(one.covered),
            usd_from_pico(one.open), one.open_count,
        )
        for bill, one in found
    ]  # fmt: skip
    return (Table("Bills against the books", columns, tuple(rows), totalled(columns, rows)),)


def _tax(context: ConsoleContext, view: View, *, short: bool) -> tuple[Block, ...]:
    sheet = context.finance().tax_sheet(f"{view.first_day:%Y-%m}")
    if not sheet.duties:
        return ()
    note = "The work sheet says by which rules."
    if short:
        heads = (Column("What"), Column("Entries", "count"), Column("Amount", "amount"), Column("The first by"))
        return (Table("Tax to settle", heads, tuple(_tax_by_section(sheet)), note=note),)
    columns = (Column("What to do"), Column("Document"), Column("Amount", "amount"), Column("By"))
    rows: list[tuple[Cell, ...]] = [
        (display.sentence(one.what), one.document, _amount(one.amount, one.currency), _day(one.due))
        for one in sheet.duties
    ]
    return (Table("Tax", columns, tuple(rows), note=note),)


def _tax_by_section(sheet: WorkSheet) -> Iterator[tuple[Cell, ...]]:
    """A row for each section with how much in each currency; the value of self-invoices is no sum to settle."""
    for key, name in SECTIONS.items():
        if mine := sheet.of(key):
            sums = [told_money(one.amount, one.currency) for one in sheet.totals if one.section == key]
            due = min((one.due for one in mine if one.due), default=None)
            yield name, len(mine), "" if key == "self_invoice" else " · ".join(sums), _day(due)


def _amount(amount: Decimal | None, currency: str) -> str:
    return "" if amount is None else told_money(amount, currency)


def _day(day: date | None) -> str:
    return "" if day is None else display.day(day, year=True)
