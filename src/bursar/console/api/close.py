"""The JSON API of the books: months, the checklist, the close, files, the general journal, the chart of accounts."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

import msgspec
from litestar import Response, get, post, put
from litestar.params import FromPath, JSONBody

from bursar.console.api.answers import csv_bytes
from bursar.console.api.controls import Asked, as_csv
from bursar.console.api.parameters import PROBLEMS, Shape
from bursar.console.context import ACTOR, ConsoleContext
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadControl
from bursar.domain.money import plain
from bursar.finance.books.booked import MonthSum
from bursar.finance.books.chart import Chart
from bursar.finance.books.checklist import Check
from bursar.finance.books.close import EXPORTS, CloseBook, Proof
from bursar.finance.books.entries import Posting
from bursar.finance.books.journal import JournalEntry, NewEntry


class MonthState(msgspec.Struct, frozen=True):
    """A month in a line. state: `open` or `closed`. Costs are decimal text in USD; prior_billed: of earlier months."""

    month: str
    state: str
    list_cost: str
    contracted_cost: str
    effective_cost: str
    billed_cost: str
    prior_billed: str
    attempts: int
    unpriced_count: int
    closed_at: datetime | None
    closed_by: str


class BalanceAnswer(msgspec.Struct, frozen=True):
    """A row of the trial balance."""

    account: str
    currency: str
    debit: str
    credit: str
    balance: str


class MonthAnswer(msgspec.Struct, frozen=True):
    """A month: what to look at, its trial balance, its files. checks: of a closed one, as they stood then.

    tie: to Explore, effective cost: explored = zoned + utc_only - zone_only, zoned as pages and reports tell the month
    in `timezone`; booked = explored + sent_here - sent_elsewhere + late_here - late_elsewhere.
    """

    month: str
    state: str
    totals: dict[str, str]
    checks: list[Check]
    trial_balance: list[BalanceAnswer]
    prior_items: int
    closed_at: datetime | None
    closed_by: str
    note: str
    files: dict[str, str]
    tie: dict[str, str]
    timezone: str


class CloseMonth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """by: the person who closes it; accepted: they looked at the checklist, and `note` says why it is fine."""

    by: str
    note: str = ""
    accepted: bool = False


class PostingText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Amounts are decimal text; below zero it is a credit."""

    account: str
    amount: str
    currency: str = "USD"


class NewJournalEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """key: what it is, once and for all: posted twice it is posted once."""

    key: str
    day: date
    text: str
    postings: list[PostingText]


class EntryAnswer(msgspec.Struct, frozen=True):
    """An entry of the general journal."""

    key: str
    day: date
    text: str
    source: str
    postings: list[PostingText]
    posted_at: datetime
    posted_by: str


def book_of(request: Asked) -> CloseBook:
    context: ConsoleContext = request.app.state.context
    return context.finance().close


def timezone_of(request: Asked) -> str:
    """In which pages and reports cut months."""
    context: ConsoleContext = request.app.state.context
    return context.config.console.timezone


@get("/api/close", responses=PROBLEMS, summary="Months of the books, open and closed")
async def months(request: Asked, format_: Shape = None) -> Response[list[MonthState]]:
    """Oldest first. A month that is open has the figures of now."""
    found = await asyncio.to_thread(month_states, book_of(request))
    return as_csv(close_csv(found)) if format_ == "csv" else Response(found)


@get("/api/close/{month:str}", responses=PROBLEMS, summary="One month of the books")
async def one_month(request: Asked, month: FromPath[str]) -> MonthAnswer:
    """400 `bad_period` for what is no month."""
    return await asyncio.to_thread(month_answer, book_of(request), month, timezone_of(request))


@post("/api/close/{month:str}", status_code=200, responses=PROBLEMS, summary="Close a month")
async def close_month(request: Asked, month: FromPath[str], data: JSONBody[CloseMonth]) -> MonthAnswer:
    """It never changes from then on. 400 `bad_control` says what is in the way, 409 `changed_meanwhile`."""
    book = book_of(request)
    await asyncio.to_thread(lambda: book.close(month, by=data.by, note=data.note, accepted=data.accepted))
    return await asyncio.to_thread(month_answer, book, month, timezone_of(request))


@get("/api/close/{month:str}/proof", sync_to_thread=True, responses=PROBLEMS,
     summary="Whether a closed month's files are the same, made again")  # fmt: skip
def prove(request: Asked, month: FromPath[str]) -> list[Proof]:
    """404 `unknown_control` for a month that is open."""
    return book_of(request).prove(month)


