"""Prepaid credits: an asset at the rate of the advance, spent oldest first, written off when they lapse."""

from datetime import date
from decimal import Decimal

from bursar.finance.tax.case import Case
from bursar.finance.tax.exact import ZERO, half_up, times, total
from bursar.finance.tax.working import Working


def put_prepaid(case: Case, working: Working, day: date | None) -> None:
    """Nothing more is taxed on use; nothing comes back of what lapses; no retranslation."""
    amount = case.amount
    if amount is None:
        return
    unit = case.currency.lower() or "inr"
    used, lapsed = total(one for _, one in case.used), case.money("expired")
    if lapsed is None:
        lapsed = ZERO
    left = amount - used - lapsed
    working.apply("IN-GST-07", "ACC-03")
    for key in ("igst_on_usage_inr", "igst_on_later_usage_inr", "gst_on_usage_inr", "gst_refund_on_expiry_inr",
                "gst_refund_on_expired_credit_inr", "tax_back_on_expiry_inr"):  # fmt: skip
        working.put(key, ZERO, "IN-GST-07")
    working.put(f"credits_left_{unit}", left, "ACC-03")
    paid = case.earliest("payment_date", "bank_debit_date") or day
    rate = Decimal(1) if unit == "inr" else case.exchange("books", paid) or case.exchange("bank", paid)
    if rate is None:
        rate = case.exchange("gst", paid)
        working.tell("no rate for the books was given: prepaid amounts are told at the GST rate of the payment")
    if rate is None:
        return
    asset, expense, lost = (half_up(times(one, rate)) for one in (amount, used, lapsed))
    working.put("prepaid_asset_inr", asset, "ACC-03", "FX-IN-04")
    working.put("expense_on_usage_inr", expense, "ACC-03", "FX-IN-04")
    months = dict.fromkeys(f"{day:%Y_%m}" for day, _ in case.used if day)
    for month in months:
        mine = total(one for day, one in case.used if day and f"{day:%Y_%m}" == month)
        working.put(f"expense_{month}_inr", times(mine, rate), "ACC-03", "FX-IN-04")
    working.put("write_off_on_expiry_inr", lost, "ACC-03")
    working.put("prepaid_balance_inr", asset - expense - lost, "ACC-03", "FX-IN-04")
    working.put("retranslation_inr", ZERO, "FX-IN-04")


def voucher_value(case: Case, working: Working) -> Decimal:
    """The other view: closed credits are vouchers, taxed on use; not the default, and marked so."""
    working.ask("the view that closed credits are vouchers taxed on use: it exists and is not verified")
    working.apply("ACC-03")
    if case.currency in ("INR", ""):
        return total(one for _, one in case.used)
    return total(times(one, case.need_exchange("gst", day)) for day, one in case.used)
