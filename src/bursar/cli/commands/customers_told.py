"""`bursar customers plans` and `bursar customers cohorts`: margins by plan, and by month of sign-up."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec
import typer

from bursar.cli import client
from bursar.cli.options import ConfigOption, DataOption, FormatOption, TimezoneOption, resolve_existing
from bursar.cli.render import Column, Format, count_column, money_column, out_bytes, print_csv, print_table, text_column

MonthOption = Annotated[str | None, typer.Option("--month", help="The last month, as 2026-10 (default: the last one).")]
MonthsOption = Annotated[int | None, typer.Option("--months", help="How many months, 1 to 12 (default: 1).")]


class SumsTold(msgspec.Struct):
    revenue: str | None
    ai_cost: str
    margin: str | None
    calls: int
    customers: int
    unpriced_count: int


class PlanTold(msgspec.Struct):
    plan: str
    sums: SumsTold


class EconomicsTold(msgspec.Struct):
    """`/api/economics`, as far as plans go."""

    currency: str
    total: SumsTold
    unattributed: SumsTold
    plans: list[PlanTold]


class CellTold(msgspec.Struct):
    is_counted: bool
    called: int
    known: int
    ai_cost: str
    margin: str | None


class LineTold(msgspec.Struct):
    month: str
    customers: int
    months: list[CellTold]


class GridTold(msgspec.Struct):
    """`/api/cohorts`."""

    first: str
    currency: str
    cohorts: list[LineTold]
    earlier: int
    earlier_ai_cost: str
    undated: int
    undated_ai_cost: str
    unattributed_ai_cost: str


def plans(
    month: MonthOption = None, months: MonthsOption = None, timezone: TimezoneOption = None, data: DataOption = None,
    config: ConfigOption = None, fmt: FormatOption = Format.TABLE,
) -> None:  # fmt: skip
    """Revenue, AI cost and margin by plan, and what names no customer: `bursar customers plans --month 2026-10`."""
    site = resolve_existing(config, data)
    asked: list[tuple[str, str | int | None]] = [("month", month), ("months", months), ("tz", timezone)]
    if fmt is Format.JSON:
        out_bytes(client.fetch(site, client.target("/api/economics", asked)))
        return
    told = client.ask(site, "/api/economics", asked, EconomicsTold)
    rows = [_plan(one.plan or "(no plan)", one.sums) for one in told.plans]
    if told.unattributed.calls or Decimal(told.unattributed.ai_cost):
        rows.append(_plan("(calls without a customer)", told.unattributed) | {"customers": 0})
    heads = [
        text_column("plan", "plan", grow=True), count_column("customers", "customers"),
        money_column("revenue", "revenue", told.currency, unknown="unknown"),
        money_column("ai", "AI cost", told.currency),
        money_column("margin", "margin", told.currency, unknown="unknown"),
    ]  # fmt: skip
    notes = [f"all AI cost: {Decimal(told.total.ai_cost):,.2f} {told.currency}"]
    if told.total.unpriced_count:
        notes.append(f"{told.total.unpriced_count:,} attempts have no price, and are in no cost")
    if fmt is Format.CSV:
        print_csv([one.key for one in heads], [[row[one.key] for one in heads] for row in rows])
        return
    print_table(heads, rows, notes=notes)


def cohorts(
    month: MonthOption = None, timezone: TimezoneOption = None, data: DataOption = None, config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:  # fmt: skip
    """Customers by month of sign-up over the months since, margin and who still calls: `bursar customers cohorts`."""
    site = resolve_existing(config, data)
    asked: list[tuple[str, str | int | None]] = [("month", month), ("tz", timezone)]
    if fmt is not Format.TABLE:
        shape = "csv" if fmt is Format.CSV else None
        out_bytes(client.fetch(site, client.target("/api/cohorts", [*asked, ("format", shape)])))
        return
    told = client.ask(site, "/api/cohorts", asked, GridTold)
    ages = range(max((len(one.months) for one in told.cohorts), default=0))
    rows = [
        {"month": one.month[:7], "customers": one.customers}
        | {f"m{age}": f"{cell.called:,}" if cell.is_counted else "·" for age, cell in enumerate(one.months)}
        for one in told.cohorts
    ]
    heads = [text_column("month", "signed up"), count_column("customers", "customers"),
             *(Column(f"m{age}", str(age), lambda cell: cell or "", right=True) for age in ages)]  # fmt: skip
    notes = [
        "who called, by months since the one of sign-up; · is before calls were counted here",
        "`--format csv` has revenue, AI cost and margin",
    ]
    for count, what, cost in (
        (told.earlier, "customers signed up before", told.earlier_ai_cost),
        (told.undated, "customers: nobody knows since when", told.undated_ai_cost),
    ):
        if count:
            notes.append(f"not in it: {count:,} {what}, {Decimal(cost):,.2f} {told.currency} of AI")
    if Decimal(told.unattributed_ai_cost):
        notes.append(f"not in it: calls without a customer, {Decimal(told.unattributed_ai_cost):,.2f} {told.currency}")
    print_table(heads, rows, notes=notes)


def _plan(name: str, sums: SumsTold) -> dict[str, Any]:
    return {
        "plan": name, "customers": sums.customers, "revenue": sums.revenue, "ai": sums.ai_cost, "margin": sums.margin,
    }  # fmt: skip