@get("/api/close/{month:str}/files/{name:str}", sync_to_thread=True, responses=PROBLEMS, summary="A file of a month")
def month_file(request: Asked, month: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """journal.beancount, journal.csv, trial-balance.csv, usage.csv, books.json, books.xlsx. 404 `unknown_control`."""
    content = book_of(request).export(month, name)
    headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{month}-{name}"'}
    return Response(content, media_type=EXPORTS[name][0], headers=headers)


@get("/api/journal", responses=PROBLEMS, summary="Entries of the general journal")
async def entries(request: Asked) -> list[EntryAnswer]:
    """Oldest first."""
    return [entry_answer(one) for one in await asyncio.to_thread(book_of(request).journal.all)]


@post("/api/journal", responses=PROBLEMS, summary="Post an entry of the general journal")
async def post_entry(request: Asked, data: JSONBody[NewJournalEntry]) -> list[EntryAnswer]:
    """What was posted now: nothing where its key is there already. 400 `bad_control` for one that doesn't balance."""
    entry = NewEntry(data.key, data.day, data.text, [_posting(one) for one in data.postings])
    return [entry_answer(one) for one in await asyncio.to_thread(book_of(request).journal.post, [entry], actor=ACTOR)]


@get("/api/chart", responses=PROBLEMS, summary="The chart of accounts that open months use")
async def chart(request: Asked) -> Chart:
    """A rule's first match says where an expense stands."""
    return await asyncio.to_thread(book_of(request).chart)


@put("/api/chart", responses=PROBLEMS, summary="Use another chart of accounts")
async def set_chart(request: Asked, data: JSONBody[Chart]) -> Chart:
    """For open months; closed ones keep theirs. 400 `bad_control`."""
    return await asyncio.to_thread(book_of(request).set_chart, data, actor=ACTOR)


def month_states(book: CloseBook) -> list[MonthState]:
    """Months with charges, and closed ones, oldest first."""
    closings = {one.month: one for one in book.closings()}
    sums = {one.month: one for one in book.months()}
    nothing = Decimal(0)
    empty = MonthSum("", nothing, nothing, nothing, nothing, nothing, 0, 0, 0, 0)
    found = []
    for month in sorted(set(closings) | set(sums)):
        one, closing = sums.get(month, empty), closings.get(month)
        found.append(
            MonthState(
                month, "closed" if closing else "open", plain(one.list_cost), plain(one.contracted_cost),
                plain(one.effective_cost), plain(one.billed_cost), plain(one.late_cost), one.attempts,
                one.unpriced_count, datetime_from_us(closing.closed_us) if closing else None,
                closing.closed_by if closing else "",
            )
        )  # fmt: skip
    return found


def month_answer(book: CloseBook, month: str, timezone: str) -> MonthAnswer:
    """timezone: of pages and reports. Raises BadPeriod."""
    books = book.books(month)
    closed = book.closed(month) if books.closing else None
    tie = book.tie(month, timezone)
    totals = {name: getattr(books.totals, name) for name in books.totals.__struct_fields__}
    return MonthAnswer(
        month=month,
        state="closed" if closed else "open",
        totals={name: plain(value) if isinstance(value, Decimal) else str(value) for name, value in totals.items()},
        checks=closed.checks if closed else book.checks(month),
        trial_balance=[
            BalanceAnswer(one.account, one.currency, plain(one.debit), plain(one.credit), plain(one.balance))
            for one in books.balances
        ],
        prior_items=len(books.prior),
        closed_at=datetime_from_us(closed.closing.closed_us) if closed else None,
        closed_by=closed.closing.closed_by if closed else "",
        note=closed.closing.note if closed else "",
        files=closed.hashes if closed else dict.fromkeys(EXPORTS, ""),
        tie={name: plain(getattr(tie, name)) for name in tie.__struct_fields__},
        timezone=timezone,
    )


def close_csv(answers: Sequence[MonthState]) -> bytes:
    heads = MonthState.__struct_fields__
    return csv_bytes(heads, [[getattr(one, name) for name in heads] for one in answers])


def entry_answer(one: JournalEntry) -> EntryAnswer:
    postings = [PostingText(line.account, plain(line.amount), line.currency) for line in one.postings]
    return EntryAnswer(one.key, one.day, one.text, one.source, postings, datetime_from_us(one.posted_us), one.posted_by)


def _posting(one: PostingText) -> Posting:
    try:
        return Posting(one.account, Decimal(one.amount), one.currency)
    except InvalidOperation as error:
        raise BadControl(f"postings.amount: {one.amount[:40]!r} is no amount", field="postings.amount") from error


CLOSE_HANDLERS = [months, one_month, close_month, prove, month_file, entries, post_entry, chart, set_chart]
