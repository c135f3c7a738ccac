"""Bills of Indian entities: forward charge, the credit of it, and what is withheld from a resident."""

from decimal import Decimal

from bursar.domain.errors import BadTax
from bursar.finance.tax.case import Case
from bursar.finance.tax.exact import ZERO, half_up, times, total, whole
from bursar.finance.tax.india_credit import credit_of, put_credit
from bursar.finance.tax.india_dates import deposit_due, year_name
from bursar.finance.tax.withholding import trigger_of
from bursar.finance.tax.working import Working

_STATE_TABLE = (
    "01 JK Jammu and Kashmir|02 HP Himachal Pradesh|03 PB Punjab|04 CH Chandigarh|05 UK Uttarakhand|"
    "06 HR Haryana|07 DL Delhi|08 RJ Rajasthan|09 UP Uttar Pradesh|10 BR Bihar|11 SK Sikkim|"
    "12 AR Arunachal Pradesh|13 NL Nagaland|14 MN Manipur|15 MZ Mizoram|16 TR Tripura|17 ML Meghalaya|"
    "18 AS Assam|19 WB West Bengal|20 JH Jharkhand|21 OD Odisha|22 CG Chhattisgarh|23 MP Madhya Pradesh|"
    "24 GJ Gujarat|26 DD Dadra and Nagar Haveli and Daman and Diu|27 MH Maharashtra|29 KA Karnataka|30 GA Goa|"
    "31 LD Lakshadweep|32 KL Kerala|33 TN Tamil Nadu|34 PY Puducherry|35 AN Andaman and Nicobar Islands|"
    "36 TS Telangana|37 AP Andhra Pradesh|38 LA Ladakh"
)
"""Number in a GSTIN, letters and name of each State and Union Territory."""
STATES: dict[str, str] = {
    word: letters
    for number, letters, name in (one.split(" ", 2) for one in _STATE_TABLE.split("|"))
    for word in (number, letters, name.upper())
} | {
    "OR": "OD",
    "CT": "CG",
    "UT": "UK",
    "TG": "TS",
    "DN": "DD",
    "ORISSA": "OD",
    "NEW DELHI": "DL",
    "NCT OF DELHI": "DL",
}


def forward_charge(case: Case, working: Working) -> None:
    """CGST and SGST within a State, IGST between two, nothing for an SEZ; no reverse charge."""
    net = case.need_money("amount", "the value of the invoice without tax, as invoice_net_inr")
    if case.currency not in ("INR", ""):
        net = times(net, case.need_exchange("gst", case.day("invoice_date", "tax_point_date", "payment_date")))
    heads = _heads(case, working, net)
    tax = total(heads.values())
    rules = ["IN-GST-16", "IN-GST-17"]
    for head in ("igst", "cgst", "sgst"):
        working.put(f"{head}_inr", heads.get(head, ZERO), *rules)
        working.put(f"{head}_inr_rounded", str(whole(heads.get(head, ZERO))), *rules)
    working.put("forward_charge_tax_inr", tax, *rules)
    working.put("invoice_total_inr", net + tax, *rules)
    working.put("rcm_inr", ZERO, "IN-GST-16")
    working.put("igst_rcm_inr", ZERO, "IN-GST-16")
    working.say("reverse_charge", False, "IN-GST-16")
    charged = case.money("vendor_tax_charged")
    if charged is not None and charged != tax:
        working.tell(f"the bill shows tax of {charged}, the rule says {tax}: ask which is right")
    working.say("self_invoice_required", False, "IN-GST-16")
    _credit(case, working, heads, net)
    _withheld(case, working, net, tax)


def state_of(text: str) -> str:
    """Letters of a State by its letters, number or name; what is none stays as it is."""
    name = text.strip().upper().replace("_", " ").removeprefix("IN-")
    return STATES.get(name, name)


