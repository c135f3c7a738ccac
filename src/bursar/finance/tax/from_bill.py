"""A provider's bill as a tax document: what it says itself, what a person must say beside it, and whether it changed.

Pure: lines in, terms out. Who bills is read off the lines where they say it, and asked for where they don't.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from bursar.domain.errors import BadTax
from bursar.finance.reconcile.bill import BillLine
from bursar.finance.tax.case import overlaid
from bursar.finance.tax.documents import Known
from bursar.finance.tax.exact import ZERO, half_up
from bursar.finance.tax.kept import Billed, DocumentTerms


class BillFacts(msgspec.Struct, frozen=True):
    """A bill as it stands. waiting: differences nobody decided about; None: it was never compared, or couldn't be."""

    bill: str
    provider: str
    month: str
    lines: list[BillLine]
    waiting: int | None = 0


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person says of a bill. number: the invoice's. entities: for issuers whose name on the bill isn't kept.

    inputs: anything else of a case (`payment_date`, `self_invoice_date`, a rate). although_open: take it although
    differences wait.
    """

    payer: str = ""
    entity: str = ""
    number: str = ""
    invoice_date: date | None = None
    entities: dict[str, str] = {}
    inputs: dict[str, Any] = {}
    although_open: bool = False


class Question(msgspec.Struct, frozen=True):
    """Something a bill doesn't say. choices: what is kept; none: any text. issuer: of `entities`, whose entity."""

    field: str
    says: str
    choices: list[str] = []
    issuer: str = ""


def billed_parts(lines: Iterable[BillLine]) -> list[Billed]:
    """Sums by issuer and currency, exact; usage pages without money say nothing here."""
    sums: dict[tuple[str, str], list[Decimal]] = {}
    for line in lines:
        if line.amount is not None:
            place = sums.setdefault((line.issuer, line.currency.upper()), [ZERO, ZERO])
            place[line.kind == "tax"] += line.amount
    return [Billed(issuer, unit, amount, tax) for (issuer, unit), (amount, tax) in sorted(sums.items())]


def questions(facts: BillFacts, said: Said, known: Known, *, again: bool = False) -> list[Question]:
    """What is missing still, in the order it is asked. again: the document is there and keeps what was said then."""
    found: list[Question] = []
    parts = billed_parts(facts.lines)
    if not parts:
        found.append(Question("amount", "the bill has no line with money: bring in its costs, or type its total"))
    if again:
        return [*found, *_open(facts, said)]
    if not said.number.strip():
        found.append(Question("number", "the number that the vendor's invoice has"))
    if not said.payer and len(known.payers) != 1:
        found.append(Question("payer", "which company of yours pays", sorted(known.payers)))
    for part in parts:
        if not _entity(part.issuer, facts, said, known) and not any(
            one.issuer == part.issuer for one in found if one.field in ("entity", "entities")
        ):  # fmt: skip
            who = f"which kept entity {part.issuer!r} is" if part.issuer else "the legal entity on the invoice"
            field = "entities" if part.issuer else "entity"
            found.append(Question(field, who, sorted(known.entities), part.issuer))
    if said.invoice_date is None:
        found.append(Question("invoice_date", "the day on the vendor's invoice"))
    return [*found, *_open(facts, said)]


def _open(facts: BillFacts, said: Said) -> list[Question]:
    """Whether it may be taken although it isn't accepted yet."""
    if facts.waiting == 0 or said.although_open:
        return []
    told = {None: "it was never compared", 1: "a difference waits for a decision"}.get(
        facts.waiting, f"{facts.waiting} differences wait for a decision"
    )
    return [Question("although_open", f"{told}; decide first, or take it all the same")]


