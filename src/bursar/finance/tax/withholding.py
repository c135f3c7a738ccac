"""Income tax withheld from a foreign vendor in India: whether, when, how much, on which forms, by when."""

from datetime import date
from decimal import Decimal

from bursar.domain.errors import BadTax
from bursar.finance.tax.case import Case
from bursar.finance.tax.exact import HUNDRED, ZERO, divided, half_up, times, whole
from bursar.finance.tax.india_dates import deposit_due, statement_of
from bursar.finance.tax.interest import late_withholding
from bursar.finance.tax.withholding_rate import ONE, Rate, papers_missing, rate_of
from bursar.finance.tax.working import Working

NOTHING = ("not_chargeable", "none", "position_a", "a", "nil", "business_income_no_pe", "no_pe")
ROYALTY = ("royalty_or_fts", "royalty", "fts", "position_b", "b", "business_income", "technical_services")


def trigger_of(case: Case) -> date | None:
    """Credit to any account of the vendor or payment, whichever was first; an advance is a payment."""
    if day := case.day("trigger_date"):
        return day
    credited = case.earliest("credit_date", "booking_date")
    paid = case.earliest("payment_date", "bank_debit_date")
    found = [one for one in (credited, paid) if one]
    return min(found) if found else case.day("invoice_date", "tax_point_date")


def is_asked(case: Case) -> bool:
    return case.has("tds_position", "officer_certificate_rate", "effective_rate", "base_rate", "treaty_rate",
                    "tax_borne_by_payer", "tds_amount", "tds_deposited_date")  # fmt: skip


def position_named(text: str) -> str:
    """A position by the words people have for it; one that isn't known stays as it is."""
    told = text.strip().lower().replace(" ", "_").replace("-", "_")
    if told in NOTHING or told in ROYALTY:
        return told
    if told.startswith(("not_", "no_", "nil")) or told in ("business_profits", "cloud_service"):
        return "not_chargeable"
    if any(word in told for word in ("royalty", "fts", "technical", "conservative", "cautious")):
        return "royalty_or_fts"
    return told


def withhold(case: Case, working: Working) -> Decimal:
    """Puts what is withheld; rupees of tax that the payer bears on top (0 where it comes out of the price)."""
    position = position_named(case.text("tds_position", "royalty_or_fts"))
    trigger = trigger_of(case)
    working.apply("IN-TDS-01")
    if trigger:
        working.say("tds_trigger_date", trigger.isoformat(), "IN-TDS-01")
        working.say("withholding_section", _act(working, trigger, "duty"), "IN-TDS-01")
    if position in NOTHING:
        _nothing(case, working, trigger)
        return ZERO
    if position not in ROYALTY:
        raise BadTax(f"tds_position: {position!r}; it is {', '.join(NOTHING[:1] + ROYALTY[:3])} or business_income",
                     field="tds_position")  # fmt: skip
    working.ask("that the payment is royalty or technical fees" if position != "business_income" else
                "that the vendor's business income is taxable in India")  # fmt: skip
    working.apply("IN-TDS-04" if position == "business_income" else "IN-TDS-05")
    if case.money("tds_amount") is not None and case.amount is None:
        late_withholding(case, working, case.need_money("tds_amount", "the tax"), trigger)
        return ZERO
    return _tax(case, working, trigger)


def _tax(case: Case, working: Working, trigger: date | None) -> Decimal:
    amount = case.need_money("amount", "what the vendor asks for, as amount_usd or invoice_amount")
    last = trigger is not None and trigger >= date(2026, 4, 1)
    rupees = case.currency in ("INR", "")
    exchange = ONE if rupees else case.need_exchange("tds", trigger, last_before=last)
    if not rupees:
        working.apply("FX-IN-02")
    net_inr = times(amount, exchange)
    found = rate_of(case, working, trigger, net_inr)
    if found is None:
        working.apply("IN-TDS-08", "IN-TDS-09")
        _nothing(case, working, trigger)
        return ZERO
    if found.kind == "unknown":
        working.refuse("IN-TDS-07", "the payee is no company: its slabs of surcharge are in no rule here, so nothing "
                       "is computed; state effective_rate, or surcharge_rate, as your adviser says")  # fmt: skip
        return ZERO
    _tell_rate(working, found)
    borne = case.flag("tax_borne_by_payer", False)
    gross, gross_inr = amount, net_inr
    if borne:
        gross, gross_inr = divided(amount, ONE - found.rate), divided(net_inr, ONE - found.rate)
    tax = half_up(gross_inr) - half_up(net_inr) if borne else half_up(times(net_inr, found.rate))
    _put_amounts(case, working, found, (amount, gross), (net_inr, gross_inr), tax, borne=borne)
    _forms(case, working, trigger, gross_inr, taxable=found.rate > 0)
    late_withholding(case, working, tax, trigger)
    return tax if borne else ZERO


