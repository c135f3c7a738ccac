"""Tax: the month's work sheet by section, the documents behind it, what is known of payers, vendors and positions."""

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from bursar.console.api.answers import csv_bytes
from bursar.console.api.tax import SheetAnswer, month_now, sheet_answer
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.format import Format
from bursar.console.forms.fields import Fields
from bursar.console.pages.serving import NO_STORE, Asked, fields_of
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadTax, UnknownControl, UnknownRoute
from bursar.finance.tax.book import TaxBook
from bursar.finance.tax.compute import Computed
from bursar.finance.tax.documents import documents_from_csv, what_is_known
from bursar.finance.tax.duties import SECTIONS, DutyRow
from bursar.finance.tax.kept import PAPER_KINDS, QUESTIONS, DocumentTerms, TaxRecord, read_kept
from bursar.finance.tax.kept_rates import kept_rates
from bursar.finance.tax.sheet import WorkSheet, compute_document, read_month
from bursar.reports.tax_print import sheet_pdf, told_money
from bursar.reports.tax_workbook import sheet_workbook

SAYS = {
    "self_invoice": "an invoice to yourself for each import of a service",
    "pay": "tax that falls on you, not on the vendor",
    "claim": "what comes back in the same return",
    "reverse": "credit that exempt, private or blocked use takes away",
    "withhold": "income tax out of, or on top of, what vendors get",
    "file": "forms, in the words of the law on the trigger date",
    "decide": "what nobody can compute until somebody says it",
}
TYPES = {"pdf": "application/pdf", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
SLASH = "~2F"
WORDS_OF_RESULT = {"tds": "TDS", "igst": "IGST", "cgst": "CGST", "sgst": "SGST", "inr": "INR", "usd": "USD",
                   "eur": "EUR", "gbp": "GBP", "itc": "ITC", "rcm": "reverse charge", "gstr3b": "GSTR-3B", "vat": "VAT",
                   "gst": "GST"}  # fmt: skip
CSV_HEADS = ("key", "value", "rules", "rate", "rate_from", "rate_to", "confidence", "confirm", "note")


class ShownDuty(msgspec.Struct, frozen=True):
    """A duty with its amount in words and where its document is."""

    duty: DutyRow
    amount: str
    due: str
    href: str
    late: bool


class ShownSection(msgspec.Struct, frozen=True):
    """key: of SECTIONS. sums: one for each currency."""

    key: str
    name: str
    says: str
    rows: list[ShownDuty]
    sums: list[str]


def tax_figures(context: ConsoleContext, view: View) -> SheetAnswer:
    """The page's figures for programs."""
    return sheet_answer(context.finance().tax_sheet(month_now(context, view.get("month"))))


def tax_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads."""
    book, month = context.finance().taxes, month_now(context, view.get("month"))
    sheet = context.finance().tax_sheet(month)
    first = date.fromisoformat(f"{month}-01")
    documents, news = book.all("document"), context.finance().tax_bills.all_news()
    return {
        "data": {
            "month": month,
            "month_name": display.month(first),
            "before_href": view.url(month=f"{first - timedelta(days=1):%Y-%m}"),
            "after_href": view.url(month=f"{first + timedelta(days=32):%Y-%m}"),
            "sections": _sections(sheet, context.now().date()),
            "credits": [one for one in sheet.credits if one.shared],
            "money": told_money,
            "confirm": sheet.confirm,
            "rule_ids": sheet.rule_ids,
            "rules": book.rules().rules,
            "documents": [{**_listed(one), "news": news.get(one.name, "")} for one in documents],
            "kinds": [(kind, name, [_listed(one) for one in book.all(kind)]) for kind, name in
                      (("payer", "Payers"), ("entity", "Vendors’ entities"), ("paper", "Papers"),
                       ("position", "Positions"), ("rules", "Own rules"))],
            "payers": [one.name for one in book.all("payer")],
            "entities": [one.name for one in book.all("entity")],
            "paper_kinds": PAPER_KINDS,
            "questions": QUESTIONS,
            "choices": sorted({choice for choices in QUESTIONS.values() for choice in choices}),
            "today": context.now().date().isoformat(),
        },
        "csrf": context.csrf,
        "has_pickers": False,
    }  # fmt: skip


def document_page(context: ConsoleContext, _view: View, _f: Format, name: str) -> dict[str, Any]:
    """One document: what was said, every figure with its rules, and what must be confirmed. Raises UnknownControl."""
    book = context.finance().taxes
    kept = _document(book, name)
    one = compute_document(kept, what_is_known(book), book.rules(), kept_rates(context.finance().rates.rates()))
    figures = [{**figure, "label": _label(figure["key"])} for figure in (one.computed.figures if one.computed else ())]
    return {
        "data": {
            "one": one,
            "kept": kept,
            "bill": kept.terms.bill if isinstance(kept.terms, DocumentTerms) else "",
            "news": context.finance().tax_bills.news(kept),
            "figures": figures,
            "inputs": [(key, value) for key, value in one.inputs.items() if key != "lines"],
            "lines": one.inputs.get("lines", []),
            "versions": [
                (version.version, datetime_from_us(version.created_us), version.created_by)
                for version in book.history("document", kept.name)
            ],
        },
        "csrf": context.csrf,
        "has_pickers": False,
    }


def document_figures(context: ConsoleContext, name: str) -> Computed:
    """Raises UnknownControl, and BadTax for a document that can't be computed."""
    book = context.finance().taxes
    one = compute_document(
        _document(book, name), what_is_known(book), book.rules(), kept_rates(context.finance().rates.rates())
    )
    if one.computed is None:
        raise BadTax(one.fault, field=one.fault_field)
    return one.computed


def document_csv(answer: Computed) -> bytes:
    """A row for each figure."""
    return csv_bytes(
        CSV_HEADS,
        (
            ["; ".join(one[head]) if isinstance(one[head], list) else str(one[head]) for head in CSV_HEADS]
            for one in answer.figures
        ),
    )


def document_href(name: str) -> str:
    """Its page. An address has no slash inside a name, so that a number's are written as `~2F`."""
    return f"/tax/{quote(name.replace('/', SLASH), safe='')}"


def _document(book: TaxBook, name: str) -> TaxRecord:
    """Raises UnknownControl."""
    try:
        return book.one("document", name)
    except UnknownControl:
        if SLASH not in name:
            raise
        return book.one("document", name.replace(SLASH, "/"))


def change_tax(context: ConsoleContext, form: Mapping[str, str]) -> str:
    """What a form or button asks for; where it leads. Raises Forbidden, BadTax, UnknownControl: nothing is kept."""
    context.check_form(form)
    book, fields, act = context.finance().taxes, Fields(form), form.get("act", "")
    if act == "remove":
        book.remove(form.get("kind", ""), form.get("name", ""), actor=ACTOR)
        return "/tax"
    if act == "import":
        mapping = _pairs(fields, "mapping", "Invoice no=number")
        found = documents_from_csv(form.get("content", "").encode(), mapping)
        book.save_all([("document", name, terms) for name, terms in found], actor=ACTOR)
        return "/tax#documents"
    if act not in ("payer", "entity", "paper", "position", "document"):
        raise BadTax(f"act: {act[:40]!r} is nothing this page does", field="act")
    name = fields.text("name")
    kept = book.save(act, name, read_kept(act, _terms(act, fields)), actor=ACTOR)
    return document_href(kept.name) if act == "document" else "/tax#known"


@post("/tax/change", include_in_schema=False, status_code=303)
async def change(request: Asked) -> Redirect:
    """The page's forms."""
    fields = await fields_of(request)
    target = await asyncio.to_thread(change_tax, request.app.state.context, fields)
    return Redirect(target, status_code=303)


@get("/tax/{month:str}/{name:str}", include_in_schema=False, sync_to_thread=True)
def sheet_file(request: Asked, month: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """`/tax/2026-11/worksheet.pdf` and `.xlsx`."""
    context: ConsoleContext = request.app.state.context
    kind = name.removeprefix("worksheet.")
    if kind not in TYPES:
        raise UnknownRoute(f"a work sheet is worksheet.pdf or worksheet.xlsx, not {name[:40]!r}")
    book = context.finance().taxes
    make = sheet_pdf if kind == "pdf" else sheet_workbook
    content = make(context.finance().tax_sheet(read_month(month)), context.config.organization, book.rules())
    headers = {**NO_STORE, "content-disposition": f'inline; filename="tax-{month}.{kind}"'}
    return Response(content, media_type=TYPES[kind], headers=headers)


def _terms(kind: str, fields: Fields) -> dict[str, Any]:
    """Terms of a form; what wasn't typed isn't said."""
    plain = {
        "payer": ("jurisdiction",), "entity": ("vendor", "country", "registration", "state"),
        "paper": ("entity", "kind", "number", "valid_from", "valid_to", "evidence"),
        "position": ("question", "choice", "since", "adviser", "evidence", "entity"),
        "document": ("payer", "entity", "note"),
    }[kind]  # fmt: skip
    told: dict[str, Any] = {name: fields.text(name) for name in plain if fields.text(name)}
    if kind in ("paper", "position"):
        return told
    told["inputs"] = dict(_pairs(fields, "inputs", "fx_gst_policy_rate_on_2026_11_12=89.1250"))
    if kind == "document":
        for name in ("amount", "invoice_currency", "invoice_and_booking_date", "payment_date", "self_invoice_date"):
            if fields.text(name):
                told["inputs"][name] = fields.text(name)
    return told


def _pairs(fields: Fields, name: str, example: str) -> dict[str, str]:
    """Raises BadTax for a line that says nothing."""
    found = fields.pairs(name, example)
    if name in fields.errors:
        raise BadTax(f"{name}: {fields.errors[name]}", field=name)
    return found


def _sections(sheet: WorkSheet, today: date) -> list[ShownSection]:
    return [
        ShownSection(
            key, name, SAYS[key], [_shown(one, today) for one in sheet.of(key)],
            [told_money(one.amount, one.currency) for one in sheet.totals if one.section == key],
        )
        for key, name in SECTIONS.items()
    ]  # fmt: skip


def _shown(one: DutyRow, today: date) -> ShownDuty:
    return ShownDuty(
        one,
        "" if one.amount is None else told_money(one.amount, one.currency),
        display.day(one.due, year=True) if one.due else "",
        document_href(one.document) if one.document else "",
        late=one.due is not None and one.due < today,
    )


def _listed(one: TaxRecord) -> dict[str, Any]:
    """Name, address and a line of what was said."""
    terms = msgspec.to_builtins(one.terms)
    inputs = terms.pop("inputs", {})
    lines = terms.pop("lines", [])
    terms.pop("billed", None)
    months = terms.pop("turnover", {})
    told = [f"{key} {value}" for key, value in terms.items() if value and key != "toml"]
    told += [f"{month}: {exempt} exempt of {whole}" for month, (exempt, whole) in months.items()]
    told += [f"{key} {value}" for key, value in inputs.items()]
    told += [f"{len(lines)} lines"] if lines else []
    return {
        "name": one.name,
        "href": document_href(one.name) if one.kind == "document" else "",
        "said": ", ".join(told),
        "version": one.version,
        "by": one.created_by,
        "kind": one.kind,
    }


def _label(key: str) -> str:
    """`igst_rcm_inr` as people read it."""
    words = [WORDS_OF_RESULT.get(word, word) for word in key.replace(".", " ").split("_")]
    return display.sentence(" ".join(words))


TAX_PAGES = [change, sheet_file]
