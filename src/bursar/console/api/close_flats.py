"""The JSON API of flat costs in the books: what is proposed, and posting it."""

import asyncio
from collections.abc import Sequence

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody

from bursar.console.api.answers import csv_bytes
from bursar.console.api.close import EntryAnswer, PostingText, entry_answer
from bursar.console.api.controls import Asked, as_csv
from bursar.console.api.parameters import PROBLEMS, Shape
from bursar.console.context import ConsoleContext
from bursar.domain.money import plain, usd_from_pico
from bursar.finance.allocation.flats import FlatBook, FlatProposal

CSV_HEADS = ("rule", "by", "amount", "booked", "open", "state", "told", "twin")


class FlatAnswer(msgspec.Struct, frozen=True):
    """A flat cost of a month. Amounts are decimal text in USD; amount, open: null where no exchange rate is known.

    state: `booked`, `open` or `unknown`; parts: by recipient, "": what could not be split; postings: what would be
    posted now; twin: another rule of the same amount among other recipients, so perhaps the same cost.
    """

    rule: str
    by: str
    amount: str | None
    booked: str
    open: str | None
    state: str
    told: str
    twin: str
    parts: dict[str, str]
    postings: list[PostingText]


class PostFlats(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """by: the person who says so; rules: those to post, none: all whose amount is known."""

    by: str
    rules: list[str] = []


def book_of(request: Asked) -> FlatBook:
    context: ConsoleContext = request.app.state.context
    return context.finance().flats


@get("/api/close/{month:str}/flat", responses=PROBLEMS, summary="A month's flat costs, booked or not")
async def flats(request: Asked, month: FromPath[str], format_: Shape = None) -> Response[list[FlatAnswer]]:
    """400 `bad_period` for what is no month."""
    found = [flat_answer(one) for one in await asyncio.to_thread(book_of(request).proposals, month)]
    return as_csv(_csv(found)) if format_ == "csv" else Response(found)


@post("/api/close/{month:str}/flat", status_code=200, responses=PROBLEMS, summary="Post a month's flat costs")
async def post_flats(request: Asked, month: FromPath[str], data: JSONBody[PostFlats]) -> list[EntryAnswer]:
    """What was posted now: nothing where all is booked. Of a closed month it is booked in the open one. 400
    `bad_control` where the month isn't over or a rate is missing, 404 `unknown_control` for a rule without one."""
    book = book_of(request)
    posted = await asyncio.to_thread(lambda: book.post(month, data.rules, by=data.by))
    return [entry_answer(one) for one in posted]


def flat_answer(one: FlatProposal) -> FlatAnswer:
    return FlatAnswer(
        rule=one.rule,
        by=one.by,
        amount=_text(one.pico),
        booked=plain(usd_from_pico(one.booked_pico)),
        open=_text(one.open_pico),
        state="booked" if one.is_booked else "unknown" if one.pico is None else "open",
        told=one.told,
        twin=one.twin,
        parts={name: plain(usd_from_pico(pico)) for name, pico in one.parts.items()},
        postings=[PostingText(line.account, plain(line.amount), line.currency) for line in one.lines],
    )


def _text(pico: int | None) -> str | None:
    return None if pico is None else plain(usd_from_pico(pico))


def _csv(found: Sequence[FlatAnswer]) -> bytes:
    return csv_bytes(CSV_HEADS, [[getattr(one, name) for name in CSV_HEADS] for one in found])


CLOSE_FLAT_HANDLERS = [flats, post_flats]
