"""Interest on what was paid late in India: GST by days, withholding by months or parts of them."""

from datetime import date
from decimal import Decimal

from bursar.finance.tax.case import Case
from bursar.finance.tax.exact import ZERO, divided, half_up, times
from bursar.finance.tax.india_dates import deposit_due, months_or_parts, return_due, short_months
from bursar.finance.tax.working import Working


def interest_of_days(amount: Decimal, rate: Decimal, days: int, days_in_year: int) -> Decimal:
    """amount x rate x days / 365, half-up to the paisa."""
    return half_up(divided(times(amount, rate, Decimal(max(days, 0))), Decimal(days_in_year)))


def late_gst(case: Case, working: Working, tax: Decimal, tax_point: date | None) -> None:
    """Days are counted from the day after the due date to the payment."""
    paid = case.day("tax_paid_date") or (case.day("payment_date") if case.amount is None else None)
    if paid is None or (case.amount is None and not case.has("tax_due", "tax_paid_date")):
        return
    due = case.day("tax_due_date") or (return_due(working.book, tax_point) if tax_point else None)
    if tax_point and not case.day("tax_due_date"):
        working.say("gstr3b_period", f"{tax_point:%Y-%m}", "IN-GST-12")
        working.say("gstr3b_due", return_due(working.book, tax_point).isoformat(), "IN-GST-12")
    due = due or case.need_day("of the return that the tax belonged to, for interest", "tax_due_date")
    row = working.book.need("in.gst.interest", paid)
    days = max((paid - due).days, 0)
    amount = interest_of_days(tax, row.decimal("rate"), days, row.number("days_in_year"))
    working.say("gst_due_date", due.isoformat(), "IN-GST-12")
    working.say("interest_days", days, "IN-GST-20")
    working.put("interest_inr", amount, "IN-GST-20", row=row)
    working.put("gst_interest_inr", amount, "IN-GST-20", row=row)
    working.put("tax_and_interest_inr", tax + amount, "IN-GST-20")


def late_withholding(case: Case, working: Working, tax: Decimal, trigger: date | None) -> None:
    """1 % a month from when it should have been deducted to when it was, 1.5 % from then to its deposit."""
    should = trigger or case.day("trigger_date", "tds_deducted_date")
    deposited = case.day("tds_deposited_date")
    deducted = case.day("tds_deducted_date") or (should if deposited else None)
    if should is None or deducted is None:
        return
    row = working.book.need("in.tds.interest", should)
    late, months_late = ZERO, 0
    if deducted > should:
        months_late = months_or_parts(should, deducted)
        late = half_up(times(tax, row.decimal("not_deducted"), Decimal(months_late)))
        working.say("months_late_deduction", months_late, "IN-TDS-16")
        working.put("tds_interest_late_deduction_inr", late, "IN-TDS-16", row=row)
    kept, months_kept, short = ZERO, 0, ZERO
    if deposited:
        due = case.day("tds_due_date") or deposit_due(working.book, deducted)
        if deposited > due:
            months_kept = months_or_parts(deducted, deposited)
            parts = short_months(deducted, deposited, row.number("short_month_days"))
            kept = half_up(times(tax, row.decimal("not_deposited"), Decimal(months_kept)))
            short = half_up(times(tax, row.decimal("not_deposited"), Decimal(parts)))
        working.say("tds_deposit_due", due.isoformat(), "IN-TDS-13")
        working.say("months_late_deposit", months_kept, "IN-TDS-16")
        working.say("interest_months", months_kept or months_late, "IN-TDS-16")
        working.put("tds_interest_late_deposit_inr", kept, "IN-TDS-16", row=row)
        working.put("tds_interest_late_deposit_inr_30_day_months", short, "IN-TDS-16", row=row)
    working.put("tds_interest_inr", late + kept, "IN-TDS-16", row=row)
    working.put("tds_and_interest_inr", tax + late + kept, "IN-TDS-16")
    if late + kept:
        working.tell("calendar months are counted, as the system does; some tribunals count thirty days")
        working.ask("interest on late withholding, and that the expense is disallowed until the tax is paid")
