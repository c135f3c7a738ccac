"""What people say of their taxes and is kept: payers, vendors' entities, papers, positions, documents, own rules.

Inputs anywhere here are those of a case (`vocabulary.toml`), so that a document is computed by the one entry.
"""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from bursar.domain.errors import BadTax
from bursar.finance.tax.case import Case
from bursar.finance.tax.rules import convert_rules, read_rules

PAPER_KINDS = ("trc", "form41", "form10f", "no_pe", "beneficial_owner", "pan", "treaty_row", "pan_relief")
QUESTIONS = {
    "tds_position": ("not_chargeable", "royalty_or_fts", "royalty", "fts", "business_income"),
    "credit_position": ("advance", "voucher"),
    "gst_value_policy": ("include_tds", "exclude_tds"),
    "resident_tds_option": (
        "none", "technical_services_2pct", "professional_or_royalty_10pct", "works_contract_1pct",
        "works_contract_2pct",
    ),
}  # fmt: skip
LINES_MAX = 500
TEXT_MAX = 2_000


class PayerTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A company of ours. jurisdiction: IN, DE, US-TX. inputs: what holds for all its documents, such as customer_state.

    turnover: by month, exempt and total of the State, for the shared credit.
    """

    jurisdiction: str
    inputs: dict[str, Any] = {}
    turnover: dict[str, tuple[Decimal, Decimal]] = {}


class EntityTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who bills, as the document names it. registration: GSTIN or VAT number. inputs: what holds for all its bills."""

    vendor: str
    country: str
    registration: str = ""
    state: str = ""
    inputs: dict[str, Any] = {}


class PaperTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A paper of an entity, valid on both days and between. treaty_row: a professional confirmed the treaty's row."""

    entity: str
    kind: str
    valid_from: date
    valid_to: date
    number: str = ""
    evidence: str = ""


class PositionTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a question is answered from a day on. entity: "" for all."""

    question: str
    choice: str
    since: date
    adviser: str
    evidence: str
    entity: str = ""


class Billed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider's bill said of one issuer in one currency. amount: exact, before tax; tax: as the bill shows."""

    issuer: str
    currency: str
    amount: Decimal
    tax: Decimal


class DocumentTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bill or payment. lines: each with inputs of its own; `entity` of a line is who issued it, read off the bill.

    bill: id of the provider's bill that it was made from, "" where by hand; billed: what that said then.
    """

    payer: str
    entity: str = ""
    inputs: dict[str, Any] = {}
    lines: list[dict[str, Any]] = []
    note: str = ""
    bill: str = ""
    billed: list[Billed] = []


class RulesTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules and rows of a user's own, as TOML."""

    toml: str


Terms = PayerTerms | EntityTerms | PaperTerms | PositionTerms | DocumentTerms | RulesTerms
KINDS: dict[str, type[Terms]] = {
    "payer": PayerTerms, "entity": EntityTerms, "paper": PaperTerms, "position": PositionTerms,
    "document": DocumentTerms, "rules": RulesTerms,
}  # fmt: skip


class TaxRecord(msgspec.Struct, frozen=True):
    """A version of something that was said. terms: None where it was removed."""

    record_id: str
    kind: str
    name: str
    version: int
    terms: Terms | None
    created_us: int
    created_by: str


def read_kept(kind: str, given: Any) -> Terms:
    """Terms of a kind, checked. Raises BadTax that names what is wrong."""
    if kind not in KINDS:
        raise BadTax(f"kind: {kind[:40]!r}; it is {', '.join(KINDS)}", field="kind")
    try:
        terms = msgspec.convert(given, KINDS[kind], strict=False)
    except msgspec.ValidationError as error:
        raise BadTax(f"{kind}: {error}", field=kind) from error
    check_kept(terms)
    return terms


def check_kept(terms: Terms) -> None:
    """Raises BadTax that names what is wrong."""
    match terms:
        case PayerTerms():
            Case(terms.inputs)
            _some("jurisdiction", terms.jurisdiction)
            _check_turnover(terms)
        case EntityTerms():
            Case(terms.inputs)
            _some("vendor", terms.vendor)
            if len(terms.country) != 2:
                raise BadTax(f"country: {terms.country[:20]!r}; write two letters, such as US", field="country")
        case PaperTerms():
            _some("entity", terms.entity)
            _one_of("kind", terms.kind, PAPER_KINDS)
            if terms.valid_to < terms.valid_from:
                raise BadTax("valid_to: it ends before it begins", field="valid_to")
        case PositionTerms():
            _one_of("question", terms.question, tuple(QUESTIONS))
            _one_of("choice", terms.choice, QUESTIONS[terms.question])
            _some("adviser", terms.adviser)
            _some("evidence", terms.evidence)
        case DocumentTerms():
            _check_document(terms)
        case RulesTerms():
            read_rules(terms.toml)


def rule_file(terms: RulesTerms, name: str) -> Any:
    """Rules of a user's own, each row with where it came from."""
    return read_rules(terms.toml, f"own rules {name}")


def _check_document(terms: DocumentTerms) -> None:
    _some("payer", terms.payer)
    if len(terms.lines) > LINES_MAX:
        raise BadTax(f"lines: {len(terms.lines)}, at most {LINES_MAX}", field="lines")
    if "lines" in terms.inputs:
        raise BadTax("inputs: lines stand beside inputs, not in them", field="inputs")
    read = Case(terms.inputs)
    for line in terms.lines:
        Case({name: value for name, value in line.items() if name != "entity"})
    if not read.has("amount", "gst_taxable_value") and not terms.lines:
        raise BadTax("amount: a document has an amount, as amount_usd, or lines that have one", field="amount")


def _check_turnover(terms: PayerTerms) -> None:
    for month, (exempt, whole) in terms.turnover.items():
        if len(month) != 7 or not 0 <= exempt <= whole:
            raise BadTax(f"turnover: {month[:20]!r}; write 2026-11 = [exempt, total], exempt at most the total",
                         field="turnover")  # fmt: skip


def _one_of(field: str, text: str, known: tuple[str, ...]) -> None:
    if text not in known:
        raise BadTax(f"{field}: {text[:40]!r}; it is {', '.join(known)}", field=field)


def _some(field: str, text: str) -> None:
    if not text.strip() or len(text) > TEXT_MAX:
        raise BadTax(f"{field}: a text of 1 to {TEXT_MAX} characters is needed", field=field)


__all__ = ["KINDS", "Billed", "TaxRecord", "Terms", "check_kept", "convert_rules", "read_kept"]
