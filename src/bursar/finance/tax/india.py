"""A case in India, whole: GST and withholding are two questions, and each is answered by itself."""

from datetime import date
from decimal import Decimal

from bursar.finance.tax.case import Case
from bursar.finance.tax.exact import ZERO, half_up, times, total, whole
from bursar.finance.tax.india_credit import credit_of, put_credit
from bursar.finance.tax.india_dates import credit_deadline, return_due, self_invoice_due
from bursar.finance.tax.india_forward import forward_charge
from bursar.finance.tax.india_supply import is_indian_issuer, time_of_supply, value_for_gst, way_of_tax
from bursar.finance.tax.interest import late_gst
from bursar.finance.tax.prepaid import put_prepaid, voucher_value
from bursar.finance.tax.withholding import is_asked, withhold
from bursar.finance.tax.working import Working

SUMMED = ("_inr", "_igst", "_cgst", "_sgst", "_taxable")
PARTS_OF_RULE_42 = ("C1", "C2", "D1", "D2", "C3")
POLICIES = ("exclude_tds", "include_tds")


def compute_india(case: Case, working: Working) -> None:
    """Puts all figures of one document or line. Raises BadTax for what is missing."""
    if case.has("levy"):
        _levy(case, working)
        return
    if is_indian_issuer(case):
        if case.has("marketplace_seller"):
            working.apply("IN-GST-18")
        forward_charge(case, working)
        return
    if case.has("marketplace_seller"):
        working.apply("IN-GST-18")
    if case.amount is not None and case.amount < 0:
        working.refuse("ACC-06", "a credit note of a foreign vendor: no clear form for it in GST law, so nothing is "
                       "computed; reduce expense and base in the period received, with linked corrections")  # fmt: skip
        return
    if case.has("free_credits"):
        _free_credits(case, working)
        if case.amount is None:
            return
    if case.amount is None and not case.has("gst_taxable_value", "T_total_input_tax"):
        _interest_alone(case, working)
        return
    borne = withhold(case, working) if is_asked(case) else ZERO
    if not is_asked(case):
        working.tell("withholding is another question, and wasn't asked: say tds_position")
    if is_asked(case) and case.flag("tax_borne_by_payer", False) and "effective_rate" not in working.results:
        working.refuse("IN-GST-09", "the value with the tax that the payer bears needs its rate, which no rule says")
        return
    if _has_gst(case):
        _gst(case, working, borne)


def _free_credits(case: Case, working: Working) -> None:
    """ACC-05: no cost and no GST from an unrelated vendor; what they are worth is told for unit costs alone."""
    if case.flag("vendor_related_party", False):
        working.refuse("IN-GST-21", "a related vendor's free credits are a supply: say declared_value")
        return
    given, unit = case.money("free_credits") or ZERO, case.currencies.get("free_credits", case.currency).lower()
    working.tell("free credits are used before paid ones, cost nothing and bear no GST from an unrelated vendor")
    working.put(f"free_credits_list_value_{unit or 'inr'}", given, "ACC-05")
    if case.amount is None:
        for key in ("gst_taxable_value_inr", "igst_rcm_inr", "rcm_inr", "itc_inr", "expense_booked_inr"):
            working.put(key, ZERO, "ACC-05")
        working.say("reverse_charge", False, "ACC-05")


def _has_gst(case: Case) -> bool:
    """Whether GST can be answered: a value, rupees, or a rate of exchange for GST was said."""
    known = case.has("gst_taxable_value", "T_total_input_tax") or case.currency in ("INR", "")
    stated = case.fx.get("gst") or case.fx.get("any") or case.rate_of
    return bool(known or stated or not is_asked(case))


def _gst(case: Case, working: Working, borne: Decimal) -> None:
    way = way_of_tax(case)
    point = time_of_supply(case, working)
    working.apply(*point.rules)
    is_voucher = case.text("credit_position") == "voucher"
    value = voucher_value(case, working) if is_voucher else value_for_gst(case, point.day)
    if case.currency not in ("INR", ""):
        working.apply("FX-IN-01")
    if point.day:
        working.say("time_of_supply", point.day.isoformat(), *point.rules)
    if value is None:
        _credit_alone(case, working)
    elif way == "reverse":
        _reverse(case, working, value, point.day, borne)
    else:
        _other_way(case, working, way, value, point.day)


