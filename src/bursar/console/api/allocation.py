"""The JSON API of allocation: rules, a month's split, statements, chargebacks."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import msgspec
from litestar import Response, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from bursar.budgets.told import usd_text as usd
from bursar.console.api.answers import csv_bytes
from bursar.console.api.close import EntryAnswer, entry_answer
from bursar.console.api.controls import Asked, as_csv
from bursar.console.api.parameters import PROBLEMS, Shape
from bursar.console.context import ACTOR, ConsoleContext
from bursar.domain.clock import datetime_from_us
from bursar.finance.allocation.allocate import Allocation, Pool, Share
from bursar.finance.allocation.book import AllocationBook, Statement
from bursar.finance.allocation.gathering import Detail
from bursar.finance.allocation.rules import RuleTerms, RuleVersion

MONTH_TEXT = {"pattern": "^(20[0-9]{2}-(0[1-9]|1[0-2]))?$"}
Month = Annotated[str | None, QueryParameter(description="2026-10; default: this month.", schema_extra=MONTH_TEXT)]
Among = Annotated[str | None, QueryParameter(name="by", description="team (default), customer or feature.")]
Of = Annotated[str | None, QueryParameter(description="The one whose statement it is.")]


class RuleAnswer(msgspec.Struct, frozen=True):
    """A rule as it was written last."""

    name: str
    version: int
    terms: RuleTerms
    created_at: datetime
    created_by: str


class PoolAnswer(msgspec.Struct, frozen=True):
    """What a rule split. amount null: unknown. left: of it that could not be split, and `why`."""

    rule: str
    version: int
    kind: str
    method: str
    amount: str | None
    left: str
    why: str
    told: str


class ShareAnswer(msgspec.Struct, frozen=True):
    """What one of them bears: direct cost and parts by rule, which add up to `total`; effective cost in USD."""

    name: str
    direct: str
    parts: dict[str, str]
    total: str
    attempts: int
    unpriced_count: int


class AllocationAnswer(msgspec.Struct, frozen=True):
    """ledger + flat = all shares' totals + nobody + left, to the last digit. state: of the month, open or closed."""

    month: str
    by: str
    state: str
    shares: list[ShareAnswer]
    pools: list[PoolAnswer]
    nobody: str
    left: str
    ledger: str
    flat: str
    unpriced_count: int
    charged_back: list[EntryAnswer]


class DetailAnswer(msgspec.Struct, frozen=True):
    value: str
    amount: str
    attempts: int


class StatementAnswer(msgspec.Struct, frozen=True):
    """One of them in a month; the lines by model, and those by feature, add up to `share.direct`."""

    month: str
    by: str
    state: str
    share: ShareAnswer
    models: list[DetailAnswer]
    features: list[DetailAnswer]


class NewRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule, or a new version of the one of that name, from `terms.start` on."""

    name: str
    terms: RuleTerms


class ChargeBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """by: team, customer or feature."""

    by: str = "team"


def book_of(request: Asked) -> AllocationBook:
    context: ConsoleContext = request.app.state.context
    return context.finance().allocation


@get("/api/allocation", responses=PROBLEMS, summary="Who bears a month's cost")
async def allocation(
    request: Asked, month: Month = None, by: Among = None, format_: Shape = None
) -> Response[AllocationAnswer]:
    """As CSV a row for each of them. 400 `bad_period`, `bad_control`."""
    context: ConsoleContext = request.app.state.context
    answer = await asyncio.to_thread(allocation_answer, context, month or this_month(context), by or "team")
    return as_csv(allocation_csv(answer)) if format_ == "csv" else Response(answer)


@get("/api/allocation/rules", responses=PROBLEMS, summary="Rules of allocation")
async def rules(request: Asked) -> list[RuleAnswer]:
    """Each as it was written last; those that ended are left out."""
    return [rule_answer(one) for one in await asyncio.to_thread(book_of(request).rules)]


@post("/api/allocation/rules", responses=PROBLEMS, summary="Make a rule of allocation, or change it from a day on")
async def set_rule(request: Asked, data: JSONBody[NewRule]) -> RuleAnswer:
    """400 `bad_control`, `bad_query` for a filter that can't be."""
    return rule_answer(await asyncio.to_thread(book_of(request).set, data.name, data.terms, actor=ACTOR))


@delete("/api/allocation/rules/{name:str}", status_code=200, responses=PROBLEMS, summary="End a rule of allocation")
async def end_rule(request: Asked, name: FromPath[str]) -> dict[str, str]:
    """From the first day of this month on. 404 `unknown_control`."""
    context: ConsoleContext = request.app.state.context
    first = context.now().date().replace(day=1)
    await asyncio.to_thread(book_of(request).end, name, first, actor=ACTOR)
    return {"ended": name}


