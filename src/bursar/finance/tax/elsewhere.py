"""Value-added tax outside India: one mechanism, and a row for each country that says when it applies.

A payer accounts for tax on a foreign entity's service always, or only below a share of taxable use; then takes back
what it may. A new country is a row of `vat.regime` and one of `vat.rate`.
"""

from datetime import date
from decimal import Decimal

import msgspec

from bursar.finance.tax.case import Case
from bursar.finance.tax.exact import HUNDRED, ZERO, divided, half_up, times
from bursar.finance.tax.partial import Deductible, de_minimis, deductible_share
from bursar.finance.tax.rules import Row
from bursar.finance.tax.working import Working


class Place(msgspec.Struct, frozen=True):
    """Where tax falls due: the country's regime and rate, in which currency, on which value and day."""

    country: str
    regime: Row
    rate: Decimal
    row: Row | None
    unit: str
    value: Decimal
    day: date | None

    @property
    def tax(self) -> str:
        return self.regime.text("tax")

    @property
    def region(self) -> str:
        return self.regime.text("union") or self.country

    @property
    def rules(self) -> list[str]:
        return [self.regime.rule, *([self.row.rule] if self.row and self.row.rule != self.regime.rule else [])]


def compute_elsewhere(case: Case, working: Working, country: str) -> None:
    """Puts tax on one purchase for a payer in `country`. Raises BadTax for what is missing."""
    regime = working.book.need("vat.regime", None, country, field="jurisdiction")
    if working.is_low(regime):
        return
    if case.amount is None and case.has("exempt_input_tax"):
        _de_minimis_alone(case, working)
        return
    place = _place(case, working, country, regime)
    _note_table(working, place)
    if _vendor_charges(case, working, place):
        _by_vendor(case, working, place)
        return
    share = _share(case, working, place)
    if not _applies(case, working, place, share):
        _not_due(case, working, place)
        return
    _accounted(case, working, place, share)


def _place(case: Case, working: Working, country: str, regime: Row) -> Place:
    amount = case.need_money("amount", "the price without tax, as invoice_net_eur, or invoice_amount with currency")
    day = case.day("tax_point_date", "invoice_date", "payment_date", "booking_date", "service_receipt_date")
    given = case.rate("rate")
    row = None
    if given is None:
        row = working.book.need("vat.rate", day, country)
    currency = case.currency or regime.text("currency")
    value = amount
    home = regime.text("currency")
    exchange = case.exchange("gst", day) if currency != home else None
    if currency != home and exchange is None and (case.fx.get("gst") or case.fx.get("any")):
        exchange = case.need_exchange("gst", day)
    if exchange is not None:
        value, currency = times(amount, exchange), home
        working.apply("FX-OTH-01")
        working.put(f"taxable_value_{currency.lower()}", value, "FX-OTH-01")
    rate = given if given is not None else row.decimal("rate") if row else ZERO
    return Place(country, regime, rate, row, currency.lower(), value, day)


def _note_table(working: Working, place: Place) -> None:
    if place.region == "EU":
        working.apply("EU-VAT-01")
        if place.row is not None:
            working.apply("EU-VAT-02")
        if place.day and place.day < date(2026, 1, 1) and place.row and not place.row.starts:
            working.ask(f"the rate of {place.country} on {place.day}: the table is stated for 2026")
    if place.unit.upper() != place.regime.text("currency"):
        working.tell(f"the return is in {place.regime.text('currency')}: say fx_vat_rate to have it converted")


def _vendor_charges(case: Case, working: Working, place: Place) -> bool:
    """The entity that bills is at home here, or has no valid number of the payer's."""
    if case.text("vendor_country") == place.country:
        return True
    if not case.flag("customer_vat_id_valid", True):
        working.tell("without a valid number of the payer's the vendor charges: give it, and ask for the bill anew")
        return True
    if place.regime.text("business_only") and not _is_business_only(case):
        working.tell("a service that isn't plainly business-only: the foreign vendor charges, on qualified invoices")
        return True
    if place.country == "SG" and not case.flag("payer_gst_registered", True):
        limit = Decimal(place.regime.text("unregistered_above"))
        return (case.money("imports_in_12_months") or ZERO) <= limit
    return not case.flag("payer_gst_registered", True)


def _is_business_only(case: Case) -> bool:
    kind = case.text("service_type").lower()
    return case.flag("business_only_service", "business" in kind or kind in ("b2b", ""))


def _share(case: Case, working: Working, place: Place) -> Deductible:
    if case.flag("solely_creditable", False) or case.flag("entitled_to_full_input_tax", False):
        return Deductible(HUNDRED, [])
    if place.country == "SG" and not case.flag("payer_gst_registered", True):
        return Deductible(ZERO, [])
    refused = False in (case.values.get("entitled_to_full_input_tax"), case.values.get("solely_creditable"))
    if refused and not case.has("deduction_pct", "creditable_pct", "taxed_turnover", "turnover", "F_total_turnover"):
        working.ask("the share that may be claimed: none was said, so none is")
        return Deductible(ZERO, [])
    return deductible_share(case, working, place.region)


