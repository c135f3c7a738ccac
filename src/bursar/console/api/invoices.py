"""The JSON API of providers' bills: take one in, list, compare, decide, and say whose a key is."""

import asyncio
import base64
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response, get, post, put
from litestar.params import FromPath, JSONBody

from bursar.console.api.invoice_answers import (
    BillAnswer,
    ComparedAnswer,
    ImportAnswer,
    bill_answer,
    bills_csv,
    compared_answer,
    compared_csv,
    import_answer,
    summary_now,
)
from bursar.console.api.parameters import PROBLEMS, Shape
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.pages.serving import as_csv
from bursar.domain.errors import BadControl, UnknownControl
from bursar.finance.reconcile.book import Imported
from bursar.finance.reconcile.desk import InvoiceDesk, Look
from bursar.finance.reconcile.readers.mapped import BillMapping
from bursar.finance.reconcile.result import Variance

Asked = Request[Any, Any, Any]
T = TypeVar("T")
FILE_BYTES_MAX = 256 * 1024 * 1024


class NewBill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file: `content` as text, or `base64` where it is none (Parquet). format: "" to guess, or a mapping's name."""

    name: str = "file"
    format: str = ""
    content: str = ""
    base64: str = ""


class TypedBill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A total from a PDF, before tax. rate: units of `currency` for one USD."""

    provider: str
    first: date
    last: date
    amount: Decimal
    tax: Decimal = Decimal(0)
    currency: str = "USD"
    rate: Decimal | None = None


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """act: accepted, which posts it, or ignored."""

    variance: str
    act: str = "accepted"
    note: str = ""


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose a bill's key or project is: ids of keys, projects or upstreams here, or ["outside"]; none: forget it."""

    provider: str
    name: str
    targets: list[str]


class NewMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping of a CSV's columns."""

    name: str
    mapping: BillMapping


class NewWithdrawal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a bill is taken out."""

    note: str = ""


class NewRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Units of the bill's currency for one USD in the books; null: the books' own rate of the bill's last day."""

    rate: Decimal | None


def take_in(context: ConsoleContext, act: Callable[[InvoiceDesk], Imported]) -> Imported:
    """Take a bill in and compare it at once. Raises BadControl, UnknownControl."""
    desk = context.finance().invoices
    done = act(desk)
    for bill in done.invoices:
        desk.look(bill, context.prices(), fresh=True)
    return done


def compare_bill(context: ConsoleContext, name: str, *, fresh: bool = False) -> Look:
    """What was accepted from a command is posted first. Raises UnknownControl."""
    desk = context.finance().invoices
    desk.post_accepted()
    return desk.look(name, context.prices(), fresh=fresh)


def told_bill(context: ConsoleContext, name: str, *, fresh: bool = False) -> ComparedAnswer:
    """The same for programs."""
    look = compare_bill(context, name, fresh=fresh)
    return compared_answer(look, summary_now(look))


def decide_on(context: ConsoleContext, name: str, decision: Decision) -> Look:
    """Keep a decision and post what was accepted. Raises BadControl, UnknownControl."""
    desk = context.finance().invoices
    desk.look(name, context.prices())
    desk.decide(name, decision.variance, decision.act, decision.note, actor=ACTOR)
    desk.post_accepted()
    return desk.look(name, context.prices())


@get("/api/invoices", responses=PROBLEMS, summary="Providers' bills, as they were compared last")
async def invoices(request: Asked, format_: Shape = None) -> Response[list[BillAnswer]]:
    """The latest month first."""
    found = await _threaded(request, listed)
    return as_csv(bills_csv(found)) if format_ == "csv" else Response(found)


def listed(context: ConsoleContext) -> list[BillAnswer]:
    return [bill_answer(one, summary) for one, summary in context.finance().invoices.summaries()]


@get("/api/invoices/{name:str}", responses=PROBLEMS, summary="One bill beside our charges: what differs and why")
async def invoice(request: Asked, name: FromPath[str], format_: Shape = None) -> Response[ComparedAnswer]:
    """404 `unknown_control`."""
    found = await _threaded(request, lambda context: told_bill(context, name))
    return as_csv(compared_csv(found)) if format_ == "csv" else Response(found)


@get("/api/invoices/{name:str}/variances/{variance_id:str}", responses=PROBLEMS, summary="One difference, whole")
async def variance(request: Asked, name: FromPath[str], variance_id: FromPath[str]) -> Variance:
    """As it is kept when it is decided about: money in pico-USD. 404 `unknown_control`."""

    def act(context: ConsoleContext) -> Variance:
        found = compare_bill(context, name).found.variances
        one = next((one for one in found if one.variance_id == variance_id), None)
        if one is None:
            raise UnknownControl(f"the bill has no variance {variance_id[:60]!r} (any more)", field="variance")
        return one

    return await _threaded(request, act)