@post("/api/allocation/{month:str}/chargeback", status_code=200, responses=PROBLEMS, summary="Charge a month back")
async def charge_back(request: Asked, month: FromPath[str], data: JSONBody[ChargeBack]) -> list[EntryAnswer]:
    """The entry that was posted: nothing where it is charged back already as it stands."""
    posted = await asyncio.to_thread(book_of(request).charge_back, month, data.by, actor=ACTOR)
    return [entry_answer(one) for one in posted]


@get("/api/statements", responses=PROBLEMS, summary="What one team, customer or feature bears in a month")
async def statement(
    request: Asked, month: Month = None, by: Among = None, of: Of = None, format_: Shape = None
) -> Response[StatementAnswer]:
    """404 `unknown_control` for one that bears nothing in that month."""
    context: ConsoleContext = request.app.state.context
    asked = month or this_month(context)
    answer = await asyncio.to_thread(
        lambda: statement_answer(book_of(request).statement(asked, by or "team", of or ""))
    )
    return as_csv(statement_csv(answer)) if format_ == "csv" else Response(answer)


def this_month(context: ConsoleContext) -> str:
    return context.now().date().isoformat()[:7]


def allocation_answer(context: ConsoleContext, month: str, by: str) -> AllocationAnswer:
    """Raises BadPeriod, BadControl."""
    desk = context.finance()
    found = desk.allocation.allocation(month, by)
    closed = any(one.month == month for one in desk.close.closings())
    return AllocationAnswer(
        month, by, "closed" if closed else "open", [share_answer(one) for one in found.shares],
        [_pool(one) for one in found.pools], usd(found.nobody_pico), usd(found.left_pico), usd(found.ledger_pico),
        usd(found.flat_pico), found.unpriced, [entry_answer(one) for one in desk.allocation.charged(month, by)],
    )  # fmt: skip


def allocation_csv(answer: AllocationAnswer) -> bytes:
    """A row for each, and last what nobody bears, so that the rows add up to the ledger and the flat costs."""
    names = list(dict.fromkeys(one.rule for one in answer.pools))  # a rule that changed in the month has two pools
    heads = ["month", answer.by, "direct", *names, "total", "currency", "attempts", "unpriced_count"]
    rows: list[Sequence[object]] = [
        [answer.month, one.name, one.direct, *(one.parts.get(name, "0") for name in names), one.total, "USD",
         one.attempts, one.unpriced_count]
        for one in answer.shares
    ]  # fmt: skip
    if answer.nobody != "0":
        rows.append([answer.month, "(nobody)", answer.nobody, *["0"] * len(names), answer.nobody, "USD", "", ""])
    if answer.left != "0":
        left: dict[str, Decimal] = {}
        for one in answer.pools:
            left[one.rule] = left.get(one.rule, Decimal(0)) + Decimal(one.left)
        rows.append([answer.month, "(not split)", "0", *(left[name] for name in names), answer.left, "USD", "", ""])
    return csv_bytes(heads, rows)


def statement_answer(one: Statement) -> StatementAnswer:
    state = "closed" if one.is_final else "open"
    return StatementAnswer(
        one.month, one.by, state, share_answer(one.share), list(map(_detail, one.models)),
        list(map(_detail, one.features)),
    )  # fmt: skip


def statement_csv(answer: StatementAnswer) -> bytes:
    """A row for each model of the direct cost, and for each rule's part: they add up to the total."""
    heads = ["month", answer.by, "line", "what", "amount", "currency", "attempts"]
    name = answer.share.name
    rows: list[Sequence[object]] = [
        [answer.month, name, "direct", one.value or "(none)", one.amount, "USD", one.attempts] for one in answer.models
    ]
    rows += [[answer.month, name, "allocated", rule, amount, "USD", ""] for rule, amount in answer.share.parts.items()]
    return csv_bytes(heads, rows)


def share_answer(one: Share) -> ShareAnswer:
    parts = {name: usd(pico) for name, pico in one.parts.items()}
    return ShareAnswer(one.recipient, usd(one.direct_pico), parts, usd(one.total_pico), one.attempts, one.unpriced)


def rule_answer(one: RuleVersion) -> RuleAnswer:
    terms = one.terms or RuleTerms("split", date.min)
    return RuleAnswer(one.name, one.version, terms, datetime_from_us(one.created_us), one.created_by)


def totals_of(found: Allocation) -> int:
    """All that somebody bears, in pico."""
    return sum(one.total_pico for one in found.shares)


def _pool(one: Pool) -> PoolAnswer:
    amount = None if one.pico is None else usd(one.pico)
    return PoolAnswer(one.name, one.version, one.kind, one.method, amount, usd(one.left_pico), one.why, one.told)


def _detail(one: Detail) -> DetailAnswer:
    return DetailAnswer(one.value, usd(one.cost_pico), one.attempts)


ALLOCATION_HANDLERS = [allocation, rules, set_rule, end_rule, charge_back, statement]
