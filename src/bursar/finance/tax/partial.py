"""The deductible share of input tax outside India: given, by turnover, rounded as each law says."""

from decimal import Decimal

import msgspec

from bursar.domain.errors import BadTax
from bursar.finance.tax.case import Case
from bursar.finance.tax.exact import HUNDRED, ZERO, ceiling, divided, half_up, times
from bursar.finance.tax.rules import Row
from bursar.finance.tax.working import Working


class Deductible(msgspec.Struct, frozen=True):
    """percent: of 100. rules: by which; full: exempt input tax was let go, so all of it is recovered."""

    percent: Decimal
    rules: list[str]


def deductible_share(case: Case, working: Working, region: str) -> Deductible:
    """region: a key of the table vat.pro_rata. The reverse-charged purchase itself is no turnover."""
    if (given := case.percent("deduction_pct")) is not None:
        return Deductible(given, ["EU-VAT-03"] if region == "EU" else ["GB-VAT-01"] if region == "GB" else [])
    if (given := case.percent("creditable_pct")) is not None:
        return Deductible(given, [])
    turnover = turnovers(case)
    if turnover is None:
        return Deductible(HUNDRED, [])
    taxed, whole = turnover
    row = working.book.at("vat.pro_rata", None, region)
    if row is None:
        return Deductible(times(divided(taxed, whole), HUNDRED), [])
    rules = [row.rule, "GB-VAT-02"] if region == "GB" else [row.rule]
    return Deductible(_rounded(case, row, divided(times(taxed, HUNDRED), whole)), rules)


def turnovers(case: Case) -> tuple[Decimal, Decimal] | None:
    """Taxed and whole, without reverse-charged purchases; None where no turnover was said."""
    taxed = case.money("taxed_turnover")
    whole = case.money("turnover")
    whole = case.money("F_total_turnover") if whole is None else whole
    exempt = case.money("exempt_supplies")
    exempt = case.money("E_exempt_turnover") if exempt is None else exempt
    if taxed is None and whole is not None and exempt is not None:
        taxed = whole - exempt
    if taxed is None:
        return None
    if whole is None:
        if exempt is None:
            raise BadTax("exempt_turnover: taxed turnover alone gives no share; the exempt or the total is needed",
                         field="exempt_supplies")  # fmt: skip
        whole = taxed + exempt
    out = case.money("reverse_charge_in_turnover") or ZERO
    taxed, whole = taxed - out, whole - out
    if not 0 <= taxed <= whole or whole <= 0:
        raise BadTax("taxed_turnover: lies between 0 and the total, and the total is above 0", field="taxed_turnover")
    return taxed, whole


def _rounded(case: Case, row: Row, percent: Decimal) -> Decimal:
    """Up to the next whole per cent; large partly exempt businesses in the UK keep two decimals."""
    limit, average = row.text("residual_monthly_limit"), case.money("residual_monthly_average")
    if limit and average is not None and average > Decimal(limit):
        return half_up(percent, row.number("places_above"))
    return ceiling(percent, row.number("places"))


def de_minimis(case: Case, working: Working, residual: Decimal, share: Decimal) -> bool | None:
    """UK: whether exempt input tax is small enough to be recovered whole; None where too little was said to test it.

    residual: input tax that is shared, of this document, or of the period where that was said.
    """
    row = working.book.at("vat.pro_rata", None, "GB")
    months, whole = case.values.get("months_in_period"), case.money("all_input_tax")
    whole = case.money("T_total_input_tax") if whole is None else whole
    exempt = case.money("exempt_input_tax")
    if exempt is None:
        period = case.money("residual_input_tax")
        period = residual if period is None else period
        exempt = period - half_up(divided(times(period, share), HUNDRED))
        exempt += case.money("other_exempt_input_tax") or ZERO
    if row is None or months is None or whole is None:
        return None
    small = exempt <= times(row.decimal("de_minimis_monthly"), months)
    minor = exempt <= times(row.decimal("de_minimis_share"), whole)
    working.put("exempt_input_tax_gbp", exempt, "GB-VAT-03")
    return bool(small and minor)
