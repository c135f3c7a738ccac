"""The United States (sales and use tax on software as a service, by state) and Canada (GST, HST, provincial taxes)."""

from decimal import Decimal

from bursar.domain.errors import BadTax
from bursar.finance.tax.case import Case
from bursar.finance.tax.exact import HUNDRED, ZERO, divided, half_up, times, total
from bursar.finance.tax.rules import Row
from bursar.finance.tax.working import Working

NAMES = {
    "TEXAS": "TX", "CONNECTICUT": "CT", "MARYLAND": "MD", "NEW YORK": "NY", "PENNSYLVANIA": "PA", "WASHINGTON": "WA",
    "CALIFORNIA": "CA", "FLORIDA": "FL", "OHIO": "OH", "UTAH": "UT", "TENNESSEE": "TN", "ILLINOIS": "IL",
    "NEW YORK CITY": "NYC",
    "ONTARIO": "ON", "QUEBEC": "QC", "BRITISH COLUMBIA": "BC", "NOVA SCOTIA": "NS", "ALBERTA": "AB",
}  # fmt: skip


def place_name(text: str) -> str:
    name = text.strip().upper().replace("_", " ").removeprefix("US-").removeprefix("CA-")
    return NAMES.get(name, name)


def compute_us(case: Case, working: Working) -> None:
    """Use tax where the vendor did not collect; several states share by users. Raises BadTax."""
    amount = case.need_money("amount", "the charge without tax, as charge_usd")
    shares = case.values.get("usage_share_by_state")
    if shares is None:
        if not case.has("customer_state"):
            raise BadTax("customer_state: the state of use is needed, such as TX, or usage_share_by_state",
                         field="customer_state")  # fmt: skip
        _state(case, working, place_name(case.text("customer_state")), amount, whole=True)
        return
    working.apply("US-GEN-02")
    whole = sum(shares.values(), Decimal(0))
    if whole <= 0:
        raise BadTax("usage_share_by_state: the shares add up to nothing", field="usage_share_by_state")
    parts = split(amount, list(shares.values()))
    taxes = []
    for state, part in zip(shares, parts, strict=True):
        with working.group(f"state_{place_name(state)}"):
            working.put("allocated_usd", part, "US-GEN-02")
            taxes.append(_state(case, working, place_name(state), part, whole=False))
    if all(one is not None for one in taxes):
        _put_whole(case, working, amount, total(one for one in taxes if one is not None), ["US-GEN-02"], None)


def split(amount: Decimal, weights: list[Decimal]) -> list[Decimal]:
    """Parts in cents that add up to the amount: each the difference of two rounded running sums."""
    whole, run, told, parts = sum(weights, Decimal(0)), Decimal(0), ZERO, []
    for weight in weights:
        run += weight
        upto = half_up(divided(times(amount, run), whole)) if run != whole else amount
        parts.append(upto - told)
        told = upto
    return parts


def _state(case: Case, working: Working, state: str, amount: Decimal, *, whole: bool) -> Decimal | None:
    city = place_name(case.text("customer_city"))
    state = city if city in working.book.keys("us.sales") else state
    row = working.book.need(
        "us.sales",
        case.day("tax_point_date", "invoice_date", "payment_date", "service_receipt_date"),
        state,
        field="customer_state",
    )
    working.apply("US-GEN-02")
    if working.is_low(row):
        return None
    working.ask("how this state classes a raw model API: it is unsettled in most states")
    base = half_up(times(amount, row.decimal("base")))
    rate = _rate(case, row)
    tax = half_up(times(base, rate))
    working.put("taxable_base_usd", base, row.rule)
    working.say("rate", rate, row.rule, row=row)
    working.put("state_tax_usd", half_up(times(base, row.decimal("rate"))), row.rule, row=row)
    if case.has("combined_rate", "local_rate"):
        working.put("local_tax_usd", tax - half_up(times(base, row.decimal("rate"))), row.rule)
    if whole:
        _put_whole(case, working, amount, tax, [row.rule], row)
    else:
        working.put("tax_usd", tax, row.rule, row=row)
    return tax


