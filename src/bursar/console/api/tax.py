"""The JSON API of tax: the month's work sheet, one case computed, rules, and what is kept."""

import asyncio
from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from bursar.console.api.answers import csv_bytes
from bursar.console.api.controls import Asked, as_csv
from bursar.console.api.parameters import PROBLEMS, Shape
from bursar.console.context import ACTOR, ConsoleContext
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadTax
from bursar.finance.tax.book import TaxBook
from bursar.finance.tax.compute import Computed, compute
from bursar.finance.tax.documents import documents_from_csv
from bursar.finance.tax.kept import TaxRecord, read_kept
from bursar.finance.tax.kept_rates import kept_rates
from bursar.finance.tax.month_credit import MonthCredit
from bursar.finance.tax.rules import RuleBook
from bursar.finance.tax.sheet import WorkSheet, read_month

_Month = Annotated[str | None, QueryParameter(description="2026-11; default: this month (UTC).")]
_On = Annotated[str | None, QueryParameter(description="2026-11-12: rows that hold on that day; default: all.")]
DUTY_HEADS = ("section", "what", "document", "vendor", "payer", "amount", "currency", "due", "row", "rules", "rate",
              "rate_from", "confidence", "confirm", "note")  # fmt: skip


class DutyAnswer(msgspec.Struct, frozen=True):
    """One thing to do. amount: decimal text in `currency`; null where it is no sum. confirm: "" where all is high."""

    section: str
    what: str
    document: str
    vendor: str
    payer: str
    amount: str | None
    currency: str
    due: date | None
    row: str
    rules: list[str]
    rate: str
    rate_from: str
    confidence: str
    confirm: str
    note: str


class TotalAnswer(msgspec.Struct, frozen=True):
    """A section's sum in one currency."""

    section: str
    currency: str
    amount: str
    count: int


class CreditAnswer(msgspec.Struct, frozen=True):
    """The month's credit of a payer, by head. taken: by row of the return. shared: rule 42, null where all is taxed."""

    payer: str
    head: str
    taken: dict[str, str]
    reversed: str
    net: str
    shared: dict[str, str] | None


class SheetAnswer(msgspec.Struct, frozen=True):
    """The month's work sheet; `documents` are those it is about, each as computed, or its fault."""

    month: str
    duties: list[DutyAnswer]
    totals: list[TotalAnswer]
    credits: list[CreditAnswer]
    documents: list[dict[str, Any]]
    confirm: list[str]
    rule_ids: list[str]


class RecordAnswer(msgspec.Struct, frozen=True):
    """A version of something that was said. terms: null where it was removed."""

    record_id: str
    kind: str
    name: str
    version: int
    terms: dict[str, Any] | None
    created_at: datetime
    created_by: str


class RuleAnswer(msgspec.Struct, frozen=True):
    """A rule in its words, or a row that is computed with (`table`, `key`, `values`)."""

    id: str
    table: str
    key: str
    starts: str
    ends: str
    text: str
    values: dict[str, Any]
    citation: str
    confidence: str
    origin: str


class DocumentsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Documents as CSV; mapping: their column to ours."""

    content: str
    mapping: dict[str, str] = {}


def book_of(request: Asked) -> TaxBook:
    context: ConsoleContext = request.app.state.context
    return context.finance().taxes


def sheet_answer(sheet: WorkSheet) -> SheetAnswer:
    return SheetAnswer(
        sheet.month,
        [
            DutyAnswer(
                one.section, one.what, one.document, one.vendor, one.payer,
                None if one.amount is None else format(one.amount, "f"), one.currency, one.due, one.row, one.rules,
                one.rate, one.rate_from, one.confidence, one.confirm, one.note,
            )
            for one in sheet.duties
        ],
        [TotalAnswer(one.section, one.currency, format(one.amount, "f"), one.count) for one in sheet.totals],
        [_credit(one) for one in sheet.credits],
        [
            {"name": one.name, "payer": one.payer, "vendor": one.vendor, "fault": one.fault, "computed": one.computed}
            for one in sheet.documents
        ],
        sheet.confirm,
        sheet.rule_ids,
    )  # fmt: skip


def sheet_csv(answer: SheetAnswer) -> bytes:
    """A row for each duty."""
    return csv_bytes(
        DUTY_HEADS,
        (
            ["; ".join(value) if isinstance(value, list) else value
             for value in (getattr(one, name) for name in DUTY_HEADS)]
            for one in answer.duties
        ),
    )  # fmt: skip


def rule_answers(book: RuleBook, on: date | None) -> list[RuleAnswer]:
    """Every rule, then every row; with a day, the rows that hold on it."""
    rules = [
        RuleAnswer(one.id, "", "", one.starts, one.ends, one.condition, {"rate": one.rate}, one.citation,
                   one.confidence, "")
        for one in book.rules.values()
    ]  # fmt: skip
    rows = [
        RuleAnswer(one.rule, one.table, one.key, one.starts, one.ends, book.rules[one.rule].condition, one.values,
                   one.citation or book.rules[one.rule].citation, book.confidence(one), one.origin)
        for one in book.rows if on is None or one.holds_on(on)
    ]  # fmt: skip
    return [*rules, *rows]


def record_answer(one: TaxRecord) -> RecordAnswer:
    terms = None if one.terms is None else msgspec.to_builtins(one.terms)
    return RecordAnswer(
        one.record_id, one.kind, one.name, one.version, terms, datetime_from_us(one.created_us), one.created_by
    )


def month_now(context: ConsoleContext, text: str | None) -> str:
    """Raises BadTax."""
    return read_month(text) if text else f"{context.now():%Y-%m}"


@get("/api/tax/worksheet", sync_to_thread=True, responses=PROBLEMS, summary="The month's tax work sheet")
def worksheet(request: Asked, month: _Month = None, format_: Shape = None) -> Response[SheetAnswer]:
    """What to self-invoice, pay, claim, give back, withhold, file and decide, and by when. 400 `bad_tax`."""
    context: ConsoleContext = request.app.state.context
    answer = sheet_answer(context.finance().tax_sheet(month_now(context, month)))
    return as_csv(sheet_csv(answer)) if format_ == "csv" else Response(answer)


@get("/api/tax/rules", sync_to_thread=True, responses=PROBLEMS, summary="Rules of tax, and the rows computed with")
def rules(request: Asked, on: _On = None) -> list[RuleAnswer]:
    """400 `bad_tax`."""
    return rule_answers(book_of(request).rules(), _day(on))


@post("/api/tax/compute", status_code=200, responses=PROBLEMS, summary="Compute one case; nothing is kept")
async def compute_case(request: Asked, data: JSONBody[dict[str, Any]]) -> Computed:
    """A case as tax_golden.json has them. 400 `bad_tax` names the input that is unknown or missing."""
    context: ConsoleContext = request.app.state.context
    desk = context.finance()
    return await asyncio.to_thread(lambda: compute(data, desk.taxes.rules(), rate_of=kept_rates(desk.rates.rates())))


@get("/api/tax/records/{kind:str}", responses=PROBLEMS, summary="What is kept of a kind")
async def records(request: Asked, kind: FromPath[str]) -> list[RecordAnswer]:
    """kind: payer, entity, paper, position, document or rules."""
    return [record_answer(one) for one in await asyncio.to_thread(book_of(request).all, kind)]


@get("/api/tax/records/{kind:str}/{name:str}", responses=PROBLEMS, summary="All versions of one")
async def history(request: Asked, kind: FromPath[str], name: FromPath[str]) -> list[RecordAnswer]:
    """Oldest first. 404 `unknown_control`."""
    book = book_of(request)
    found = await asyncio.to_thread(lambda: book.history(kind, book.one(kind, name).name))
    return [record_answer(one) for one in found]


@post("/api/tax/records/{kind:str}/{name:str}", status_code=200, responses=PROBLEMS, summary="Keep a version")
async def keep(
    request: Asked, kind: FromPath[str], name: FromPath[str], data: JSONBody[dict[str, Any]]
) -> RecordAnswer:
    """The terms; those before stay as history. 400 `bad_tax`, 404 `unknown_control` for a name it refers to."""
    book = book_of(request)
    return record_answer(await asyncio.to_thread(lambda: book.save(kind, name, read_kept(kind, data), actor=ACTOR)))


@delete("/api/tax/records/{kind:str}/{name:str}", status_code=200, responses=PROBLEMS, summary="Take it out")
async def remove(request: Asked, kind: FromPath[str], name: FromPath[str]) -> dict[str, str]:
    """Its versions stay. 404 `unknown_control`."""
    gone = await asyncio.to_thread(lambda: book_of(request).remove(kind, name, actor=ACTOR))
    return {"removed": gone.name}


@post("/api/tax/import", status_code=200, responses=PROBLEMS, summary="Keep documents of a CSV, all or none")
async def import_documents(request: Asked, data: JSONBody[DocumentsFile]) -> dict[str, int]:
    """400 `bad_tax` names the row and field."""

    def act() -> int:
        found = documents_from_csv(data.content.encode(), data.mapping)
        return book_of(request).save_all([("document", name, terms) for name, terms in found], actor=ACTOR)

    return {"changed": await asyncio.to_thread(act)}


def _credit(one: MonthCredit) -> CreditAnswer:
    shared = None
    if one.shared is not None:
        shared = {name: format(value, "f") for name, value in msgspec.structs.asdict(one.shared).items()}
    return CreditAnswer(
        one.payer, one.head, {row: format(amount, "f") for row, amount in one.taken.items()}, format(one.reversed, "f"),
        format(one.net, "f"), shared,
    )  # fmt: skip


def _day(text: str | None) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadTax(f"on: {text[:40]!r} is no day; write 2026-11-12", field="on") from error


TAX_HANDLERS = [worksheet, rules, compute_case, records, history, keep, remove, import_documents]
