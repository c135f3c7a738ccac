"""A month's tax work sheet: what to self-invoice, pay, claim, reverse, withhold, file and decide, and by when.

Each duty is of one document; what is claimed and given back is of the month, since the shared credit is.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from bursar.domain.errors import BadTax, BursarError
from bursar.finance.tax.book import TaxBook
from bursar.finance.tax.case import Case, RateOf
from bursar.finance.tax.compute import Computed, compute
from bursar.finance.tax.documents import Known, case_of, what_is_known
from bursar.finance.tax.duties import DutyRow, duties_of, sections
from bursar.finance.tax.kept import DocumentTerms, TaxRecord
from bursar.finance.tax.month_credit import MonthCredit, credit_of_month
from bursar.finance.tax.rules import RuleBook
from bursar.finance.tax.vocabulary import read_day


class SheetDocument(msgspec.Struct, frozen=True):
    """A document that the month is about. fault: why it couldn't be computed."""

    name: str
    payer: str
    vendor: str
    record_id: str
    inputs: dict[str, Any]
    computed: Computed | None
    fault: str = ""
    fault_field: str = ""


class Total(msgspec.Struct, frozen=True):
    """A sum of a section in one currency."""

    section: str
    currency: str
    amount: Decimal
    count: int


class WorkSheet(msgspec.Struct, frozen=True):
    """month: 2026-11. confirm: what a professional must confirm, once each."""

    month: str
    duties: list[DutyRow]
    totals: list[Total]
    credits: list[MonthCredit]
    documents: list[SheetDocument]
    confirm: list[str]
    rule_ids: list[str]

    def of(self, section: str) -> list[DutyRow]:
        return [one for one in self.duties if one.section == section]


def read_month(text: str) -> str:
    """Raises BadTax for what is no month, or one of a year that no day may be of."""
    try:
        month = date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise BadTax(f"month: {text[:20]!r} is no month; write 2026-11", field="month") from error
    return f"{read_day('month', month):%Y-%m}"


def work_sheet(
    book: TaxBook, month: str, rate_of: RateOf | None = None, news: Mapping[str, str] | None = None
) -> WorkSheet:
    """Of all documents that were kept. rate_of: for rates they don't state. news: by document, what its bill says
    otherwise now. Raises BadTax for a month that is none."""
    return make_sheet(book.all("document"), what_is_known(book), book.rules(), read_month(month), rate_of, news)


def make_sheet(
    records: Iterable[TaxRecord], known: Known, rules: RuleBook, month: str, rate_of: RateOf | None = None,
    news: Mapping[str, str] | None = None,
) -> WorkSheet:  # fmt: skip
    """Pure: a document that can't be computed is told as something to decide, and hides no other."""
    documents, duties = [], []
    for record in records:
        if isinstance(record.terms, DocumentTerms):
            one = compute_document(record, known, rules, rate_of)
            mine = duties_of(one.name, one.vendor, one.payer, one.computed, one.fault, month, rules)
            if mine and (one.computed or _is_of(one.inputs, month)):
                documents.append(one)
                duties.extend(mine)
                if told := (news or {}).get(one.name):
                    what = f"{told}; take the bill again"
                    duties.append(DutyRow("decide", what, one.name, one.vendor, one.payer, confidence="low"))
    month_credits = credit_of_month(documents, known, rules, month)
    duties.extend(duty for one in month_credits for duty in one.duties(month, rules))
    duties.sort(key=lambda one: (sections().index(one.section), one.due or date.max, one.document))
    found = [one.computed for one in documents if one.computed]
    return WorkSheet(
        month,
        duties,
        _totals(duties),
        month_credits,
        documents,
        list(dict.fromkeys(why for one in found for why in one.confirm)),
        sorted({rule for one in found for rule in one.rule_ids}),
    )


def compute_document(record: TaxRecord, known: Known, rules: RuleBook, rate_of: RateOf | None = None) -> SheetDocument:
    """One kept document, computed; what can't be has its fault. Raises BadTax for a record that is no document."""
    terms = record.terms
    if not isinstance(terms, DocumentTerms):
        raise BadTax(f"kind: {record.kind} {record.name!r} is no document", field="kind")
    entity = known.entities.get(terms.entity)
    vendor = entity.vendor if entity else terms.entity or "several"
    try:
        case = case_of(terms, known)
        computed = compute({**case, "id": record.name}, rules, rate_of=rate_of)
    except BursarError as error:
        return SheetDocument(
            record.name, terms.payer, vendor, record.record_id, terms.inputs, None, error.message, error.field or ""
        )
    return SheetDocument(record.name, terms.payer, vendor, record.record_id, case["inputs"], computed)


def _is_of(inputs: dict[str, Any], month: str) -> bool:
    """Whether a day that a document names lies in the month; one that names none, or can't be read, may be of any."""
    try:
        days = [day for day in Case(inputs, lenient=True).values.values() if isinstance(day, date)]
    except BursarError:
        return True
    return not days or any(f"{day:%Y-%m}" == month for day in days)


def _totals(duties: Iterable[DutyRow]) -> list[Total]:
    sums: dict[tuple[str, str], list[Decimal]] = {}
    for one in duties:
        if one.amount is not None:
            sums.setdefault((one.section, one.currency), []).append(one.amount)
    return [Total(section, unit, sum(found, Decimal(0)), len(found)) for (section, unit), found in sums.items()]
