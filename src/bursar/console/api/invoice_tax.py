"""The JSON API of a bill as a tax document: what is missing for it, and the one step that makes it."""

import asyncio
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath, JSONBody

from bursar.console.api.parameters import PROBLEMS
from bursar.console.context import ACTOR, ConsoleContext
from bursar.finance.tax.bill_desk import Made
from bursar.finance.tax.from_bill import Question, Said

Asked = Request[Any, Any, Any]


class BillTaxAnswer(msgspec.Struct, frozen=True):
    """A bill's tax document. document: its name, "" while there is none; news: what the bill says otherwise since;
    missing: what a document still needs; fault: what the document lacks to be computed, such as a day's rate."""

    bill: str
    document: str
    version: int
    news: str
    missing: list[Question]
    fault: str = ""


def bill_tax(context: ConsoleContext, bill: str) -> BillTaxAnswer:
    """Raises UnknownControl."""
    desk = context.finance().tax_bills
    record = desk.document_of(bill)
    name, version = (record.name, record.version) if record else ("", 0)
    return BillTaxAnswer(bill, name, version, desk.news(record) if record else "", desk.questions(bill, Said()))


def make_document(context: ConsoleContext, bill: str, said: Said) -> Made:
    """Raises BadTax, UnknownControl."""
    return context.finance().tax_bills.make(bill, said, actor=ACTOR)


@get("/api/invoices/{name:str}/tax", responses=PROBLEMS, summary="A bill's tax document, or what it still needs")
async def bill_tax_of(request: Asked, name: FromPath[str]) -> BillTaxAnswer:
    """404 `unknown_control`."""
    return await asyncio.to_thread(bill_tax, request.app.state.context, name)


@post("/api/invoices/{name:str}/tax", status_code=200, responses=PROBLEMS, summary="Make a bill a tax document")
async def make_bill_tax(request: Asked, name: FromPath[str], data: JSONBody[Said]) -> BillTaxAnswer:
    """Once: again, after the bill changed, it is a version more. 400 `bad_tax` names all that is missing."""
    context = request.app.state.context
    made = await asyncio.to_thread(make_document, context, name, data)
    return BillTaxAnswer(name, made.record.name, made.record.version, "", [], made.computed.fault)


INVOICE_TAX_HANDLERS = [bill_tax_of, make_bill_tax]
