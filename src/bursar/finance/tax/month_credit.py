"""The month's credit in India: all input tax of a payer, and rule 42 once on the sum, head by head."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from bursar.finance.tax.case import Case
from bursar.finance.tax.compute import Computed
from bursar.finance.tax.documents import Known
from bursar.finance.tax.duties import DutyRow, lines_of, tax_month
from bursar.finance.tax.exact import HUNDRED, ZERO, total
from bursar.finance.tax.india_dates import return_due
from bursar.finance.tax.rule42 import Rule42, Shares, rule_42
from bursar.finance.tax.rules import RuleBook

HEADS = ("igst", "cgst", "sgst")
TAKEN = (("import_credit", "gstr3b_4A2_"), ("forward_credit", "gstr3b_4A5_"))


class Evaluated(Protocol):
    """A document of the sheet."""

    @property
    def payer(self) -> str: ...
    @property
    def inputs(self) -> dict[str, Any]: ...
    @property
    def computed(self) -> Computed | None: ...


class MonthCredit(msgspec.Struct, frozen=True):
    """Of one payer and head. taken: by row of the return. back: given back beyond the shared part. shared: rule 42.

    exempt, turnover: E and F of the month.
    """

    payer: str
    head: str
    taken: dict[str, Decimal]
    back: Decimal
    shared: Rule42 | None
    exempt: Decimal = ZERO
    turnover: Decimal = ZERO

    @property
    def reversed(self) -> Decimal:
        return self.back + (self.shared.reversed + self.shared.direct if self.shared else ZERO)

    @property
    def net(self) -> Decimal:
        return total(self.taken.values()) - self.reversed

    def duties(self, month: str, rules: RuleBook) -> list[DutyRow]:
        due = return_due(rules, date.fromisoformat(f"{month}-01"))
        head = self.head.upper()
        found = [
            DutyRow("claim", f"{head} as input credit", "", "all vendors", self.payer, amount, "INR", due, row,
                    ["IN-GST-12", "IN-GST-13"], confidence="medium", note="the month's documents together")
            for row, amount in self.taken.items() if amount
        ]  # fmt: skip
        if self.reversed:
            note = (
                f"D1 {self.shared.D1}, D2 {self.shared.D2} of C2 {self.shared.C2}; redone on the year's turnover"
                if self.shared else "blocked, or half of it by s.17(4)"
            )  # fmt: skip
            row = rules.need("in.gst.rows", None).text("reversal")
            found.append(
                DutyRow("reverse", f"{head} credit", "", "all vendors", self.payer, self.reversed, "INR", due, row,
                        ["IN-GST-14"] if self.shared else ["IN-GST-13", "IN-GST-15"],
                        confidence="high" if self.shared else "medium", note=note)
            )  # fmt: skip
        return found


def credit_of_month(documents: Iterable[Evaluated], known: Known, rules: RuleBook, month: str) -> list[MonthCredit]:
    """For each payer in India that has credit in the month."""
    sums: dict[tuple[str, str], dict[str, Decimal]] = {}
    for one in documents:
        if one.computed is None or one.computed.jurisdiction != "IN":
            continue
        kinds = _attributions(one.inputs)
        for at, (_, results) in enumerate(lines_of(one.computed)):
            if tax_month(results) == month:
                _add(sums, one.payer, results, kinds[at if at < len(kinds) else 0])
    return [
        _credit(payer, head, found, known, rules, month)
        for (payer, head), found in sorted(sums.items())
        if any(found.values())
    ]


def _attributions(inputs: Mapping[str, Any]) -> list[str]:
    """Of each line: taxable_only, exempt_only or common."""
    lines = inputs.get("lines") or [{}]
    shared = {name: value for name, value in inputs.items() if name != "lines"}
    return [
        Case(one, lenient=True).text("attribution") or Case(shared, lenient=True).text("attribution", "common")
        for one in lines
    ]


def _add(sums: dict[tuple[str, str], dict[str, Decimal]], payer: str, results: Mapping[str, Any], use: str) -> None:
    for head in HEADS:
        place = sums.setdefault((payer, head), {})
        for row, start in TAKEN:
            place[row] = place.get(row, ZERO) + Decimal(results.get(f"{start}{head}", "0"))
        taken = total(Decimal(results.get(f"{start}{head}", "0")) for _, start in TAKEN)
        back = Decimal(results.get(f"gstr3b_4B1_{head}", "0"))
        place["back"] = place.get("back", ZERO) + back
        kind = "t4" if use.startswith("taxable") else "t2" if use.startswith("exempt") else "common"
        if not back or kind == "t2":
            place[kind] = place.get(kind, ZERO) + taken
            place["back"] -= back
        else:
            place["apart"] = place.get("apart", ZERO) + taken


def _credit(
    payer: str, head: str, found: Mapping[str, Decimal], known: Known, rules: RuleBook, month: str
) -> MonthCredit:
    rows = rules.need("in.gst.rows", None)
    taken = {rows.text(row): found.get(row, ZERO) for row, _ in TAKEN}
    terms = known.payers.get(payer)
    exempt, whole = (terms.turnover.get(month) if terms else None) or (ZERO, HUNDRED)
    t2, t4, common = (found.get(kind, ZERO) for kind in ("t2", "t4", "common"))
    shared = None
    if exempt or t2:
        rate = rules.need("in.gst.non_business", None).decimal("rate")
        tax = t2 + t4 + common
        private = bool(terms and Case(terms.inputs, lenient=True).flag("non_business_use", False))
        shared = rule_42(tax, Shares(exempt, whole, t2=t2, t4=t4, non_business=private), rate)
    return MonthCredit(payer, head, taken, found.get("back", ZERO), shared, exempt, whole)
