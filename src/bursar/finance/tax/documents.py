"""A kept document as a case: what its payer, the entity that bills, its papers and positions in force say of it.

Also documents from CSV: a row each, or a row a line.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from bursar.domain.errors import BadTax, BursarError
from bursar.finance.tax.book import TaxBook
from bursar.finance.tax.case import Case, overlaid
from bursar.finance.tax.kept import (
    QUESTIONS,
    DocumentTerms,
    EntityTerms,
    PaperTerms,
    PayerTerms,
    PositionTerms,
    Terms,
    read_kept,
)
from bursar.finance.tax.withholding import trigger_of

PAPER_FLAGS = {
    "trc": "trc_on_file", "form41": "form41_on_file", "form10f": "form10f_on_file",
    "no_pe": "no_pe_declaration_on_file", "beneficial_owner": "beneficial_owner_declaration_on_file",
    "pan": "vendor_pan", "treaty_row": "treaty_rate_confirmed", "pan_relief": "pan_relief_particulars",
}  # fmt: skip
CSV_ROWS_MAX = 5_000
LINE_FIELDS = ("number", "payer", "entity", "note")


class Known(msgspec.Struct, frozen=True):
    """What is known beside documents. positions: every version, since an older one holds for older days."""

    payers: dict[str, PayerTerms]
    entities: dict[str, EntityTerms]
    papers: list[PaperTerms]
    positions: list[PositionTerms]


def what_is_known(book: TaxBook) -> Known:
    """From the store, once for a sheet."""
    positions = [
        one.terms
        for kept in book.all("position")
        for one in book.history("position", kept.name)
        if isinstance(one.terms, PositionTerms)
    ]
    return Known(
        {one.name: one.terms for one in book.all("payer") if isinstance(one.terms, PayerTerms)},
        {one.name: one.terms for one in book.all("entity") if isinstance(one.terms, EntityTerms)},
        [one.terms for one in book.all("paper") if isinstance(one.terms, PaperTerms)],
        positions,
    )


def case_of(terms: DocumentTerms, known: Known) -> dict[str, Any]:
    """What `compute` takes. Raises BadTax."""
    payer = known.payers.get(terms.payer)
    if payer is None:
        raise BadTax(f"payer: {terms.payer!r} was removed; add it again", field="payer")
    inputs = _with_entity(overlaid(payer.inputs, terms.inputs), terms.inputs, terms.entity, payer, known)
    if terms.lines:
        inputs["lines"] = [_line(line, inputs, payer, known) for line in terms.lines]
    return {"jurisdiction": payer.jurisdiction, "inputs": inputs}


def position_on(known: Known, question: str, entity: str, day: date | None) -> PositionTerms | None:
    """The choice in force on a day: the entity's own before one for all, the one that began last."""
    found = [
        (bool(one.entity), one.since, at, one)
        for at, one in enumerate(known.positions)
        if one.question == question and one.entity in ("", entity) and (day is None or one.since <= day)
    ]
    return max(found, key=lambda one: one[:3])[3] if found else None


def documents_from_csv(content: bytes, mapping: Mapping[str, str]) -> list[tuple[str, Terms]]:
    """A document for each `number`; rows that share one are its lines. mapping: their column to our field.

    Raises BadTax that names the row. Nothing is kept here.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadTax(f"csv: not CSV in UTF-8: {error}", field="csv") from error
    if len(rows) > CSV_ROWS_MAX:
        raise BadTax(f"csv: {len(rows)} rows, at most {CSV_ROWS_MAX}", field="csv")
    bills: dict[str, list[dict[str, Any]]] = {}
    for at, row in enumerate(rows, start=2):
        if None in row:
            raise BadTax(f"csv: row {at} has more fields than there are columns", field="csv")
        told = {mapping.get(name, name): value.strip() for name, value in row.items() if value and value.strip()}
        if not told.get("number"):
            raise BadTax(f"number: row {at} has none; map the column that names the document", field="number")
        bills.setdefault(told["number"], []).append(told)
    return [(number, _bill(number, lines)) for number, lines in bills.items()]


def _bill(number: str, lines: Sequence[dict[str, Any]]) -> Terms:
    first = lines[0]
    try:
        if len(lines) == 1:
            return read_kept("document", _head(first) | {"inputs": _inputs(first)})
        shared = {name: value for name, value in first.items() if all(one.get(name) == value for one in lines)}
        own = [{name: value for name, value in one.items() if name not in (*shared, "number", "payer", "note")}
               for one in lines]  # fmt: skip
        return read_kept("document", _head(shared) | {"inputs": _inputs(shared), "lines": own})
    except BursarError as error:
        raise BadTax(f"document {number}: {error.message}", field=error.field) from error


def _head(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("payer", "entity", "note") if name in row}


def _inputs(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in LINE_FIELDS}


def _line(
    line: Mapping[str, Any], inputs: Mapping[str, Any], payer: PayerTerms, known: Known
) -> dict[str, Any]:  # fmt: skip
    """A line with what is known of its own issuer; the bill's stand under it."""
    own = {name: value for name, value in line.items() if name != "entity"}
    entity = str(line.get("entity", ""))
    if not entity:
        return own
    whole = _with_entity(overlaid(inputs, own), own, entity, payer, known)
    return {name: value for name, value in whole.items() if name not in inputs or inputs[name] != value or name in own}


def _with_entity(
    inputs: dict[str, Any], own: Mapping[str, Any], name: str, payer: PayerTerms, known: Known
) -> dict[str, Any]:
    entity = known.entities.get(name)
    told = {} if entity is None else _entity_inputs(entity)
    merged = overlaid(overlaid(inputs, told), own)
    if payer.jurisdiction != "IN":
        return merged
    day = trigger_of(Case(merged, lenient=True))
    return overlaid(overlaid(_papers(known.papers, name, day), _positions(known, name, day)), merged)


def _entity_inputs(entity: EntityTerms) -> dict[str, Any]:
    told: dict[str, Any] = {"vendor_country": entity.country}
    if entity.country == "IN":
        told |= {"issuer_gstin": entity.registration} if entity.registration else {}
        told |= {"supplier_state": entity.state} if entity.state else {}
    return overlaid(told, entity.inputs)


def _papers(papers: Iterable[PaperTerms], entity: str, day: date | None) -> dict[str, Any]:
    """Flags of the papers valid on the trigger date; a paper that nobody holds is missing."""
    held = {one.kind for one in papers if one.entity == entity and day and one.valid_from <= day <= one.valid_to}
    flags = {flag: True for kind, flag in PAPER_FLAGS.items() if kind in held}
    return {"trc_on_file": False, "form41_on_file": False, "treaty_rate_confirmed": False, "vendor_pan": False} | flags


def _positions(known: Known, entity: str, day: date | None) -> dict[str, Any]:
    found = {question: position_on(known, question, entity, day) for question in QUESTIONS}
    return {question: one.choice for question, one in found.items() if one is not None}
