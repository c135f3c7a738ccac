"""Bills and tax documents, linked: one step makes a document of a bill, and a bill that changed is told on it."""

import msgspec

from bursar.domain.errors import BadTax, UnknownControl
from bursar.finance.reconcile.book import InvoiceBook
from bursar.finance.reconcile.desk import summary_of
from bursar.finance.tax.book import TaxBook
from bursar.finance.tax.case import RateOf
from bursar.finance.tax.documents import what_is_known
from bursar.finance.tax.from_bill import BillFacts, Question, Said, document_of, news_of, questions
from bursar.finance.tax.kept import DocumentTerms, TaxRecord
from bursar.finance.tax.sheet import SheetDocument, compute_document


class Made(msgspec.Struct, frozen=True):
    """A document made of a bill. is_new: it wasn't there before; computed.fault: what it still lacks."""

    record: TaxRecord
    is_new: bool
    computed: SheetDocument


class BillDesk:
    """Both books of a site. rate_of: kept rates of exchange, by purpose."""

    def __init__(self, taxes: TaxBook, bills: InvoiceBook, rate_of: RateOf | None = None) -> None:
        self._taxes = taxes
        self._bills = bills
        self._rate_of = rate_of

    def questions(self, bill: str, said: Said) -> list[Question]:
        """What a document of this bill still needs. Raises UnknownControl."""
        again = self.document_of(bill) is not None
        return questions(self._facts(bill), said, what_is_known(self._taxes), again=again)

    def make(self, bill: str, said: Said, *, actor: str) -> Made:
        """The bill's document; made again of a bill that changed, it is one version more, and else none.

        Raises BadTax that names what is missing, or a number that another document has; UnknownControl.
        """
        facts, before = self._facts(bill), self.document_of(bill)
        known = what_is_known(self._taxes)
        kept = before.terms if before and isinstance(before.terms, DocumentTerms) else None
        if before and said.number and said.number != before.name:
            raise BadTax(f"number: the bill is in document {before.name!r} already; a bill is in one", field="number")
        terms = document_of(facts, said, known, kept)
        name = before.name if before else said.number.strip()
        if before is None and any(one.name == name for one in self._taxes.all("document")):
            raise BadTax(f"number: a document {name!r} is kept already, and not of this bill", field="number")
        record = self._taxes.save("document", name, terms, actor=actor)
        computed = compute_document(record, known, self._taxes.rules(), self._rate_of)
        return Made(record, before is None, computed)

    def document_of(self, bill: str) -> TaxRecord | None:
        """The document that was made of a bill."""
        return next(
            (
                one
                for one in self._taxes.all("document")
                if isinstance(one.terms, DocumentTerms) and one.terms.bill == bill
            ),
            None,
        )

    def news(self, record: TaxRecord) -> str:
        """What a document's bill says otherwise now, or that it is withdrawn; "" where it stands."""
        terms = record.terms
        if not isinstance(terms, DocumentTerms) or not terms.bill:
            return ""
        try:
            return news_of(terms, self._facts(terms.bill))
        except UnknownControl:
            return news_of(terms, None)

    def all_news(self) -> dict[str, str]:
        """By document, those alone that have some."""
        found = {one.name: self.news(one) for one in self._taxes.all("document")}
        return {name: told for name, told in found.items() if told}

    def _facts(self, bill: str) -> BillFacts:
        invoice = self._bills.one(bill)
        summary = summary_of(invoice)
        waiting = None if summary is None or summary.fault else summary.open_count
        return BillFacts(bill, invoice.provider, invoice.month, self._bills.lines(bill), waiting)