def _heads(case: Case, working: Working, net: Decimal) -> dict[str, Decimal]:
    row = working.book.need("in.gst", case.day("invoice_date", "tax_point_date", "payment_date"))
    rate = case.rate("rate")
    rate = row.decimal("rate") if rate is None else rate
    if case.flag("payer_sez", False):
        working.tell("the customer is in an SEZ: zero-rated")
        return {"igst": ZERO}
    own = case.text("issuer_gstin")
    supplier = state_of(case.text("supplier_state") or (own[:2] if own[:2].isdigit() else ""))
    buyer = state_of(case.text("customer_state") or case.text("customer_gstin")[:2])
    across = case.values.get("inter_state")
    if across is not None:
        supplier, buyer = supplier or "A", buyer or "B"
        across = bool(across)
    charged = case.money("vendor_tax_charged")
    if (not supplier or not buyer) and charged:
        working.tell("the States weren't said: the tax on the bill is taken as IGST")
        return {"igst": half_up(charged)}
    if not supplier or not buyer:
        field = "customer_state" if supplier else "supplier_state"
        raise BadTax(f"{field}: the State of {'the customer' if supplier else 'the issuer'} decides between IGST and "
                     "CGST with SGST", field=field)  # fmt: skip
    for field, state in (("supplier_state", supplier), ("customer_state", buyer)):
        if across is None and state not in STATES:
            raise BadTax(f"{field}: {state[:40]!r} is no State; write two letters, such as KA", field=field)
    if (supplier == buyer) if across is None else not across:
        half = half_up(times(net, rate / 2))
        return {"cgst": half, "sgst": half}
    return {"igst": half_up(times(net, rate))}


def _credit(case: Case, working: Working, heads: dict[str, Decimal], net: Decimal) -> None:
    if not case.flag("invoice_in_gstr2b", True) or not case.flag("bill_to_matches", True):
        working.tell("no credit yet: the invoice must stand in GSTR-2B, with the buyer's own GSTIN and State")
        working.put("itc_inr", ZERO, "IN-GST-17")
        working.put("itc_deferred_inr", total(heads.values()), "IN-GST-17")
        return
    working.apply("IN-GST-12")
    put_credit(case, working, credit_of(case, working, heads), source="forward_credit", cost=net)


def _withheld(case: Case, working: Working, net: Decimal, tax: Decimal) -> None:
    """Each option that is asked for; the deduction is on the value without GST where the bill shows it apart."""
    options = case.values.get("resident_tds_options") or []
    one = case.text("resident_tds_option")
    for option in options:
        with working.group(f"option_{option}"):
            _option(case, working, option, net, tax)
    if one:
        _option(case, working, one, net, tax)
    elif not options:
        working.put("pay_vendor_inr", net + tax, "IN-GST-16")
    if options or one not in ("", "none"):
        working.ask("whether the bill of a resident vendor bears withholding at all")


def _option(case: Case, working: Working, option: str, net: Decimal, tax: Decimal) -> None:
    trigger = trigger_of(case)
    row = working.book.need("in.tds.resident", trigger, option, field="resident_tds_option")
    base = net if case.flag("gst_shown_separately", True) else net + tax
    aggregate = case.money("aggregate")
    year = aggregate if aggregate is not None else (case.money("aggregate_before") or ZERO) + net
    below = year <= row.decimal("threshold") and row.decimal("rate") > 0
    rate = ZERO if below else row.decimal("rate")
    withheld = half_up(times(base, rate))
    if option != "none":
        working.put("tds_base_inr", base, "IN-TDS-18")
    working.put("tds_inr", withheld, "IN-TDS-17", "IN-TDS-18", row=row)
    working.put("pay_vendor_inr", net + tax - withheld, "IN-TDS-17")
    if below:
        working.tell(f"below the yearly threshold of {row.text('threshold')} rupees: nothing is withheld")
    if withheld and trigger:
        working.say("tds_deposit_due", deposit_due(working.book, trigger).isoformat(), "IN-TDS-13")
        working.say("tds_trigger_date", trigger.isoformat(), "IN-TDS-17")
        working.say("effective_rate", rate, "IN-TDS-17", row=row)
        working.say("tds_tax_year", year_name(trigger), "IN-TDS-17")
        working.say("withholding_section", working.book.need("in.act", trigger, "resident_duty").text("name"),
                    "IN-TDS-17")  # fmt: skip