def _rate(case: Case, row: Row) -> Decimal:
    if case.flag("exemption_certificate", False) or not row.decimal("rate"):
        return ZERO
    if (combined := case.rate("combined_rate")) is not None:
        most = row.text("combined_max")
        return min(combined, Decimal(most)) if most else combined
    given = case.rate("rate")
    found = (row.decimal("rate") if given is None else given) + (case.rate("local_rate") or ZERO)
    most = row.text("combined_max")
    return min(found, Decimal(most)) if most else found


def _put_whole(case: Case, working: Working, amount: Decimal, tax: Decimal, rules: list[str], row: Row | None) -> None:
    """Who pays it: the vendor's bill where it collected, else the buyer as use tax."""
    charged = case.money("vendor_tax_charged") or ZERO
    collected = case.flag("vendor_collected", charged > 0)
    due = ZERO if collected else tax
    working.say("taxable", tax > 0, *rules)
    working.put("tax_usd", tax, *rules, row=row)
    working.put("sales_tax_usd", (charged or tax) if collected else ZERO, *rules)
    working.put("use_tax_usd", due, *rules, "US-GEN-02", row=row)
    working.put("use_tax_due_usd", due, *rules, "US-GEN-02")
    paid = amount + ((charged or tax) if collected else ZERO)
    working.put("payable_to_vendor_usd", paid, *rules)
    working.put("total_cost_usd", paid + due, *rules)
    if collected and charged and charged != tax:
        working.tell(f"the vendor collected {charged}, the rule says {tax}: ask which is right")


def compute_canada(case: Case, working: Working) -> None:
    """Self-assessed only where use is less than 90 % commercial. Raises BadTax."""
    amount = case.need_money("amount", "the price without tax, as invoice_net_cad")
    day = case.day("tax_point_date", "invoice_date", "payment_date", "service_receipt_date")
    if not case.has("customer_state"):
        raise BadTax("customer_state: the province is needed, such as ON", field="customer_state")
    province = place_name(case.text("customer_state"))
    row = working.book.need("ca.gst", day, province, field="customer_state")
    if working.is_low(row):
        return
    currency = case.currency or "CAD"
    if currency != "CAD" and (case.fx.get("gst") or case.fx.get("any")):
        amount, currency = times(amount, case.need_exchange("gst", day)), "CAD"
    unit = currency.lower()
    use = case.percent("creditable_pct")
    use = case.percent("deduction_pct") if use is None else use
    use = HUNDRED if use is None else use
    due = use < row.decimal("below_pct") or not case.flag("payer_gst_registered", True)
    given = case.rate("rate")
    rate = row.decimal("rate") if given is None else given
    tax = half_up(times(amount, rate)) if due else ZERO
    credit = half_up(divided(times(tax, use), HUNDRED)) if case.flag("payer_gst_registered", True) else ZERO
    name = row.text("name").lower()
    working.say("reverse_charge", due, row.rule)
    working.say("self_assessment_required", due, row.rule)
    for one in dict.fromkeys((name, "gst_hst", "tax")):
        working.put(f"self_assessed_{one}_{unit}", tax, row.rule, row=row)
        working.put(f"output_{one}_{unit}", tax, row.rule, row=row)
        working.put(f"input_{one}_{unit}", credit, row.rule)
        working.put(f"net_{one}_{unit}", tax - credit, row.rule)
    working.put(f"input_tax_credit_{unit}", credit, row.rule)
    extra = _provincial(case, working, province, amount, unit, due=due)
    working.put(f"payable_to_vendor_{(case.currency or unit).lower()}", case.amount or ZERO, row.rule)
    working.put(f"total_cost_{unit}", half_up(amount) + tax - credit + extra, row.rule)
    if not due:
        working.tell("used 90 % or more commercially: nothing to self-assess")


def _provincial(case: Case, working: Working, province: str, amount: Decimal, unit: str, *, due: bool) -> Decimal:
    """QST goes with GST; provincial taxes on software are due whatever the use."""
    row = working.book.at("ca.provincial", None, province)
    if row is None:
        return ZERO
    if row.text("recoverable") == "yes" and not due:
        return ZERO
    tax = half_up(times(amount, row.decimal("rate")))
    working.put(f"{row.text('name').lower()}_{unit}", tax, row.rule, row=row)
    working.ask(f"{row.text('name')} on this service")
    return tax
