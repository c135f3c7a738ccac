"""GST on what a foreign entity bills to a payer in India: which way it goes, when, on what value."""

from datetime import date, timedelta
from decimal import Decimal

import msgspec

from bursar.finance.tax.case import Case
from bursar.finance.tax.exact import ZERO, times
from bursar.finance.tax.rules import Row
from bursar.finance.tax.working import Working

INDIAN_SELLERS = ("IN", "INDIA", "INDIAN", "IN_INDIA")


class TaxPoint(msgspec.Struct, frozen=True):
    """When tax fell due, and by which rules."""

    day: date | None
    rules: list[str]


def is_indian_issuer(case: Case) -> bool:
    """Read off the document: the issuer's country, its GSTIN, or the marketplace seller behind the line."""
    if seller := case.text("marketplace_seller").upper():
        return seller in INDIAN_SELLERS
    if country := case.text("vendor_country"):
        return country == "IN"
    return case.has("issuer_gstin", "supplier_state")


def way_of_tax(case: Case) -> str:
    """reverse, sez, missing_gstin or vendor_charges: the path test of the reference for a foreign issuer."""
    authorised = case.values.get("authorised_operations")
    if case.flag("payer_sez", authorised is True) and authorised is not False:
        return "sez"
    if not case.flag("payer_gst_registered", True):
        return "vendor_charges"
    if not case.flag("customer_gstin_given", True) or (case.money("vendor_tax_charged") or ZERO) > 0:
        return "missing_gstin"
    return "reverse"


def time_of_supply(case: Case, working: Working) -> TaxPoint:
    """The earlier of what the law of that time names; related suppliers and prepaid credits have their own."""
    paid = case.earliest("payment_date", "bank_debit_date")
    if case.flag("vendor_related_party", False):
        return TaxPoint(case.earliest("booking_date", "payment_date", "bank_debit_date") or case.day("tax_point_date"),
                        ["IN-GST-21", "IN-GST-23"])  # fmt: skip
    if case.flag("is_prepaid", False) and paid:
        working.ask("that prepaid credits are an advance taxed at payment, and no voucher")
        return TaxPoint(paid, ["IN-GST-06", "IN-GST-07"])
    if way_of_tax(case) == "reverse":
        _tell_registered(case, working, paid)
    for row in (one for one in working.book.rows if one.table == "in.gst.timing"):
        day = _by_limb(row, case, paid)
        if day and row.holds_on(day):
            return TaxPoint(day, [row.rule])
    fallback = case.day("booking_date", "tax_point_date")
    if fallback:
        working.tell("neither payment nor self-invoice is known: the entry in the books is the time of supply")
    return TaxPoint(fallback, ["IN-GST-06"] if fallback else [])


def value_for_gst(case: Case, tax_point: date | None) -> Decimal | None:
    """Rupees, exact. None where neither value nor amount was said. Raises BadTax for a missing rate of exchange."""
    if (given := case.money("gst_taxable_value")) is not None:
        return given
    if case.flag("vendor_related_party", False) and case.has("declared_value"):
        amount = case.money("declared_value")
    else:
        amount = case.amount
    if amount is None:
        return None
    return amount if case.currency in ("INR", "") else times(amount, case.need_exchange("gst", tax_point))


def _by_limb(row: Row, case: Case, paid: date | None) -> date | None:
    if row.text("limb") == "days_after_invoice":
        invoiced = case.day("invoice_date")
        after = invoiced + timedelta(days=row.number("days")) if invoiced else None
    else:
        after = case.day("self_invoice_date")
    found = [one for one in (paid, after) if one]
    return min(found) if found else None


def _tell_registered(case: Case, working: Working, paid: date | None) -> None:
    """The unsettled reading: a vendor with an OIDAR registration may be a registered one."""
    oidar = case.flag("vendor_oidar_registered", False) or "oidar" in case.text("vendor_gst_status").lower()
    invoiced = case.day("invoice_date")
    if not oidar:
        return
    working.refuse("IN-GST-06a", "whether an OIDAR registration makes the vendor registered here is unsettled; "
                   "the rule for unregistered suppliers is used")  # fmt: skip
    row = working.book.at("in.gst.timing_registered", paid or invoiced) if invoiced else None
    if row and invoiced:
        other = min(one for one in (paid, invoiced + timedelta(days=row.number("days"))) if one)
        working.tell(f"were the vendor registered here, the time of supply would be {other}")
