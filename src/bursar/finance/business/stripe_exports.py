"""CSV files that Stripe's Dashboard exports, as business data: customers, subscriptions, prices, invoices.

Source: heads of such exports as public code reads them that was written against real ones (GitHub, 2023 to 2026: no
export of our own was at hand), and docs.stripe.com for what the columns mean. Which columns there are is chosen in the
Dashboard, so what is needed is asked for by name. Amounts have a decimal point and are in whole units, of JPY too;
times are in UTC, `2026-10-01 09:30`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import TypeVar

from bursar.domain.errors import BadBusiness
from bursar.finance.business import cells
from bursar.finance.business.keeping import Records
from bursar.finance.business.model import Customer, Fault, PlanPrice, PricePlan, RevenueLine
from bursar.finance.business.sheets import table_of
from bursar.finance.business.stripe import BILLED, SOURCE, STRIPE_TAG, UNBEGUN, Told
from bursar.finance.business.stripe_amounts import PLACE, months_of, spread
from bursar.finance.business.stripe_customers import TRIAL, Standing, Standings

T = TypeVar("T")
ALWAYS = date(2000, 1, 1)
METADATA = " (metadata)"
PERIOD = ("Minimum Line Item Period Start", "Maximum Line Item Period End")
ELSE = {
    "payments": ("Amount Refunded",),
    "the balance": ("reporting_category",),
    "payouts": ("Arrival Date",),
}
"""Exports that aren't read, by a head that they alone have."""


def read_export(content: bytes, known: Mapping[str, str], customer_key: str = "id") -> Told:
    """What an export says; each fault has its line. known, customer_key: as `read_stripe` takes them.

    Raises BadBusiness for what is no export that is read.
    """
    table = table_of(content)
    heads = [_plain(head) for head in table.heads]
    reader = _Reader(known, customer_key)
    read = reader.kind(set(heads))
    for number, cells_of_row in table.rows:
        row = dict.fromkeys(heads, "") | {
            head: cell.strip() for head, cell in zip(heads, cells_of_row, strict=False)
        }  # fmt: skip
        try:
            read(row)
        except cells.Unreadable as error:
            column, _, message = str(error).partition(": ")
            reader.faults.append(Fault(number, column, message))
    return reader.told()


def is_export(heads: Iterable[str]) -> bool:
    """Whether these are the heads of an export that is read."""
    try:
        _Reader({}, "id").kind({_plain(head) for head in heads})
    except BadBusiness:
        return False
    return True


def _plain(head: str) -> str:
    """`Created (UTC)` → `Created`."""
    return re.sub(r"\s*\(UTC\)", "", head).strip()