def _reverse(case: Case, working: Working, value: Decimal, day: date | None, borne: Decimal) -> None:
    """IN-GST-01: the payer invoices itself, pays in cash, and takes what credit it may."""
    choice: list[str] = []
    if case.flag("tax_borne_by_payer", False) and is_asked(case):
        value, choice = _borne_value(case, working, value), ["IN-GST-09"]
    row = working.book.need("in.gst", day)
    rate = case.rate("rate")
    rate = row.decimal("rate") if rate is None else rate
    tax = half_up(times(value, rate))
    working.apply("IN-GST-01", "IN-GST-02", "IN-GST-10")
    working.put("gst_taxable_value_inr", value, "IN-GST-01", "FX-IN-01", *choice)
    working.put("igst_rcm_inr", tax, "IN-GST-01", *choice, row=row)
    working.put("igst_rcm_inr_rounded", str(whole(tax)), "IN-GST-01")
    working.put("rcm_inr", tax, "IN-GST-01", row=row)
    working.say("reverse_charge", True, "IN-GST-01")
    working.say("self_invoice_required", True, "IN-GST-08")
    working.say("rcm_paid_from", working.book.need("in.gst.rows", day).text("paid_from"), "IN-GST-10")
    working.put("gstr3b_3_1_d_taxable", value, "IN-GST-12")
    working.put("gstr3b_3_1_d_igst", tax, "IN-GST-12")
    credit = credit_of(case, working, {"igst": tax})
    put_credit(case, working, credit, source="import_credit", cost=half_up(value))
    if day:
        _return_dates(case, working, day)
    late_gst(case, working, tax, day)
    if case.flag("is_prepaid", False) or case.used or case.has("expired"):
        put_prepaid(case, working, day)
    _books(case, working, credit.blocked, borne)


def _borne_value(case: Case, working: Working, value: Decimal) -> Decimal:
    """IN-GST-09: whether tax the payer bears is part of the value is a choice; both are told, one is used."""
    rate = Decimal(str(working.results.get("effective_rate", "0")))
    with_tax = times(value, Decimal(1)) if not rate else value / (1 - rate)
    values = {"exclude_tds": value, "include_tds": with_tax}
    gst = working.book.need("in.gst", None).decimal("rate")
    for policy in POLICIES:
        with working.group(f"gst_policy_{policy}"):
            working.put("taxable_value_inr", values[policy], "IN-GST-09")
            working.put("igst_inr", times(values[policy], gst), "IN-GST-01", "IN-GST-09")
    chosen = case.text("gst_value_policy", "include_tds")
    working.ask(f"the GST value where the payer bears the tax: {chosen} is used here")
    return values.get(chosen, with_tax)


def _other_way(case: Case, working: Working, way: str, value: Decimal, day: date | None) -> None:
    """No reverse charge: exempt for an SEZ, or the vendor charges."""
    charged = case.money("vendor_tax_charged") or ZERO
    if charged and case.currency not in ("INR", ""):
        charged = times(charged, case.need_exchange("gst", day))
    row = working.book.need("in.gst", day)
    rate = case.rate("rate")
    rate = row.decimal("rate") if rate is None else rate
    rule = {"sez": "IN-GST-19", "vendor_charges": "IN-GST-03", "missing_gstin": "IN-GST-05"}[way]
    if way != "sez" and not charged:
        charged = half_up(times(value, rate))
    charged = ZERO if way == "sez" else half_up(charged)
    if way == "vendor_charges":
        working.apply("IN-GST-04")
    if way == "missing_gstin":
        working.tell("the vendor charged tax because it has no GSTIN of yours: give it, and ask for the bill anew")
    working.put("gst_taxable_value_inr", value, rule)
    working.put("igst_rcm_inr", ZERO, rule)
    working.put("igst_rcm_inr_rounded", "0", rule)
    working.put("rcm_inr", ZERO, rule)
    working.put("igst_inr", charged, rule)
    working.say("reverse_charge", False, rule)
    working.say("self_invoice_required", False, rule)
    working.say("exempt", way == "sez", rule)
    working.put("igst_charged_by_vendor_inr", charged, rule, row=row)
    working.put("itc_inr", ZERO, rule)
    working.put("itc_reversal_inr", ZERO, rule)
    working.put("invoice_total_inr", half_up(value) + charged, rule)
    working.put("cost_including_blocked_tax_inr", half_up(value) + charged, rule, "ACC-08")
    working.put("blocked_tax_cost_inr", charged, rule, "ACC-08")
    _books(case, working, charged, ZERO)


