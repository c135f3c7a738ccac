"""What the console's API tells of bills, and how it reads in a terminal."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import msgspec

from bursar.cli.render import Column, count_column, money_column, print_table, say, text_column
from bursar.domain import display


class BillTold(msgspec.Struct):
    """`/api/invoices`; the fields that are shown."""

    invoice_id: str
    provider: str
    account: str
    month: str
    billed: str | None
    ours: str | None
    difference: str | None
    coverage: str | None
    open_count: int | None
    fault: str


class VarianceTold(msgspec.Struct):
    """Of `/api/invoices/ID`."""

    variance_id: str
    said: str
    first: date
    last: date
    key: str
    model: str
    unit: str
    tier: str
    money: str
    state: str
    proposal: str


class ComparedTold(msgspec.Struct):
    """`/api/invoices/ID`."""

    bill: BillTold
    posted: str
    variances: list[VarianceTold]
    notes: list[str]


def show_bills(bills: Sequence[BillTold]) -> None:
    """A row a bill."""
    rows = [
        {**msgspec.structs.asdict(one), "explained": "–" if one.coverage is None else _share(one.coverage)}
        for one in bills
    ]  # fmt: skip
    print_table(
        [
            text_column("invoice_id", "bill"), text_column("provider", "provider"), text_column("month", "month"),
            text_column("account", "account", grow=True), _amount("billed", "billed"), _amount("ours", "metered"),
            _amount("difference", "difference"), Column("explained", "explained", str, right=True),
            count_column("open_count", "to decide"),
        ],
        rows,
        title="invoices",
    )  # fmt: skip


def show_compared(told: ComparedTold) -> None:
    """One bill, difference by difference."""
    bill = told.bill
    if bill.fault:
        say(f"{bill.invoice_id} can't be compared: {bill.fault}")
        return
    rows = [
        {**msgspec.structs.asdict(one), "days": display.days(one.first, one.last),
         "where": ", ".join(filter(None, (one.key, one.model, one.unit, one.tier)))}
        for one in told.variances
    ]  # fmt: skip
    explained = "–" if bill.coverage is None else _share(bill.coverage)
    notes = [
        f"billed {bill.billed}, metered {bill.ours}, difference {bill.difference} USD; explained {explained}",
        *([f"posted from this bill: {told.posted} USD"] if told.posted != "0" else []), *told.notes,
    ]  # fmt: skip
    if not rows:
        say(f"{bill.invoice_id} is the same to the last digit: {bill.billed} USD.")
        return
    print_table(
        [
            text_column("variance_id", "variance"), text_column("said", "cause"),
            text_column("where", "where", grow=True), text_column("days", "days"), money_column("money", "money"),
            text_column("state", "state"), text_column("proposal", "what to do", grow=True, style="dim"),
        ],
        rows,
        title=f"{bill.provider}, {bill.month}",
        notes=notes,
    )  # fmt: skip


def _amount(name: str, title: str) -> Column:
    """Money that isn't known yet is a dash: the bill was never compared."""
    shown = money_column(name, title)
    return Column(name, title, lambda value: "–" if value is None else shown.show(value), right=True)


def _share(coverage: str) -> str:
    return display.percent(Decimal(coverage), Decimal(1))