def _put_amounts(
    case: Case, working: Working, rate: Rate, foreign: tuple[Decimal, Decimal], inr: tuple[Decimal, Decimal],
    tax: Decimal, *, borne: bool,
) -> None:  # fmt: skip
    """foreign, inr: what the vendor asks for, and what stands before tax."""
    unit = case.currency.lower() or "inr"
    rules = ["IN-TDS-01", *rate.rules]
    working.put("tds_inr", tax, *rules, *(["IN-TDS-11"] if borne else []), row=rate.row)
    working.put("tds_inr_rounded", str(whole(tax)), *rules)
    working.put("net_inr_at_ttbr" if borne else "tds_base_inr", inr[0], "FX-IN-02")
    tax_foreign = half_up(foreign[1]) - half_up(foreign[0]) if borne else half_up(times(foreign[0], rate.rate))
    if borne:
        working.put("grossed_up_inr", inr[1], "IN-TDS-11")
        working.put(f"grossed_up_{unit}", foreign[1], "IN-TDS-11")
        extra = divided(times(foreign[1] - foreign[0], HUNDRED), foreign[0]) if foreign[0] else ZERO
        working.put("effective_extra_cost_pct_of_invoice", extra, "IN-TDS-11")
        working.put("extra_cost_inr", tax, "IN-TDS-11")
    working.put(f"tds_{unit}_equivalent", tax_foreign, *rules)
    net = foreign[0] if borne else foreign[0] - tax_foreign
    working.put(f"net_to_vendor_{unit}", net, *rules)


def _tell_rate(working: Working, rate: Rate) -> None:
    working.say("effective_rate", rate.rate, *rate.rules, row=rate.row)
    working.say("rate_kind", rate.kind, *rate.rules)
    if rate.kind in ("domestic", "no_pan"):
        working.say("base_rate", rate.base, *rate.rules)
        working.say("surcharge_rate", format(rate.surcharge.quantize(Decimal("0.01")), "f"), "IN-TDS-07")
        working.say("cess_rate", format(rate.cess.quantize(Decimal("0.01")), "f"), "IN-TDS-07")


def _nothing(case: Case, working: Working, trigger: date | None) -> None:
    """Position A: nothing is chargeable, so nothing is deducted."""
    working.apply("IN-TDS-03")
    working.put("tds_inr", ZERO, "IN-TDS-02", "IN-TDS-03")
    working.say("effective_rate", "0", "IN-TDS-02", "IN-TDS-03")
    working.ask("that nothing is chargeable: it rests on cloud cases, no ruling on an LLM API was found")
    if missing := papers_missing(case, working, trigger):
        working.tell(f"position A without {', '.join(missing)}: the file is not complete")
    _forms(case, working, trigger, ZERO, taxable=False)


def _forms(case: Case, working: Working, trigger: date | None, gross_inr: Decimal, *, taxable: bool) -> None:
    """The remitter's form and its part, the certificate, the deposit and the quarter's statement."""
    if trigger is None:
        return
    remitter = working.book.need("in.form", trigger, "remitter").text("name")
    certificate = working.book.need("in.form", trigger, "certificate").text("name")
    part = _part(case, working, trigger, gross_inr) if taxable else "D"
    working.say("remittance_form", f"{remitter} Part {part}", "IN-TDS-12")
    working.say("remittance_certificate_form", certificate if part == "C" else None, "IN-TDS-12")
    for row in (one for one in working.book.rows if (one.table, one.key) == ("in.form", "certificate")):
        number = row.text("name").rpartition(" ")[2].lower()
        needed = part == "C" and row.text("name") == certificate
        working.say(f"remittance_certificate_form{number}_required", needed, "IN-TDS-12")
    working.say("remittance_certificate_required", part == "C", "IN-TDS-12")
    if taxable:
        told = statement_of(working.book, trigger)
        working.say("tds_deposit_due", deposit_due(working.book, trigger).isoformat(), "IN-TDS-13")
        working.say("tds_statement", told.form, "IN-TDS-14")
        working.say("tds_statement_quarter", told.quarter, "IN-TDS-14")
        working.say("tds_statement_due", told.due.isoformat(), "IN-TDS-14")
        working.say("tds_certificate", working.book.need("in.form", trigger, "payee_certificate").text("name"),
                    "IN-TDS-14")  # fmt: skip


def _part(case: Case, working: Working, trigger: date, gross_inr: Decimal) -> str:
    """A up to five lakh in the year, B with an officer's certificate, else C."""
    small = working.book.need("in.tds.small", trigger).decimal("limit")
    year = max(case.money("aggregate") or (case.money("aggregate_before") or ZERO) + gross_inr, gross_inr)
    if year <= small:
        return "A"
    return "B" if case.has("officer_certificate_rate") else "C"


def _act(working: Working, trigger: date, key: str) -> str:
    return working.book.need("in.act", trigger, key).text("name")