def _return_dates(case: Case, working: Working, day: date) -> None:
    working.say("gstr3b_period", f"{day:%Y-%m}", "IN-GST-12")
    working.say("gstr3b_due", return_due(working.book, day).isoformat(), "IN-GST-12")
    received = case.day("service_receipt_date")
    if received and (due := self_invoice_due(working.book, received)):
        working.say("self_invoice_due", due.isoformat(), "IN-GST-08")
        issued = case.day("self_invoice_date")
        working.say("self_invoice_late", bool(issued and issued > due), "IN-GST-08")
    issued = case.day("self_invoice_date") or day
    working.say("itc_deadline", credit_deadline(working.book, issued).isoformat(), "IN-GST-11")
    working.apply("IN-GST-08")


def _books(case: Case, working: Working, blocked: Decimal, borne: Decimal) -> None:
    """What was booked and what the bank took: the difference is exchange."""
    amount, unit = case.amount, case.currency.lower()
    if amount is None:
        return
    booked_on, paid_on = case.day("booking_date"), case.day("bank_debit_date", "payment_date")
    if case.flag("is_prepaid", False):
        booked_on = case.day("payment_date") or booked_on
    rate = case.exchange("books", booked_on) if unit not in ("inr", "") else Decimal(1)
    booked = half_up(times(amount, rate)) if rate else None
    net = working.decimal(f"net_to_vendor_{unit or 'inr'}")
    paid = _paid(case, amount if net is None else net, paid_on)
    if booked is not None:
        working.put("expense_booked_inr", booked, "FX-IN-03")
    if paid is not None:
        working.put("bank_outflow_to_vendor_inr", paid, "FX-IN-03")
        withheld = ZERO if borne else working.decimal("tds_inr") or ZERO
        if booked is not None:
            working.put("exchange_loss_inr", paid - (booked - withheld), "FX-IN-03")
            working.put("exchange_gain_inr", (booked - withheld) - paid, "FX-IN-03")
        working.put("total_cost_excl_recoverable_tax_inr", paid + blocked + borne + withheld, "ACC-08")
    closing = next((one for one in case.fx.get("closing", {}).values()), None)
    if closing and booked is not None:
        working.put("closing_retranslation_inr", times(amount, closing) - booked, "FX-IN-03")


def _paid(case: Case, amount: Decimal, day: date | None) -> Decimal | None:
    if case.currency in ("INR", ""):
        return half_up(amount)
    rate = case.exchange("bank", day)
    return half_up(times(amount, rate)) if rate else None


def _credit_alone(case: Case, working: Working) -> None:
    """Rule 42 on a total that was given, with no document beside it."""
    if case.has("T_total_input_tax"):
        tax = case.need_money("T_total_input_tax", "the total input tax")
        put_credit(case, working, credit_of(case, working, {"igst": tax}), source="import_credit", cost=None)


def _interest_alone(case: Case, working: Working) -> None:
    """Tax that was already computed and paid late."""
    if (tax := case.money("tax_due")) is not None:
        point = case.day("tax_point_date", "payment_date")
        late_gst(case, working, tax, point)
        put_credit(case, working, credit_of(case, working, {"igst": tax}), source="import_credit", cost=None)
        return
    if is_asked(case) or case.has("tds_deducted_date"):
        withhold(case, working)
        return
    case.need_money("amount", "what the vendor asks for, as amount_usd, or invoice_amount with invoice_currency")


def _levy(case: Case, working: Working) -> None:
    """History: what the equalisation levy was, and that it is gone."""
    day = case.need_day("of the payment, since the levy is history", "payment_date", "invoice_date", "tax_point_date")
    row = working.book.at("in.levy", day, case.text("levy"))
    amount = case.need_money("amount", "what was paid, in rupees")
    if case.currency not in ("INR", ""):
        amount = times(amount, case.need_exchange("tds", day))
    on_payer = row is not None and row.text("payer") == "recipient"
    rate = row.decimal("rate") if row else ZERO
    working.put("equalisation_levy_inr", times(amount, rate) if on_payer else ZERO, "IN-TDS-15", row=row)
    working.say("equalisation_levy_rate", rate, "IN-TDS-15")
    if row is not None and not on_payer:
        working.tell("in its 2 % form the levy fell on the vendor, never on the buyer of an API")
    if row is None:
        working.tell("no equalisation levy is in force on that day")


def bill_totals(lines: list[Working], into: Working) -> None:
    """A bill of several issuers: every sum of its lines that is money in rupees, and the parts of rule 42."""
    keys = dict.fromkeys(
        key
        for one in lines
        for key, value in one.results.items()
        if isinstance(value, str) and (key.endswith(SUMMED) or key in PARTS_OF_RULE_42)
    )
    for key in keys:
        found = [amount for one in lines if (amount := one.decimal(key)) is not None]
        rules = dict.fromkeys(rule for one in lines if key in one.figures for rule in one.figures[key].rules)
        into.put(key, total(found), *rules)
