"""When what is due in India: returns, deposits, statements, deadlines. Days are rows; this only turns the calendar."""

from datetime import date, timedelta

import msgspec

from bursar.finance.tax.rules import RuleBook


class Statement(msgspec.Struct, frozen=True):
    """A quarter's statement of tax deducted: its form, quarter ("Q3 2026-27") and due day."""

    form: str
    quarter: str
    due: date


def months_after(day: date, months: int, on: int) -> date:
    """The given day of the month so many months later."""
    at = day.year * 12 + day.month - 1 + months
    return date(at // 12, at % 12 + 1, on)


def year_start(day: date) -> date:
    """1 April of the financial year."""
    return date(day.year if day.month >= 4 else day.year - 1, 4, 1)


def year_name(day: date) -> str:
    start = year_start(day)
    return f"{start.year}-{(start.year + 1) % 100:02d}"


def return_due(book: RuleBook, tax_point: date) -> date:
    row = book.need("in.gst.return", tax_point)
    return months_after(tax_point, row.number("months_after"), row.number("day"))


def self_invoice_due(book: RuleBook, received: date) -> date | None:
    """None before the limit was law."""
    row = book.at("in.gst.self_invoice", received)
    return received + timedelta(days=row.number("days")) if row else None


def credit_deadline(book: RuleBook, self_invoice: date) -> date:
    """After the financial year in which the self-invoice was issued."""
    row = book.need("in.gst.credit_deadline", max(self_invoice, date(2022, 9, 1)))
    return date(year_start(self_invoice).year + 1, row.number("month"), row.number("day"))


def deposit_due(book: RuleBook, deducted: date) -> date:
    row = book.need("in.tds.deposit", deducted)
    if deducted.month == row.number("last_month"):
        month, day = row.text("last_due").split("-")
        return date(deducted.year, int(month), int(day))
    return months_after(deducted, row.number("months_after"), row.number("day"))


def statement_of(book: RuleBook, trigger: date, form: str = "") -> Statement:
    """form: "" is the one for non-residents in force then."""
    row = book.need("in.tds.statement", trigger)
    start = year_start(trigger)
    at = ((trigger.year - start.year) * 12 + trigger.month - start.month) // 3
    name, due = row.values["quarters"][at]
    month, day = (int(part) for part in str(due).split("-"))
    year = start.year if month > 4 and at < 2 else start.year + 1
    form = form or book.need("in.form", trigger, "statement").text("name")
    return Statement(form, f"{name} {year_name(trigger)}", date(year, month, day))


def months_or_parts(start: date, end: date) -> int:
    """Calendar months touched, as the department's system counts: 30 October to 8 November is two."""
    return (end.year - start.year) * 12 + end.month - start.month + 1


def short_months(start: date, end: date, days: int) -> int:
    """Months of thirty days or part, as some tribunals count."""
    return max(1, -(-((end - start).days) // days))