def _applies(case: Case, working: Working, place: Place, share: Deductible) -> bool:
    below = place.regime.text("below_pct")
    if case.flag("simplified_scheme", False):
        working.tell("under the simplified scheme nothing is reported")
        return False
    if not below:
        return True
    if share.percent >= Decimal(below):
        working.tell(f"nothing to self-assess: it applies only below {below} % of taxable use")
        return False
    return True


def _accounted(case: Case, working: Working, place: Place, share: Deductible) -> None:
    unit, tax, rules = place.unit, place.tax, place.rules
    output = half_up(times(place.value, place.rate))
    percent = share.percent
    if place.country == "GB" and (let_go := de_minimis(case, working, output, percent)) is not None:
        working.say("de_minimis", let_go, "GB-VAT-03")
        percent = HUNDRED if let_go else percent
    price = case.percent("share_of_price_paid_pct")
    part = times(percent, HUNDRED if price is None else price)
    claimed = half_up(divided(times(output, part), times(HUNDRED, HUNDRED)))
    credit_rule = place.regime.text("credit_rule")
    back = [
        *rules,
        *share.rules,
        *([credit_rule] if credit_rule else []),
        *(["EU-VAT-03"] if place.region == "EU" else []),
    ]
    working.say("reverse_charge", True, *rules)
    working.say("deduction_pct", percent, *back)
    for name in dict.fromkeys((tax, "tax")):
        working.put(f"output_{name}_{unit}", output, *rules, row=place.row)
        working.put(f"input_{name}_{unit}", claimed, *back)
        working.put(f"net_{name}_{unit}", output - claimed, *back)
        working.put(f"irrecoverable_{name}_{unit}", output - claimed, *back, "ACC-08")
        working.put(f"{name}_charged_by_vendor_{unit}", ZERO, *rules)
    paid = case.amount or ZERO
    working.put(f"payable_to_vendor_{(case.currency or unit).lower()}", paid, *rules)
    working.put(f"total_cost_{unit}", half_up(place.value) + output - claimed, *back, "ACC-08")
    _return_rows(working, place, output, claimed)
    _self_invoice(working, place)
    if share.rules and place.region == "EU":
        working.tell("States may require direct attribution or keys by use in place of the share of turnover")


def _return_rows(working: Working, place: Place, output: Decimal, claimed: Decimal) -> None:
    """The UK's boxes, by the names of the row."""
    regime = place.regime
    amounts = [(regime.text("output_row"), output), (regime.text("input_row"), claimed),
               *((name, place.value) for name in regime.text("value_rows").split())]  # fmt: skip
    for name, amount in amounts:
        if name:
            for key in (name, f"vat_return_{name}", name.replace("box", "box_")):
                working.put(f"{key}_{place.unit}", amount, regime.rule)


def _self_invoice(working: Working, place: Place) -> None:
    since = place.regime.text("no_self_invoice_from")
    if since and place.day and place.day.isoformat() >= since:
        working.say("self_invoice_required", False, place.regime.rule)
        working.tell(f"from {since} no self-invoice is made: keep the vendor's documents")


def _not_due(case: Case, working: Working, place: Place) -> None:
    working.say("reverse_charge", False, *place.rules)
    for name in dict.fromkeys((place.tax, "tax")):
        for what in ("output", "input", "net", "irrecoverable"):
            working.put(f"{what}_{name}_{place.unit}", ZERO, *place.rules)
    working.put(f"payable_to_vendor_{(case.currency or place.unit).lower()}", case.amount or ZERO, *place.rules)
    working.put(f"total_cost_{place.unit}", place.value, *place.rules)


def _by_vendor(case: Case, working: Working, place: Place) -> None:
    """Forward charge: the local rate on the bill, deductible like any input tax where the entity is at home here."""
    unit = (case.currency or place.unit).lower()
    amount, charged = case.amount or ZERO, case.money("vendor_tax_charged") or ZERO
    charged = charged or half_up(times(amount, place.rate))
    home = case.text("vendor_country") == place.country and case.flag("payer_gst_registered", True)
    home = home or bool(place.regime.text("business_only"))
    share = _share(case, working, place).percent if home else ZERO
    claimed = half_up(divided(times(charged, share), HUNDRED))
    working.say("reverse_charge", False, *place.rules)
    for name in dict.fromkeys((place.tax, "tax")):
        working.put(f"{name}_charged_by_vendor_{unit}", charged, *place.rules, row=place.row)
        working.put(f"output_{name}_{unit}", ZERO, *place.rules)
        working.put(f"input_{name}_{unit}", claimed, *place.rules)
        working.put(f"irrecoverable_{name}_{unit}", charged - claimed, *place.rules)
    working.put(f"payable_to_vendor_{unit}", amount + charged, *place.rules)
    working.put(f"total_cost_{unit}", amount + charged - claimed, *place.rules, "ACC-08")


def _de_minimis_alone(case: Case, working: Working) -> None:
    let_go = de_minimis(case, working, ZERO, ZERO)
    case.need_money("all_input_tax", "all input tax of the period, for the test of half")
    exempt = case.need_money("exempt_input_tax", "exempt input tax of the period")
    working.say("de_minimis", bool(let_go), "GB-VAT-03")
    working.put("recoverable_exempt_input_tax_gbp", exempt if let_go else ZERO, "GB-VAT-03")