@post("/api/invoices", responses=PROBLEMS, summary="Take in a bill's file", request_max_body_size=FILE_BYTES_MAX)
async def import_bill(request: Asked, data: JSONBody[NewBill]) -> ImportAnswer:
    """The same file, or the same lines in another, change nothing. 400 `bad_control` for what is no bill."""
    content = data.content.encode() if not data.base64 else _decoded(data.base64)
    done = await _threaded(
        request,
        lambda context: take_in(
            context, lambda desk: desk.take_file(content, data.name, data.format, actor=ACTOR)
        ),
    )  # fmt: skip
    return import_answer(done)


@post("/api/invoices/typed", responses=PROBLEMS, summary="Take in a total that a PDF says")
async def type_bill(request: Asked, data: JSONBody[TypedBill]) -> ImportAnswer:
    """400 `bad_control`."""
    done = await _threaded(request, lambda context: take_in(context, lambda desk: take_typed(desk, data)))
    return import_answer(done)


def take_typed(desk: InvoiceDesk, data: TypedBill) -> Imported:
    return desk.take_total(
        data.provider, data.first, data.last, data.amount, data.tax, data.currency, data.rate, actor=ACTOR
    )


@post("/api/invoices/{name:str}/reconcile", responses=PROBLEMS, summary="Compare a bill anew")
async def compare_anew(request: Asked, name: FromPath[str]) -> ComparedAnswer:
    """404 `unknown_control`."""
    return await _threaded(request, lambda context: told_bill(context, name, fresh=True))


@post(
    "/api/invoices/{name:str}/decide", responses=PROBLEMS, summary="Accept a difference, which posts it, or ignore it"
)
async def decide(request: Asked, name: FromPath[str], data: JSONBody[Decision]) -> ComparedAnswer:
    """400 `bad_control` for one that isn't posted or isn't final yet, 404 `unknown_control`."""
    look = await _threaded(request, lambda context: decide_on(context, name, data))
    return compared_answer(look, summary_now(look))


@post("/api/invoices/{name:str}/withdraw", responses=PROBLEMS, status_code=200, summary="Take a bill out")
async def withdraw(request: Asked, name: FromPath[str], data: JSONBody[NewWithdrawal]) -> dict[str, int]:
    """How many lines stand no more. What was posted stays. 400 `bad_control` if it is out already, 404."""

    def act(context: ConsoleContext) -> dict[str, int]:
        return {"lines": context.finance().invoices.withdraw(name, data.note, actor=ACTOR)}

    return await _threaded(request, act)


@put("/api/invoices/{name:str}/rate", responses=PROBLEMS, summary="Say at which rate a bill is compared")
async def set_rate(request: Asked, name: FromPath[str], data: JSONBody[NewRate]) -> ComparedAnswer:
    """400 `bad_control`, 404 `unknown_control`."""

    def act(context: ConsoleContext) -> ComparedAnswer:
        context.finance().invoices.book.set_rate(name, data.rate, actor=ACTOR)
        return told_bill(context, name, fresh=True)

    return await _threaded(request, act)


@put("/api/bill-keys", responses=PROBLEMS, summary="Say whose a bill's key or project is")
async def set_key(request: Asked, data: JSONBody[NewKey]) -> dict[str, list[str]]:
    """All that is known of the provider's keys. 400 `bad_control`."""

    def act(context: ConsoleContext) -> dict[str, list[str]]:
        desk = context.finance().invoices
        desk.names.set_key(data.provider, data.name, data.targets, actor=ACTOR)
        desk.forget()
        return desk.names.keys(data.provider)

    return await _threaded(request, act)


@get("/api/bill-mappings", responses=PROBLEMS, summary="Saved mappings of CSV columns")
async def mappings(request: Asked) -> dict[str, BillMapping]:
    """By name."""
    return await _threaded(request, lambda context: context.finance().invoices.names.mappings())


@put("/api/bill-mappings", responses=PROBLEMS, summary="Save a mapping of CSV columns")
async def set_mapping(request: Asked, data: JSONBody[NewMapping]) -> dict[str, BillMapping]:
    """400 `bad_control`."""

    def act(context: ConsoleContext) -> dict[str, BillMapping]:
        names = context.finance().invoices.names
        names.set_mapping(data.name, data.mapping, actor=ACTOR)
        return names.mappings()

    return await _threaded(request, act)


async def _threaded(request: Asked, act: Callable[[ConsoleContext], T]) -> T:
    return await asyncio.to_thread(act, request.app.state.context)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:  # binascii's is one; letters that aren't ASCII raise it bare
        raise BadControl(f"base64: {error}", field="base64") from error


INVOICE_HANDLERS = [
    invoices, invoice, variance, import_bill, type_bill, compare_anew, decide, withdraw, set_rate, set_key, mappings,
    set_mapping,
]  # fmt: skip