def document_of(facts: BillFacts, said: Said, known: Known, before: DocumentTerms | None = None) -> DocumentTerms:
    """Terms to keep. before: the document that was made of this bill earlier; what was said then stays.

    Raises BadTax that names the first thing missing and tells them all.
    """
    if missing := questions(facts, said, known, again=before is not None):
        told = "; ".join(f"{one.field}: {one.says}" for one in missing)
        raise BadTax(f"{told}", field=missing[0].field)
    parts = billed_parts(facts.lines)
    if before is not None:
        return _taken_again(facts, said, known, before, parts)
    payer = said.payer or next(iter(known.payers))
    shared: dict[str, Any] = {"invoice_date": str(said.invoice_date), "service_receipt_date": str(last_day(facts))}
    entities = [_entity(one.issuer, facts, said, known) for one in parts]
    if len(parts) == 1:
        inputs = overlaid({**shared, **_amounts(parts[0])}, said.inputs)
        return DocumentTerms(payer, entities[0], inputs, bill=facts.bill, billed=parts)
    lines = [{"entity": entity, **_amounts(part)} for entity, part in zip(entities, parts, strict=True)]
    return DocumentTerms(payer, "", overlaid(shared, said.inputs), lines, bill=facts.bill, billed=parts)


def news_of(terms: DocumentTerms, facts: BillFacts | None) -> str:
    """What a document's bill says otherwise now; "" where it stands as it was, or where there is none."""
    if not terms.bill:
        return ""
    parts = billed_parts(facts.lines) if facts else []
    if not parts:
        return f"the bill {terms.bill} that it was made from is withdrawn: nothing of it stands any more"
    if parts == terms.billed:
        return ""
    return (
        f"the bill {terms.bill} changed after it was made: it said {_told(terms.billed)}, and says {_told(parts)} now"
    )


def last_day(facts: BillFacts) -> date:
    """Of the period that its money is about."""
    return max(line.end for line in facts.lines if line.amount is not None) - timedelta(days=1)


def _taken_again(
    facts: BillFacts, said: Said, known: Known, before: DocumentTerms, parts: Sequence[Billed]
) -> DocumentTerms:
    """The same document with what the bill says now; entities of lines stay with their issuers."""
    earlier = dict(zip(((one.issuer, one.currency) for one in before.billed), before.lines, strict=False))
    inputs: Mapping[str, Any] = {key: one for key, one in before.inputs.items() if key not in _AMOUNT_FIELDS}
    inputs = overlaid({**inputs, "service_receipt_date": str(last_day(facts))}, said.inputs)
    if len(parts) == 1:
        line = earlier.get((parts[0].issuer, parts[0].currency), {})
        entity = before.entity or str(line.get("entity", "")) or _entity(parts[0].issuer, facts, said, known)
        inputs = overlaid(inputs, _amounts(parts[0]))
        return msgspec.structs.replace(before, entity=entity, inputs=inputs, lines=[], billed=list(parts))
    lines = []
    for part in parts:
        kept = earlier.get((part.issuer, part.currency), {})
        entity = str(kept.get("entity", "")) or _entity(part.issuer, facts, said, known) or before.entity
        own = {key: one for key, one in kept.items() if key not in _AMOUNT_FIELDS}
        lines.append({**own, "entity": entity, **_amounts(part)})
    return msgspec.structs.replace(before, entity="", inputs=dict(inputs), lines=lines, billed=list(parts))


_AMOUNT_FIELDS = ("amount", "invoice_currency", "vendor_tax_charged")


def _amounts(part: Billed) -> dict[str, Any]:
    """To the cent, as an invoice has it; tax only where the bill shows some."""
    told = {"amount": format(half_up(part.amount), "f"), "invoice_currency": part.currency}
    return told | ({"vendor_tax_charged": format(half_up(part.tax), "f")} if part.tax else {})


def _entity(issuer: str, facts: BillFacts, said: Said, known: Known) -> str:
    """The kept entity that issued a part; "" where it must be asked for."""
    if issuer:
        by_name = {name.casefold(): name for name in known.entities}
        return said.entities.get(issuer, "") or by_name.get(issuer.casefold(), "")
    if said.entity:
        return said.entity
    word = facts.provider.casefold().split("-")[0]
    mine = [name for name, one in known.entities.items() if word in one.vendor.casefold()]
    return mine[0] if len(mine) == 1 else ""


def _told(parts: Sequence[Billed]) -> str:
    if not parts:
        return "nothing"
    return " and ".join(
        f"{half_up(one.amount)} {one.currency}" + (f" with tax {half_up(one.tax)}" if one.tax else "") for one in parts
    )