class _Reader:
    def __init__(self, known: Mapping[str, str], customer_key: str) -> None:
        self.known = known
        self.customer_key = customer_key
        self.faults: list[Fault] = []
        self.records = Records()
        self.standings = Standings()
        self.documents: set[str] = set()
        self.is_whole_months = False

    def kind(self, heads: set[str]) -> Callable[[Mapping[str, str]], None]:
        """The reader of a row, by the heads. Raises BadBusiness."""
        if {"id", "Customer ID", "Plan", "Status"} <= heads:
            return self._subscription
        if {"id", "Customer", "Total", "Currency", "Status"} <= heads:
            self._need_invoice(heads)
            return self._invoice
        if {"Price ID", "Amount", "Currency", "Interval"} <= heads:
            return self._price
        if {"id", "Email", "Created"} <= heads and "Amount" not in heads:
            return self._customer
        for name, (head, *_) in ELSE.items():
            if head in heads:
                raise BadBusiness(
                    f"this is Stripe's export of {name}: it has tax in it, and no months. Export invoices, "
                    "subscriptions and customers",
                    field="file",
                )
        raise BadBusiness(
            "no export of Stripe's that is known by its heads: customers have id, Email and Created; subscriptions id, "
            "Customer ID, Plan and Status; invoices id, Customer, Total, Currency and Status; prices Price ID, Amount, "
            "Currency and Interval. Choose all columns in Stripe, or bring it in as customers, plans or revenue and "
            "name the columns",
            field="file",
        )

    def _need_invoice(self, heads: set[str]) -> None:
        if "Tax" not in heads and not {"Exclusive Tax Amount", "Inclusive Tax Amount"} <= heads:
            raise BadBusiness(
                "the export of invoices has no column Tax: without it nobody knows what of Total is revenue. Choose "
                "all columns in Stripe",
                field="file",
            )
        if not set(PERIOD) <= heads and "Date" not in heads:
            raise BadBusiness("the export of invoices has no column Date; choose all columns in Stripe", field="file")
        self.is_whole_months = not set(PERIOD) <= heads

    def told(self) -> Told:
        self.records.customers, self.records.seats = self.standings.customers(), self.standings.seats()
        notes = []
        if self.is_whole_months and self.records.revenue:
            notes.append(
                f"the export has no {PERIOD[0]}: each invoice counts whole in the month of its date, a year's too. "
                "Choose all columns in Stripe, or bring in the API's invoices"
            )
        elif self.records.revenue:
            notes.append(
                "an export says one period for a whole invoice: one with prorations is spread over all of it. "
                "The API's invoices are exact"
            )
        return Told(self.records, self.faults, self.documents, notes)

    def _customer(self, row: Mapping[str, str]) -> None:
        tags = {STRIPE_TAG: row["id"]} | {
            head.removesuffix(METADATA): cell for head, cell in row.items() if head.endswith(METADATA) and cell
        }
        key = self.customer_key
        held = {"id": "id", "email": "Email", "name": "Name"}.get(key, f"{key.removeprefix('metadata.')}{METADATA}")
        if not row.get(held):
            raise cells.Unreadable(f"{held}: empty; calls are tagged by it")
        self.standings.put(
            Customer(
                customer_id=_read(row, held, cells.text), name=row.get("Name") or row.get("Description") or "",
                tags=tags, signed_up=_read(row, "Created", cells.day),
            )
        )  # fmt: skip

    def _customer_of(self, row: Mapping[str, str], head: str) -> str:
        theirs = _read(row, head, cells.text)
        found = self.known.get(theirs) or (theirs if self.customer_key == "id" else "")
        if not found:
            raise cells.Unreadable(f"{head}: {theirs} isn't known; bring in customers first")
        return found

    def _subscription(self, row: Mapping[str, str]) -> None:
        status = row["Status"]
        customer_id = self._customer_of(row, "Customer ID")
        if status in UNBEGUN:
            return
        plan = _read(row, "Plan", cells.text)
        trial = _period(row, "Trial Start", "Trial End")
        start = next((head for head in ("Start Date", "Start", "Created") if row.get(head)), "Start Date")
        seats = row.get("Quantity")
        self.standings.subscribe(
            Standing(
                customer_id=customer_id, plan=plan, status=status, since=_read(row, start, cells.day),
                until=_read(row, "Ended At", cells.day) if row.get("Ended At") else None, trial=trial,
                is_paid=_amount(row, "Amount") != 0 if row.get("Amount") else True,
                seats=_read(row, "Quantity", cells.whole) if seats else None,
                period=_period(row, "Current Period Start", "Current Period End"),
            )
        )  # fmt: skip
        if trial:
            free = PlanPrice(since=ALWAYS, price=Decimal(0))
            self._keep_plan(TRIAL.format(plan), free)

    def _price(self, row: Mapping[str, str]) -> None:
        """A plan by the price's id, as the export of subscriptions names it, and by its product's name."""
        interval = row["Interval"]
        if not interval or row.get("Usage Type") == "metered" or not row["Amount"]:
            return
        try:
            months = months_of(interval, _read(row, "Interval Count", cells.whole) if row.get("Interval Count") else 1)
        except KeyError as error:
            raise cells.Unreadable(f"Interval: {interval[:20]!r} is none of day, week, month and year") from error
        price = PlanPrice(
            since=_read(row, "Created", cells.day) if row.get("Created") else ALWAYS,
            price=(_amount(row, "Amount") / months).quantize(PLACE),
            currency=_read(row, "Currency", cells.currency), is_per_seat=True,
        )  # fmt: skip
        for name in (row["Price ID"], row.get("Product Name", "")):
            if name:
                self._keep_plan(name, price)

    def _keep_plan(self, name: str, price: PlanPrice) -> None:
        if all(one.name != name or one.prices[0].since != price.since for one in self.records.plans):
            self.records.plans.append(PricePlan(name=name, prices=(price,)))

    def _invoice(self, row: Mapping[str, str]) -> None:
        """Total less all tax: discounts are off it already; tax is in it, inside the price or on top."""
        self.documents.add(_read(row, "id", cells.text))
        if row["Status"] not in BILLED:
            return
        heads = ("Tax",) if "Tax" in row else ("Exclusive Tax Amount", "Inclusive Tax Amount")
        net = _amount(row, "Total") - sum((_amount(row, head) for head in heads if row[head]), Decimal(0))
        customer_id, currency = self._customer_of(row, "Customer"), _read(row, "Currency", cells.currency)
        period = None if self.is_whole_months else _period(row, *PERIOD)
        start = period[0] if period else _read(row, "Date", cells.day)
        for month, part in spread(net, start, period[1] if period else start).items():
            self.records.revenue.append(
                RevenueLine(
                    source=SOURCE, line_id=f"{row['id']} {month:%Y-%m}", customer_id=customer_id, month=month,
                    amount=part, currency=currency,
                )
            )  # fmt: skip


def _read(row: Mapping[str, str], head: str, read: Callable[[str], T]) -> T:
    cell = row.get(head, "")
    if not cell:
        raise cells.Unreadable(f"{head}: empty; it is needed")
    try:
        return read(cell)
    except cells.Unreadable as error:
        raise cells.Unreadable(f"{head}: {error}") from error


def _amount(row: Mapping[str, str], head: str) -> Decimal:
    return _read(row, head, cells.amount)


def _period(row: Mapping[str, str], *heads: str) -> tuple[date, date] | None:
    start, end = (_read(row, head, cells.day) if row.get(head) else None for head in heads)
    return (start, end) if start and end else None
