"""What one computed document asks to be done in a month: rows of the work sheet."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from bursar.finance.tax.compute import Computed
from bursar.finance.tax.rules import RuleBook, weakest
from bursar.finance.tax.working import CONFIRM

SECTIONS = {
    "self_invoice": "Self-invoice",
    "pay": "Pay",
    "claim": "Claim",
    "reverse": "Give back",
    "withhold": "Withhold and deposit",
    "file": "File",
    "decide": "Decide",
}


def sections() -> list[str]:
    return list(SECTIONS)


class DutyRow(msgspec.Struct, frozen=True):
    """One thing to do. amount: None where it is no sum. row: of the return. confirm: "" where all is high."""

    section: str
    what: str
    document: str
    vendor: str
    payer: str
    amount: Decimal | None = None
    currency: str = ""
    due: date | None = None
    row: str = ""
    rules: list[str] = []
    rate: str = ""
    rate_from: str = ""
    confidence: str = "high"
    note: str = ""

    @property
    def confirm(self) -> str:
        return "" if self.confidence == "high" else CONFIRM


def duties_of(
    name: str, vendor: str, payer: str, computed: Computed | None, fault: str, month: str, rules: RuleBook
) -> list[DutyRow]:
    """Of the lines whose trigger lies in the month; one that can't be computed asks to be mended."""
    if computed is None:
        return [DutyRow("decide", f"not computed: {fault}", name, vendor, payer, confidence="low")]
    return list(_of_computed(name, vendor, payer, computed, month, rules))


def _of_computed(
    name: str, vendor: str, payer: str, computed: Computed, month: str, rules: RuleBook
) -> Iterator[DutyRow]:  # fmt: skip
    """Its lines' duties, and what was left uncomputed where the month is its own."""
    maker = _Maker(name, vendor, payer, computed, rules)
    mine = False
    for prefix, results in lines_of(computed):
        for row in maker.line(prefix, results, month):
            mine = True
            yield row
    if mine or tax_month(computed.results) == month:
        for one in computed.not_computed:
            yield DutyRow("decide", f"not computed: {one.why}", name, vendor, payer, rules=[one.rule], confidence="low")


def lines_of(computed: Computed) -> list[tuple[str, Mapping[str, Any]]]:
    """Results of each line with the prefix of its figures; of a bill without lines, its own."""
    lines = computed.results.get("lines")
    if lines is None:
        return [("", computed.results)]
    return [(f"lines.{at}.", one) for at, one in enumerate(lines, start=1)]


def tax_month(results: Mapping[str, Any]) -> str:
    """The month that a line's indirect tax belongs to; "" where nothing says."""
    return str(results.get("time_of_supply") or results.get("document_date") or "")[:7]


class _Maker:
    """Rows of one document."""

    def __init__(self, name: str, vendor: str, payer: str, computed: Computed, rules: RuleBook) -> None:
        self.name, self.vendor, self.payer = name, vendor, payer
        self.computed, self.rules = computed, rules
        self.figures = {one["key"]: one for one in computed.figures}

    def line(self, prefix: str, results: Mapping[str, Any], month: str) -> Iterator[DutyRow]:
        if tax_month(results) == month:
            yield from (
                self._india(prefix, results)
                if self.computed.jurisdiction == "IN"
                else (self._elsewhere(prefix, results))
            )
        if str(results.get("tds_trigger_date", ""))[:7] == month:
            yield from self._withholding(prefix, results)

    def _india(self, prefix: str, results: Mapping[str, Any]) -> Iterator[DutyRow]:
        if results.get("reverse_charge"):
            note = f"time of supply {results['time_of_supply']}"
            limit = results.get("self_invoice_due")
            told = note if limit else f"{note}; say service_receipt_date for the limit of 30 days"
            yield self._row("self_invoice", "issue a self-invoice, and a payment voucher at payment", prefix,
                            "gst_taxable_value_inr", due=limit, note=told)  # fmt: skip
            yield self._row("pay", "IGST by reverse charge, in the cash ledger", prefix, "igst_rcm_inr",
                            due=results.get("gstr3b_due"), row="3.1(d)", note=f"on {note}")  # fmt: skip
            if not results.get("tds_trigger_date"):
                yield self._row("decide", "whether to withhold: no position is kept for this vendor", prefix,
                                "gst_taxable_value_inr")  # fmt: skip
        if Decimal(results.get("interest_inr", "0")):
            yield self._row("pay", "interest on tax paid late", prefix, "interest_inr")
        if Decimal(results.get("igst_charged_by_vendor_inr", "0")):
            yield self._row("decide", "the vendor charged IGST that gives no credit: give it the GSTIN and ask for the "
                            "bill anew", prefix, "igst_charged_by_vendor_inr")  # fmt: skip

    def _withholding(self, prefix: str, results: Mapping[str, Any]) -> Iterator[DutyRow]:
        on = results["tds_trigger_date"]
        if Decimal(results.get("tds_inr", "0")):
            note = f"{results.get('withholding_section', '')}, at {_percent(results.get('effective_rate'))}, from {on}"
            yield self._row("withhold", "deduct, and deposit by the day beside", prefix, "tds_inr",
                            due=results.get("tds_deposit_due"), note=note.strip(", "))  # fmt: skip
        if results.get("remittance_form"):
            extra = results.get("remittance_certificate_form")
            what = f"{results['remittance_form']} before remitting" + (f", with {extra} filed first" if extra else "")
            yield self._row("file", what, prefix, "remittance_form", text=True)
        if results.get("tds_statement"):
            what = f"{results['tds_statement']} of {results['tds_statement_quarter']}"
            yield self._row("file", what, prefix, "tds_statement", due=results["tds_statement_due"], text=True)
        if Decimal(results.get("tds_interest_inr", "0")):
            yield self._row("pay", "interest on withholding paid late", prefix, "tds_interest_inr")

    def _elsewhere(self, prefix: str, results: Mapping[str, Any]) -> Iterator[DutyRow]:
        for key in results:
            for start, section, what in (
                ("output_tax_", "pay", "tax by reverse charge, as output tax"), ("use_tax_due_", "pay", "use tax"),
                ("input_tax_", "claim", "input tax"), ("irrecoverable_tax_", "reverse", "tax that isn't recovered"),
            ):  # fmt: skip
                if key.startswith(start) and len(key) == len(start) + 3 and Decimal(results[key]):
                    yield self._row(section, what, prefix, key)

    def _row(
        self, section: str, what: str, prefix: str, key: str, *, due: Any = None, row: str = "", note: str = "",
        text: bool = False,
    ) -> DutyRow:  # fmt: skip
        figure = self.figures[prefix + key]
        unit = key.rsplit("_", 1)[-1].upper()
        doubts = self.computed.confirm if section in ("withhold", "decide") or text else []
        return DutyRow(
            section, what, self.name, self.vendor, self.payer,
            amount=None if text else Decimal(figure["value"]),
            currency="" if text else unit,
            due=date.fromisoformat(due) if due else None,
            row=row, rules=figure["rules"], rate=figure["rate"], rate_from=figure["rate_from"],
            confidence=weakest([figure["confidence"], *(["medium"] if doubts else [])]), note=note,
        )  # fmt: skip


def _percent(rate: Any) -> str:
    return f"{Decimal(str(rate or 0)) * 100:f}".rstrip("0").rstrip(".") + " %"
