"""How much of the tax comes back as credit in India, and in which rows of GSTR-3B it stands."""

from decimal import Decimal
from typing import Any

import msgspec

from bursar.domain.errors import BadTax
from bursar.finance.tax.case import Case
from bursar.finance.tax.exact import HUNDRED, ZERO, half_up, times, total
from bursar.finance.tax.interest import interest_of_days
from bursar.finance.tax.rule42 import Rule42, Shares, rule_42
from bursar.finance.tax.working import Working

HEADS = ("igst", "cgst", "sgst")


class Credit(msgspec.Struct, frozen=True):
    """By head of tax, rupees: what was taken first, what of it is given back, and the rest."""

    taken: dict[str, Decimal]
    reversed: dict[str, Decimal]
    rules: list[str]

    @property
    def net(self) -> Decimal:
        return total(self.taken.values()) - total(self.reversed.values())

    @property
    def blocked(self) -> Decimal:
        return total(self.reversed.values())


def credit_of(case: Case, working: Working, heads: dict[str, Decimal]) -> Credit:
    """heads: tax of this document by head; a T that is given stands for all input tax of the month instead."""
    if given := case.money("T_total_input_tax"):
        heads = {next(iter(heads), "igst"): given}
    if why := _blocked_why(case):
        working.tell(f"no credit: {why}")
        return Credit(heads, dict(heads), ["IN-GST-13"])
    if case.flag("payer_is_bank_or_nbfc", False):
        return _half(case, working, heads)
    if _is_mixed(case):
        return _mixed(case, working, heads)
    return Credit(heads, dict.fromkeys(heads, ZERO), ["IN-GST-13"])


def put_credit(case: Case, working: Working, credit: Credit, *, source: str, cost: Decimal | None) -> None:
    """The rows of the return. source: import_credit or forward_credit, of the row in.gst.rows. cost: without tax."""
    rows = working.book.need("in.gst.rows", None)
    row, back = (rows.text(name).translate(str.maketrans("", "", ".()")) for name in (source, "reversal"))
    rules = [*credit.rules, "IN-GST-12"]
    working.put("itc_inr", credit.net, *credit.rules)
    working.put("itc_reversal_inr", credit.blocked, *credit.rules)
    working.put("net_itc_inr", credit.net, *credit.rules)
    for head in credit.taken:
        working.put(f"gstr3b_{row}_{head}", credit.taken[head], *rules)
        working.put(f"gstr3b_{back}_{head}", credit.reversed[head], *rules)
        working.put(f"net_itc_{head}", credit.taken[head] - credit.reversed[head], *rules)
    working.say("gstr3b_line", rows.text(source), "IN-GST-12" if source == "import_credit" else "IN-GST-17")
    if cost is not None:
        working.put("cost_including_blocked_tax_inr", cost + credit.blocked, *credit.rules, "ACC-08")
        working.put("blocked_tax_cost_inr", credit.blocked, *credit.rules, "ACC-08")


def _blocked_why(case: Case) -> str:
    if not case.flag("payer_gst_registered", True):
        return "the payer is not registered"
    if case.flag("credit_blocked", False):
        return "it is blocked by s.17(5)"
    if case.flag("composition_dealer", False):
        return "a composition dealer takes none"
    if not case.flag("business_use", True):
        return "the use isn't business"
    if (purpose := case.text("purpose", "business").lower()) not in ("business", "taxable", ""):
        return f"use for {purpose}"
    return ""


def _half(case: Case, working: Working, heads: dict[str, Decimal]) -> Credit:
    if case.flag("same_pan_supply", False):
        working.tell("supplies of a registration with the same PAN keep their full credit under s.17(4)")
        return Credit(heads, dict.fromkeys(heads, ZERO), ["IN-GST-15"])
    rate = working.book.need("in.gst.bank_share", None).decimal("rate")
    kept = {head: half_up(times(tax, rate)) for head, tax in heads.items()}
    working.ask("half of the credit by s.17(4) is an option in place of rule 42")
    return Credit(heads, {head: tax - kept[head] for head, tax in heads.items()}, ["IN-GST-13", "IN-GST-15"])


def _is_mixed(case: Case) -> bool:
    if case.has("E_exempt_turnover", "F_total_turnover", "T1", "T2", "T3", "T4", "attribution", "T_total_input_tax"):
        return True
    return bool(case.percent("payer_exempt_turnover_pct")) or case.flag("non_business_use", False)


def _mixed(case: Case, working: Working, heads: dict[str, Decimal]) -> Credit:
    parts: dict[str, Rule42] = {head: _shared(case, working, heads, head) for head in heads}
    for name in ("C1", "C2", "D1", "D2", "C3"):
        working.put(name, total(getattr(one, name) for one in parts.values()), "IN-GST-14")
    taken = case.flag("T1_T3_taken", True)
    gross = {head: one.T if taken else one.T - one.direct for head, one in parts.items()}
    back = {head: one.reversed + (one.direct if taken else ZERO) for head, one in parts.items()}
    _true_up(case, working, total(one.reversed for one in parts.values()))
    working.tell("provisional for the month: it is redone on the turnover of the full year")
    return Credit(gross, back, ["IN-GST-13", "IN-GST-14"])


def _shared(case: Case, working: Working, heads: dict[str, Decimal], head: str) -> Rule42:
    tax = heads[head]
    exempt, turnover = _turnover(case)
    parts: dict[str, Any] = {}
    if (use := case.text("attribution", "common")) not in ("common", "mixed", "shared"):
        parts["t4" if use.startswith("taxable") else "t2" if use.startswith("exempt") else "t1"] = tax
    elif len(heads) == 1:
        parts = {name.lower(): case.money(name) or ZERO for name in ("T1", "T2", "T3", "T4")}
    rate = working.book.need("in.gst.non_business", None).decimal("rate")
    return rule_42(tax, Shares(exempt, turnover, non_business=case.flag("non_business_use", False), **parts), rate)


def _turnover(case: Case) -> tuple[Decimal, Decimal]:
    """Exempt and total; of the last month that had some where this one had none."""
    if case.has("E_exempt_turnover", "F_total_turnover"):
        turnover = case.need_money("F_total_turnover", "the State's total turnover of the month, for D1")
        if turnover:
            return case.money("E_exempt_turnover") or ZERO, turnover
        if not case.money("last_month_F"):
            raise BadTax("last_month_F: this month has no turnover; the last month that had some is needed",
                         field="last_month_F")  # fmt: skip
        return case.money("last_month_E") or ZERO, case.need_money("last_month_F", "the last month with turnover")
    return case.percent("payer_exempt_turnover_pct") or ZERO, HUNDRED


def _true_up(case: Case, working: Working, wanted: Decimal) -> None:
    """The full year against what its months gave back; a shortfall bears interest from 1 April after it."""
    before = case.money("already_reversed")
    if before is None:
        return
    shortfall, excess = max(wanted - before, ZERO), max(before - wanted, ZERO)
    working.put("annual_reversal_inr", wanted, "IN-GST-14")
    working.put("annual_shortfall_inr", shortfall, "IN-GST-14")
    working.put("annual_excess_reclaimed_inr", excess, "IN-GST-14")
    end, paid = case.day("financial_year_end"), case.day("annual_reversal_date")
    if shortfall and end and paid:
        row = working.book.need("in.gst.interest", paid)
        days = (paid - end).days
        amount = interest_of_days(shortfall, row.decimal("rate"), days, row.number("days_in_year"))
        working.put("annual_shortfall_interest_inr", amount, "IN-GST-14", "IN-GST-20", row=row)
        working.ask("interest on the year's shortfall is counted from 1 April after it")
