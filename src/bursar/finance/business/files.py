"""CSV and XLSX files as business data: `(records, faults)`, each fault with its line and column."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from bursar.domain.errors import BadBusiness
from bursar.finance.business import cells
from bursar.finance.business.keeping import Records
from bursar.finance.business.mapping import INCLUDED, TAG, Reading, check_reading, constant_or, places
from bursar.finance.business.model import (
    BusinessEvent,
    Customer,
    Fault,
    PlanPrice,
    PlanSpan,
    PricePlan,
    RevenueLine,
    SeatMonth,
)
from bursar.finance.business.sheets import table_of

ROWS_MAX = 1_000_000
FAULTS_MAX = 1_000  # told one by one; what is wrong with so many rows is mostly one thing
ALWAYS = date(2000, 1, 1)  # since when a plan costs what it does, where nobody says

T = TypeVar("T")


def read_file(content: bytes, reading: Reading, source: str) -> tuple[Records, list[Fault]]:
    """What a file says. source: its name; revenue and events without a source of their own have it as theirs.

    Raises BadBusiness for a file that is no CSV or XLSX, too large, or without a column that is needed.
    """
    check_reading(reading)
    heads, rows = table_of(content)
    at = places(reading, heads)
    records, faults = Records(), list[Fault]()
    maker = _Maker(reading, source, records)
    for count, (number, row) in enumerate(rows, 1):
        if count > ROWS_MAX:
            raise BadBusiness(f"the file has more than {ROWS_MAX:,} rows; divide it", field="file")
        told = {name: row[place].strip() if place < len(row) else "" for name, place in at.items()}
        fault = maker.add(number, told)
        if fault is not None:
            named = fault.column if fault.column not in at else heads[at[fault.column]].strip()
            faults.append(Fault(fault.line, named, fault.message))
            if len(faults) >= FAULTS_MAX:
                break
    return records, faults


class _Faulty(Exception):  # carries a fault up to the row
    def __init__(self, column: str, message: str) -> None:
        self.column, self.message = column, message


class _Maker:
    """Rows of one kind of file as records."""

    def __init__(self, reading: Reading, source: str, records: Records) -> None:
        self.reading = reading
        self.source = source
        self.records = records
        self.lines: dict[Any, int] = {}
        self.make: Callable[[dict[str, str]], Iterable[Any]] = getattr(self, f"_{reading.kind}")

    def add(self, line: int, row: dict[str, str]) -> Fault | None:
        """What is wrong with the row, if anything; then nothing of it is kept."""
        try:
            key = tuple(self.make(row))
        except _Faulty as fault:
            return Fault(line, fault.column, fault.message)
        before = self.lines.setdefault(key, line)
        return None if before == line else Fault(line, "", f"says the same as line {before}: {' '.join(map(str, key))}")

    def _read(self, row: dict[str, str], name: str, read: Callable[[str], T]) -> T | None:
        cell = constant_or(self.reading, row, name)
        if not cell:
            return None
        try:
            return read(cell)
        except cells.Unreadable as error:
            raise _Faulty(name, str(error)) from error

    def _needed(self, row: dict[str, str], name: str, read: Callable[[str], T]) -> T:
        found = self._read(row, name, read)
        if found is None:
            raise _Faulty(name, "empty; it is needed")
        return found

    def _day(self, cell: str) -> date:
        return cells.day(cell, self.reading.date_format)

    def _month(self, cell: str) -> date:
        return cells.month(cell, self.reading.date_format)

    def _moment(self, cell: str) -> datetime:
        return cells.moment(cell, self.reading.date_format)

    def _amount(self, cell: str) -> Decimal:
        return cells.amount(cell, self.reading.decimal_sign)

    def _customers(self, row: dict[str, str]) -> tuple[str, ...]:
        customer_id = self._needed(row, "customer_id", cells.text)
        signed_up = self._read(row, "signed_up", self._day)
        plan = self._read(row, "plan", cells.text)
        since = self._read(row, "plan_since", self._day) or signed_up or ALWAYS
        tags = {name.removeprefix(TAG): self._read(row, name, cells.text) for name in row if name.startswith(TAG)}
        cancelled = self._read(row, "cancelled_on", self._day)
        if signed_up and cancelled and cancelled < signed_up:
            raise _Faulty("cancelled_on", f"{cancelled} is before they signed up, {signed_up}")
        self.records.customers.append(
            Customer(
                customer_id=customer_id,
                name=self._read(row, "name", cells.text) or "",
                segment=self._read(row, "segment", cells.text) or "",
                tags={name: value for name, value in tags.items() if value},
                signed_up=signed_up,
                converted_on=self._read(row, "converted_on", self._day),
                cancelled_on=cancelled,
                is_free=self._read(row, "is_free", cells.flag),
                spans=(PlanSpan(plan, since, cancelled),) if plan else (),
            )
        )
        return (customer_id,)

    def _plans(self, row: dict[str, str]) -> tuple[str, date]:
        name = self._needed(row, "name", cells.text)
        since = self._read(row, "since", self._day) or ALWAYS
        price = self._needed(row, "price", self._amount)
        if price < 0:
            raise _Faulty("price", f"{price} is less than 0")
        included = {one.removeprefix(INCLUDED): self._read(row, one, self._amount) for one in row if INCLUDED in one}
        self.records.plans.append(
            PricePlan(
                name=name,
                prices=(
                    PlanPrice(
                        since=since,
                        price=price,
                        currency=self._currency(row, price),
                        is_per_seat=self._read(row, "is_per_seat", cells.flag) or False,
                        included={unit: value for unit, value in included.items() if value is not None},
                        other_cost_of_goods=self._read(row, "other_cost_of_goods", self._amount),
                    ),
                ),
            )
        )
        return name, since

    def _revenue(self, row: dict[str, str]) -> tuple[str, str]:
        customer_id = self._needed(row, "customer_id", cells.text)
        month = self._needed(row, "month", self._month)
        plan, feature = (self._read(row, name, cells.text) or "" for name in ("plan", "feature"))
        own_id = " ".join(filter(None, (customer_id, f"{month:%Y-%m}", plan, feature)))
        amount = self._needed(row, "amount", self._amount)
        line = RevenueLine(
            source=self._read(row, "source", cells.text) or self.source,
            line_id=self._read(row, "line_id", cells.text) or own_id,
            customer_id=customer_id,
            month=month,
            amount=amount,
            currency=self._currency(row, amount),
            plan=plan,
            feature=feature,
        )
        self.records.revenue.append(line)
        return line.source, line.line_id

    def _seats(self, row: dict[str, str]) -> tuple[str, date]:
        found = SeatMonth(
            customer_id=self._needed(row, "customer_id", cells.text),
            month=self._needed(row, "month", self._month),
            seats=self._read(row, "seats", cells.whole),
            active_users=self._read(row, "active_users", cells.whole),
        )
        self.records.seats.append(found)
        return found.customer_id, found.month

    def _events(self, row: dict[str, str]) -> tuple[str, str]:
        found = BusinessEvent(
            source=self._read(row, "source", cells.text) or self.source,
            event_id=self._needed(row, "event_id", cells.text),
            kind=self._needed(row, "kind", cells.text),
            customer_id=self._needed(row, "customer_id", cells.text),
            at=self._needed(row, "at", self._moment),
            quantity=self._positive(row),
            feature=self._read(row, "feature", cells.text) or "",
        )
        self.records.events.append(found)
        return found.source, found.event_id

    def _currency(self, row: dict[str, str], amount: Decimal) -> str:
        """Needed, but of nothing: nothing is nothing in any currency."""
        return self._read(row, "currency", cells.currency) or (
            "USD" if not amount else self._needed(row, "currency", str)
        )

    def _positive(self, row: dict[str, str]) -> Decimal:
        quantity = self._read(row, "quantity", self._amount)
        if quantity is not None and quantity <= 0:
            raise _Faulty("quantity", f"{quantity} isn't more than 0")
        return Decimal(1) if quantity is None else quantity
